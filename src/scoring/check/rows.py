"""One canonical table over all sources as one SELECT: cast, united and judged row by row.

Beside the canonical columns each row carries
    first_landed, gone_landed   from the landing
    version_time                orders the versions of one key: the landing run, or, for what a full
                                delivery holds now, after all others
    from_source                 the source's name
    faults                      list of {column, reason}, NULL for a good row
    row_json                    a bad row as it was delivered (personal data: stays in the store)
"""

import logging
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from scoring.check import cast
from scoring.check.staging import LANDED, Staged
from scoring.contracts import RESERVED, Kind, Rule, extra_column, row_rules
from scoring.engine.connection import Connection, identifier, literal, scalar
from scoring.errors import ConfigError, Held, nearest
from scoring.without_pyspark import pandera as pa

log = logging.getLogger(__name__)

NEWEST = "TIMESTAMP '9999-12-31'"
SQL_TYPES: dict[Kind, str] = {
    "number": "DOUBLE",
    "text": "VARCHAR",
    "flag": "BOOLEAN",
    "timestamp": "TIMESTAMP",
}


@dataclass(frozen=True)
class Rows:
    """A canonical table of the project before keys and leads are looked at.

    schema     the contract, extra columns included
    kinds      column → kind, canonical columns first
    extras     the attributes (leads) or properties (interactions) among them
    query      SELECT of the rows as the module says; sources: what it unites
    given      canonical columns that at least one source has
    found      source → extra text column → what all of its values hold, None: nothing at all
    known      names that reading values depends on: all sources, the stages of the project
    """

    schema: pa.DataFrameSchema
    kinds: dict[str, Kind]
    extras: dict[str, Kind]
    query: str
    sources: tuple[Staged, ...]
    given: frozenset[str]
    found: dict[str, dict[str, Kind | None]] = field(default_factory=dict)
    known: tuple[tuple[str, ...], tuple[str, ...]] = ((), ())

    @property
    def name(self) -> str:
        return str(self.schema.name)

    @property
    def key(self) -> list[str]:
        return list(self.schema.unique or [])

    @property
    def event(self) -> str | None:
        return (self.schema.metadata or {})["event"]


class Doubt(Exception):
    """More rows change how all of them are read: only reading all of them again is exact."""


@dataclass(frozen=True)
class Grown:
    """What the texts of a table held so far (as `Rows.found`), and where its new rows are: source →
    relation."""

    found: Mapping[str, Mapping[str, Kind | None]]
    relations: Mapping[str, str]


def read(
    connection: Connection,
    schema: pa.DataFrameSchema,
    staged: Sequence[Staged],
    all_sources: Sequence[str],
    *,
    published: bool,
    before: Mapping[str, str],
    planned: Sequence[str] = (),
    stages: Sequence[str] = (),
    grown: Grown | None = None,
) -> Rows:
    """Unite and judge a table's sources.

    published tables stand already: a column that is missing now was lost on the way (Held)
    before    column → kind of the extra columns as published last, empty on the first run: a number
              stays a number, and a text among them is then a fault
    planned   attributes that questions take snapshots at: timestamps
    stages    the stages that the project names; another one is read as "unknown"
    grown     only these rows are new: nothing else is read; raises Doubt where that is not enough
    """
    for part in staged:
        _require(schema, part, renamed=published)
    extras, texts = _extra_kinds(connection, schema, staged, before, planned, grown)
    whole = schema
    if extras:
        columns = {n: extra_column(k, planned=n in planned) for n, k in extras.items()}
        whole = schema.add_columns(columns)
    kinds: dict[str, Kind] = {n: c.metadata["kind"] for n, c in whole.columns.items()}
    rows = Rows(
        schema=whole,
        kinds=kinds,
        extras=extras,
        query="",
        sources=tuple(staged),
        given=frozenset(c for part in staged for c in part.columns if c in schema.columns),
        found=texts,
        known=(tuple(all_sources), tuple(stages)),
    )
    return over(rows, {part.source: part.relation for part in staged})


def over(rows: Rows, relations: Mapping[str, str], where: str = "true") -> Rows:
    """The same table over other rows: `relations` are the sources' (all but the named ones are left
    out), `where` a condition on the canonical columns."""
    parts = [
        _select(rows, replace(part, relation=relations[part.source]), where)
        for part in rows.sources
        if part.source in relations
    ]
    return replace(rows, query=" UNION ALL BY NAME ".join(parts or [nothing(rows)]))


def _require(schema: pa.DataFrameSchema, part: Staged, renamed: bool) -> None:
    kind = Held if renamed else ConfigError
    others = [c for c in part.columns if c not in schema.columns and c not in LANDED]
    folded = {c.lower(): c for c in schema.columns}
    for name, column in schema.columns.items():
        if column.required and name not in part.columns:
            raise kind(
                f"{part.where} has no column `{name}`.{nearest(name, others)}",
                f"Map it in data/staging/{part.source}/{part.table}.sql.",
            )
    for name in others:
        if name.lower() in folded:
            raise ConfigError(
                f"{part.where} has a column `{name}`, which is `{folded[name.lower()]}` but for "
                "capital letters.",
                f"Rename it in data/staging/{part.source}/{part.table}.sql.",
            )


def _extra_kinds(
    connection: Connection,
    schema: pa.DataFrameSchema,
    staged: Sequence[Staged],
    before: Mapping[str, str],
    planned: Sequence[str],
    grown: Grown | None,
) -> tuple[dict[str, Kind], dict[str, dict[str, Kind | None]]]:
    """Attributes or properties and what each holds, the same for all sources; and what the texts of
    each source hold."""
    what = (schema.metadata or {})["extras"]
    found: dict[str, set[Kind | None]] = {}
    by_source: dict[str, dict[str, Kind | None]] = {}
    for part in staged:
        own = [c for c in part.columns if c not in schema.columns and c not in LANDED]
        if own and what is None:
            log.warning("%s: columns left out: %s", part.where, ", ".join(own))
            continue
        for name in own:
            if name.lower() in RESERVED:
                raise ConfigError(
                    f"{part.where} has a column `{name}`, a name that the store uses itself.",
                    f"Rename it in data/staging/{part.source}/{part.table}.sql.",
                )
        texts = [] if part.typed else [c for c in own if part.columns[c] == "VARCHAR"]
        relation = grown.relations[part.source] if grown else part.relation
        read = cast.text_kinds(connection, relation, texts, part.settings)
        if grown:
            so_far = grown.found.get(part.source, {})
            read = {name: _both(so_far, name, kind) for name, kind in read.items()}
        by_source[part.source] = read
        for name in own:
            kind = read.get(name) if name in texts else cast.natural_kind(part.columns[name])
            found.setdefault(name, set()).add(kind)
    settled = {
        name: _settle(kinds - {None}, before.get(name), what, name in planned)
        for name, kinds in found.items()
    }
    return settled, by_source


def _both(so_far: Mapping[str, Kind | None], name: str, new: Kind | None) -> Kind | None:
    """What a column holds with its new values; text stays text."""
    if name not in so_far:
        raise Doubt(f"the column {name} is new")
    old = so_far[name]
    if new is None or new == old or old == "text":
        return old
    if old is None:
        return new
    raise Doubt(f"the column {name} holds another kind of value now")


def _settle(kinds: set[Kind | None], before: str | None, what: str | None, planned: bool) -> Kind:
    if planned:
        return "timestamp"
    if before == "number":
        return "number"
    kind: Kind = "text"
    if len(kinds) == 1:
        (only,) = kinds
        kind = only or "text"
    elif not kinds and before in ("text", "flag", "timestamp"):
        kind = before  # type: ignore[assignment]
    # A property is a number, a text or a flag; a date among them stays as it is written.
    return "text" if kind == "timestamp" and what == "properties" else kind


def _select(rows: Rows, part: Staged, where: str) -> str:
    all_sources, stages = rows.known
    values, unread = [], []
    for name, kind in rows.kinds.items():
        metadata = rows.schema.columns[name].metadata
        if name not in part.columns:
            values.append(f"CAST(NULL AS {SQL_TYPES[kind]}) AS {identifier(name)}")
            continue
        engine_type = part.columns[name]
        read = cast.value(name, engine_type, kind, part.settings, metadata.get("day_end", False))
        if fault := cast.unreadable(name, engine_type, kind, read):
            unread.append(fault)
        if metadata.get("identifier") and len(all_sources) > 1:
            read = _prefixed(read, part.source, all_sources)
        if name == "stage" and stages:
            known = ", ".join(literal(s) for s in stages)
            read = f"CASE WHEN {read} IS NULL OR {read} IN ({known}) THEN {read} ELSE 'unknown' END"
        values.append(f"{read} AS {identifier(name)}")
    newest = f"CASE WHEN gone_landed IS NULL THEN {NEWEST} ELSE first_landed END"
    raw = ", ".join(f"{identifier(c)} := {identifier(c)}" for c in part.columns if c not in LANDED)
    unreadable = {fault.column: fault for fault in unread}
    rules = list(unread)
    for rule in row_rules(rows.schema):
        missing = rule.reason.endswith(" is missing")
        if missing and rule.column in unreadable:
            # What is there and cannot be read is not missing as well.
            bad = f'({rule.bad} AND NOT "unread {rule.column}")'
            rule = replace(rule, bad=bad)
        rules.append(rule)
    rules = [replace(r, bad=f'"unread {r.column}"') if r in unread else r for r in rules]
    flags = "".join(f', {f.bad} AS "unread {f.column}"' for f in unread)
    inner = (
        f"SELECT {', '.join(values)}, first_landed, gone_landed, "
        f"{newest if part.settings.mode == 'full' else 'first_landed'} AS version_time, "
        f"{literal(part.source)} AS from_source, struct_pack({raw}) AS delivered{flags} "
        f"FROM {part.relation}"
    )
    kept = ", ".join(
        [identifier(c) for c in rows.kinds]
        + ["first_landed", "gone_landed", "version_time", "from_source"]
    )
    return (
        f"SELECT {kept}, {fault_list(rules)} AS faults, "
        f"CASE WHEN {any_bad(rules)} THEN CAST(to_json(delivered) AS VARCHAR) END AS row_json "
        f"FROM ({inner}) WHERE {where}"
    )


def any_bad(rules: Sequence[Rule]) -> str:
    return "(" + " OR ".join(rule.bad for rule in rules) + ")"


def fault_list(rules: Sequence[Rule]) -> str:
    """The faults of a row as a list of {column, reason}; NULL where it has none."""
    listed = ", ".join(
        f"CASE WHEN {r.bad} THEN "
        f"{{'column': {literal(r.column)}, 'reason': {literal(r.reason)}}} END"
        for r in rules
    )
    return f"CASE WHEN {any_bad(rules)} THEN list_filter([{listed}], lambda f: f IS NOT NULL) END"


def _prefixed(read: str, source: str, all_sources: Sequence[str]) -> str:
    """`<source>:` before an ID, unless staging has named another source's record with it."""
    named = " OR ".join(f"starts_with({read}, {literal(s + ':')})" for s in all_sources)
    return f"CASE WHEN {named} THEN {read} ELSE {literal(source + ':')} || {read} END"


def nothing(rows: Rows) -> str:
    columns = ", ".join(
        f"CAST(NULL AS {SQL_TYPES[kind]}) AS {identifier(name)}"
        for name, kind in rows.kinds.items()
    )
    return (
        f"SELECT {columns}, NULL::TIMESTAMP AS first_landed, NULL::TIMESTAMP AS gone_landed, "
        "NULL::TIMESTAMP AS version_time, NULL::VARCHAR AS from_source, "
        'NULL::STRUCT("column" VARCHAR, reason VARCHAR)[] AS faults, NULL::VARCHAR AS row_json '
        "WHERE false"
    )


def content_hash(rows: Rows, of: str = "") -> str:
    """MD5 over the names and texts of the columns that are not NULL: the same for equal rows, on
    every engine version, and a new column that is empty changes nothing."""
    said = ", ".join(
        f"{literal(name + '=')} || {of}{identifier(name)}"
        if kind == "text"
        else f"{literal(name + '=')} || CAST({of}{identifier(name)} AS VARCHAR)"
        for name, kind in sorted(rows.kinds.items())
    )
    return f"md5(concat_ws(chr(31), {said}))"


def clock_changes(
    connection: Connection,
    rows: Rows,
    relations: Mapping[str, str],
    which: str = "gone_landed IS NULL",
) -> dict[str, int]:
    """How many times of the sources' `relations` lie in an hour that the zone skips or has twice;
    of those rows that are `which`."""
    counts = {"in_dst_gap": 0, "ambiguous": 0}
    for part in rows.sources:
        if part.source not in relations:
            continue
        zone = literal(part.settings.time_zone)
        for name, kind in rows.kinds.items():
            if kind != "timestamp" or name not in part.columns:
                continue
            for local in cast.local_times(identifier(name), part.columns[name], part.settings):
                back = f"timezone({zone}, timezone({zone}, t)"
                # Zones change at half hours at the finest, and the distinct ones are few.
                found = connection.execute(
                    f"SELECT coalesce(sum(n) FILTER ({back}) <> t), 0), "
                    f"coalesce(sum(n) FILTER ({back} - INTERVAL 1 HOUR) = t "
                    f"OR {back} + INTERVAL 1 HOUR) = t), 0) "
                    "FROM (SELECT time_bucket(INTERVAL 30 MINUTE, local) AS t, count(*) AS n "
                    f"FROM (SELECT {local} AS local FROM {relations[part.source]} "
                    f"WHERE {which}) WHERE local BETWEEN TIMESTAMP '1971-01-01' "
                    "AND TIMESTAMP '2101-01-01' GROUP BY 1)"
                ).fetchone()
                if found:
                    counts["in_dst_gap"] += int(found[0])
                    counts["ambiguous"] += int(found[1])
    return counts


def count(connection: Connection, relations: Iterable[str]) -> int:
    """How many rows there are in all of the relations."""
    return sum(int(scalar(connection, f"SELECT count(*) FROM {r}")) for r in relations)
