"""The catalogue of a question's features, as people read it."""

from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

from scoring.build.columns import Column
from scoring.build.run import build_training
from scoring.project import Project

# Columns that share one grouping of the events cost little each; these need a grouping of their
# own (`reduce.py`).
OWN_PASS = ("active_days", "distinct")


@dataclass(frozen=True)
class Entry:
    """One feature.

    window     days before as_of, or None for the whole history
    coverage   share of the labelled snapshots where it is neither missing nor 0
    cost       `lookup` (the lead's own row), `shared pass` or `own pass` over the events
    """

    name: str
    theme: str
    operation: str
    sentence: str
    window: int | None
    kind: str
    coverage: float | None
    cost: str

    def to_json(self) -> dict[str, Any]:
        return asdict(self)


def catalogue(project: Project, question: str, as_of: datetime) -> list[Entry]:
    """Every feature that this project can compute for `question`, by theme and name."""
    built = build_training(project, question, as_of)
    rows = built.frame()
    entries = []
    for column in built.features.columns:
        coverage = None
        if len(rows):
            values = rows[column.name]
            has = values.notna() if column.kind == "category" else values.fillna(0) != 0
            coverage = float(has.mean())
        entries.append(
            Entry(
                name=column.name,
                theme=column.theme,
                operation=column.op,
                sentence=column.plural or column.singular,
                window=column.days,
                kind=column.kind,
                coverage=coverage,
                cost=_cost(column),
            )
        )
    return sorted(entries, key=lambda e: (e.theme, e.name))


def _cost(column: Column) -> str:
    if column.stream in ("lead", "columns"):
        return "lookup"
    return "own pass" if column.op in OWN_PASS else "shared pass"
