"""What the manifest says of the tables as a whole: where the data end, and what was noticed."""

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, time

from scoring.check.rows import Rows
from scoring.check.tables import Tables
from scoring.clock import midnight_after
from scoring.contracts import TABLES
from scoring.engine.connection import Connection
from scoring.project import Project

log = logging.getLogger(__name__)

UNKNOWN_STAGES = 0.05


@dataclass(frozen=True)
class Summary:
    """Reads the tables as they were just written."""

    project: Project
    connection: Connection
    tables: Tables
    whole: Mapping[str, Rows]

    def data_end(self) -> datetime:
        """The moment up to which the history is complete; aware, UTC.

        The earliest `complete_until` that a source or table declares (the midnight with which that
        day begins), else the midnight after the last time at which anything happened or was
        recorded.
        """
        zone = self.project.settings.zone
        said = [
            settings.complete_until
            for source in self.project.sources.values()
            for settings in (source, *source.tables.values())
            if settings.complete_until
        ]
        if said:
            return datetime.combine(min(said), time(), zone).astimezone(UTC)
        latest: list[datetime] = []
        for name, table in self.whole.items():
            times = [c for c, kind in table.kinds.items() if kind == "timestamp"]
            if name == "leads":
                times = ["created_at", "updated_at"]
            if not table.sources or not times:
                continue
            latest += self.tables.newest(name, times)
        return midnight_after(max(latest).replace(tzinfo=UTC), zone)

    def seen_until(self) -> str:
        """The newest landing among the rows (naive UTC): what the next run has not seen."""
        seen = [t for name in TABLES for t in self.tables.newest(name, ["first_landed"])]
        return max(seen).isoformat(" ")

    def notes(self, early: int, adrift: int, changes: Mapping[str, int]) -> dict[str, int]:
        """Counts of what is accepted and still worth knowing; warns of many unknown stages.

        changes   as `rows.clock_changes` counts them, of all tables
        """
        notes = {
            **changes,
            "interactions_before_creation": early,
            "merged_into_unknown": adrift,
            "unknown_stages": 0,
        }
        if self.project.settings.stages.order:
            notes["unknown_stages"] = self._unknown_stages()
        return notes

    def _unknown_stages(self) -> int:
        found = self.connection.execute(
            "SELECT count(*), count(*) FILTER (stage = 'unknown') FROM "
            f"{self.tables.scan('stage_changes')} WHERE gone_landed IS NULL AND NOT inherited"
        ).fetchall()
        rows, unknown = found[0]
        if unknown > UNKNOWN_STAGES * rows:
            log.warning(
                "stage_changes: %d of %d rows have a stage that [stages] order in scoring.toml "
                'does not name; they are read as "unknown"',
                unknown,
                rows,
            )
        return int(unknown)
