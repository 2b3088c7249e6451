"""Whether the CRM holds what was written: a sample of each batch is read again."""

import math
from collections.abc import Mapping, Sequence
from contextlib import suppress

from scoring.crm.port import BudgetSpent, Outcome, Sink, Value
from scoring.emit.changes import Send

READ_BACK_SAMPLE = 20  # records of a batch that are read again after it was written
DIFFERS = "read_back_differs"


def verify(sink: Sink, batch: Sequence[Send], outcomes: dict[str, Outcome]) -> None:
    """Read a sample of the sent records again; where one differs, all of the batch.

    A record that does not hold what was written (a trigger, a rounding column) is rejected. Where
    the day's limit ends with the writing, nothing is read again.
    """
    if any(o.status == "retry" for o in outcomes.values()):
        return
    sent = [item for item in batch if outcomes[item.change.lead_id].status == "sent"]
    sample = sent[:: max(1, math.ceil(len(sent) / READ_BACK_SAMPLE))]
    with suppress(BudgetSpent):
        if sample and _differing(sink, sample):
            for lead in _differing(sink, sent):
                outcomes[lead] = Outcome(lead, "rejected", DIFFERS)


def _differing(sink: Sink, items: Sequence[Send]) -> list[str]:
    found = sink.read_back([item.change.lead_id for item in items])
    return [
        item.change.lead_id
        for item in items
        if not holds(item.change.values, found.get(item.change.lead_id, {}))
    ]


def holds(written: Mapping[str, Value], found: Mapping[str, Value]) -> bool:
    """Whether a record that was read holds every value that was written."""
    return all(_same(value, found.get(name)) for name, value in written.items())


def _same(written: Value, read: Value) -> bool:
    if written is None or written == "":
        # A CRM may store an empty text as nothing, and a checkbox is never empty.
        return read is None or read == "" or read is False
    if isinstance(written, float) and isinstance(read, int | float):
        return math.isclose(written, read, abs_tol=1e-3)  # a NUMERIC column may round
    if isinstance(written, str) and isinstance(read, str):
        return written == read.rstrip(" ") or written == read  # a CHAR column pads
    return written == read
