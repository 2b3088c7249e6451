"""Features that the language cannot say: one SELECT over the visible rows of a history.

    -- calls_per_week: {value} calls a week
    -- longest_call: longest call {value} minute | longest call {value} minutes
    SELECT
        snap_id,
        count(*) FILTER (WHERE type = 'call' AND age_days <= 28) / 4 AS calls_per_week,
        max(minutes) FILTER (WHERE type = 'call') AS longest_call
    FROM past.interactions
    GROUP BY snap_id

A file `features/<theme>.sql` reads one of `past.interactions`, `past.stage_changes`,
`past.lead_changes` and `past.contacts`: a row per event that a snapshot sees (`past.py` decides it,
as for every other feature), with snap_id, age_days (days to as_of), happened_at (UTC), the type
(stage, field, role), of interactions the direction and by_machine, and the properties. It is
grouped by snap_id and does nothing else, so no snapshot can see another one's rows. Each other
column is documented above the SELECT by its sentence, or by singular | plural. A snapshot without
any row has what the aggregates say of no rows: a count 0, most others missing.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from tempfile import gettempdir
from typing import TYPE_CHECKING, Any

import numpy as np
import sqlglot
from sqlglot import exp

from scoring.build.columns import KIND_NAMES, STREAMS, Column
from scoring.build.language.declaration import Declaration
from scoring.build.named import Named
from scoring.build.past import blocks
from scoring.build.vocabulary import Unfed, Vocabulary, near
from scoring.errors import ConfigError, nearest

if TYPE_CHECKING:
    from scoring.engine.arrays import Events, Stream
    from scoring.engine.connection import Connection

STREAM = "sql"
# What every row has beside its properties.
OF_ROWS = ("snap_id", "age_days", "happened_at")
# What a SELECT is made of; everything else (joins, unions, windows, limits …) is refused.
CLAUSES = frozenset({"expressions", "from_", "where", "group"})
DOCUMENTED = re.compile(r"--\s*([A-Za-z_]\w*)\s*:\s*(.+?)\s*$")


@dataclass(frozen=True)
class PastQuery:
    """A checked file: its SELECT, the history that it reads, and the names that it uses of it."""

    theme: str
    text: str
    stream: str
    reads: frozenset[str]

    @property
    def by_machine(self) -> bool:
        return self.stream == "interactions" and "by_machine" in self.reads

    @property
    def told(self) -> frozenset[str]:
        """What every row of the stream has."""
        own = {*OF_ROWS, KIND_NAMES[self.stream]}
        return frozenset(own | ({"direction", "by_machine"} if self._of_interactions else set()))

    @property
    def properties(self) -> frozenset[str]:
        return self.reads - self.told

    @property
    def _of_interactions(self) -> bool:
        return self.stream == "interactions"


def load_sql(path: Path) -> list[Named]:
    """The documented columns of a `.sql` file, in the order of its SELECT.

    Raises ConfigError, with file and line, for anything but the SELECT that is described above.
    """
    text = path.read_text(encoding="utf-8")
    query = parsed(text, path.stem)
    _judge_calls(text, path.name)
    said = _documented(text, path.name)
    made = [column.alias_or_name for column in _tree(text, path.name).expressions]
    features = [name for name in made if name != "snap_id"]
    for name in features:
        if name not in said:
            raise ConfigError(
                f"{path.name}: the column `{name}` has no sentence.{nearest(name, said)}",
                f"Write `-- {name}: what a seller reads about it` above the SELECT.",
            )
    for name, (line, _) in said.items():
        if name not in features:
            raise ConfigError(
                f"{path.name}:{line}: the SELECT makes no column `{name}`.{nearest(name, features)}"
            )
    return [
        Named(
            name,
            path.stem,
            Declaration(STREAM, "sql", of=query.stream, sql=text).says(*said[name][1]),
            said[name][0],
        )
        for name in features
    ]


def parsed(text: str, theme: str) -> PastQuery:
    """What a file asks for. Raises ConfigError where it is not one SELECT as described above."""
    where = f"{theme}.sql"
    tree = _tree(text, where)
    _refuse_other_rows(tree, where)
    table = tree.args["from_"].this
    called = table.name.lower() if isinstance(table.this, exp.Identifier) else ""
    if table.db.lower() != "past" or table.catalog or called not in STREAMS:
        raise ConfigError(
            f"{where} reads `{table.sql(dialect='duckdb')}`.{nearest(called, STREAMS)}",
            f"A feature may read the past only: {', '.join('past.' + s for s in STREAMS)}.",
        )
    names = {c.name for c in tree.find_all(exp.Column) if not isinstance(c.this, exp.Star)}
    made = {c.alias for c in tree.expressions if isinstance(c, exp.Alias)}
    if hidden := sorted(names & made - {"snap_id"}):
        raise ConfigError(
            f"{where}: `{hidden[0]}` is the name of a column of this SELECT and of what it reads.",
            "Name the columns of the SELECT otherwise.",
        )
    return PastQuery(theme, tree.sql(dialect="duckdb", comments=False), called, frozenset(names))


def _judge_calls(text: str, where: str) -> None:
    from scoring.engine.connection import connect
    from scoring.engine.past_sql import judged_calls

    with connect(Path(gettempdir())) as connection:
        judged_calls(connection, text, where)


def without_rows(text: str) -> str:
    """The SELECT over no rows at all, ungrouped: what a snapshot without any row has."""
    tree = sqlglot.parse_one(text, read="duckdb")
    tree.set("group", None)
    tree.set("where", exp.Where(this=exp.false()))
    kept = [c for c in tree.expressions if c.alias_or_name != "snap_id"]
    tree.set("expressions", kept)
    return tree.sql(dialect="duckdb")


def kind_of_sql(named: Named, words: Vocabulary) -> str:
    """`number` or `category`. Raises Unfed for a history or property that the project does not
    have, and ConfigError for what the engine cannot bind."""
    query = parsed(named.declaration.sql, named.theme)
    if not words.types.get(query.stream):
        raise Unfed(f"this history has no {query.stream}")
    known = words.of_stream(query.stream)
    for name in sorted(query.properties):
        if name not in known:
            raise Unfed(
                f"no row of {query.stream} has the property `{name}`"
                f"{near(name, {*known, *query.told})}"
            )
    kinds = {name: "text" if known[name] == "text" else "number" for name in query.properties}
    kinds |= dict.fromkeys(query.told, "text")
    kinds |= {"snap_id": "number", "age_days": "number", "happened_at": "timestamp"}
    if query.stream == "interactions":
        kinds["by_machine"] = "flag"
    bound = _bound(query, tuple(sorted(kinds.items())))
    return "category" if bound[named.variable] == "text" else "number"


@lru_cache(maxsize=256)
def _bound(query: PastQuery, kinds: tuple[tuple[str, str], ...]) -> dict[str, str]:
    from scoring.engine.connection import connect
    from scoring.engine.past_sql import result_kinds

    with connect(Path(gettempdir())) as connection:
        return result_kinds(connection, query.text, query.stream, dict(kinds), f"{query.theme}.sql")


def run_past(
    connection: "Connection",
    queries: Mapping[PastQuery, Sequence[Column]],
    stream: "Stream",
    events: "Events",
    lead_key: np.ndarray,
    as_of: np.ndarray,
) -> dict[str, np.ndarray]:
    """Column → (snapshots,), as `reduce_stream` gives it."""
    from scoring.engine.past_sql import run, visible

    found: dict[str, list[np.ndarray]] = {c.name: [] for cs in queries.values() for c in cs}
    for past in blocks(events, lead_key, as_of) if queries else ():
        for query, columns in queries.items():
            rows = visible(stream, events, past, query.reads, KIND_NAMES[query.stream])
            made = run(
                connection,
                query.text,
                without_rows(query.text),
                {c.variable: c.kind == "category" for c in columns},
                stream,
                rows,
                past.size,
                f"{query.theme}.sql",
            )
            for column in columns:
                found[column.name].append(made[column.variable])
    return {name: np.concatenate(made) for name, made in found.items() if made}


def past_queries(columns: Iterable[Column], stream: str) -> dict[PastQuery, list[Column]]:
    """The queries over a stream with their columns; a file is run once."""
    found: dict[PastQuery, list[Column]] = {}
    for column in columns:
        if column.stream == STREAM and column.of == stream:
            found.setdefault(parsed(column.sql, column.theme), []).append(column)
    return found


def _tree(text: str, where: str) -> Any:
    try:
        statements = [s for s in sqlglot.parse(text, read="duckdb") if s is not None]
    except sqlglot.errors.SqlglotError as error:
        first = re.sub(r"\x1b\[[0-9;]*m", "", str(error)).splitlines()[0]
        raise ConfigError(f"{where} is not readable as SQL: {first}") from None
    if len(statements) != 1 or not isinstance(statements[0], exp.Select):
        raise ConfigError(f"{where} must be exactly one SELECT.")
    return statements[0]


def _refuse_other_rows(tree: Any, where: str) -> None:
    """Each group is one snapshot's rows, and nothing is read beside them."""
    used = {name for name, value in tree.args.items() if value}
    if not used >= CLAUSES - {"where"}:
        raise ConfigError(f"{where} must be SELECT snap_id, … FROM past.… GROUP BY snap_id.")
    table = tree.args["from_"].this
    nested = any(node is not tree for node in tree.find_all(exp.Query))
    if not used <= CLAUSES or nested or not _plain(table):
        raise ConfigError(
            f"{where} must be one SELECT from one table, with WHERE and GROUP BY only.",
            "Joins, subqueries, samples, HAVING, ORDER and LIMIT could mix rows of snapshots.",
        )
    if window := next(tree.find_all(exp.Window), None):
        raise ConfigError(
            f"{where} uses a window (`{window.sql(dialect='duckdb')}`).",
            "After the grouping a window looks at other snapshots.",
        )
    grouped = tree.args["group"]
    by = [g.name for g in grouped.expressions if isinstance(g, exp.Column)]
    if by != ["snap_id"] or {n for n, v in grouped.args.items() if v} != {"expressions"}:
        raise ConfigError(f"{where} must be grouped by snap_id, and by nothing else.")
    if any(not isinstance(star.parent, exp.Count) for star in tree.find_all(exp.Star)):
        raise ConfigError(f"{where} must name its columns; `*` is not one.")
    names = [c.alias_or_name.lower() for c in tree.expressions]
    keys = [c for c in tree.find_all(exp.Column) if c.name.lower() == "snap_id"]
    if len(keys) > 2 or not any(c is key for c in tree.expressions for key in keys):
        raise ConfigError(
            f"{where} must select snap_id as it is, and use it for nothing but the grouping."
        )
    if len(set(names)) < len(names) or not all(names):
        raise ConfigError(f"{where} must name each column but snap_id once, with AS.")


def _plain(table: Any) -> bool:
    """A table's name, perhaps with another name for it, and nothing behind."""
    if not isinstance(table, exp.Table):
        return False
    used = {name for name, value in table.args.items() if value}
    alias = table.args.get("alias")
    return used <= {"this", "db", "catalog", "alias"} and not (alias and alias.columns)


def _documented(text: str, where: str) -> dict[str, tuple[int, list[str]]]:
    """Column → line and sentences, of the comments above the SELECT."""
    said: dict[str, tuple[int, list[str]]] = {}
    for number, line in enumerate(text.splitlines(), start=1):
        if not line.strip():
            continue
        if not line.lstrip().startswith("--"):
            break
        if found := DOCUMENTED.match(line.strip()):
            if found[1] in said:
                raise ConfigError(f"{where}:{number}: `{found[1]}` is documented twice.")
            said[found[1]] = (number, [part.strip() for part in found[2].split(" | ", 1)])
    return said
