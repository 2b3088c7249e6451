"""Columns → one pass over the events of a partition.

The narrow pattern: the visible rows are grouped by (snapshot, kind) into a few counters, and the
small result is turned into columns. Features that need more than counters (days, distinct values)
group the visible rows once each.

`past` is the only text here that decides what a snapshot may see; every feature reads through it.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from scoring.build.columns import Column
from scoring.engine.connection import identifier, literal

DAY = 86_400_000_000  # microseconds
DECIMAL = "DECIMAL(18,6)"  # float sums differ between runs; fixed point does not


@dataclass(frozen=True)
class Stream:
    """A history table as features see it.

    scan      SQL for FROM: the partition's rows
    time      the column of the event's time
    key       the column that rows are grouped by: it tells types (and directions) apart
    selects   (types, direction) of a column → the values of `key` that it selects
    """

    name: str
    scan: str
    time: str
    key: str
    keys: tuple[tuple[object, str, str | None], ...]  # (key, type, direction)

    def selected(self, types: Sequence[str] | None, direction: str | None) -> list[object]:
        return [
            key
            for key, type_, towards in self.keys
            if (types is None or type_ in types) and (direction is None or towards == direction)
        ]


@dataclass(frozen=True)
class Landed:
    """Which rows of the landing count: the live ones, or those of a past moment.

    through   None: everything that is live now. A moment (SQL timestamp text, UTC): what had
              landed by then and was not yet replaced, for rebuilding a score that was issued.
    """

    through: str | None = None

    def condition(self, alias: str) -> str:
        if self.through is None:
            return f"{alias}.gone_landed IS NULL"
        moment = f"TIMESTAMP {literal(self.through)}"
        return (
            f"{alias}.first_landed <= {moment} "
            f"AND ({alias}.gone_landed IS NULL OR {alias}.gone_landed > {moment})"
        )


def past(stream: Stream, landed: Landed, columns: Iterable[str]) -> str:
    """The rows of `stream` that each snapshot of `snapshots` may see, with their age.

    A row is visible if it happened and was recorded strictly before as_of. Merged histories come
    in here too: an inherited row is known from the merge on.
    """
    wanted = "".join(f", e.{identifier(c)}" for c in columns)
    return (
        f"SELECT s.snap_id, e.{identifier(stream.key)} AS _kind,"
        f" epoch_us(s.as_of) - epoch_us(e.{stream.time}) AS _age{wanted}\n"
        f"FROM snapshots s JOIN {stream.scan} e ON e.lead_key = s.lead_key\n"
        f"WHERE e.{stream.time} < s.as_of AND e.known_at < s.as_of AND {landed.condition('e')}"
    )


@dataclass
class _Plan:
    """What one stream's columns need, gathered before any SQL is written.

    counters   aggregate per (snapshot, kind) → its short name
    reads      the columns of the stream that the counters read
    narrow     column → aggregate over the counters
    days, values   selection (SQL condition on kind, property) → the columns that group it
    """

    counters: dict[str, str] = field(default_factory=dict)
    reads: set[str] = field(default_factory=set)
    narrow: dict[str, str] = field(default_factory=dict)
    days: dict[str, list[Column]] = field(default_factory=dict)
    values: dict[tuple[str, str], list[Column]] = field(default_factory=dict)

    def counter(self, aggregate: str, *reads: str) -> str:
        self.reads.update(reads)
        return self.counters.setdefault(aggregate, f"k{len(self.counters)}")


def features_sql(columns: Sequence[Column], streams: Sequence[Stream], landed: Landed) -> str:
    """One query: a row per row of `snapshots`, with `snap_id` and every column of the streams.

    `snapshots` is a relation (snap_id, lead_key, as_of). Columns of the lead and ratios are not
    made here.
    """
    relations: dict[str, str] = {}
    for stream in streams:
        own = [c for c in columns if c.stream == stream.name]
        if own:
            relations |= _relations(stream, own, landed)
    joined = [name for name in relations if not name.endswith("_kinds")]
    selected = ["s.snap_id"]
    for column in columns:
        value = identifier(column.name)
        if column.kind == "number":
            value = f"CAST({value} AS DOUBLE)"
        if column.op in ("count", "sum", "active_days", "distinct"):
            value = f"coalesce({value}, 0)"
        selected.append(f"{value} AS {identifier(column.name)}")
    ctes = ",\n".join(f"{name} AS (\n{query}\n)" for name, query in relations.items())
    return (
        (f"WITH {ctes}\n" if ctes else "")
        + f"SELECT {', '.join(selected)}\nFROM snapshots s"
        + "".join(f"\nLEFT JOIN {name} USING (snap_id)" for name in joined)
    )


def _relations(stream: Stream, columns: Sequence[Column], landed: Landed) -> dict[str, str]:
    """Relation → query; all but the `_kinds` one have a row per snapshot that saw anything."""
    plan = _Plan()
    for column in columns:
        keys = stream.selected(column.types, column.direction)
        if column.op == "active_days":
            plan.days.setdefault(_condition(keys), []).append(column)
        elif column.op == "distinct":
            plan.values.setdefault((_condition(keys), column.of or ""), []).append(column)
        else:
            plan.narrow[column.name] = _over_counters(column, stream, keys, plan)
    relations: dict[str, str] = {}
    if plan.narrow:
        counters = ", ".join(f"{aggregate} AS {name}" for aggregate, name in plan.counters.items())
        wide = ", ".join(f"{agg} AS {identifier(name)}" for name, agg in plan.narrow.items())
        relations[f"{stream.name}_kinds"] = (
            f"SELECT snap_id, _kind, {counters}\nFROM (\n"
            f"{past(stream, landed, sorted(plan.reads))}\n) GROUP BY snap_id, _kind"
        )
        relations[f"{stream.name}_wide"] = (
            f"SELECT snap_id, {wide}\nFROM {stream.name}_kinds GROUP BY snap_id"
        )
    for number, (condition, own) in enumerate(plan.days.items()):
        counts = ", ".join(f"count(*){_within(c.days)} AS {identifier(c.name)}" for c in own)
        relations[f"{stream.name}_days_{number}"] = (
            f"SELECT snap_id, {counts} FROM (\n"
            f"SELECT snap_id, min(_age) AS _age FROM (\n{past(stream, landed, ['local_day'])}\n)"
            f" WHERE {condition} GROUP BY snap_id, local_day\n) GROUP BY snap_id"
        )
    for number, ((condition, of), own) in enumerate(plan.values.items()):
        # The newest sight of each value decides in which windows it counts.
        counts = ", ".join(f"count(*){_within(c.days)} AS {identifier(c.name)}" for c in own)
        value = identifier(of)
        relations[f"{stream.name}_values_{number}"] = (
            f"SELECT snap_id, {counts} FROM (\n"
            f"SELECT snap_id, min(_age) AS _age FROM (\n{past(stream, landed, [of])}\n)"
            f" WHERE {condition} AND {value} IS NOT NULL GROUP BY snap_id, {value}\n)"
            " GROUP BY snap_id"
        )
    return relations


def _over_counters(column: Column, stream: Stream, keys: list[object], plan: _Plan) -> str:
    """The aggregate over (snapshot, kind) counters that gives `column`."""
    chosen = _filter(keys, stream)
    of = column.of or ""
    value = identifier(of) if of else ""
    match column.op:
        case "count":
            return f"sum({_count(plan, column.days)}){chosen}"
        case "sum":
            return f"sum({_total(plan, column)}){chosen}"
        case "mean":
            having = plan.counter(f"count({value}){_within(column.days)}", of)
            return f"sum({_total(plan, column)}){chosen} / nullif(sum({having}){chosen}, 0)"
        case "max":
            largest = plan.counter(f"max(CAST({value} AS DOUBLE)){_within(column.days)}", of)
            return f"max({largest}){chosen}"
        case "last":
            last = plan.counter(f"arg_max({value}, seq)", of, "seq")
            at = plan.counter(f"max(seq) FILTER ({value} IS NOT NULL)", of, "seq")
            return f"arg_max({last}, {at}){chosen}"
        case "share":
            part = set(stream.selected(column.part, column.direction))
            above = _filter([key for key in keys if key in part], stream)
            n = _count(plan, column.days)
            return f"coalesce(sum({n}){above}, 0) / nullif(sum({n}){chosen}, 0)"
        case "first_on":
            return f"max({plan.counter('max(_age)')}){chosen} / {DAY}"
        case "last_on":
            return f"min({plan.counter('min(_age)')}){chosen} / {DAY}"
        case "gap_mean":
            oldest, newest = plan.counter("max(_age)"), plan.counter("min(_age)")
            n = _count(plan, None)
            return (
                f"(max({oldest}){chosen} - min({newest}){chosen})"
                f" / nullif(sum({n}){chosen} - 1, 0) / {DAY}"
            )
        case "gap_last":
            both = f"list_sort(flatten(list({plan.counter('min(_age, 2)')}){chosen}))"
            return f"({both}[2] - {both}[1]) / {DAY}"
        case "trend":
            days = column.days or 0
            recent = f"coalesce(sum({_count(plan, days)}){chosen}, 0)"
            both = f"coalesce(sum({_count(plan, 2 * days)}){chosen}, 0)"
            return f"(2 * {recent} - {both}) / nullif({both}, 0)"
    raise AssertionError(f"no SQL for {column.op}")


def _within(days: int | None) -> str:
    return f" FILTER (_age <= {days * DAY})" if days else ""


def _condition(keys: list[object]) -> str:
    return f"_kind IN ({_values(keys)})" if keys else "false"


def _filter(keys: list[object], stream: Stream) -> str:
    return "" if len(keys) == len(stream.keys) else f" FILTER ({_condition(keys)})"


def _values(keys: Iterable[object]) -> str:
    return ", ".join(literal(k) if isinstance(k, str) else str(k) for k in keys)


def _count(plan: _Plan, days: int | None) -> str:
    return plan.counter(f"count(*){_within(days)}")


def _total(plan: _Plan, column: Column) -> str:
    """Fixed point, since float sums differ between runs in the last digits."""
    value = f"CAST({identifier(column.of or '')} AS {DECIMAL})"
    return plan.counter(f"sum({value}){_within(column.days)}", column.of or "")
