"""Which rows a build makes."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from scoring.config import QuestionSection, SnapshotsSection
from scoring.engine.connection import literal
from scoring.engine.landed import Landed


@dataclass(frozen=True)
class LeadScope:
    """Which leads to build: all of them, or a few (for `explain` and `audit`)."""

    lead_ids: tuple[str, ...] | None = None

    def condition(self) -> str:
        if self.lead_ids is None:
            return "true"
        listed = ", ".join(literal(lead) for lead in self.lead_ids) or "NULL"
        return f"lead_id IN ({listed})"


@dataclass(frozen=True)
class Rows:
    """Which rows a build makes.

    until    training: the data's end, labels known by then. Scoring: as_of
    since    scoring at timestamps of the lead: after this moment
    rhythm   the midnights of `every_days`
    labels   training rows: candidates of the question, with labels. Otherwise one row per lead
             that is open as of `until`
    days_earlier   training: look at every lead so many days before its snapshots
    """

    question: QuestionSection
    snapshots: SnapshotsSection
    where: str
    until: datetime
    rhythm: tuple[datetime, ...]
    labels: bool
    landed: Landed
    scope: LeadScope
    since: datetime | None = None
    days_earlier: int = 0

    def to_json(self) -> dict[str, Any]:
        return {
            "question": self.question.model_dump(mode="json"),
            "snapshots": self.snapshots.model_dump(mode="json"),
            "where": self.where,
            "until": self.until.isoformat(),
            "since": self.since.isoformat() if self.since and self.snapshots.at else None,
            "labels": self.labels,
            "landed": self.landed.through,
            "scope": self.scope.lead_ids,
            "days_earlier": self.days_earlier,
        }
