"""A project that holds nothing but the past of a few snapshots.

Each snapshot becomes a lead of its own (a pseudo-lead) with only those rows that happened and were
recorded strictly before its as_of. They are written as a source's files, in shuffled order and
over several deliveries, and go through `ingest`, `check` and `build` like any source.
"""

import json
import logging
import shutil
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from scoring.build.partition import LeadScope
from scoring.build.run import build_scoring
from scoring.check.run import check
from scoring.check.tables import Tables
from scoring.clock import Moment
from scoring.config import SnapshotsSection
from scoring.contracts import EARLIEST, schemas
from scoring.ingest.run import MAY_BE_EMPTY, ingest
from scoring.project import Project
from scoring.score.past_rows import AT, Part, history_sql, leads_sql, make_members

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa

log = logging.getLogger(__name__)

DELIVERIES = 3
COME_FIRST = ("participants", "contacts")


def rebuilt(
    project: Project,
    question: str,
    parts: Sequence[Part],
    root: Path,
    seed: int,
    planted: "Mapping[str, pd.DataFrame] | None" = None,
) -> "list[pd.DataFrame]":
    """The features of every part's snapshots, built in `root` from their past alone.

    planted   canonical table → rows that are delivered besides, for pseudo-leads of the parts

    Each frame has the index of the part's rows; a snapshot that the copy does not build is absent.
    The caller removes `root`.
    """
    deliveries = _deliveries(project, parts, seed, planted or {})
    copy = _project(project, question, parts, root, list(deliveries))
    first = min(part.rows["as_of"].min() for part in parts).to_pydatetime()
    last = max(part.rows["as_of"].max() for part in parts).to_pydatetime()
    for number in range(DELIVERIES):
        for table, batches in deliveries.items():
            if number < len(batches):
                _write(batches[number], root / "source" / f"{table}-{number}.parquet")
        # All of it lands before the first as_of: arrival decides nothing here.
        landed = _utc(first) - timedelta(days=DELIVERIES - number)
        ingest(copy, Moment(as_of=landed, now=_utc(last)))
    # What is planted may lie after every as_of: it must not be barred as the future.
    end = max([last, *(_newest(rows) for rows in (planted or {}).values())])
    check(copy, Moment(as_of=_utc(end), now=_utc(end)))
    return [_features(copy, question, part) for part in parts]


def _newest(rows: "pd.DataFrame") -> datetime:
    return datetime.fromisoformat(str(rows.select_dtypes("datetime").max().max()))


def _utc(at: datetime) -> datetime:
    return at.replace(tzinfo=EARLIEST.tzinfo)


def _features(copy: Project, question: str, part: Part) -> "pd.DataFrame":
    names = part.pseudo_ids()
    snapshots = SnapshotsSection(
        at=(AT,), close_after_days=part.settings.snapshots.close_after_days
    )
    built = build_scoring(
        copy,
        question,
        part.settings.model_copy(update={"snapshots": snapshots}),
        part.features,
        _utc(part.rows["as_of"].max().to_pydatetime()),
        since=EARLIEST,
        scope=LeadScope(tuple(names)),
    )
    frame = built.frame().set_index("lead_id")
    places = dict(zip(names, part.rows.index, strict=True))
    frame.index = frame.index.map(places)
    return frame


def _project(
    project: Project, question: str, parts: Sequence[Part], root: Path, tables: Sequence[str]
) -> Project:
    """The settings of a project in `root` with one source of Parquet files."""
    (root / "source").mkdir(parents=True)
    (root / "data").mkdir()
    (root / "models" / question).mkdir(parents=True)
    shutil.copyfile(project.root / "scoring.toml", root / "scoring.toml")
    days = max(part.settings.snapshots.close_after_days for part in parts)
    (root / "models" / question / "model.toml").write_text(
        f"[snapshots]\nat = [{json.dumps(AT)}]\nclose_after_days = {days}\n", encoding="utf-8"
    )
    lines = ['[sources.past]\npath = "source"\nmode = "append"\n[sources.past.tables]']
    lines += [f'{table} = "{table}-*.parquet"' for table in tables]
    (root / "data" / "sources.toml").write_text("\n".join(lines) + "\n", encoding="utf-8")
    return Project(root)


# --- the source's files -------------------------------------------------------------------------


def _deliveries(
    project: Project, parts: Sequence[Part], seed: int, planted: "Mapping[str, pd.DataFrame]"
) -> "dict[str, list[pa.Table]]":
    """Table → its rows, shuffled and cut into deliveries. A table without rows is left out, but for
    interactions: its columns say which properties there are."""
    rng = np.random.default_rng(seed)
    tables = Tables.open(project)
    found: dict[str, list[pa.Table]] = {}
    with project.connect() as connection:
        make_members(connection, tables, parts)
        queries = {"leads": leads_sql(tables, parts)}
        for table in schemas(EARLIEST):
            if table != "leads":
                queries[table] = history_sql(tables, table, parts)
        for table, query in queries.items():
            rows = connection.sql(query).to_arrow_table()
            if table in planted:
                rows = _with(rows, planted[table])
            if len(rows) or table == MAY_BE_EMPTY:
                shuffled = rows.take(rng.permutation(len(rows)))
                # Who took part counts as it stood when the interaction landed: it comes along.
                found[table] = [shuffled] if table in COME_FIRST else _cut(shuffled, rng)
    return found


def _with(rows: "pa.Table", more: "pd.DataFrame") -> "pa.Table":
    """Rows of both, typed as the first where it has the column."""
    import pyarrow as pa

    added = pa.Table.from_pandas(more, preserve_index=False)
    typed = pa.schema(
        [rows.schema.field(f.name) if f.name in rows.schema.names else f for f in added.schema]
    )
    return pa.concat_tables([rows, added.cast(typed)], promote_options="default")


def _cut(rows: "pa.Table", rng: np.random.Generator) -> "list[pa.Table]":
    places = rng.integers(1, max(len(rows), 2), DELIVERIES - 1)
    edges = [0, *np.unique(places[places < len(rows)]), len(rows)]
    return [rows.slice(a, b - a) for a, b in pairwise(edges)]


def _write(rows: "pa.Table", path: Path) -> None:
    import pyarrow.parquet as pq

    pq.write_table(rows, path)
