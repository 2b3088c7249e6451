"""What a full and a nightly making of the tables have in common: reading, gates, the manifest."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from scoring.check import leads, quarantine, rows, staging, tables
from scoring.check.rows import Grown, Rows
from scoring.check.summary import Summary
from scoring.clock import Moment
from scoring.contracts import schemas
from scoring.engine.connection import (
    Connection,
    ValueFault,
    copy_to_parquet,
    identifier,
    move_view,
)
from scoring.errors import ConfigError
from scoring.ingest import landing
from scoring.project import Project

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
class Name:
    """What the tables that are to be made are called.

    version   the folder; base: a digest of all that they depend on but for the present time;
    rules     the same without what has landed
    """

    version: str
    base: str
    rules: str


@dataclass
class Making:
    """One making of the tables into the folder `draft`; `before` is the manifest that stands."""

    project: Project
    moment: Moment
    connection: Connection
    draft: Path
    name: Name
    before: dict[str, Any] | None

    # --- reading ----------------------------------------------------------------------------

    def stage(
        self, which: landing.Rows = "all", known: Mapping[str, Mapping[str, int]] | None = None
    ) -> dict[str, list[staging.Staged]]:
        """Canonical table → how each source stages it; `which` and `known` as in the landing."""
        found: dict[str, list[staging.Staged]] = {}
        for name, source in self.project.sources.items():
            schema = staging.schema_of(name) if which == "all" else f"{which}_{name}"
            self._adopt_views(name, schema, which, (known or {}).get(name))
            for part in staging.stage(self.connection, self.project, name, source, schema):
                found.setdefault(part.table, []).append(part)
        for name in ("leads", "outcomes"):
            if name not in found:
                raise ConfigError(
                    f"No source has a table `{name}`.",
                    f"Name it in data/sources.toml, or write data/staging/<source>/{name}.sql.",
                )
        return found

    def _adopt_views(
        self, source: str, schema: str, which: landing.Rows, known: Mapping[str, int] | None
    ) -> None:
        """Give each source's raw tables a schema of their own: two may both have `leads`."""
        self.connection.execute(f"CREATE SCHEMA {identifier(schema)}")
        for name in landing.landed_views(self.connection, self.project, source, which, known):
            move_view(self.connection, name, identifier(schema))

    def read(
        self,
        staged: Mapping[str, list[staging.Staged]],
        grown: Mapping[str, Grown | None] | None = None,
    ) -> dict[str, Rows]:
        """Every canonical table as a SELECT; `grown` as in `rows.read`, by table."""
        whole = {}
        before = self.before or {}
        for name, schema in schemas(self.moment.latest_plausible).items():
            extras = {"leads": "attributes", "interactions": "properties"}.get(name, "")
            with sentences(staged.get(name, [])):
                whole[name] = rows.read(
                    self.connection,
                    schema,
                    staged.get(name, []),
                    list(self.project.sources),
                    published=self.before is not None,
                    before=before.get(extras, {}),
                    planned=snapshot_columns(self.project) if name == "leads" else (),
                    stages=self.project.settings.stages.names,
                    grown=grown[name] if grown else None,
                )
        return whole

    # --- writing ----------------------------------------------------------------------------

    @property
    def work(self) -> Path:
        return self.draft / "work"

    @property
    def zone(self) -> str:
        return self.project.settings.project.time_zone

    def bad(self, name: str) -> Path:
        return self.draft / "quarantine" / f"{name}.parquet"

    def aside(self, name: str) -> Path:
        return self.draft / "aside" / f"{name}.parquet"

    def gate(self, name: str, counts: Mapping[str, int]) -> dict[str, int]:
        """The reasons in quarantine. Raises Held where there are too many rows in it."""
        why = quarantine.reasons(self.connection, self.bad(name))
        quarantine.hold_if_too_many(self.project, name, counts, why, self.bad(name))
        return why

    def write_leads(self, lead_rows: Rows, partitions: int) -> dict[str, Any]:
        leads.finish(self.connection, lead_rows)
        queries = (leads.part_query(part) for part in range(partitions))
        return tables.write_parts(self.connection, queries, self.draft, self.name.version, "leads")

    def manifest(
        self,
        whole: Mapping[str, Rows],
        found: leads.Leads,
        published: Mapping[str, Any],
        asides: Mapping[str, bool],
        told: Mapping[str, Any],
        early: int,
        clock: Mapping[str, Mapping[str, int]],
    ) -> dict[str, Any]:
        """The manifest; `told` are the entries that the caller counted itself."""
        version = self.name.version
        copy_to_parquet(
            self.connection, "SELECT * FROM lead_steps ORDER BY ALL", self.draft / "steps.parquet"
        )
        besides = {name: f"{version}/aside/{name}.parquet" for name, some in asides.items() if some}
        state = landing.read_state(self.project)
        manifest = {
            "layout": tables.LAYOUT,
            "version": version,
            "base": self.name.base,
            "rules": self.name.rules,
            "as_of": tables.iso(self.moment.as_of),
            "latest": tables.iso(self.moment.latest_plausible),
            "landed": {
                source: {n: [len(t.batches), t.fingerprint()] for n, t in content.items()}
                for source, content in state.items()
            },
            "partitions": len(found.ranges),
            "ranges": [list(r) for r in found.ranges],
            "tables": dict(published),
            "besides": {**besides, "steps": f"{version}/steps.parquet"},
            "properties": whole["interactions"].extras,
            "attributes": whole["leads"].extras,
            "texts": {name: table.found for name, table in whole.items() if table.found},
            "early": early,
            "clock": dict(clock),
            **told,
        }
        changes = {
            what: sum(counts[what] for counts in clock.values())
            for what in ("in_dst_gap", "ambiguous")
        }
        made = tables.Tables(self.project.tables, manifest, self.draft)
        summary = Summary(self.project, self.connection, made, whole)
        return {
            **manifest,
            "data_end": tables.iso(summary.data_end()),
            "seen_until": summary.seen_until(),
            "notes": summary.notes(early, len(found.paths.unknown), changes),
        }


def snapshot_columns(project: Project) -> list[str]:
    return sorted({c for q in project.questions() for c in project.model(q).snapshots.at})


def relations(staged: Sequence[staging.Staged]) -> dict[str, str]:
    """Source → the view that holds its rows of a table."""
    return {part.source: part.relation for part in staged}


@contextmanager
def sentences(staged: Sequence[staging.Staged]) -> Iterator[None]:
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
