"""The selection of history rows that a declaration starts from."""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Self

from scoring.build.columns import KIND_NAMES, Condition, Value, told_by_kind
from scoring.build.language.declaration import Declaration, Direction
from scoring.engine.reading import MENTIONS, OF_CONTACTS, OF_LEAD_CHANGES
from scoring.errors import ConfigError, nearest

LONGEST_WINDOW = 36_500
# What the rows of a stream have. Those of interactions are the project's own.
PROPERTIES: Mapping[str, Mapping[str, str]] = {
    "stage_changes": {"stage": "text"},
    "lead_changes": {"field": "text", **OF_LEAD_CHANGES},
    "contacts": {"role": "text", **OF_CONTACTS},
}
NEED_NUMBERS = ("sum", "mean", "max", "min", "rises", "falls")


@dataclass(frozen=True)
class Rows:
    """A selection of history rows, before it is said what to compute of them."""

    stream: str
    patterns: tuple[str, ...]
    direction: Direction | None = None
    conditions: tuple[Condition, ...] = ()
    by_person: bool = False
    each: str | None = None

    def where(
        self,
        of: str,
        *,
        at_least: float | None = None,
        at_most: float | None = None,
        is_in: Sequence[Value] | None = None,
        listed: str | None = None,
        or_missing: bool = False,
    ) -> Self:
        """Only rows whose property is within the bounds (both inclusive), one of the values, or
        matches a pattern of the list `listed` in features/words.toml.

        A row without the property is left out, unless `or_missing`. Conditions add up: all of them
        must be met.
        Examples: `interactions("call").where("duration_s", at_least=300).count(last_days=[30])`;
        `contacts().where("domain", listed="competitor").count()`.
        """
        bounds = [b for b in (at_least, at_most) if b is not None]
        if any(type(b) not in (int, float) or not math.isfinite(b) for b in bounds):
            raise ConfigError(
                f'The bounds of `where("{of}", …)` must be numbers. Got {bounds!r} instead.'
            )
        values = None if is_in is None else tuple(is_in)
        said = bool(bounds) + (values is not None) + (listed is not None)
        if isinstance(is_in, str) or values == () or listed == "" or said != 1:
            raise ConfigError(
                f'`where("{of}", …)` must say `at_least`, `at_most` or both, or else `is_in` with '
                f"a list of values, or `listed` with the name of a list. Got at_least={at_least!r},"
                f" at_most={at_most!r}, is_in={is_in!r}, listed={listed!r} instead."
            )
        if values and len({isinstance(v, str) for v in values}) > 1:
            raise ConfigError(
                f'`is_in` of `where("{of}", …)` must hold either texts or numbers. Got both.'
            )
        if told_by_kind(self.stream, of):
            raise ConfigError(
                f"`{of}` must be chosen where the rows are named: {self.stream}(…). "
                f'Got `where("{of}", …)` instead.'
            )
        self._has_property(of)
        condition = Condition(of, at_least, at_most, values, listed, or_missing=or_missing)
        return replace(self, conditions=(*self.conditions, condition))

    def mentions(self, words: str) -> Self:
        """Only interactions whose text has a word of a list in features/words.toml.

        Of a note, a mail's body or a chat it is known whether it has one, and nothing else of it is
        read. Case and accents do not matter. An interaction without a text is left out.
        Example: `interactions("email_received", "note").mentions("discount").count()`.
        """
        self._must_be("mentions", "interactions")
        if not isinstance(words, str) or not words:
            raise ConfigError(f"`mentions` must name a list of words. Got {words!r} instead.")
        return self.where(MENTIONS + words, at_least=1)

    def not_by_machine(self) -> Self:
        """Only what a person did: without the clicks and opens of scanners and auto-replies.

        Which rows are a machine's is decided by the project's rule, see docs/build.md; a row counts
        until the snapshot can know that it is one.
        Example: `interactions("email_opened").not_by_machine().count(last_days=[30])`.
        """
        self._must_be("not_by_machine", "interactions")
        return replace(self, by_person=True)

    def each_type(self) -> Self:
        """One column per type that is frequent enough in the training rows."""
        return replace(self, each="type")

    def _declare(
        self,
        op: str,
        last_days: Iterable[int] | None = None,
        *,
        of: str | None = None,
        part: "Rows | None" = None,
        then: "Rows | None" = None,
        within: int | None = None,
        listed: str | None = None,
    ) -> Declaration:
        if of is not None:
            self._has_property(of, op)
        for other in (part, then):
            if other is not None:
                self._same_history(op, other)
        return Declaration(
            stream=self.stream,
            op=op,
            patterns=self.patterns,
            direction=self.direction,
            where=self.conditions,
            by_person=self.by_person,
            of=of,
            part=part,
            then=then,
            listed=listed,
            windows=windows(last_days),
            within=within,
            each=self.each,
        )

    def _has_property(self, name: str, op: str = "where") -> None:
        known = PROPERTIES.get(self.stream)
        if known is None:
            return
        if name not in known:
            raise ConfigError(
                f"`{name}` must be a property of interactions. Got {self.stream}, which hold "
                f"{', '.join(known)}.{nearest(name, known)}"
            )
        if op in NEED_NUMBERS and known[name] == "text":
            raise ConfigError(
                f"`{op}` must be asked of numbers, such as properties of interactions. "
                f"Got `{name}` of {self.stream}, a text."
            )

    def _must_be(self, op: str, stream: str) -> None:
        if self.stream != stream:
            raise ConfigError(f"`{op}` must be asked of {stream}. Got {self.stream} instead.")

    def _same_history(self, op: str, other: "Rows") -> None:
        if not isinstance(other, Rows) or other.stream != self.stream or other.each:
            got = getattr(other, "stream", type(other).__name__)
            each = ", each type" if getattr(other, "each", None) else ""
            raise ConfigError(
                f"The rows that `{op}` compares must be of one history: {self.stream}. "
                f"Got {got}{each} instead."
            )


def windows(last_days: Iterable[int] | None, called: str = "last_days") -> tuple[int | None, ...]:
    """Whole days, each once; (None,) for the whole history."""
    if last_days is None:
        return (None,)
    days: tuple[int, ...] = ()
    if isinstance(last_days, Iterable) and not isinstance(last_days, str):
        days = tuple(last_days)
    if not days or any(not whole_days(d) for d in days):
        raise ConfigError(
            f"`{called}` must be a list of whole days from 1 to {LONGEST_WINDOW}. "
            f"Got {last_days!r} instead."
        )
    return tuple(dict.fromkeys(days))


def one_window(days: int, called: str = "within_days") -> int:
    if not whole_days(days):
        raise ConfigError(
            f"`{called}` must be one whole number of days from 1 to {LONGEST_WINDOW}. "
            f"Got {days!r} instead."
        )
    return days


def whole_days(days: object) -> bool:
    return type(days) is int and 1 <= days <= LONGEST_WINDOW


def selection_of(stream: str, patterns: Sequence[str]) -> Rows:
    """Rows by type only: names or patterns, none for all."""
    for pattern in patterns:
        if not isinstance(pattern, str) or not pattern:
            raise ConfigError(
                f"A {KIND_NAMES[stream]} must be a name or a pattern. Got {pattern!r} instead."
            )
    return Rows(stream, tuple(patterns) or ("*",))
