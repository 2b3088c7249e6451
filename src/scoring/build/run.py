"""Snapshots × features, a partition of leads at a time, into Parquet.

`build_training` makes the labelled rows of a question; `build_scoring` the rows of the leads that
are open as of a moment, with the feature set that a champion carries.
"""

import hashlib
import json
import logging
import os
import signal
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from typing import TYPE_CHECKING

from scoring.build.featureset import FeatureSet, project_features
from scoring.build.partition import LeadScope, Rows, read_settling, write_partition
from scoring.check.tables import Tables
from scoring.clock import last_midnight
from scoring.config import ModelToml
from scoring.engine.connection import connect
from scoring.engine.landed import Landed
from scoring.project import Project
from scoring.store.publish import new_folder, read_json, remove_except, write_json

if TYPE_CHECKING:
    import pandas as pd

log = logging.getLogger(__name__)
FORMAT = 4
EPOCH = date(1970, 1, 1)
# Fewer partitions are done before a second process has started.
PARALLEL_FROM = 4


@dataclass(frozen=True)
class Built:
    """A folder of Parquet parts and the manifest beside them.

    Rows are ordered by (lead_key, as_of). Columns: lead_id, as_of (naive UTC), root_key,
    group_id, then label, matured_at and label_known_at in training rows, then the features.

    settling   training rows of `at_decision`, before `population.where`: date of as_of (UTC) → how
               many snapshots have a label, and how many of leads still to be decided have none
    """

    folder: Path
    features: FeatureSet
    rows: int
    tables_version: str
    reused: bool
    settling: Mapping[str, Sequence[int]]

    def frame(self) -> "pd.DataFrame":
        import pandas as pd
        import pyarrow.parquet as pq

        parts = sorted(self.folder.glob("part-*.parquet"))
        return pd.concat([pq.read_table(part).to_pandas() for part in parts], ignore_index=True)


def build_training(
    project: Project,
    question: str,
    as_of: datetime,
    *,
    features: FeatureSet | None = None,
    scope: LeadScope | None = None,
    parent: Path | None = None,
) -> Built:
    """The labelled rows whose label was known by `as_of`. Built again only if something changed.

    features   a champion's own declarations, to refit its recipe; else those of the project's files
    scope      only these leads
    parent     a folder of the caller's own, so that the question's training table stays as it is
    """
    tables = Tables.open(project)
    model = project.model(question)
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
            work = partial(_one_partition, project.tmp, tables, features, rows, draft)
            for partition, (made, days) in enumerate(_each(work, tables.partitions)):
                count += made
                for day, *found in days:
                    before = settling.get(day, [0, 0])
                    settling[day] = [a + b for a, b in zip(before, found, strict=True)]
                log.info("partition %d of %d built", partition + 1, tables.partitions)
            manifest = {"rows": count, "settling": settling, "features": features.to_json()}
            write_json(draft / "manifest.json", manifest)
        remove_except(parent, {fingerprint})
    return Built(
        folder=final,
        features=features,
        rows=manifest["rows"],
        tables_version=tables.version,
        reused=reused,
        settling=manifest["settling"],
    )


Made = tuple[int, list[tuple[str, int, int]]]


def _one_partition(
    tmp: Path,
    tables: Tables,
    features: FeatureSet,
    rows: Rows,
    draft: Path,
    partition: int,
    workers: int,
) -> Made:
    """Rows written, and what `read_settling` tells of them. Runs in a process of its own, too."""
    part = draft / f"part-{partition:03d}.parquet"
    with connect(tmp, workers=workers) as connection:
        made = write_partition(connection, tables, partition, features, rows, part)
        return made, read_settling(connection, rows)


def _each(work: Callable[..., Made], partitions: int) -> Iterator[Made]:
    """The partitions in order: one after the other, or, where there are many, a process a core.

    Arrays are worked on by one core at a time in a process, and a partition shares nothing with
    the others.
    """
    workers = os.cpu_count() or 1
    if partitions < PARALLEL_FROM or workers < 2:
        for partition in range(partitions):
            yield work(partition=partition, workers=1)
        return
    with ProcessPoolExecutor(
        workers, mp_context=get_context("spawn"), initializer=_leave_signals
    ) as pool:
        waiting = [
            pool.submit(work, partition=partition, workers=workers)
            for partition in range(partitions)
        ]
        try:
            for future in waiting:
                yield future.result()
        finally:
            for future in waiting:
                future.cancel()


def _leave_signals() -> None:
    """Ctrl-C reaches every process of the terminal; the first one answers for all."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)


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
