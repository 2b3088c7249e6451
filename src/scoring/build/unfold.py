"""Declarations → columns, for the types, properties and attributes that a project has."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase

from scoring.build.columns import Column
from scoring.build.declare import Declaration
from scoring.build.load import Named
from scoring.errors import ConfigError, nearest

# Fewer leads than this never make a type, property or attribute a column of its own: it is the
# floor of the frequency that is fitted on training rows (`fitted.py`), so it hides nothing there.
MIN_LEADS = 20
BUILT_IN = ("type", "contact_id")
# Columns of the training table that are not features.
RESERVED = (
    "snap_id",
    "lead_key",
    "lead_id",
    "as_of",
    "label",
    "matured_at",
    "group_id",
    "root_key",
)


@dataclass(frozen=True)
class Vocabulary:
    """The names that a project's history holds.

    types        event types per stream → number of leads that have one
    directions   directions of interactions → the types that are recorded with it
    properties   property of interactions → `number`, `text` or `flag`
    holders      number or text property → number of leads that have it
    attributes   usable attribute → `number`, `text` or `flag`
    """

    types: Mapping[str, Mapping[str, int]]
    directions: Mapping[str, frozenset[str]]
    properties: Mapping[str, str]
    holders: Mapping[str, int]
    attributes: Mapping[str, str]


def unfold(named: Iterable[Named], words: Vocabulary) -> list[Column]:
    """Every column that this project can have.

    A declaration whose types or properties the project does not have unfolds to nothing and costs
    nothing. Raises ConfigError for a ratio of unknown columns and for two columns of one name.
    """
    named = tuple(named)
    columns: list[Column] = []
    ratios: list[Named] = []
    for item in named:
        if item.declaration.op == "ratio":
            ratios.append(item)
        else:
            columns += _columns(item, words)
    columns = _without_twins(columns)
    known = {c.name: c for c in columns}
    for item in ratios:
        inputs = item.declaration.inputs
        for name in inputs:
            if name in known and known[name].kind != "number":
                raise ConfigError(
                    f"features/{item.theme}.py: `{item.variable}` must divide numbers. "
                    f"`{name}` is a text instead."
                )
            if name not in known and not any(_could_make(n, name) for n in named):
                raise ConfigError(
                    f"features/{item.theme}.py: `{item.variable}` reads `{name}`, which is not "
                    f"declared, or is a ratio itself.{nearest(name, known)}"
                )
        if all(name in known for name in inputs):
            columns.append(_column(item, item.variable, inputs=inputs))
    return _without_twins(columns)


def _could_make(item: Named, name: str) -> bool:
    """Whether a declaration makes the column `name` in a project with the history for it."""
    declaration = item.declaration
    if declaration.op == "ratio" or declaration.each == "attribute":
        return False
    ends = [f"_{days}d" if days else "" for days in declaration.windows]
    if declaration.each:
        return name.startswith(f"{item.variable}_") and any(name.endswith(end) for end in ends)
    return name in {item.variable + end for end in ends}


def _columns(item: Named, words: Vocabulary) -> list[Column]:
    declaration = item.declaration
    if declaration.stream == "lead":
        return _lead_columns(item, words)
    known = words.types.get(declaration.stream, {})
    types = _matching(declaration.patterns, known)
    if declaration.direction:
        types &= words.directions.get(declaration.direction, frozenset())
    if not types or (declaration.of and not _has_property(declaration, words)):
        return []
    part = tuple(sorted(_matching(declaration.part, known))) if declaration.part else None
    text = words.properties.get(declaration.of or "") == "text"
    category = declaration.op == "last" and (declaration.stream == "stage_changes" or text)
    kind = "category" if category else "number"
    if declaration.each == "type":
        return [
            replace(
                _column(
                    item,
                    f"{item.variable}_{plain(t)}",
                    days,
                    types=(t,),
                    of=declaration.of,
                    part=part,
                    kind=kind,
                ),
                label=in_words(t),
                each="type",
            )
            for t in sorted(types)
            if known[t] >= MIN_LEADS
            for days in declaration.windows
        ]
    chosen = None if declaration.patterns == ("*",) else tuple(sorted(types))
    if declaration.each in ("number", "text"):
        return [
            replace(
                _column(item, f"{item.variable}_{plain(p)}", days, types=chosen, of=p),
                label=in_words(p),
                kind="category" if declaration.each == "text" else "number",
                each=declaration.each,
            )
            for p in sorted(words.holders)
            if words.properties[p] == declaration.each and words.holders[p] >= MIN_LEADS
            for days in declaration.windows
        ]
    return [
        _column(
            item,
            item.variable,
            days,
            types=chosen,
            of=declaration.of,
            part=part,
            kind=kind,
        )
        for days in declaration.windows
    ]


def _has_property(declaration: Declaration, words: Vocabulary) -> bool:
    if declaration.stream == "stage_changes":
        return declaration.of == "stage"
    if declaration.of in BUILT_IN:
        return declaration.op == "distinct"
    kind = words.properties.get(declaration.of or "")
    return kind is not None and (kind != "text" or declaration.op in ("last", "distinct"))


def _lead_columns(item: Named, words: Vocabulary) -> list[Column]:
    if item.declaration.op == "age":
        return [_column(item, item.variable)]
    each = item.declaration.each == "attribute"
    wanted = sorted(words.attributes) if each else [item.declaration.of or ""]
    return [
        replace(
            _column(item, plain(name) if each else item.variable, of=name),
            label=in_words(name),
            kind="category" if words.attributes[name] == "text" else words.attributes[name],
            each="attribute" if each else None,
        )
        for name in wanted
        if name in words.attributes
    ]


def _column(
    item: Named,
    name: str,
    days: int | None = None,
    *,
    types: tuple[str, ...] | None = None,
    of: str | None = None,
    part: tuple[str, ...] | None = None,
    inputs: tuple[str, ...] = (),
    kind: str = "number",
) -> Column:
    declaration = item.declaration
    return Column(
        name=f"{name}_{days}d" if days else name,
        variable=name,
        theme=item.theme,
        stream=declaration.stream,
        op=declaration.op,
        types=types,
        direction=declaration.direction,
        of=of,
        part=part,
        days=days,
        inputs=inputs,
        kind=kind,
        singular=declaration.singular,
        plural=declaration.plural,
    )


def _matching(patterns: Iterable[str], known: Iterable[str]) -> set[str]:
    patterns = tuple(patterns)
    return {name for name in known if any(fnmatchcase(name, p) for p in patterns)}


def _without_twins(columns: Iterable[Column]) -> list[Column]:
    """Declared names collide loudly; a CRM's own names give way by a number behind them.

    The engine tells no capital letters apart, so names that differ by them only collide too.
    """
    kept: dict[str, Column] = {}
    unfolded: list[Column] = []
    for column in columns:
        if column.each:
            unfolded.append(column)
        elif column.name.lower() in kept or column.name.lower() in RESERVED:
            other = kept.get(column.name.lower())
            where = f"also made by features/{other.theme}.py" if other else "reserved"
            raise ConfigError(
                f"features/{column.theme}.py: the column `{column.name}` is {where}.",
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
    """A CRM's name as a seller reads it: `email_opened` → `email opened`."""
    return re.sub(r"[_\s]+", " ", name).strip()
