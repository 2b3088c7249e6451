"""What of a score run has to be written: the rule of the changed record, and its order.

A record is sent when its score, grade, next step, attention or the features behind `why` differ
from what the ledger last recorded as delivered; when nothing of ours is known to be there; or when
a column was added to the settings since. A record that holds our values and has no score any more
is cleared. Nothing else triggers a write.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING, Any

from scoring.config import IDENTIFIER, EmitSection
from scoring.crm.port import Change, Field, Kind, Value
from scoring.errors import ConfigError, ScoringError, nearest

if TYPE_CHECKING:
    import pandas as pd

# Every column of a score row that may stand in a CRM, with the length of its longest text.
CATALOGUE: dict[str, tuple[Kind, int]] = {
    "score": ("integer", 0),
    "next_step": ("choice", 22),
    "attention": ("choice", 22),
    "why": ("text", 255),
    "score_updated_on": ("date", 0),
    "probability": ("real", 0),
    "probability_low": ("real", 0),
    "probability_high": ("real", 0),
    "grade": ("choice", 1),
    "temperature": ("choice", 10),
    "trend": ("choice", 10),
    "work_on": ("date", 0),
    "recycle_on": ("date", 0),
    "main_reason": ("text", 90),
    "tire_kicker": ("flag", 0),
}
# A change of any of these sends the record. `why_key` is the fingerprint of the features behind
# `why`: other words for the same reasons are not a change.
COMPARED = ("score", "grade", "next_step", "attention", "why_key")
REQUIRED = ("lead_id", "score", "attention", "why", "why_key")


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
    """Records to send, in order; leads to clear; how many scores need no write."""

    send: tuple[Send, ...]
    clear: tuple[str, ...]
    unchanged: int


def fields_of(settings: EmitSection) -> tuple[Field, ...]:
    """The columns that the settings ask for. Raises ConfigError where one is not ours to write."""
    fields = []
    for column in dict.fromkeys(settings.columns):
        if column not in CATALOGUE:
            raise ConfigError(
                f'`emit.columns` names "{column}", which is no column that scores have for a CRM.'
                f"{nearest(column, CATALOGUE)}",
                f"Known columns: {', '.join(CATALOGUE)}.",
            )
        name = settings.prefix + column
        if not IDENTIFIER.fullmatch(name) or name == settings.key:
            raise ConfigError(
                "`emit.prefix` and a column must together be a plain name: letters, digits and _, "
                "not starting with a digit, at most 63, and not the key."
            )
        kind, length = CATALOGUE[column]
        fields.append(Field(column, name, kind, length))
    if not fields:
        raise ConfigError("`emit.columns` in scoring.toml is empty.", "Name at least `score`.")
    return tuple(fields)


def rows_of(
    scores: "pd.DataFrame", fields: Sequence[Field], updated_on: date
) -> list[dict[str, Value]]:
    """The score rows as plain values, with `score_updated_on`. Missing values are None.

    Raises ConfigError where a column is missing, ScoringError where a lead stands in the table
    twice or without an ID.
    """
    needed = {*REQUIRED, *(f.column for f in fields)} - {"score_updated_on"}
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
        case "real":
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

    Changes of attention come first, then the largest change of score (a first delivery counts
    from 0), then by lead; so the most useful part is done if the run is cut short.
    """
    names = frozenset(f.name for f in fields)
    chosen = []
    for row in rows:
        before = delivered.get(str(row["lead_id"]))
        held = before.values if before and before.holds else {}
        compared = {c: row[c] for c in COMPARED}
        if before and held == compared and names <= before.columns and not before.in_doubt:
            continue
        change = Change(str(row["lead_id"]), {f.name: row[f.column] for f in fields})
        same_attention = held.get("attention") == compared["attention"]
        moved = abs(_number(compared["score"]) - _number(held.get("score")))
        chosen.append(((same_attention, -moved, change.lead_id), Send(change, compared, held)))
    scored = {row["lead_id"] for row in rows}
    clear = sorted(
        lead for lead, d in delivered.items() if (d.holds or d.in_doubt) and lead not in scored
    )
    send = tuple(item for _, item in sorted(chosen, key=lambda pair: pair[0]))
    return Difference(send, tuple(clear), len(rows) - len(send))


def clearing(lead_id: str, fields: Sequence[Field]) -> Send:
    """The record that takes our values out of a lead."""
    change = Change(lead_id, {f.name: None for f in fields}, cleared=True)
    return Send(change, {}, {})


def _number(value: Value) -> float:
    return float(value) if isinstance(value, int | float) else 0.0
