"""What sellers would notice: the open leads scored by two models, before one replaces the other."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

import numpy as np

from scoring.project import Project
from scoring.score.run import rows_by
from scoring.store.publish import scratch
from scoring.train.artefact import Artefact
from scoring.train.effects import feature_changes
from scoring.train.tracking import Registered

if TYPE_CHECKING:
    import pandas as pd

LARGEST = 20
# A lead that moves by a tenth of the list or more is found elsewhere by whoever works it.
FAR = 0.1
COMPARED = ("score", "grade", "attention", "rank", "main_reason")


@dataclass(frozen=True)
class Impact:
    """Differences between two models on the leads that are open tonight.

    largest   the leads whose score changes most: lead_id, score, grade and rank before and after,
              and the reason that the new model names first
    added, removed, changed   names of features
    """

    as_of: datetime
    leads: int
    grade: int
    attention: int
    rank: int
    largest: tuple[dict[str, Any], ...]
    added: tuple[str, ...]
    removed: tuple[str, ...]
    changed: tuple[str, ...]

    def to_json(self) -> dict[str, Any]:
        return {
            "as_of": self.as_of.isoformat(),
            "leads": self.leads,
            "grade_changes": self.grade,
            "attention_changes": self.attention,
            "rank_changes": self.rank,
            "largest": list(self.largest),
            "features": {
                "added": list(self.added),
                "removed": list(self.removed),
                "changed": list(self.changed),
            },
        }

    def lines(self) -> Iterator[str]:
        yield (
            f"of {self.leads:,} open leads {self.grade:,} change their grade, {self.attention:,} "
            f"their attention, {self.rank:,} move by a tenth of the list or more"
        )
        for name, features in (
            ("new features", self.added),
            ("features left out", self.removed),
            ("features declared otherwise", self.changed),
        ):
            if features:
                yield f"{name}: {', '.join(features[:LARGEST])}" + (
                    f" and {len(features) - LARGEST} more" if len(features) > LARGEST else ""
                )
        for row in self.largest:
            yield (
                f"  {row['lead_id']}: score {row['score_before']} → {row['score']}, grade "
                f"{row['grade_before']} → {row['grade']}, rank {row['rank_before']} → "
                f"{row['rank']}; {row['main_reason'] or 'no single reason'}"
            )


def preview(
    project: Project,
    question: str,
    as_of: datetime,
    standing: tuple[Registered, Artefact],
    coming: tuple[Registered, Artefact],
) -> Impact:
    """Score the leads open as of `as_of` by both models and compare. Nothing is published."""
    before, after = (_rows(project, question, as_of, *one) for one in (standing, coming))
    both = before.merge(after, on="lead_id", suffixes=("_before", ""))
    moved = (both["rank"] - both["rank_before"]).abs() >= FAR * len(both)
    step = (both["score"] - both["score_before"]).abs().to_numpy(dtype=np.int64)
    order = np.lexsort((both["lead_id"].to_numpy(dtype=str), -step))[:LARGEST]
    largest = both.iloc[order[step[order] > 0]].drop(columns=["main_reason_before"])
    old, new = standing[1], coming[1]
    added, removed, changed = feature_changes(old.features, old.names, new.features, new.names)
    return Impact(
        as_of=as_of,
        leads=len(both),
        grade=int((both["grade"] != both["grade_before"]).sum()),
        attention=int((both["attention"] != both["attention_before"]).sum()),
        rank=int(moved.sum()),
        largest=tuple(_plain(row) for row in largest.to_dict("records")),
        added=added,
        removed=removed,
        changed=changed,
    )


def _rows(
    project: Project, question: str, as_of: datetime, registered: Registered, model: Artefact
) -> "pd.DataFrame":
    with scratch(project.tmp, "preview") as folder:
        _, rows = rows_by(project, question, model, registered.version, as_of, parent=folder)
    return rows[["lead_id", *COMPARED]]


def _plain(row: dict[Any, Any]) -> dict[str, Any]:
    """Numbers of pandas as numbers of JSON."""
    return {
        str(k): int(v) if isinstance(v, (int, np.integer)) else (v if isinstance(v, str) else None)
        for k, v in row.items()
    }
