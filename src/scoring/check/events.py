"""The history tables: rows judged against their lead, sorted into partitions, inherited, written.

Each table passes the disk twice: once to split good rows by partition (and bad or repeated ones
apart), once to sort each partition. Memory stays that of one partition however long the history is.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from scoring.check import quarantine, tables, versions
from scoring.check.rows import Rows, any_bad, content_hash, fault_list
from scoring.check.spread import Spread
from scoring.contracts import Rule
from scoring.engine.connection import (
    Connection,
    columns_of,
    copy_to_parquet,
    identifier,
    literal,
    scalar,
)
from scoring.errors import ConfigError

BAD, REPEATED = -1, -2
MOST_KINDS = 65_536
UNKNOWN_LEAD = "lead_id is not in leads"
BEFORE_CREATION = "decided_at lies before the lead's created_at"


@dataclass
class Split:
    """A history table between its two passes.

    folders   what holds the rows of each partition: good ones, resolved ones, inherited ones
    counts    as in the manifest; early: interactions before their lead was created
    aside     whether rows were set aside for the next run, see `_set_aside`
    """

    rows: Rows
    folders: list[Path]
    empty: str
    counts: dict[str, int] = field(default_factory=dict)
    early: int = 0
    aside: bool = False

    def scan(self, part: int | None = None) -> str:
        return tables.united(tables.pieces(self.folders, part), self.empty)


def split(
    connection: Connection,
    rows: Rows,
    work: Path,
    seen_until: str | None,
    bad_file: Path,
    aside_file: Path,
    spread: Spread | None = None,
) -> Split:
    """Judge the rows against leads and keys, and write them by partition below `work`, or where
    the machines of `spread` put them."""
    judged = _judged(connection, rows, spread)
    empty = f"SELECT * EXCLUDE (part) FROM ({judged}) WHERE false"
    nothing = identifier(f"no_{rows.name}")
    connection.execute(f"CREATE TEMP TABLE {nothing} AS {empty}")
    far = spread.split(rows, judged) if spread else None
    rows_in, good = far or (tables.split(connection, judged, work / "good"), [work / "good"])
    done = Split(rows, [*good, work / "resolved", work / "inherited"], f"FROM {nothing}")
    bad, twice = (tables.united(tables.pieces(good, part), done.empty) for part in (BAD, REPEATED))
    connection.execute(f"CREATE OR REPLACE TEMP TABLE repeated AS {versions.resolved(rows, twice)}")
    if scalar(connection, "SELECT count(*) FROM repeated"):
        tables.split(
            connection,
            "SELECT r.* EXCLUDE (standing), coalesce(l.part, 0) AS part FROM repeated r "
            "LEFT JOIN lead_index l ON l.lead_key = r.lead_key "
            "WHERE standing IN ('current', 'superseded')",
            work / "resolved",
        )
    connection.execute(f"CREATE OR REPLACE TEMP VIEW bad_rows AS SELECT * FROM {bad}")
    connection.execute(f"CREATE OR REPLACE TEMP VIEW good_rows AS SELECT * FROM {done.scan()}")
    quarantined = _bar(connection, rows, bad_file)
    done.aside = _set_aside(connection, rows, twice, aside_file)
    since = f"first_landed <= TIMESTAMP '{seen_until}'" if seen_until else "false"
    found = connection.execute(
        f"SELECT count(*), count(*) FILTER ({since}), count(*) FILTER (early) FROM good_rows "
        "WHERE gone_landed IS NULL"
    ).fetchone()
    live, unchanged, done.early = (int(n) for n in found or (0, 0, 0))
    done.counts = {
        "rows_in": rows_in,
        "accepted": live - unchanged,
        "unchanged": unchanged,
        "superseded": rows_in - live - quarantined,
        "quarantined": quarantined,
    }
    return done


def _bar(connection: Connection, rows: Rows, bad_file: Path) -> int:
    """Write the quarantine of `bad_rows` and `repeated`; return how many rows are in it."""
    barred = "SELECT * FROM bad_rows WHERE gone_landed IS NULL"
    if scalar(connection, "SELECT count(*) FROM bad_rows"):
        barred = versions.not_replaced(rows, "bad_rows", "good_rows")
    connection.execute(f"CREATE OR REPLACE TEMP TABLE barred AS {barred}")
    connection.execute(
        "CREATE OR REPLACE TEMP VIEW twice AS SELECT * FROM repeated WHERE standing = 'duplicate'"
    )
    if rows.name == "outcomes":
        # A duplicate bars no lead: the row that won says the same outcome at the same time.
        connection.execute(
            "CREATE TABLE held_leads AS SELECT DISTINCT lead_id FROM barred "
            "WHERE lead_id IS NOT NULL"
        )
    reason = f"duplicate {rows.key[0]}" if len(rows.key) == 1 else f"duplicate {rows.name} row"
    return quarantine.write(
        connection,
        [
            quarantine.from_faults("barred", rows.name),
            quarantine.from_reason("twice", rows.name, rows.key[0], reason),
        ],
        bad_file,
    )


def _set_aside(connection: Connection, rows: Rows, twice: str, file: Path) -> bool:
    """Keep the rows that stand in no table, with all others of their keys, as they were before they
    were judged: whether they can stand depends on what lands next."""
    key = versions.key_hash(rows)
    connection.execute(
        f"CREATE OR REPLACE TEMP TABLE open_keys AS SELECT {key} AS key_hash FROM bad_rows "
        f"UNION SELECT {key} FROM repeated WHERE standing IN ('duplicate', 'stale')"
    )
    if not scalar(connection, "SELECT count(*) FROM open_keys"):
        return False
    columns = ", ".join(
        "CASE WHEN NOT generated_id THEN interaction_id END AS interaction_id"
        if c == "interaction_id" and rows.name == "interactions"
        else identifier(c)
        for c in rows.kinds
    )
    of_leads = ", ".join(literal(reason) for reason in (UNKNOWN_LEAD, BEFORE_CREATION))
    query = (
        f"SELECT {columns}, first_landed, gone_landed, version_time, from_source, "
        "CASE WHEN len(own) > 0 THEN own END AS faults, "
        "CASE WHEN len(own) > 0 THEN row_json END AS row_json FROM (SELECT *, "
        f"list_filter(faults, lambda f: f.reason NOT IN ({of_leads})) AS own "
        f"FROM (FROM bad_rows UNION ALL BY NAME FROM {twice}) "
        f"WHERE {key} IN (SELECT key_hash FROM open_keys)) ORDER BY ALL"
    )
    file.parent.mkdir(parents=True, exist_ok=True)
    return copy_to_parquet(connection, query, file) > 0


def _judged(connection: Connection, rows: Rows, spread: Spread | None) -> str:
    """SELECT of all rows with lead_key, part, faults and the hash that settles duplicates."""
    columns = ", ".join(f"x.{identifier(c)}" for c in rows.kinds if c != "interaction_id")
    # Spelled out where it is needed: the engine then hashes those rows only.
    identity = content_hash(rows, "x.")
    own_ids = rows.name != "interactions" or "interaction_id" in rows.given
    if "interaction_id" in rows.kinds:
        columns += f", coalesce(x.interaction_id, {identity}) AS interaction_id"
    by_lead = "lead_id" in rows.kinds
    rules = []
    if by_lead:
        rules.append(
            Rule("lead_id", UNKNOWN_LEAD, "(x.lead_id IS NOT NULL AND l.lead_key IS NULL)")
        )
    if rows.name == "outcomes":
        rules.append(
            Rule("decided_at", BEFORE_CREATION, "coalesce(x.decided_at < l.created_at, false)")
        )
    faults = "x.faults"
    shown = "x.row_json"
    if rules:
        faults = (
            f"CASE WHEN x.faults IS NOT NULL OR {any_bad(rules)} THEN "
            f"list_concat(x.faults, {fault_list(rules)}) END"
        )
        values = ", ".join(f"{identifier(c)} := x.{identifier(c)}" for c in rows.kinds)
        shown = (
            f"CASE WHEN x.row_json IS NOT NULL THEN x.row_json WHEN {any_bad(rules)} "
            f"THEN CAST(to_json(struct_pack({values})) AS VARCHAR) END"
        )
    repeated, join = "false", ""
    if own_ids:
        only = "interaction_id IS NOT NULL" if rows.name == "interactions" else "true"
        keys = versions.keys(rows, only)
        far = spread.repeated(rows, keys) if spread else ""
        connection.execute(
            f"CREATE OR REPLACE TEMP TABLE repeated_keys AS {far or versions.repeated(keys)}"
        )
        if scalar(connection, "SELECT count(*) FROM repeated_keys"):
            join = f"LEFT JOIN repeated_keys d ON d.key_hash = {_key_hash_of(rows)}"
            repeated = "d.key_hash IS NOT NULL"
    lead = "l.lead_key" if by_lead else "CAST(NULL AS INTEGER)"
    early = (
        "coalesce(x.occurred_at < l.created_at, false)" if rows.event == "occurred_at" else "false"
    )
    generated = "x.interaction_id IS NULL" if rows.name == "interactions" else "false"
    part = "l.part" if by_lead else "0"
    return (
        f"SELECT * EXCLUDE (repeats) REPLACE (CASE WHEN faults IS NOT NULL THEN {BAD} "
        f"WHEN repeats THEN {REPEATED} ELSE part END AS part) FROM ("
        f"SELECT {columns}, x.first_landed, x.gone_landed, x.version_time, x.from_source, "
        f"{faults} AS faults, {shown} AS row_json, "
        f"CASE WHEN {repeated} THEN {identity} END AS content_hash, "
        f"{repeated} AS repeats, {generated} AS generated_id, {early} AS early, "
        f"{lead} AS lead_key, CAST(NULL AS TIMESTAMP) AS known_from, false AS inherited, "
        f"{part} AS part FROM ({rows.query}) x "
        + ("LEFT JOIN lead_index l ON l.lead_id = x.lead_id " if by_lead else "")
        + f"{join})"
    )


def _key_hash_of(rows: Rows) -> str:
    return f"hash({', '.join('x.' + identifier(c) for c in rows.key)})"


def inherit(connection: Connection, done: Split, work: Path) -> None:
    """Copy the rows of merged leads to every survivor on their way."""
    if scalar(connection, "SELECT count(*) FROM lead_steps"):
        tables.split(connection, inherited(done.scan(), "lead_steps"), work / "inherited")


def inherited(rows: str, steps: str) -> str:
    """SELECT of the copies that survivors have of merged leads' rows, as split rows with `part`."""
    return (
        "SELECT e.* REPLACE (s.survivor_id AS lead_id, s.survivor_key AS lead_key, "
        "s.known_from AS known_from, true AS inherited, "
        "greatest(e.first_landed, s.landed_from) AS first_landed), s.part "
        f"FROM {rows} e JOIN {steps} s ON s.source_key = e.lead_key"
    )


def write(
    connection: Connection,
    done: Split,
    draft: Path,
    version: str,
    partitions: int,
    zone: str,
    kinds: Sequence[dict[str, Any]] = (),
    spread: Spread | None = None,
) -> dict[str, Any]:
    """Sort every partition and write it; return the manifest's entry."""
    name = done.rows.name
    if name in tables.UNPARTITIONED:
        queries: Iterator[str] = iter([plain(done.rows, done.scan())])
    else:
        if name == "interactions":
            kind_index(connection, kinds)
        if spread:
            (draft / name).mkdir()
            files = [draft / tables.part_file(name, part) for part in range(partitions)]
            written = spread.sorted_parts(done.rows, done.folders, done.empty, zone, files)
            return tables.written(connection, draft, version, name, written)
        queries = (
            in_order(connection, done.rows, done.scan(part), zone) for part in range(partitions)
        )
    return tables.write_parts(connection, queries, draft, version, name)


def plain(rows: Rows, source: str) -> str:
    """SELECT of a table that belongs to no lead, in its order."""
    columns = ", ".join(identifier(c) for c in rows.kinds)
    return (
        f"SELECT {columns}, first_landed, gone_landed FROM {source} "
        "ORDER BY interaction_id, contact_id, first_landed, gone_landed"
    )


def in_order(connection: Connection, rows: Rows, source: str, zone: str) -> str:
    """SELECT of the published columns of split rows, in the order of leads and times."""
    event = identifier(rows.event or "")
    known = f"greatest(coalesce(recorded_at, {event}, first_landed), known_from)"
    tail = f"{known} AS known_at, first_landed, gone_landed, inherited"
    own = ", ".join(f"e.{identifier(c)}" for c in rows.kinds)
    if rows.name != "interactions":
        if rows.name == "lead_changes":
            tail += ", CASE WHEN e.from_source = '' THEN 'landing' ELSE 'source' END AS origin"
        order = ", ".join(identifier(c) for c in rows.kinds if c not in ("lead_id", rows.event))
        return (
            "SELECT lead_key, row_number() OVER () - 1 AS seq, * EXCLUDE (lead_key) FROM ("
            f"SELECT lead_key, {own}, {tail} FROM {source} e "
            f"ORDER BY lead_key, {event}, {order}, first_landed, gone_landed, inherited)"
        )
    local = f"timezone({literal(zone)}, timezone('UTC', e.occurred_at))"
    if zone in ("UTC", "Etc/UTC"):
        local = "e.occurred_at"
    return (
        "SELECT lead_key, row_number() OVER () - 1 AS seq, * EXCLUDE (lead_key) FROM ("
        f"SELECT e.lead_key, k.kind_id, CAST(date_diff('day', DATE '1970-01-01', "
        f"CAST({local} AS DATE)) AS INTEGER) AS local_day, {own}, {tail} "
        f"FROM {_numbered(connection, source)} e JOIN kind_index k ON k.type = e.type "
        "AND k.direction IS NOT DISTINCT FROM e.direction "
        "ORDER BY e.lead_key, e.occurred_at, e.interaction_id, first_landed, gone_landed, "
        "inherited)"
    )


def _numbered(connection: Connection, source: str) -> str:
    """Equal rows without an ID get an ordinal behind the hash that they share."""
    connection.execute(
        "CREATE OR REPLACE TEMP TABLE equal_rows AS SELECT lead_key, interaction_id "
        f"FROM {source} WHERE generated_id GROUP BY ALL HAVING count(*) > 1"
    )
    if not scalar(connection, "SELECT count(*) FROM equal_rows"):
        return source
    ordinal = (
        "row_number() OVER (PARTITION BY lead_key, interaction_id "
        "ORDER BY first_landed, gone_landed)"
    )
    return (
        f"(SELECT * FROM {source} ANTI JOIN equal_rows USING (lead_key, interaction_id) "
        f"UNION ALL BY NAME SELECT * REPLACE (interaction_id || '-' || {ordinal} AS "
        f"interaction_id) FROM {source} SEMI JOIN equal_rows USING (lead_key, interaction_id))"
    )


def event_kinds(connection: Connection, done: Split) -> list[dict[str, Any]]:
    """Every (type, direction) with its number of live rows, by when it landed first and name: a
    kind keeps its number when others come."""
    found = connection.execute(
        "SELECT type, direction, count(*) FILTER (gone_landed IS NULL AND NOT inherited) "
        f"FROM {done.scan()} GROUP BY 1, 2 ORDER BY min(first_landed), 1, 2 NULLS FIRST"
    ).fetchall()
    return numbered_kinds([(kind, direction, int(n)) for kind, direction, n in found])


def numbered_kinds(found: Sequence[tuple[str, str | None, int]]) -> list[dict[str, Any]]:
    """The manifest's kinds of (type, direction, live rows). Raises ConfigError beyond 65,536."""
    if len(found) > MOST_KINDS:
        raise ConfigError(
            f"interactions has {len(found):,} different types; {MOST_KINDS:,} can be told apart.",
            "Map `type` to a kind of event in staging, and keep its details as a property.",
        )
    return [
        {"id": number, "type": kind, "direction": direction, "rows": n}
        for number, (kind, direction, n) in enumerate(found)
    ]


def kind_index(connection: Connection, kinds: Sequence[dict[str, Any]]) -> None:
    connection.execute(
        "CREATE OR REPLACE TEMP TABLE kind_index (kind_id USMALLINT, type VARCHAR, "
        "direction VARCHAR)"
    )
    if kinds:
        connection.executemany(
            "INSERT INTO kind_index VALUES (?, ?, ?)",
            [[k["id"], k["type"], k["direction"]] for k in kinds],
        )


def add(connection: Connection, done: Split, query: str, work: Path) -> None:
    """Add rows that the program found itself to a split table: `query` gives its canonical columns
    and first_landed."""
    known = columns_of(connection, f"({query})")
    missing = [c for c in done.rows.kinds if c not in known]
    nulls = "".join(f", NULL AS {identifier(c)}" for c in missing)
    rows = (
        f"SELECT q.*{nulls}, NULL::TIMESTAMP AS gone_landed, q.first_landed AS version_time, "
        "'' AS from_source, NULL::STRUCT(\"column\" VARCHAR, reason VARCHAR)[] AS faults, "
        "NULL::VARCHAR AS row_json, "
        "NULL::VARCHAR AS content_hash, false AS generated_id, false AS early, l.lead_key, "
        "NULL::TIMESTAMP AS known_from, false AS inherited, l.part "
        f"FROM ({query}) q JOIN lead_index l ON l.lead_id = q.lead_id"
    )
    tables.split(connection, rows, work / "added")
    done.folders.insert(2, work / "added")
