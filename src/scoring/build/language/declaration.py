"""A declaration: what is computed of which rows, what a seller reads, what it is a sign of."""

import string
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal

from scoring.build.columns import SIGN_KINDS, Condition, Sign
from scoring.errors import ConfigError, nearest

if TYPE_CHECKING:
    from scoring.build.language.rows import Rows

Direction = Literal["inbound", "outbound"]
SignKind = Literal["low_engagement", "busy_without_progress", "outside_profile"]
DIRECTIONS = ("inbound", "outbound")
PLACEHOLDERS = {"n", "value", "share", "days", "date", "name"}


@dataclass(frozen=True)
class Declaration:
    """What one variable of a feature file holds; immutable."""

    stream: str
    op: str
    patterns: tuple[str, ...] = ()
    direction: Direction | None = None
    where: tuple[Condition, ...] = ()
    by_person: bool = False
    of: str | None = None
    sql: str = ""
    part: "Rows | None" = None
    then: "Rows | None" = None
    listed: str | None = None
    but: tuple[str, ...] = ()
    windows: tuple[int | None, ...] = (None,)
    within: int | None = None
    inputs: tuple[str, ...] = ()
    each: str | None = None
    singular: str = ""
    plural: str = ""
    sign: Sign | None = None
    shows_intent: bool = False

    def says(self, singular: str, plural: str | None = None) -> "Declaration":
        """The sentence for a seller; `plural` where the number in it can be other than one."""
        for text in (singular, plural or singular):
            used = {name for _, name, _, _ in string.Formatter().parse(text) if name is not None}
            if unknown := used - PLACEHOLDERS:
                raise ConfigError(
                    f"The sentence {text!r} uses {{{sorted(unknown)[0]}}}.",
                    f"Known: {', '.join('{' + p + '}' for p in sorted(PLACEHOLDERS))}.",
                )
        return replace(self, singular=singular, plural=plural or singular)

    def warns(
        self,
        kind: SignKind,
        *,
        strong: bool = False,
        side: Literal["high", "low", "both"] = "high",
        above: float | None = None,
        below: float | None = None,
        unless: Sequence[str] = (),
    ) -> "Declaration":
        """That an unusual value is a sign of a lead that will not buy.

        Unusual is what few of the leads that bought had, at the same stage and age: more than they
        (`side="high"`), less (`side="low"`), or farther from 0 (`side="both"`, for what compares
        with buyers). `above` or `below` is a number of your own instead.
        A missing value warns of nothing. `unless` names features that excuse the lead: while one of
        them is neither missing nor 0, the sign is silent. A flag needs one strong sign or several.
        Example: `moves.says(…).warns("low_engagement", strong=True, above=2)`.
        """
        if kind not in SIGN_KINDS:
            raise ConfigError(
                f"A sign must warn of one of {', '.join(SIGN_KINDS)}. Got {kind!r} instead."
                f"{nearest(str(kind), SIGN_KINDS)}"
            )
        if side not in ("high", "low", "both"):
            raise ConfigError(f'`side` must be "high", "low" or "both". Got {side!r} instead.')
        limits = [v for v in (above, below) if v is not None]
        if len(limits) > 1 or any(type(v) not in (int, float) or v != v for v in limits):
            raise ConfigError(
                "`warns` must have one number, as `above` or as `below`, or none. "
                f"Got above={above!r}, below={below!r} instead."
            )
        if len(self.windows) > 1:
            raise ConfigError(
                f"A sign must have one window. Got {len(self.windows)} instead: the same events "
                "would count as evidence more than once.",
                "Declare the feature again with the window that warns.",
            )
        if limits:
            side = "high" if below is None else "low"
        excuses = (unless,) if isinstance(unless, str) else tuple(unless)
        sign = Sign(kind, strong, side, float(limits[0]) if limits else None, excuses)
        return replace(self, sign=sign)

    def is_listed(self, words: str) -> "Declaration":
        """Of a text attribute: 1 where it matches a pattern of a list in features/words.toml, else
        0. Not known at as_of: missing. Capital letters do not matter.

        Example: `attribute("email_domain").is_listed("free_mail")`.
        """
        if self.op != "attribute" or self.each or not isinstance(words, str) or not words:
            raise ConfigError(
                '`is_listed` must be asked of attribute("…"), with the name of a list. '
                f"Got {words!r} of {self.of or self.op!r} instead."
            )
        return replace(self, op="listed", listed=words)

    def earnest(self) -> "Declaration":
        """That it is an act of a lead that means to buy: a new one lifts a flag, and its sentence
        speaks for the lead. Of a date, a newer one; of a count, more within its window.

        Example: `interactions("demo_request*").last_on().says("asked for a demo on {date}")
        .earnest()`.
        """
        return replace(self, shows_intent=True)
