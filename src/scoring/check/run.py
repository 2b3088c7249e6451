"""`check`: the landing becomes the canonical tables, published in one step, or nothing changes.

What landed since the last publication is added to the tables that stand (`nightly`); where that
cannot be exact, and the first time, all of them are made from everything that ever landed
(`whole`). Both give the same rows in the same order.

For every table rows_in = accepted + unchanged + superseded + quarantined, where rows_in is what the
staging SQL gives over everything that ever landed. Accepted rows came since the last publication,
unchanged ones stood in it; superseded are older versions and rows that vanished from a full source.
"""

import hashlib
import json
import logging
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from scoring.check import quarantine, staging, tables
from scoring.check.making import Name, snapshot_columns
from scoring.check.nightly import Nightly
from scoring.check.rows import Doubt
from scoring.check.whole import Whole
from scoring.clock import Moment
from scoring.ingest.landing import landing_fingerprint
from scoring.project import Project
from scoring.store import publish

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class CheckResult:
    """What a run of `check` did. `published` is false where the tables already said it all,
    `nightly` is true where only what had landed since was added to them."""

    version: str
    counts: dict[str, dict[str, int]]
    quarantine: dict[str, dict[str, int]]
    notes: dict[str, int]
    published: bool
    nightly: bool = False

    def to_json(self) -> dict[str, dict[str, int]]:
        return {name: dict(counts) for name, counts in self.counts.items()}


def check(project: Project, moment: Moment) -> CheckResult:
    """Bring the canonical tables up to what has landed.

    Raises ConfigError where a table or a column cannot be found, Held where the data gate closes;
    the published tables then stay as they were.
    """
    before = publish.read_manifest(project.tables / "manifest.json")
    rules = _rules(project)
    base = version = _digest([rules, landing_fingerprint(project)])
    if before and before["base"] == base:
        if not quarantine.has_future(before["quarantine"]):
            return _unchanged(before)
        version = _digest([base, moment.latest_plausible.isoformat()])
        if version == before["version"]:
            return _unchanged(before)
    name = Name(version, base, rules)
    manifest = _nightly(project, moment, name, before)
    nightly = manifest is not None
    if manifest is None:
        manifest = _make(Whole, project, moment, name, before)
    publish.write_manifest(project.tables / "manifest.json", manifest)
    keep = tables.versions_named(manifest) | tables.versions_named(before)
    publish.remove_except(project.tables, keep)
    return CheckResult(
        version,
        manifest["counts"],
        manifest["quarantine"],
        manifest["notes"],
        published=True,
        nightly=nightly,
    )


def _nightly(
    project: Project, moment: Moment, name: Name, before: dict[str, Any] | None
) -> dict[str, Any] | None:
    """The manifest after adding what is new; None where all has to be made again."""
    if before is None or before.get("layout") != tables.LAYOUT:
        return None
    try:
        return _make(Nightly, project, moment, name, before)
    except Doubt as reason:
        log.info("all tables are made again: %s", reason)
        return None


def _make(
    how: type[Whole] | type[Nightly],
    project: Project,
    moment: Moment,
    name: Name,
    before: dict[str, Any] | None,
) -> dict[str, Any]:
    with (
        publish.new_folder(project.tables / name.version, project.tmp) as draft,
        project.connect() as connection,
    ):
        return how(project, moment, connection, draft, name, before).make()


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


def _rules(project: Project) -> str:
    """A name for everything that the tables depend on, but for what landed and the present time."""
    staged = {
        f"{source}/{table}": path.read_text(encoding="utf-8")
        for source in project.sources
        for table, path in staging.staging_files(project, source).items()
    }
    settings = {name: s.model_dump(mode="json") for name, s in project.sources.items()}
    said = [
        tables.LAYOUT,
        staged,
        settings,
        project.settings.project.time_zone,
        project.settings.stages.model_dump(mode="json"),
        snapshot_columns(project),
    ]
    return _digest(said)
