"""What a night changes of one history table.

Rows with one key are judged together, so a key is looked at whole or not at all. Looked at are the
keys of the rows that came, of those that stood aside (whatever of them is in quarantine, with its
good versions), and, out of the landing, those that stood in the table already and have come again,
have gone, or depend on a lead's created_at that changed.

The connection holds afterwards
    night_added      rows that are to stand, as split rows and `origin`
    night_removed    rows that stood and do not any more: published columns and `key_hash`
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path
from typing import Any

from scoring.check import events, quarantine, versions
from scoring.check.rows import Doubt, Rows, content_hash, over
from scoring.check.tables import UNPARTITIONED, Tables
from scoring.contracts import row_rules
from scoring.engine.connection import Connection, identifier, literal, parquet, scalar

# The leads that rows of a relation belong to.
LEADS = "SELECT lead_key FROM lead_index WHERE lead_id IN (SELECT lead_id FROM {})"


@dataclass
class Growth:
    """One table in one night; `manifest` is that of before."""

    connection: Connection
    standing: Tables
    rows: Rows
    manifest: Mapping[str, Any]
    arrived: int = 0
    compared: bool = False
    done: events.Split = field(init=False)

    @property
    def name(self) -> str:
        return self.rows.name

    # --- which rows are looked at ------------------------------------------------------------

    def gather(
        self, new: Mapping[str, str], gone: Mapping[str, str], whole: Mapping[str, str]
    ) -> None:
        """Make `night_rows`: all rows of the keys that are looked at, not yet judged.

        The arguments are views of the rows that came, went, and all: source → relation.
        """
        execute, own = self.connection.execute, self._own_hash()
        execute(
            "CREATE OR REPLACE TEMP TABLE night_rows AS "
            f"SELECT *, {own} AS key_hash FROM ({over(self.rows, new).query})"
        )
        self.arrived = int(scalar(self.connection, "SELECT count(*) FROM night_rows"))
        if self.name != "interactions":
            # Rows without a key stand aside each for itself: which of them went cannot be told.
            keyless = " OR ".join(f"{identifier(c)} IS NULL" for c in self.rows.key)
            went = f"SELECT count(*) FROM ({over(self.rows, gone).query}) WHERE {keyless}"
            if scalar(self.connection, went):
                raise Doubt("a row without its key is gone")
        stood_aside = self.manifest["besides"].get(self.name)
        aside = "SELECT * FROM night_rows LIMIT 0"
        if stood_aside:
            file = parquet([self.standing.path(stood_aside)])
            aside = f"SELECT *, {own} AS key_hash FROM ({self._aged(file)})"
        execute(f"CREATE OR REPLACE TEMP TABLE aside AS {aside}")
        execute(
            "CREATE OR REPLACE TEMP TABLE again AS "
            f"SELECT {own} AS key_hash FROM ({over(self.rows, gone).query}) "
            f"UNION {self._known_keys()} UNION {self._moved_keys()}"
        )
        old = "key_hash NOT IN (SELECT key_hash FROM again)"
        if scalar(self.connection, "SELECT count(*) FROM again"):
            landed = over(self.rows, whole, f"{own} IN (SELECT key_hash FROM again)")
            execute(f"DELETE FROM night_rows WHERE NOT {old}")
            execute(
                f"INSERT INTO night_rows BY NAME SELECT *, {own} AS key_hash FROM ({landed.query})"
            )
        execute(f"INSERT INTO night_rows BY NAME SELECT * FROM aside WHERE {old}")

    def _aged(self, aside: str) -> str:
        """SELECT of the rows that stood aside, without the faults that time has mended."""
        over_now = [
            f"(f.reason = {literal(rule.reason)} AND NOT {rule.bad})"
            for rule in row_rules(self.rows.schema)
            if quarantine.FUTURE in rule.reason
        ]
        if not over_now:
            return f"SELECT * FROM {aside}"
        left = f"list_filter(faults, lambda f: NOT ({' OR '.join(over_now)}))"
        some = "CASE WHEN len(left_over) > 0 THEN"
        return (
            f"SELECT * EXCLUDE (left_over) REPLACE ({some} left_over END AS faults, "
            f"{some} row_json END AS row_json) FROM (SELECT *, {left} AS left_over FROM {aside})"
        )

    def _own_hash(self) -> str:
        """The hash of a row's key before it was judged."""
        if self.name == "interactions":
            return f"hash(coalesce(interaction_id, {content_hash(self.rows)}))"
        return versions.key_hash(self.rows)

    def _stood_hash(self) -> str:
        """The same of a published row: without the ordinal among equals that it may have."""
        if self.name == "interactions":
            return (
                "hash(CASE WHEN substr(interaction_id, 33, 1) = '-' "
                "THEN left(interaction_id, 32) ELSE interaction_id END)"
            )
        return versions.key_hash(self.rows)

    @property
    def _own(self) -> str:
        """Which of the published rows came from a source, for the lead that they belong to."""
        if self.name in UNPARTITIONED:
            return "true"
        return "NOT inherited" + (" AND origin = 'source'" if self.name == "lead_changes" else "")

    def _known_keys(self) -> str:
        """Keys of the rows that came which stand already; those that stood aside are known."""
        if not self.arrived:
            return "SELECT NULL::UBIGINT AS key_hash WHERE false"
        scan = self.standing.scan(self.name)
        by_lead = "lead_id" in self.rows.key or (
            self.name == "interactions" and "interaction_id" not in self.rows.given
        )
        if by_lead:
            scan = self._scan_leads(f"({LEADS.format('night_rows')})")
        return (
            f"SELECT key_hash FROM (SELECT {self._stood_hash()} AS key_hash "
            f"FROM {scan} WHERE {self._own}) "
            "SEMI JOIN night_rows USING (key_hash) ANTI JOIN aside USING (key_hash)"
        )

    def _moved_keys(self) -> str:
        """Keys of outcomes whose lead was created at another time than it said before."""
        if self.name != "outcomes":
            return "SELECT NULL::UBIGINT AS key_hash WHERE false"
        return (
            f"SELECT {self._stood_hash()} AS key_hash FROM {self._scan_leads('moved_leads')} "
            f"WHERE {self._own}"
        )

    # --- what stands of them -----------------------------------------------------------------

    def judge(self, work: Path, bad_file: Path, aside_file: Path) -> bool:
        """Judge `night_rows`; return whether some stand aside for the next run."""
        query = "SELECT * EXCLUDE (key_hash) FROM night_rows"
        self.done = events.split(
            self.connection,
            replace(self.rows, query=query),
            work,
            self.manifest["seen_until"],
            bad_file,
            aside_file,
        )
        return self.done.aside

    def compare_fields(self, changes: str, work: Path) -> None:
        """Add the field history of those leads that have another one than before."""
        said = "lead_id, changed_at, recorded_at, field, value, first_landed"
        stood = (
            f"SELECT {said} FROM {self.standing.scan(self.name)} "
            "WHERE origin = 'landing' AND NOT inherited"
        )
        execute = self.connection.execute
        execute(
            f"CREATE TEMP TABLE changes_now AS SELECT {said} FROM ({changes}) "
            "WHERE lead_id IN (SELECT lead_id FROM lead_index)"
        )
        execute(f"CREATE TEMP TABLE changes_before AS {stood}")
        execute(
            "CREATE TEMP TABLE changed_leads AS SELECT DISTINCT lead_id FROM ("
            "(FROM changes_now EXCEPT ALL FROM changes_before) UNION ALL "
            "(FROM changes_before EXCEPT ALL FROM changes_now))"
        )
        self.compared = True
        events.add(
            self.connection,
            self.done,
            "SELECT * FROM changes_now WHERE lead_id IN (SELECT lead_id FROM changed_leads)",
            work,
        )

    def settle(self) -> None:
        """Make `night_added` and `night_removed`. Raises Doubt where a row leaves the table."""
        execute = self.connection.execute
        execute(
            "CREATE OR REPLACE TEMP TABLE night_good AS SELECT *, "
            "CASE WHEN from_source = '' THEN 'landing' ELSE 'source' END AS origin "
            f"FROM {self.done.scan()}"
        )
        execute(f"CREATE OR REPLACE TEMP TABLE night_stood AS {self._stood()}")
        same = " AND ".join(f"a.{c} IS NOT DISTINCT FROM b.{c}" for c in self._columns())
        execute(
            "CREATE OR REPLACE TEMP TABLE night_added AS "
            f"SELECT * FROM night_good a ANTI JOIN night_stood b ON {same}"
        )
        execute(
            "CREATE OR REPLACE TEMP TABLE night_removed AS "
            f"SELECT * FROM night_stood a ANTI JOIN night_good b ON {same}"
        )
        lost = (
            "SELECT count(*) FROM (SELECT key_hash, first_landed FROM night_removed EXCEPT ALL "
            f"SELECT {self._stood_hash()}, first_landed FROM night_added)"
        )
        if scalar(self.connection, lost):
            raise Doubt(f"a row of {self.name} leaves the table")

    def _columns(self) -> list[str]:
        lead = [] if self.name in UNPARTITIONED else ["lead_key"]
        return [*map(identifier, self.rows.kinds), "first_landed", "gone_landed", *lead, "origin"]

    def _stood(self) -> str:
        """SELECT of the published rows of all keys that are looked at."""
        origin = "origin" if self.name == "lead_changes" else "'source'"
        chosen = ", ".join([*self._columns()[:-1], f"{origin} AS origin"])
        keys = "(SELECT key_hash FROM again UNION ALL SELECT key_hash FROM aside)"
        scan = self.standing.scan(self.name)
        where = f"{self._own} AND {self._stood_hash()} IN {keys}"
        if "lead_id" in self.rows.kinds:
            leads = LEADS.format(f"night_rows WHERE key_hash IN {keys}")
            if self.compared:
                where = (
                    f"({where}) OR (origin = 'landing' AND NOT inherited "
                    "AND lead_id IN (SELECT lead_id FROM changed_leads))"
                )
                leads += f" UNION ALL {LEADS.format('changed_leads')}"
            scan = self._scan_leads(f"({leads})")
        return f"SELECT {chosen}, {self._stood_hash()} AS key_hash FROM {scan} WHERE {where}"

    def _scan_leads(self, keys: str) -> str:
        return self.standing.scan_leads(self.connection, self.name, keys)

    # --- what the manifest says --------------------------------------------------------------

    def counts(self) -> dict[str, int]:
        """As in the manifest, over everything that ever landed."""
        before = self.manifest["counts"][self.name]
        stood = "gone_landed IS NULL AND origin = 'source'"
        since = f"first_landed > TIMESTAMP '{self.manifest['seen_until']}'"
        found = self.connection.execute(
            f"SELECT (SELECT count(*) FROM night_added WHERE {stood}), "
            f"(SELECT count(*) FROM night_removed WHERE {stood}), "
            f"(SELECT count(*) FROM night_added WHERE {stood} AND {since})"
        ).fetchone()
        added, removed, accepted = (int(n) for n in found or (0, 0, 0))
        live = before["accepted"] + before["unchanged"] + added - removed
        rows_in, barred = before["rows_in"] + self.arrived, self.done.counts["quarantined"]
        return {
            "rows_in": rows_in,
            "accepted": accepted,
            "unchanged": live - accepted,
            "superseded": rows_in - live - barred,
            "quarantined": barred,
        }

    def early(self) -> int:
        """Live interactions before their lead was created."""
        early = "count(*) FILTER (occurred_at < created_at)"
        was = "count(*) FILTER (occurred_at < was)"
        live = "gone_landed IS NULL"
        found = self.connection.execute(
            f"SELECT (SELECT count(*) FROM night_added WHERE {live} AND early), "
            f"(SELECT {early} FROM night_removed JOIN lead_index USING (lead_key) WHERE {live}), "
            f"(SELECT {early} - {was} FROM {self._scan_leads('moved_leads')} "
            f"JOIN moved_leads USING (lead_key) WHERE {live} AND NOT inherited)"
        ).fetchone()
        added, removed, moved = (int(n) for n in found or (0, 0, 0))
        return int(self.manifest["early"]) + added - removed + moved

    def kinds(self) -> list[dict[str, Any]]:
        """The kinds of interactions, new ones behind those that have their number."""
        live = {(k["type"], k["direction"]): k["rows"] for k in self.manifest["kinds"]}
        found = self.connection.execute(
            "SELECT type, direction, sum(n), min(since) FROM ("
            "SELECT type, direction, count(*) FILTER (gone_landed IS NULL) AS n, "
            "min(first_landed) AS since FROM night_added GROUP BY 1, 2 UNION ALL "
            "SELECT type, direction, -count(*) FILTER (gone_landed IS NULL), "
            "min(first_landed) FROM night_removed GROUP BY 1, 2) "
            "GROUP BY 1, 2 ORDER BY 4, 1, 2 NULLS FIRST"
        ).fetchall()
        for kind, direction, rows, since in found:
            if (kind, direction) not in live and not self._is_new(since):
                raise Doubt("a kind of interactions comes before others that stood")
            live[kind, direction] = live.get((kind, direction), 0) + int(rows)
        return events.numbered_kinds([(*kind, rows) for kind, rows in live.items()])

    def _is_new(self, landed: Any) -> bool:
        return bool(landed > datetime.fromisoformat(self.manifest["seen_until"]))
