"""Declarations → columns, for the types, properties and attributes that a project has."""

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace

from scoring.build.columns import COLUMN_OPS, Column
from scoring.build.language.declaration import Declaration
from scoring.build.load import Named
from scoring.build.vocabulary import (
    NEED_ORDER,
    Unfed,
    Vocabulary,
    compiled,
    near,
    needs_met,
    patterns,
    rows_of,
    types_of,
)
from scoring.errors import ConfigError, nearest

# Fewer leads than this never make a type, property or attribute a column of its own: it is the
# floor of the frequency that is fitted on training rows (`fitted.py`), so it hides nothing there.
MIN_LEADS = 20
# Ends of names that are a unit, in words.
UNITS = {"s": "seconds", "min": "minutes", "h": "hours"}
# Columns of the training table that are not features.
RESERVED = (
    "snap_id",
    "lead_key",
    "lead_id",
    "as_of",
    "label",
    "matured_at",
    "label_known_at",
    "closed_at",
    "converted",
    "group_id",
    "root_key",
)


@dataclass(frozen=True)
class Absent:
    """A declaration that makes no column here, and why: one sentence."""

    named: Named
    reason: str


def unfold(named: Iterable[Named], words: Vocabulary) -> list[Column]:
    """Every column that this project can have.

    A declaration whose types or properties the project does not have unfolds to nothing and costs
    nothing; `absent` says why. Raises ConfigError, with file and line, for a ratio or difference of
    unknown columns and for two columns of one name.
    """
    return _unfolded(tuple(named), words)[0]


def absent(named: Iterable[Named], words: Vocabulary) -> list[Absent]:
    """The declarations that this project's history cannot feed; those that are learned from other
    leads are not looked at (`learned.py`). Raises as `unfold` does."""
    return _unfolded(tuple(named), words)[1]


def _unfolded(named: Sequence[Named], words: Vocabulary) -> tuple[list[Column], list[Absent]]:
    columns: list[Column] = []
    missing: list[Absent] = []
    _excuses_declared(named)

    def take(item: Named, make: Callable[[], list[Column]]) -> None:
        try:
            columns.extend(make())
        except Unfed as why:
            missing.append(Absent(item, f"{why}."))

    own = [n for n in named if n.declaration.stream not in ("columns", "learned")]
    for item in own:
        take(item, lambda item=item: _columns(item, words))  # type: ignore[misc]
    columns = _without_twins(columns, named)
    known = {c.name: c for c in columns}
    for item in named:
        if item.declaration.stream == "columns":
            take(item, lambda item=item: _of_columns(item, named, known))  # type: ignore[misc]
    return _without_twins(columns, named), missing


def _excuses_declared(named: Sequence[Named]) -> None:
    """Raises ConfigError for a sign that is excused by what nothing declares."""
    for item in named:
        sign = item.declaration.sign
        for name in sign.unless if sign else ():
            whole = {n.variable for n in named if n.declaration.windows == (None,)}
            if name not in whole and not any(could_make(n, name) for n in named):
                variables = [n.variable for n in named]
                raise ConfigError(
                    f"{item.where}: `{item.variable}` is excused by `{name}`, which is not "
                    f"declared.{nearest(name, variables)}"
                )


def _of_columns(item: Named, named: Sequence[Named], known: dict[str, Column]) -> list[Column]:
    for name in item.declaration.inputs:
        if name in known and known[name].kind == "category":
            raise ConfigError(
                f"{item.where}: `{item.variable}` must be of numbers. `{name}` is a text instead."
            )
        if name not in known:
            if not any(could_make(n, name) for n in named):
                raise ConfigError(
                    f"{item.where}: `{item.variable}` reads `{name}`, which is not declared, or "
                    f"is a ratio or difference itself.{nearest(name, known)}"
                )
            raise Unfed(f"it reads `{name}`, which cannot be computed here")
    return [_column(item, item.variable, inputs=item.declaration.inputs)]


def could_make(item: Named, name: str) -> bool:
    """Whether a declaration makes the column `name` in a project with the history for it."""
    declaration = item.declaration
    if declaration.op in COLUMN_OPS or declaration.each == "attribute":
        return False
    ends = [f"_{days}d" if days else "" for days in declaration.windows]
    if declaration.each:
        return name.startswith(f"{item.variable}_") and any(name.endswith(end) for end in ends)
    return name in {item.variable + end for end in ends}


def _columns(item: Named, words: Vocabulary) -> list[Column]:
    declaration = item.declaration
    if declaration.stream == "lead":
        return _lead_columns(item, words)
    if declaration.stream == "sql":
        from scoring.build.sql_features import kind_of_sql

        asked = replace(_column(item, item.variable), of=declaration.of, sql=declaration.sql)
        return [replace(asked, kind=kind_of_sql(item, words))]
    rows = rows_of(declaration)
    selection = compiled(rows, words)
    property_kind = needs_met(declaration, words)
    category = declaration.op in ("first", "last") and property_kind == "text"
    column = _column(item, item.variable)
    column = replace(
        column,
        types=selection.types,
        where=selection.where,
        of=declaration.of,
        part=compiled(declaration.part, words) if declaration.part else None,
        then=compiled(declaration.then, words) if declaration.then else None,
        like=patterns(declaration.listed, words) if declaration.listed else (),
        order=words.order if declaration.op in NEED_ORDER else (),
        kind="category" if category else "number",
    )
    if declaration.each == "type":
        frequent = words.types[declaration.stream]
        made = [
            replace(_named(column, t), types=(t,))
            for t in sorted(types_of(rows, words))
            if frequent[t] >= MIN_LEADS
        ]
    elif declaration.each in ("number", "text"):
        made = [
            replace(
                _named(column, p),
                of=p,
                kind="category" if declaration.each == "text" else "number",
            )
            for p in sorted(words.holders)
            if words.properties[p] == declaration.each and words.holders[p] >= MIN_LEADS
        ]
    else:
        made = [column]
    if not made:
        raise Unfed(f"no {declaration.each} is known of {MIN_LEADS} leads")
    return [_in_window(c, days) for c in made for days in declaration.windows]


def _lead_columns(item: Named, words: Vocabulary) -> list[Column]:
    declaration = item.declaration
    if declaration.op == "age":
        return [_column(item, item.variable)]
    if declaration.each is None and declaration.of not in words.attributes:
        raise Unfed(
            f"`{declaration.of}` is no attribute that may be used"
            f"{near(declaration.of or '', words.attributes)}"
        )
    if declaration.op == "listed":
        return [_listed(item, declaration, words)]
    wanted = [declaration.of or ""]
    each = declaration.each == "attribute"
    if each:
        wanted = sorted(name for name in words.attributes if name not in declaration.but)
    if not wanted:
        raise Unfed("no attribute may be used")
    return [
        replace(
            _column(item, plain(name) if each else item.variable),
            of=name,
            label=in_words(name),
            kind="category" if words.attributes[name] == "text" else words.attributes[name],
            each="attribute" if each else None,
        )
        for name in wanted
    ]


def _listed(item: Named, declaration: Declaration, words: Vocabulary) -> Column:
    kind = words.attributes[declaration.of or ""]
    if kind != "text":
        raise Unfed(f"`{declaration.of}` is a {kind}, and `is_listed` needs texts")
    column = _column(item, item.variable)
    return replace(
        column,
        of=declaration.of,
        label=in_words(declaration.of or ""),
        like=patterns(declaration.listed or "", words),
    )


def _column(item: Named, name: str, inputs: tuple[str, ...] = ()) -> Column:
    declaration: Declaration = item.declaration
    return Column(
        name=name,
        variable=name,
        theme=item.theme,
        stream=declaration.stream,
        op=declaration.op,
        direction=declaration.direction,
        where=declaration.where,
        by_person=declaration.by_person,
        within=declaration.within,
        inputs=inputs,
        singular=declaration.singular,
        plural=declaration.plural,
        each=declaration.each,
        sign=declaration.sign,
        earnest=declaration.shows_intent,
    )


def _named(column: Column, by: str) -> Column:
    """The column of one type or property of many."""
    name = f"{column.variable}_{plain(by)}"
    return replace(column, name=name, variable=name, label=in_words(by))


def _in_window(column: Column, days: int | None) -> Column:
    return replace(column, name=f"{column.variable}_{days}d" if days else column.name, days=days)


def _without_twins(columns: Iterable[Column], named: Sequence[Named]) -> list[Column]:
    """Declared names collide loudly; a CRM's own names give way by a number behind them.

    The engine tells no capital letters apart, so names that differ by them only collide too.
    """
    where = {(item.theme, item.variable): item.where for item in named}
    kept: dict[str, Column] = {}
    unfolded: list[Column] = []
    for column in columns:
        if column.each:
            unfolded.append(column)
        elif column.name.lower() in kept or column.name.lower() in RESERVED:
            other = kept.get(column.name.lower())
            by = f"also made by {where[other.theme, other.variable]}" if other else "reserved"
            raise ConfigError(
                f"{where[column.theme, column.variable]}: the column `{column.name}` is {by}.",
                "Rename the variable.",
            )
        else:
            kept[column.name.lower()] = column
    for column in unfolded:
        name, number = column.name, 2
        while name.lower() in kept or name.lower() in RESERVED:
            name, number = f"{column.name}_{number}", number + 1
        kept[name.lower()] = replace(column, name=name)
    return list(kept.values())


def plain(name: str) -> str:
    """A CRM's name as a part of a column name: letters, digits and `_`."""
    return re.sub(r"\W+", "_", name.strip()).strip("_").lower() or "unnamed"


def in_words(name: str) -> str:
    """A CRM's name as a seller reads it: `email_opened` → `email opened`, `duration_s` →
    `duration in seconds`."""
    words = re.sub(r"[_\s]+", " ", name).strip()
    of, _, unit = words.rpartition(" ")
    return f"{of} in {UNITS[unit]}" if of and unit in UNITS else words
