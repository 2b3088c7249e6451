"""What a project's history holds, and whether it can feed a declaration."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from fnmatch import fnmatchcase

from scoring.build.columns import KIND_NAMES, Condition, Selection, StageOrder, told_by_kind
from scoring.build.language.declaration import Declaration
from scoring.build.language.rows import NEED_NUMBERS, Rows
from scoring.build.lists import Lists, chosen
from scoring.engine.reading import MENTIONS
from scoring.errors import nearest

NEED_ORDER = ("furthest", "backward", "skipped")


@dataclass(frozen=True)
class Vocabulary:
    """The names that a project's history holds.

    types        event types per stream → number of leads that have one
    directions   directions of interactions → the types that are recorded with it
    properties   property of interactions, computed ones too → `number`, `text` or `flag`
    holders      number or text property → number of leads that have it
    attributes   usable attribute → `number`, `text` or `flag`
    of_streams   other stream → property → kind
    order        the pipeline as it is configured, oldest first; empty where it is not
    lists        the team's word lists
    """

    types: Mapping[str, Mapping[str, int]]
    directions: Mapping[str, frozenset[str]]
    properties: Mapping[str, str]
    holders: Mapping[str, int]
    attributes: Mapping[str, str]
    of_streams: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    order: tuple[StageOrder, ...] = ()
    lists: Lists = field(default_factory=Lists)

    def of_stream(self, stream: str) -> Mapping[str, str]:
        """Property → kind; what the kind of a row tells is among them."""
        known = dict(
            self.properties if stream == "interactions" else self.of_streams.get(stream, {})
        )
        known[KIND_NAMES[stream]] = "text"
        if stream == "interactions" and self.directions:
            known["direction"] = "text"
        return known


class Unfed(Exception):
    """Why a project's history cannot feed a declaration: a clause without a full stop."""


def rows_of(declaration: Declaration) -> Rows:
    """The selection that a declaration starts from."""
    return Rows(
        declaration.stream,
        declaration.patterns,
        declaration.direction,
        declaration.where,
        declaration.by_person,
    )


def types_of(rows: Rows, words: Vocabulary) -> set[str]:
    """The types, stages, fields or roles that are selected. Raises Unfed where there are none."""
    known = words.types.get(rows.stream, {})
    if not known:
        raise Unfed(f"this history has no {rows.stream}")
    types = matching(rows.patterns, known)
    if not types:
        listed = ", ".join(f"`{p}`" for p in rows.patterns)
        raise Unfed(
            f"no {KIND_NAMES[rows.stream]} of {rows.stream} is called {listed}"
            f"{near(rows.patterns[0], known)}"
        )
    if rows.direction:
        types &= words.directions.get(rows.direction, frozenset())
        if not types:
            raise Unfed(f"none of its interactions is recorded as {rows.direction}")
    for condition in rows.conditions:
        if not _never_asked(rows.stream, condition, words):
            _can_be_met(condition, kind_of(rows.stream, condition.of, words))
    return types


def compiled(rows: Rows, words: Vocabulary) -> Selection:
    """The selection with the types that the project has. Raises Unfed."""
    types = types_of(rows, words)
    named = None if rows.patterns == ("*",) else tuple(sorted(types))
    where = tuple(
        replace(c, like=patterns(c.listed, words)) if c.listed else c
        for c in rows.conditions
        if not _never_asked(rows.stream, c, words)
    )
    return Selection(named, rows.direction, where, rows.by_person)


def _never_asked(stream: str, condition: Condition, words: Vocabulary) -> bool:
    """Whether every row meets it, as no row has the property."""
    return condition.or_missing and condition.of not in words.of_stream(stream)


def patterns(listed: str, words: Vocabulary) -> tuple[str, ...]:
    """The patterns of a list. Raises ConfigError where there is no such list."""
    return chosen(words.lists.values, listed, "values")


def kind_of(stream: str, name: str, words: Vocabulary) -> str:
    """`number`, `text` or `flag`. Raises Unfed for a property that no row has."""
    known = words.of_stream(stream)
    if name not in known and stream == "interactions" and name.startswith(MENTIONS):
        chosen(words.lists.text, name.removeprefix(MENTIONS), "text")
        raise Unfed("no interaction of this history has a text")
    if name not in known:
        raise Unfed(f"no row of {stream} has the property `{name}`{near(name, known)}")
    return known[name]


def needs_met(declaration: Declaration, words: Vocabulary) -> str | None:
    """The kind of the declared property, or None without one. Raises Unfed."""
    if declaration.op in NEED_ORDER and not words.order:
        raise Unfed("scoring.toml says no `order` of the stages")
    if declaration.of is None:
        return None
    kind = kind_of(declaration.stream, declaration.of, words)
    if kind != "text" and declaration.op == "last_listed":
        raise Unfed(f"`{declaration.of}` is a {kind}, and `last_listed` needs texts")
    if kind == "text" and declaration.op in NEED_NUMBERS:
        raise Unfed(f"`{declaration.of}` is a text, and `{declaration.op}` needs numbers")
    if kind == "flag" and declaration.op in ("ahead", "missed"):
        raise Unfed(f"`{declaration.of}` is a flag, and `{declaration.op}` needs dates")
    if told_by_kind(declaration.stream, declaration.of) and declaration.op in ("ahead", "missed"):
        raise Unfed(f"`{declaration.of}` is no date, and `{declaration.op}` needs dates")
    return kind


def _can_be_met(condition: Condition, kind: str) -> None:
    if condition.listed is not None:
        if kind != "text":
            raise Unfed(f"`{condition.of}` is a {kind}, and `listed` needs texts")
        return
    texts = condition.of_texts
    if condition.is_in is None and kind == "text":
        raise Unfed(f"`{condition.of}` is a text, and the bounds of `where` need numbers")
    if texts and kind != "text":
        raise Unfed(f"`{condition.of}` is a {kind}, and `is_in` names texts")
    if condition.is_in is not None and not texts and kind == "text":
        raise Unfed(f"`{condition.of}` is a text, and `is_in` names numbers")


def matching(patterns: Iterable[str], known: Iterable[str]) -> set[str]:
    patterns = tuple(patterns)
    return {name for name in known if any(fnmatchcase(name, p) for p in patterns)}


def near(name: str, known: Iterable[str]) -> str:
    """` (did you mean "call"?)`, or an empty text."""
    found = nearest(name, known).strip()
    return f" ({found[0].lower()}{found[1:]})" if found else ""
