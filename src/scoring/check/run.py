"""`check`: the landing becomes the canonical tables, published in one step, or nothing changes.

    stage → cast and judge → leads → every history table → lead changes → quarantine gate → publish

For every table rows_in = accepted + unchanged + superseded + quarantined, where rows_in is what the
staging SQL gives over everything that ever landed. Accepted rows came since the last publication,
unchanged ones stood in it; superseded are older versions and rows that vanished from a full source.
"""

import hashlib
import json
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from scoring.check import events, history, leads, quarantine, rows, staging, tables
from scoring.check.rows import Rows
from scoring.check.summary import Summary
from scoring.clock import Moment
from scoring.contracts import schemas
from scoring.engine.connection import (
    Connection,
    ValueFault,
    identifier,
    move_view,
)
from scoring.errors import ConfigError, Held
from scoring.ingest.landing import landed_views, landing_fingerprint
from scoring.project import Project
from scoring.store import publish

FORMAT = 1
HISTORY = (
    "interactions",
    "participants",
    "stage_changes",
    "lead_changes",
    "contacts",
    "outcomes",
    "feedback",
)


@dataclass(frozen=True)
class CheckResult:
    """What a run of `check` did. `published` is false where the tables already said it all."""

    version: str
    counts: dict[str, dict[str, int]]
    quarantine: dict[str, dict[str, int]]
    notes: dict[str, int]
    published: bool

    def to_json(self) -> dict[str, dict[str, int]]:
        return {name: dict(counts) for name, counts in self.counts.items()}


def check(project: Project, moment: Moment) -> CheckResult:
    """Bring the canonical tables up to what has landed.

    Raises ConfigError where a table or a column cannot be found, Held where the data gate closes;
    the published tables then stay as they were.
    """
    before = publish.read_manifest(project.tables / "manifest.json")
    base = version = _base(project)
    if before and before["base"] == base:
        if not quarantine.has_future(before["quarantine"]):
            return _unchanged(before)
        version = _digest([base, moment.latest_plausible.isoformat()])
        if version == before["version"]:
            return _unchanged(before)
    with (
        publish.new_folder(project.tables / version, project.tmp) as draft,
        project.connect() as connection,
    ):
        manifest = _Run(project, moment, connection, draft, version, base, before).make()
    publish.write_manifest(project.tables / "manifest.json", manifest)
    keep = {version} | ({before["version"]} if before else set())
    publish.remove_except(project.tables, keep)
    return CheckResult(
        version, manifest["counts"], manifest["quarantine"], manifest["notes"], published=True
    )


def _unchanged(before: Mapping[str, Any]) -> CheckResult:
    counts = {
        name: {**c, "accepted": 0, "unchanged": c["accepted"] + c["unchanged"]}
        for name, c in before["counts"].items()
    }
    return CheckResult(
        before["version"], counts, before["quarantine"], before["notes"], published=False
    )


def _digest(said: Any) -> str:
    return hashlib.sha256(json.dumps(said, sort_keys=True).encode()).hexdigest()[:16]


def _base(project: Project) -> str:
    """A name for everything that the tables depend on, but for the present time."""
    staged = {
        f"{source}/{table}": path.read_text(encoding="utf-8")
        for source in project.sources
        for table, path in staging.staging_files(project, source).items()
    }
    settings = {name: s.model_dump(mode="json") for name, s in project.sources.items()}
    said = [
        FORMAT,
        landing_fingerprint(project),
        staged,
        settings,
        project.settings.project.time_zone,
        project.settings.stages.model_dump(mode="json"),
        _snapshot_columns(project),
    ]
    return _digest(said)


def _snapshot_columns(project: Project) -> list[str]:
    return sorted({c for q in project.questions() for c in project.model(q).snapshots.at})


@dataclass
class _Run:
    project: Project
    moment: Moment
    connection: Connection
    draft: Path
    version: str
    base: str
    before: dict[str, Any] | None

    def make(self) -> dict[str, Any]:
        """Write the tables into the draft and return the manifest."""
        staged = self._stage()
        whole = self._read(staged)
        seen_until = self.before["seen_until"] if self.before else None
        partitions = tables.partitions_for(
            rows.count(self.connection, staged.get("interactions", [])),
            self.before["partitions"] if self.before else None,
        )
        counts: dict[str, dict[str, int]] = {}
        why: dict[str, dict[str, int]] = {}
        with _sentences(staged.get("leads", [])):
            found = leads.settle(
                self.connection, whole["leads"], partitions, seen_until, self._bad("leads")
            )
        counts["leads"] = found.counts
        why["leads"] = self._gate("leads", found.counts)
        splits = {}
        for name in HISTORY:
            with _sentences(staged.get(name, [])):
                splits[name] = events.split(
                    self.connection, whole[name], self.work / name, seen_until, self._bad(name)
                )
            counts[name] = splits[name].counts
            why[name] = self._gate(name, counts[name])
        if not counts["outcomes"]["rows_in"]:
            raise Held("outcomes has no rows.", "Look at the source's file and its staging SQL.")
        changes = history.lead_changes(
            "(SELECT * FROM lead_versions WHERE standing IN ('current', 'superseded'))",
            list(whole["leads"].kinds),
        )
        events.add(self.connection, splits["lead_changes"], changes, self.work / "lead_changes")
        published, kinds = self._write(whole["leads"], splits, partitions)
        shutil.rmtree(self.work)
        told = Summary(self.project, self.connection, self.draft, whole, published)
        return {
            "version": self.version,
            "base": self.base,
            "as_of": tables.iso(self.moment.as_of),
            "data_end": tables.iso(told.data_end()),
            "seen_until": told.seen_until(),
            "partitions": partitions,
            "ranges": [list(r) for r in found.ranges],
            "tables": published,
            "kinds": kinds,
            "properties": whole["interactions"].extras,
            "attributes": whole["leads"].extras,
            "counts": counts,
            "quarantine": why,
            "notes": told.notes(splits["interactions"].early, len(found.paths.unknown)),
        }

    # --- reading ----------------------------------------------------------------------------

    def _stage(self) -> dict[str, list[staging.Staged]]:
        found: dict[str, list[staging.Staged]] = {}
        for name, source in self.project.sources.items():
            _adopt_views(self.connection, self.project, name)
            for part in staging.stage(self.connection, self.project, name, source):
                found.setdefault(part.table, []).append(part)
        for name in ("leads", "outcomes"):
            if name not in found:
                raise ConfigError(
                    f"No source has a table `{name}`.",
                    f"Name it in data/sources.toml, or write data/staging/<source>/{name}.sql.",
                )
        return found

    def _read(self, staged: Mapping[str, list[staging.Staged]]) -> dict[str, Rows]:
        whole = {}
        for name, schema in schemas(self.moment.latest_plausible).items():
            extras = {"leads": "attributes", "interactions": "properties"}.get(name, "")
            before = self.before or {}
            with _sentences(staged.get(name, [])):
                whole[name] = rows.read(
                    self.connection,
                    schema,
                    staged.get(name, []),
                    list(self.project.sources),
                    published=self.before is not None,
                    before=before.get(extras, {}),
                    planned=_snapshot_columns(self.project) if name == "leads" else (),
                    stages=self.project.settings.stages.order,
                )
        return whole

    # --- writing ----------------------------------------------------------------------------

    @property
    def work(self) -> Path:
        return self.draft / "work"

    def _bad(self, name: str) -> Path:
        return self.draft / "quarantine" / f"{name}.parquet"

    def _gate(self, name: str, counts: Mapping[str, int]) -> dict[str, int]:
        why = quarantine.reasons(self.connection, self._bad(name))
        quarantine.hold_if_too_many(self.project, name, counts, why, self._bad(name))
        return why

    def _write(
        self, lead_rows: Rows, splits: Mapping[str, events.Split], partitions: int
    ) -> tuple[dict[str, Any], list[dict[str, Any]]]:
        zone = self.project.settings.project.time_zone
        leads.finish(self.connection, lead_rows)
        queries = (leads.part_query(part) for part in range(partitions))
        published = {
            "leads": tables.write_parts(self.connection, queries, self.draft, self.version, "leads")
        }
        kinds = events.event_kinds(self.connection, splits["interactions"])
        if len(kinds) > 65_536:
            raise ConfigError(
                f"interactions has {len(kinds):,} different types; 65,536 can be told apart.",
                "Map `type` to a kind of event in staging, and keep its details as a property.",
            )
        for name, done in splits.items():
            if name not in tables.UNPARTITIONED:
                events.inherit(self.connection, done, self.work / name)
            published[name] = events.write(
                self.connection, done, self.draft, self.version, partitions, zone, kinds
            )
            shutil.rmtree(self.work / name, ignore_errors=True)
        return published, kinds


def _adopt_views(connection: Connection, project: Project, source: str) -> None:
    """Give each source's raw tables a schema of their own: two sources may both have `leads`."""
    schema = identifier(staging.schema_of(source))
    connection.execute(f"CREATE SCHEMA {schema}")
    for name in landed_views(connection, project, source):
        move_view(connection, name, schema)


@contextmanager
def _sentences(staged: Sequence[staging.Staged]) -> Iterator[None]:
    """A fault of a value inside staging SQL is said without the value."""
    try:
        yield
    except ValueFault as error:
        files = [part.where for part in staged if part.where.endswith(".sql")]
        if not files:
            raise
        kind = str(error).split(":")[0]
        raise ConfigError(
            f"{' or '.join(files)} failed on a value of the source ({kind}).",
            "Use try_cast instead of cast, or leave the text as it is: `check` reads it.",
        ) from None
