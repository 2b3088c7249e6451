"""What the manifest says of the tables as a whole: where the data end, and what was noticed."""

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, time
from pathlib import Path
from typing import Any

from scoring.check.rows import Rows, clock_changes
from scoring.clock import midnight_after
from scoring.engine.connection import Connection, identifier, parquet, scalar
from scoring.project import Project

log = logging.getLogger(__name__)

UNKNOWN_STAGES = 0.05


@dataclass(frozen=True)
class Summary:
    """Reads the tables as they were just written.

    published   table → its entry in the manifest; the paths begin with the version, which is
                `draft` until it has its name
    """

    project: Project
    connection: Connection
    draft: Path
    whole: Mapping[str, Rows]
    published: Mapping[str, Any]

    def _files(self, name: str) -> str:
        files = self.published[name]["files"]
        return parquet([self.draft / Path(*Path(f).parts[1:]) for f in files])

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
            newest = ", ".join(f"max({identifier(c)})" for c in times)
            found = self.connection.execute(f"SELECT {newest} FROM {self._files(name)}").fetchall()
            latest += [t for t in found[0] if t is not None]
        return midnight_after(max(latest).replace(tzinfo=UTC), zone)

    def seen_until(self) -> str:
        """The newest landing among the rows (naive UTC): what the next run has not seen."""
        seen = (
            scalar(self.connection, f"SELECT max(first_landed) FROM {self._files(name)}")
            for name in self.published
        )
        return str(max(t for t in seen if t is not None).isoformat(" "))

    def notes(self, early: int, adrift: int) -> dict[str, int]:
        """Counts of what is accepted and still worth knowing; warns of many unknown stages."""
        notes = {
            "in_dst_gap": 0,
            "ambiguous": 0,
            "interactions_before_creation": early,
            "merged_into_unknown": adrift,
            "unknown_stages": 0,
        }
        for table in self.whole.values():
            for name, count in clock_changes(self.connection, table).items():
                notes[name] += count
        if self.project.settings.stages.order:
            notes["unknown_stages"] = self._unknown_stages()
        return notes

    def _unknown_stages(self) -> int:
        found = self.connection.execute(
            "SELECT count(*), count(*) FILTER (stage = 'unknown') FROM "
            f"{self._files('stage_changes')} WHERE gone_landed IS NULL AND NOT inherited"
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
