"""What a run did, or would do: the counts that add up, the plan, and how it may end."""

import math
from collections import Counter
from dataclasses import asdict, dataclass, field

from scoring.crm.port import Cost, FieldPlan, Outcome, Room, Value
from scoring.emit.changes import COMPARED, Difference, Send
from scoring.errors import PartlyRejected, TryLater

PLAN_ROWS = 20


@dataclass(frozen=True)
class Estimate:
    """What writing all records takes: records, calls and tokens of the CRM, nights."""

    records: int
    calls: int
    tokens: int
    nights: int

    def to_json(self) -> dict[str, int]:
        return asdict(self)

    def line(self) -> str:
        tokens = f", {self.tokens:,} tokens" if self.tokens else ""
        nights = f"{self.nights:,} nights" if self.nights > 1 else "one night"
        return f"{self.records:,} records to write: {self.calls:,} calls{tokens}, {nights}"


@dataclass(frozen=True)
class Plan:
    """What a run would change, for people to read.

    create    names of the fields that the CRM lacks; steps: how they are made
    columns   column → in how many of the records to send it differs from the last delivery
    rows      the first records in the order of sending: lead_id, score, attention, and both as
              last delivered (`score_before`, `attention_before`; None: nothing was)
    """

    create: tuple[str, ...]
    steps: tuple[str, ...]
    send: int
    clear: int
    columns: dict[str, int]
    rows: tuple[dict[str, Value], ...]
    estimate: Estimate


@dataclass
class EmitResult:
    """Every score is in one of the first five; `cleared` counts leads that have no score now.

    scores        how many there are
    not_cleared   leads whose values the CRM refused to take out
    codes         why records were rejected or skipped: code → records
    waits         why the rest waits although nothing failed: `budget`, `latest`, or nothing
    """

    scores: int = 0
    sent: int = 0
    unchanged: int = 0
    rejected: int = 0
    skipped: int = 0
    retry: int = 0
    cleared: int = 0
    not_cleared: int = 0
    codes: Counter[str] = field(default_factory=Counter)
    waits: str = ""
    plan: Plan | None = None

    def to_json(self) -> dict[str, int]:
        names = ("sent", "unchanged", "rejected", "skipped", "retry", "cleared")
        return {name: getattr(self, name) for name in names}

    def skip(self, records: int, code: str) -> None:
        if records:
            self.skipped += records
            self.codes[code] += records

    def close(self) -> None:
        """What has no outcome is left for later."""
        done = self.sent + self.unchanged + self.rejected + self.skipped
        self.retry = self.scores - done

    def count(self, item: Send, outcome: Outcome) -> None:
        if outcome.status in ("rejected", "skipped"):
            self.codes[outcome.code] += 1
        if not item.change.cleared:
            setattr(self, outcome.status, getattr(self, outcome.status) + 1)
        elif outcome.status == "sent":
            self.cleared += 1
        elif outcome.status == "rejected":
            self.not_cleared += 1


class SomeRejected(PartlyRejected):
    """`emit` is done; `result` tells how many records the CRM refused."""

    def __init__(self, result: EmitResult) -> None:
        codes = ", ".join(f"{code}: {n}" for code, n in sorted(result.codes.items()))
        super().__init__(
            f"{result.rejected + result.not_cleared} records were rejected ({codes}); "
            "all others were delivered.",
            "The ledger .scoring/ledger.db names them; they are tried again by the next run.",
        )
        self.result = result


class Unfinished(TryLater):
    """The CRM went away; what was delivered is recorded and `result` counts the rest as retry."""

    def __init__(self, result: EmitResult, cause: str) -> None:
        super().__init__(
            f"{cause} {result.sent} records were sent and {result.retry} wait.",
            "What was delivered is recorded; run the same command again later.",
        )
        self.result = result


@dataclass
class UndoResult:
    """Every record of the run is in one of them; `waiting` is what has no outcome yet.

    unchanged   holds already what it held before the run
    skipped     changed since, or not there any more: left alone
    """

    restored: int = 0
    unchanged: int = 0
    skipped: int = 0
    rejected: int = 0
    waiting: int = 0
    codes: Counter[str] = field(default_factory=Counter)

    def to_json(self) -> dict[str, int]:
        return {
            "restored": self.restored,
            "unchanged": self.unchanged,
            "skipped": self.skipped,
            "rejected": self.rejected,
            "retry": self.waiting,
        }

    def count(self, what: str, code: str = "") -> None:
        setattr(self, what, getattr(self, what) + 1)
        self.waiting -= 1
        if code:
            self.codes[code] += 1

    def skip(self, code: str) -> None:
        self.count("skipped", code)


class UndoRejected(PartlyRejected):
    """`undo` is done; the CRM refused some of the earlier values."""

    def __init__(self, result: UndoResult) -> None:
        super().__init__(
            f"{result.rejected} records could not be put back; all others were.",
            "The CRM refused what stood there before; correct them by hand.",
        )
        self.result = result


class UndoUnfinished(TryLater):
    """The CRM went away; what was put back is recorded."""

    def __init__(self, result: UndoResult, cause: str) -> None:
        super().__init__(
            f"{cause} {result.restored} records were put back and {result.waiting} wait.",
            "Run the same command again later.",
        )
        self.result = result


def plan_of(found: Difference, lacking: FieldPlan, estimate: Estimate) -> Plan:
    columns = {c.removesuffix("_key"): 0 for c in COMPARED}
    send = [item for item in found.items if not item.change.cleared]
    for item in send:
        for column in COMPARED:
            if item.before.get(column) != item.compared[column]:
                columns[column.removesuffix("_key")] += 1
    rows = tuple(
        {
            "lead_id": item.change.lead_id,
            "score_before": item.before.get("score"),
            "score": item.compared["score"],
            "attention_before": item.before.get("attention"),
            "attention": item.compared["attention"],
        }
        for item in send[:PLAN_ROWS]
    )
    create = tuple(f.name for f in (*lacking.missing, *lacking.incomplete))
    clear = len(found.items) - len(send)
    return Plan(create, lacking.steps, len(send), clear, columns, rows, estimate)


def estimate_of(records: int, cost: Cost, room: Room) -> Estimate:
    nights = 1 if records else 0
    if room.tonight is not None and records > room.tonight:
        nights += math.ceil((records - room.tonight) / max(1, room.a_night or room.tonight))
    return Estimate(records, cost.calls, cost.tokens, nights)
