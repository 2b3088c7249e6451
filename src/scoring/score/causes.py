"""Which row of the future a feature saw: each is planted by itself into a copy of the snapshot."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from scoring.check.tables import Tables
from scoring.contracts import EARLIEST, schemas
from scoring.engine.connection import identifier
from scoring.project import Project
from scoring.score.past_only import rebuilt
from scoring.score.past_rows import Part, make_members, not_past
from scoring.score.probes import TIMES

if TYPE_CHECKING:
    import pandas as pd

CANDIDATES = 200  # rows that are tried, those nearest to as_of first


@dataclass(frozen=True)
class Cause:
    """A row that a snapshot must not see: where it stands and when; no text of it.

    strange   it belongs to a lead that was merged in at or after as_of
    """

    table: str
    kind: str
    at: str
    recorded_at: str | None
    strange: bool

    def __str__(self) -> str:
        recorded = f", recorded {self.recorded_at}" if self.recorded_at else ""
        whose = " of a lead that was merged in later" if self.strange else ""
        return f"{self.table} row {self.kind!r} of {self.at}{recorded}{whose}"


def cause_of(
    project: Project, question: str, part: Part, place: int, feature: str, root: Path, seed: int
) -> Cause | None:
    """The row nearest to as_of without which the feature is what the past alone gives.

    None where no single row does it: then it is not the history that the feature took from the
    future, but the lead's own row or a whole of rows.
    """
    one = part.rows.iloc[[place]].reset_index(drop=True)
    candidates = _candidates(project, Part(part.name, one, *_rest(part)))
    if not candidates:
        return None
    rows = one.iloc[[0] * (len(candidates) + 1)].reset_index(drop=True)
    copies = Part(part.name, rows, *_rest(part))
    (frame,) = rebuilt(
        project, question, [copies], root, seed, _planted(copies.pseudo_ids()[1:], candidates)
    )
    if 0 not in frame.index:
        return None
    base = frame[feature].loc[0]
    for number, (table, row) in enumerate(candidates, 1):
        if number in frame.index and not _equal(frame[feature].loc[number], base):
            kind = next(row[name] for name in ("type", "stage", "field", "role") if name in row)
            at, recorded = str(row[TIMES[table]]), _text(row.get("recorded_at"))
            return Cause(table, str(kind), at, recorded, row["strange"])
    return None


def _rest(part: Part) -> tuple[Any, ...]:
    return part.features, part.settings, part.through


def _candidates(project: Project, part: Part) -> list[tuple[str, dict[str, Any]]]:
    """(table, row) of what the snapshot's leads have at or after as_of, the nearest first."""
    tables = Tables.open(project)
    found: list[tuple[Any, str, dict[str, Any]]] = []
    with project.connect() as connection:
        make_members(connection, tables, [part])
        for table, time in TIMES.items():
            columns = [*schemas(EARLIEST)[table].columns]
            if table == "interactions":
                columns += tables.manifest["properties"]
            listed = ", ".join(f"e.{identifier(c)}" for c in columns)
            near = f"abs(epoch_us(coalesce(e.{time}, e.first_landed)) - epoch_us(m.as_of))"
            rows = connection.sql(
                f"SELECT {listed}, {near} AS near, false AS strange FROM {tables.scan(table)} e "
                f"JOIN members m ON m.lead_key = e.lead_key WHERE {not_past(f'e.{time}')} "
                "UNION ALL BY NAME "
                f"SELECT {listed}, {near} AS near, true AS strange FROM {tables.scan(table)} e "
                f"JOIN ({_merged_later(tables)}) m ON m.lead_key = e.lead_key "
                "WHERE NOT e.inherited AND e.gone_landed IS NULL "
                f"ORDER BY near LIMIT {CANDIDATES}"
            ).to_arrow_table()
            found += [(row.pop("near"), table, row) for row in rows.to_pylist()]
    found.sort(key=lambda entry: (entry[0], entry[1]))
    return [(table, row) for _, table, row in found[:CANDIDATES]]


def _merged_later(tables: Tables) -> str:
    """Leads that end in the same survivor, but were not a part of the snapshot."""
    leads = tables.scan("leads")
    return (
        f"SELECT l.lead_key, m.as_of FROM members m JOIN {leads} o ON o.lead_key = m.lead_key "
        f"JOIN {leads} l ON l.root_lead_key = o.root_lead_key "
        "WHERE m.merged_into IS NULL AND l.lead_key NOT IN (SELECT lead_key FROM members)"
    )


def _planted(
    leads: Sequence[str], candidates: Sequence[tuple[str, dict[str, Any]]]
) -> "dict[str, pd.DataFrame]":
    import pandas as pd

    made: dict[str, list[dict[str, Any]]] = {}
    for lead, (table, row) in zip(leads, candidates, strict=True):
        own = {name: value for name, value in row.items() if name != "strange"}
        own["lead_id"] = lead
        if table == "interactions":
            own["interaction_id"] = f"{lead}/planted"
        made.setdefault(table, []).append(own)
    return {table: pd.DataFrame(rows) for table, rows in made.items()}


def _equal(a: Any, b: Any) -> bool:
    import pandas as pd

    return bool(a == b or (pd.isna(a) and pd.isna(b)))


def _text(value: Any) -> str | None:
    return str(value) if value is not None else None
