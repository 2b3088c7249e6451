"""A history table after a night: the files that stand, and what is written beside them.

A row that comes after all rows of its lead is written behind them, into the partition's file of
added rows. A lead whose rows change in another way (a late row, a newer version, a merge) is
written whole into that file, and named in the file of hidden leads, whose rows in the partition's
first file are void. When the added rows are more than a share of the partition, its first file is
written anew, as a full rebuild would; so what is written in the long run is a few times what came.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from scoring.check import events
from scoring.check.rows import Doubt, Rows
from scoring.check.tables import UNPARTITIONED, Tables
from scoring.engine.connection import (
    Connection,
    columns_of,
    copy_to_parquet,
    identifier,
    parquet,
    scalar,
)

SMALL = 100_000  # rows of a file that is always written anew
SHARE = 0.05
STEPS = 8
PARTS = "(SELECT lead_key, part FROM lead_index)"
GENERATED = "[0-9a-f]{32}-[0-9]+"


@dataclass
class Layers:
    """Writes one table's part of a night, which `growth` left in the connection."""

    connection: Connection
    standing: Tables
    rows: Rows
    draft: Path
    version: str
    zone: str

    @property
    def name(self) -> str:
        return self.rows.name

    def write(self, kinds: Sequence[dict[str, Any]]) -> dict[str, Any]:
        """Write what changed; return the table's entry in the manifest."""
        stood = self.standing.manifest["tables"][self.name]
        entry = {**stood, **{w: list(stood[w]) for w in ("files", "added", "hidden", "sizes")}}
        if self.name in UNPARTITIONED:
            if self._count("night_added") or self._count("night_removed"):
                (self.draft / self.name).mkdir()
                self._write_plain(entry)
        elif parts := self._tonight(kinds):
            (self.draft / self.name).mkdir()
            for part in parts:
                self._write_part(entry, part)
        entry["rows"] = sum(size[1] for size in entry["sizes"])
        return entry

    # --- which rows are written --------------------------------------------------------------

    def _tonight(self, kinds: Sequence[dict[str, Any]]) -> list[int]:
        """Make `night_whole` (leads that are written whole), `night_last` (the last row of those
        that are added to) and `tonight` (all rows to write, as split rows); return the partitions
        that they touch."""
        execute = self.connection.execute
        self._whole_leads()
        self._rows_of_leads()
        chosen = ", ".join(self._interim())
        execute(
            f"CREATE OR REPLACE TEMP TABLE tonight AS SELECT {chosen}, part FROM night_rows_of "
            f"JOIN {PARTS} USING (lead_key) WHERE lead_key IN (FROM night_whole) "
            f"UNION ALL BY NAME ({events.inherited('night_rows_of', self._steps)}) "
            f"UNION ALL BY NAME SELECT {', '.join('a.' + c for c in self._interim())}, part "
            f"FROM night_added a JOIN {PARTS} USING (lead_key) "
            "WHERE lead_key NOT IN (FROM night_whole)"
        )
        if self.name == "interactions":
            events.kind_index(self.connection, kinds)
        found = execute(
            "SELECT part FROM tonight UNION SELECT part FROM night_whole "
            "JOIN lead_index USING (lead_key) ORDER BY 1"
        ).fetchall()
        return [int(part) for (part,) in found]

    def _whole_leads(self) -> None:
        execute = self.connection.execute
        event = identifier(self.rows.event or "")
        execute(
            "CREATE OR REPLACE TEMP TABLE night_touched AS "
            f"SELECT lead_key, min({event}) AS since, bool_or({event} IS NULL) AS timeless "
            "FROM night_added GROUP BY 1"
        )
        execute(
            "CREATE OR REPLACE TEMP TABLE night_last AS SELECT lead_key, max(seq) AS last, "
            f"max({event}) AS until, bool_or({event} IS NULL) AS timeless "
            f"FROM {self.standing.scan(self.name)} "
            "WHERE lead_key IN (SELECT lead_key FROM night_touched) GROUP BY 1"
        )
        execute(
            "CREATE OR REPLACE TEMP TABLE night_whole AS SELECT lead_key FROM night_removed "
            "UNION SELECT lead_key FROM moved_survivors "
            "UNION SELECT survivor_key FROM lead_steps WHERE source_key IN "
            "(SELECT lead_key FROM night_touched UNION SELECT lead_key FROM night_removed) "
            "UNION SELECT t.lead_key FROM night_touched t JOIN night_last l USING (lead_key) "
            "WHERE t.timeless OR l.timeless OR t.since <= l.until"
        )

    @property
    def _steps(self) -> str:
        return "(FROM lead_steps WHERE survivor_key IN (FROM night_whole))"

    def _interim(self) -> list[str]:
        """The columns of split rows that writing needs."""
        own = [identifier(c) for c in self.rows.kinds]
        return [
            *own,
            *("first_landed", "gone_landed", "from_source", "generated_id"),
            *("lead_key", "known_from", "inherited"),
        ]

    def _rows_of_leads(self) -> None:
        """Make `night_rows_of`: the rows, as they stand tonight and not inherited, of the leads
        that are written whole and of those whose history they see."""
        execute = self.connection.execute
        execute(
            "CREATE OR REPLACE TEMP TABLE night_seen AS SELECT lead_key FROM night_whole "
            f"UNION SELECT source_key FROM {self._steps}"
        )
        own = ", ".join(identifier(c) for c in self.rows.kinds)
        origin = "origin" if self.name == "lead_changes" else "'source'"
        stood = (
            f"SELECT {own}, first_landed, gone_landed, {origin} AS origin, lead_key "
            f"FROM {self.standing.scan_leads(self.connection, self.name, 'night_seen')} "
            "WHERE NOT inherited"
        )
        columns = [
            *(identifier(c) for c in self.rows.kinds),
            *("first_landed", "gone_landed", "origin", "lead_key"),
        ]
        same = " AND ".join(f"a.{c} IS NOT DISTINCT FROM b.{c}" for c in columns)
        execute(
            "CREATE OR REPLACE TEMP TABLE night_rows_of AS SELECT * EXCLUDE (origin), "
            "CASE WHEN origin = 'landing' THEN '' ELSE origin END AS from_source, "
            "false AS generated_id, NULL::TIMESTAMP AS known_from, false AS inherited "
            f"FROM ({stood}) a ANTI JOIN night_removed b ON {same}"
        )
        self._without_ordinals()
        execute(
            f"INSERT INTO night_rows_of BY NAME SELECT {', '.join(self._interim())} "
            "FROM night_added WHERE lead_key IN (FROM night_seen)"
        )

    def _without_ordinals(self) -> None:
        """Equal rows without an ID are numbered again where they are written again."""
        if self.name != "interactions":
            return
        if "interaction_id" not in self.rows.given:
            self.connection.execute(
                "UPDATE night_rows_of SET interaction_id = left(interaction_id, 32), "
                "generated_id = true"
            )
            return
        if self._count(f"night_rows_of WHERE regexp_full_match(interaction_id, '{GENERATED}')"):
            raise Doubt("IDs of the source look like those of rows without one")
        self.connection.execute(
            "UPDATE night_rows_of SET generated_id = true WHERE interaction_id IN "
            "(SELECT interaction_id FROM night_added WHERE generated_id)"
        )

    def _count(self, relation: str) -> int:
        return int(scalar(self.connection, f"SELECT count(*) FROM {relation}"))

    # --- files -------------------------------------------------------------------------------

    def _write_part(self, entry: dict[str, Any], part: int) -> None:
        """Write the added rows and hidden leads of one partition, or all of it anew."""
        execute = self.connection.execute
        stood = {what: self._stood(entry, what, part) for what in ("files", "added", "hidden")}
        first = parquet(stood["files"])
        columns = ", ".join(identifier(c) for c in columns_of(self.connection, first))
        of_part = f"(SELECT * EXCLUDE (part) FROM tonight WHERE part = {part})"
        ordered = events.in_order(self.connection, self.rows, of_part, self.zone)
        execute(
            f"CREATE OR REPLACE TEMP TABLE fresh AS SELECT {columns} FROM (SELECT f.* REPLACE ("
            "f.seq + coalesce(l.last + 1, 0) AS seq) "
            f"FROM ({ordered}) f LEFT JOIN (FROM night_last ANTI JOIN night_whole "
            "USING (lead_key)) l ON l.lead_key = f.lead_key)"
        )
        if stood["added"]:
            execute(
                f"INSERT INTO fresh SELECT {columns} FROM {parquet(stood['added'])} "
                "ANTI JOIN night_whole USING (lead_key)"
            )
        hidden = (
            f"SELECT lead_key FROM night_whole JOIN lead_index USING (lead_key) WHERE part = {part}"
        )
        if stood["hidden"]:
            hidden += f" UNION SELECT lead_key FROM {parquet(stood['hidden'])}"
        execute(f"CREATE OR REPLACE TEMP TABLE hidden AS {hidden}")
        left = f"SELECT {columns} FROM {first} ANTI JOIN hidden USING (lead_key)"
        if self._is_rewritten(entry, part):
            query = (
                "SELECT lead_key, row_number() OVER () - 1 AS seq, * EXCLUDE (lead_key, seq) FROM "
                f"(SELECT * FROM ({left} UNION ALL FROM fresh) ORDER BY lead_key, seq)"
            )
            self._rewrite(entry, part, query)
            return
        rows = self._count(f"({left})") + self._count("fresh")
        self._add(entry, part, f"SELECT {columns} FROM fresh ORDER BY lead_key, seq", rows)
        entry["hidden"][part] = None
        if self._count("hidden"):
            named = f"{self.name}/hidden-{part:03d}.parquet"
            copy_to_parquet(
                self.connection, "SELECT lead_key FROM hidden ORDER BY 1", self.draft / named
            )
            entry["hidden"][part] = f"{self.version}/{named}"

    def _write_plain(self, entry: dict[str, Any]) -> None:
        """The same for a table that belongs to no lead: one partition, and nothing is hidden."""
        columns = [*(identifier(c) for c in self.rows.kinds), "first_landed", "gone_landed"]
        chosen = ", ".join(columns)
        same = " AND ".join(f"a.{c} IS NOT DISTINCT FROM b.{c}" for c in columns)
        removed = self._count("night_removed")
        added = f"SELECT {chosen} FROM night_added"
        if stood := self._stood(entry, "added", 0):
            added += f" UNION ALL SELECT {chosen} FROM {parquet(stood)}"
        self.connection.execute(f"CREATE OR REPLACE TEMP TABLE fresh AS {added}")
        first = parquet(self._stood(entry, "files", 0))
        if removed or self._is_rewritten(entry, 0):
            both = f"(SELECT {chosen} FROM {first} UNION ALL FROM fresh)"
            left = f"(SELECT a.* FROM {both} a ANTI JOIN night_removed b ON {same})"
            self._rewrite(entry, 0, events.plain(self.rows, left))
            return
        rows = entry["sizes"][0][0] + self._count("fresh")
        self._add(entry, 0, events.plain(self.rows, "fresh"), rows)

    def _stood(self, entry: dict[str, Any], what: str, part: int) -> list[Path]:
        named = entry[what][part]
        return [self.standing.path(named)] if named else []

    def _is_rewritten(self, entry: dict[str, Any], part: int) -> bool:
        """Whether the added rows are too many; partitions take turns."""
        base = entry["sizes"][part][0]
        turn = 1 + (part % STEPS) / STEPS
        return bool(base <= SMALL or self._count("fresh") > SHARE * turn * base)

    def _rewrite(self, entry: dict[str, Any], part: int, query: str) -> None:
        named = f"{self.name}/part-{part:03d}.parquet"
        rows = copy_to_parquet(self.connection, query, self.draft / named)
        entry["files"][part] = f"{self.version}/{named}"
        entry["added"][part] = entry["hidden"][part] = None
        entry["sizes"][part] = [rows, rows]

    def _add(self, entry: dict[str, Any], part: int, query: str, rows: int) -> None:
        named = f"{self.name}/added-{part:03d}.parquet"
        copy_to_parquet(self.connection, query, self.draft / named)
        entry["added"][part] = f"{self.version}/{named}"
        entry["sizes"][part] = [entry["sizes"][part][0], rows]
