"""What a run did, or would do: the counts that add up, the plan, and how it may end."""

from collections import Counter
from dataclasses import dataclass, field

from scoring.crm.port import FieldPlan, Outcome, Value
from scoring.emit.changes import COMPARED, Difference, Send
from scoring.errors import PartlyRejected, TryLater

PLAN_ROWS = 20


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


@dataclass
class EmitResult:
    """Every score is in one of the first five; `cleared` counts leads that have no score now.

    not_cleared   leads whose values the CRM refused to take out
    codes         why records were rejected or skipped: code → records
    """

    sent: int = 0
    unchanged: int = 0
    rejected: int = 0
    skipped: int = 0
    retry: int = 0
    cleared: int = 0
    not_cleared: int = 0
    codes: Counter[str] = field(default_factory=Counter)
    plan: Plan | None = None

    def to_json(self) -> dict[str, int]:
        names = ("sent", "unchanged", "rejected", "skipped", "retry", "cleared")
        return {name: getattr(self, name) for name in names}

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


def plan_of(found: Difference, missing: FieldPlan) -> Plan:
    columns = {c.removesuffix("_key"): 0 for c in COMPARED}
    for item in found.send:
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
        for item in found.send[:PLAN_ROWS]
    )
    create = tuple(f.name for f in missing.missing)
    return Plan(create, missing.steps, len(found.send), len(found.clear), columns, rows)
