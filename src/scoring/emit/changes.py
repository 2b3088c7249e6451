"""What of a score run has to be written: the rule of the changed record, and its order.

A record is sent when its score, grade, next step, attention or the features behind `why` differ
from what the ledger last recorded as delivered; when nothing of ours is known to be there; when it
comes onto a day's list of leads to work on; or when a column was added to the settings since. A
record that holds our values and has no score any more is cleared. Nothing else triggers a write.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING, Any

from scoring.crm.port import Change, Field, Kind, Value
from scoring.emit.fields import CATALOGUE
from scoring.errors import ConfigError, ScoringError

if TYPE_CHECKING:
    import pandas as pd

# A change of any of these sends the record. `why_key` is the fingerprint of the features behind
# `why`: other words for the same reasons are not a change.
COMPARED = ("score", "grade", "next_step", "attention", "why_key")
REQUIRED = ("lead_id", "score", "attention", "why", "why_key")
# The day on which a lead is on its owner's list; few leads are, as many as owners can work on.
WORK_ON = "work_on"
# Attention that asks nothing of anybody: its first delivery is not urgent.
QUIET = (None, "none", "not_assessed")


@dataclass(frozen=True)
class Delivered:
    """What the ledger knows of one record.

    values      COMPARED → value at the last delivery; empty where nothing was delivered
    columns     names in the CRM that were delivered
    holds       our values stand there
    in_doubt    a write was begun and its end is not known
    """

    values: Mapping[str, Value]
    columns: frozenset[str]
    holds: bool
    in_doubt: bool


@dataclass(frozen=True)
class Send:
    """One record to write.

    compared   what the next run compares against: COMPARED → value
    before     the same, as last delivered; empty where nothing of ours is there
    """

    change: Change
    compared: Mapping[str, Value]
    before: Mapping[str, Value]


@dataclass(frozen=True)
class Difference:
    """What a run has to write.

    urgent      records to send whose attention changed, or that come onto a day's list
    clear       records without a score that hold our values
    send        the other records to send
    unchanged   how many scores need no write
    """

    urgent: tuple[Send, ...]
    clear: tuple[Send, ...]
    send: tuple[Send, ...]
    unchanged: int

    @property
    def items(self) -> tuple[Send, ...]:
        """Everything, the most useful first: what a limit cuts off waits for the next night."""
        return (*self.urgent, *self.clear, *self.send)


def rows_of(
    scores: "pd.DataFrame", fields: Sequence[Field], updated_on: date
) -> list[dict[str, Value]]:
    """The score rows as plain values, with `score_updated_on`. Missing values are None.

    Raises ConfigError where a column is missing, ScoringError where a lead stands in the table
    twice or without an ID.
    """
    ours = {f.column for f in fields if not f.theirs}
    needed = {*REQUIRED, *ours} - {"score_updated_on"}
    if missing := sorted(needed - set(scores.columns)):
        raise ConfigError(
            f"The scores have no column {', '.join(missing)}.",
            "Run `scoring score` again, or take the column out of `emit.columns`.",
        )
    if scores["lead_id"].isna().any() or scores["lead_id"].duplicated().any():
        raise ScoringError("A score run must hold every lead once and with its lead_id.")
    kinds: dict[str, Kind] = dict.fromkeys(("lead_id", "why_key", *COMPARED), "text")
    kinds |= {c: kind for c, (kind, _) in CATALOGUE.items()}
    columns = [c for c in {**dict.fromkeys(needed), **dict.fromkeys(COMPARED)} if c in scores]
    plain = {
        c: [
            None if missing else _plain(value, kinds[c])
            for value, missing in zip(scores[c].tolist(), scores[c].isna().tolist(), strict=True)
        ]
        for c in columns
    }
    absent: dict[str, Value] = {c: None for c in COMPARED if c not in scores}
    return [
        {**absent, "score_updated_on": updated_on, **dict(zip(plain, values, strict=True))}
        for values in zip(*plain.values(), strict=True)
    ]


def _plain(value: Any, kind: Kind) -> Value:
    match kind:
        case "integer":
            return int(value)
        case "real" | "share":
            return float(value)
        case "flag":
            return bool(value)
        case "date":
            return date.fromisoformat(str(value)[:10])
        case _:
            return str(value)


def difference(
    rows: Sequence[Mapping[str, Value]],
    delivered: Mapping[str, Delivered],
    fields: Sequence[Field],
) -> Difference:
    """Compare a score run with what was delivered.

    Changes of attention come first (a first delivery is one if it asks something of somebody) and
    leads that come onto a day's list, then records to clear, then the largest change of score,
    which is a percentile and so a rank (a first delivery counts from 0), then by lead.
    """
    ours = [f for f in fields if not f.theirs]
    names = frozenset(f.name for f in ours)
    lists = any(f.column == WORK_ON for f in ours)
    urgent: list[tuple[tuple[float, str], Send]] = []
    other: list[tuple[tuple[float, str], Send]] = []
    for row in rows:
        before = delivered.get(str(row["lead_id"]))
        held = before.values if before and before.holds else {}
        compared = {c: row[c] for c in COMPARED}
        if lists and row[WORK_ON] is not None:
            compared[WORK_ON] = str(row[WORK_ON])
        # A lead that fell off the list is left alone: its date lies in the past by itself.
        same = compared.items() <= held.items()
        if before and same and names <= before.columns and not before.in_doubt:
            continue
        change = Change(str(row["lead_id"]), {f.name: row[f.column] for f in ours})
        attention = compared["attention"]
        told = held["attention"] != attention if held else attention not in QUIET
        moved = abs(_number(compared["score"]) - _number(held.get("score")))
        item = Send(change, compared, held)
        listed = WORK_ON in compared and compared[WORK_ON] != held.get(WORK_ON)
        (urgent if told or listed else other).append(((-moved, change.lead_id), item))
    scored = {row["lead_id"] for row in rows}
    gone = sorted(
        lead for lead, d in delivered.items() if (d.holds or d.in_doubt) and lead not in scored
    )
    return Difference(
        tuple(item for _, item in sorted(urgent, key=lambda pair: pair[0])),
        tuple(clearing(lead, fields) for lead in gone),
        tuple(item for _, item in sorted(other, key=lambda pair: pair[0])),
        len(rows) - len(urgent) - len(other),
    )


def clearing(lead_id: str, fields: Sequence[Field]) -> Send:
    """The record that takes our values out of a lead."""
    ours = {f.name: None for f in fields if not f.theirs}
    change = Change(lead_id, ours, cleared=True)
    return Send(change, {}, {})


def _number(value: Value) -> float:
    return float(value) if isinstance(value, int | float) else 0.0
