"""The interactions under construction: columns of codes, gathered stream by stream."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from scoring.simulate.calendar import Ints

TYPES = (
    "email_sent", "email_received", "email_opened", "email_clicked", "call", "meeting_booked",
    "meeting_held", "meeting_rescheduled", "meeting_cancelled", "page_view", "form_submitted",
    "content_downloaded", "webinar_attended", "chat_message", "proposal_sent", "proposal_opened",
    "price_question", "discount_request", "trial_started", "trial_used", "note",
)  # fmt: skip
DIRECTIONS = ("inbound", "outbound")
MOVED_BY = ("us", "customer")
NONE = -1  # a null in every column of codes and numbers

# Who records: machines at once, sellers when they find the time.
BY_SELLER = np.isin(
    TYPES, ["call", "meeting_held", "meeting_rescheduled", "meeting_cancelled", "note"]
)

_DTYPES: dict[str, type[np.signedinteger]] = {
    "lead": np.int32,
    "at": np.int64,
    "type": np.int8,
    "direction": np.int8,
    "contact": np.int8,
    "text": np.int8,
    "duration_s": np.int32,
    "pages": np.int16,
    "moved_by": np.int8,
    "invited": np.int16,
    "material": np.int16,
    "next_step": np.int32,
}

Column = npt.NDArray[np.signedinteger]


@dataclass
class Log:
    """Interactions as codes; `contact` 0 is the first contact, 1 the decision maker, null nobody;
    `next_step` is in days since 1970 and `at` in UTC microseconds."""

    parts: dict[str, list[Column]] = field(default_factory=lambda: {name: [] for name in _DTYPES})

    def add(self, type_: str, lead: Column, at: Ints, **columns: Column | int) -> None:
        """Adds interactions of one type; a column that is not given is null."""
        given = {"type": TYPES.index(type_), "lead": lead, "at": at, **columns}
        for name, dtype in _DTYPES.items():
            value = np.broadcast_to(np.asarray(given.get(name, NONE)), at.shape)
            self.parts[name].append(value.astype(dtype))

    def columns(self) -> dict[str, Column]:
        """Everything that was added, in the order of adding."""
        return {name: np.concatenate(parts) for name, parts in self.parts.items()}
