"""Snapshots × features, a partition of leads at a time, into Parquet.

`build_training` makes the labelled rows of a question; `build_scoring` the rows of the leads that
are open as of a moment, with the feature set that a champion carries.
"""

import hashlib
import json
import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from scoring.build.featureset import FeatureSet, project_features
from scoring.build.partition import LeadScope, Rows, read_removed, read_settling, write_partition
from scoring.build.snapshots import Survivors, read_survivors
from scoring.check.tables import Tables
from scoring.clock import last_midnight
from scoring.config import ModelToml
from scoring.engine.compute import compute_of
from scoring.engine.connection import connect
from scoring.engine.landed import Landed
from scoring.project import Project
from scoring.store.publish import (
    new_folder,
    read_json,
    remove_except,
    write_json,
    written_aside,
)

if TYPE_CHECKING:
    import pandas as pd

log = logging.getLogger(__name__)
FORMAT = 5
EPOCH = date(1970, 1, 1)


@dataclass(frozen=True)
class Built:
    """A folder of Parquet parts and the manifest beside them.

    Rows are ordered by (lead_key, as_of). Columns: lead_id, as_of (naive UTC), root_key,
    group_id, then label, matured_at, label_known_at, closed_at and converted (`engine/labels.py`)
    in training rows, then the features.

    settling   training rows of `at_decision`, before `population.where`: date of as_of (UTC) → how
               many snapshots have a label, and how many of leads still to be decided have none
    machine    type of interaction → how many a machine made (`machine.py`) and how many there are,
               as of the end of what was built; a merged lead's rows count with the survivor, too
    """

    folder: Path
    features: FeatureSet
    rows: int
    tables_version: str
    reused: bool
    settling: Mapping[str, Sequence[int]]
    machine: Mapping[str, Sequence[int]]

    @property
    def parts(self) -> list[Path]:
        return sorted(self.folder.glob("part-*.parquet"))

    def frame(self) -> "pd.DataFrame":
        import pandas as pd
        import pyarrow.parquet as pq

        rows = [pq.read_table(part).to_pandas() for part in self.parts]
        return pd.concat(rows, ignore_index=True)


def build_training(
    project: Project,
    question: str,
    as_of: datetime,
    *,
    features: FeatureSet | None = None,
    scope: LeadScope | None = None,
    parent: Path | None = None,
    days_earlier: int = 0,
    asked: ModelToml | None = None,
) -> Built:
    """The labelled rows whose label was known by `as_of`. Built again only if something changed.

    features   a champion's own declarations, to refit its recipe; else those of the project's files
    scope      only these leads
    parent     a folder of the caller's own, so that the question's training table stays as it is
    days_earlier   every snapshot so many days before its moment, to see what that changes
    asked    other settings than the question's own
    """
    tables = Tables.open(project)
    model = asked or project.model(question)
    folder = "training" if features is None else "training_champion"
    data_end = min(tables.data_end, as_of)
    if features is None:
        features = project_features(project, model)
    return _build(
        project,
        tables,
        features,
        Rows(
            question=model.question,
            snapshots=model.snapshots,
            where=model.population.where,
            until=data_end,
            rhythm=_rhythm(project, tables, model, data_end),
            labels=True,
            landed=Landed(),
            scope=scope or LeadScope(),
            days_earlier=days_earlier,
        ),
        parent or project.store / "features" / question / folder,
    )


def build_scoring(
    project: Project,
    question: str,
    model: ModelToml,
    features: FeatureSet,
    as_of: datetime,
    *,
    since: datetime | None = None,
    landed_through: datetime | None = None,
    scope: LeadScope | None = None,
    parent: Path | None = None,
) -> Built:
    """The rows of the leads that are open as of `as_of`.

    since            for questions asked at a timestamp of the lead: the last score run; leads
                     whose column lies in (since, as_of] are taken (without it: the last 24 hours)
    landed_through   only what had landed by then, to rebuild a score that was issued
    scope            only these leads
    parent           a folder of the caller's own, so that the nightly build stays as it is
    """
    tables = Tables.open(project)
    through = None
    if landed_through is not None:
        through = landed_through.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S.%f")
    return _build(
        project,
        tables,
        features,
        Rows(
            question=model.question,
            snapshots=model.snapshots,
            where=model.population.where,
            until=as_of,
            since=since or as_of - timedelta(days=1),
            rhythm=(),
            labels=False,
            landed=Landed(through),
            scope=scope or LeadScope(),
        ),
        parent or project.store / "features" / question / "scoring",
    )


def _build(
    project: Project, tables: Tables, features: FeatureSet, rows: Rows, parent: Path
) -> Built:
    fingerprint = _fingerprint(tables.version, features, rows)
    final = parent / fingerprint
    manifest = read_json(final / "manifest.json")
    reused = manifest is not None
    if manifest is None:
        with new_folder(final, project.tmp) as draft:
            count = 0
            settling: dict[str, list[int]] = {}
            machine: dict[str, list[int]] = {}
            survivors = None
            if rows.labels:
                with project.connect() as connection:
                    survivors = read_survivors(connection, tables, rows)
            work = partial(_one_partition, project.tmp, tables, features, rows, draft, survivors)
            each = compute_of(project).each(work, tables.partitions)
            for partition, (made, days, gone) in enumerate(each):
                count += made
                for type_, *rows_of in gone:
                    before = machine.get(type_, [0, 0])
                    machine[type_] = [a + b for a, b in zip(before, rows_of, strict=True)]
                for day, *found in days:
                    before = settling.get(day, [0, 0])
                    settling[day] = [a + b for a, b in zip(before, found, strict=True)]
                log.info("partition %d of %d built", partition + 1, tables.partitions)
            manifest = {
                "rows": count,
                "settling": settling,
                "machine": machine,
                "features": features.to_json(),
            }
            write_json(draft / "manifest.json", manifest)
        remove_except(parent, {fingerprint})
    return Built(
        folder=final,
        features=features,
        rows=manifest["rows"],
        tables_version=tables.version,
        reused=reused,
        settling=manifest["settling"],
        machine=manifest["machine"],
    )


Made = tuple[int, list[tuple[str, int, int]], list[tuple[str, int, int]]]


def _one_partition(
    tmp: Path,
    tables: Tables,
    features: FeatureSet,
    rows: Rows,
    draft: Path,
    survivors: Survivors | None,
    partition: int,
    workers: int,
) -> Made:
    """Rows written, what `read_settling` and `read_removed` tell. Runs on other machines, too."""
    part = draft / f"part-{partition:03d}.parquet"
    with connect(tmp, workers=workers) as connection, written_aside(part, tmp) as aside:
        made = write_partition(
            connection, tables, partition, features, rows, aside, survivors=survivors
        )
        return made, read_settling(connection, rows), read_removed(connection)


def last_removed(project: Project, question: str) -> Mapping[str, Sequence[int]]:
    """`Built.machine` of the training table as it was built last; empty where there is none."""
    for path in (project.store / "features" / question / "training").glob("*/manifest.json"):
        return dict((read_json(path) or {}).get("machine", {}))
    return {}


def _fingerprint(version: str, features: FeatureSet, rows: Rows) -> str:
    text = json.dumps([FORMAT, version, features.to_json(), rows.to_json()], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:20]


def _rhythm(
    project: Project, tables: Tables, model: ModelToml, until: datetime
) -> tuple[datetime, ...]:
    """The midnights of `every_days`: each N days counted from 1970, so that they never shift."""
    every = model.snapshots.every_days
    if not every:
        return ()
    from scoring.engine.readiness import first_lead_at

    zone = project.settings.zone
    with project.connect() as connection:
        start = first_lead_at(connection, tables)
    midnights: list[datetime] = []
    at = last_midnight(until, zone)
    while start is not None and at >= start:
        day = at.astimezone(zone).date()
        if (day - EPOCH).days % every == 0:
            midnights.append(at)
        at = last_midnight(at - timedelta(seconds=1), zone)
    return tuple(reversed(midnights))
