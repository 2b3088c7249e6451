"""What machines do in a customer's name: scanners that open every mail and follow its links,
auto-replies. The team declares how they are known, in a file of `features/`:

    from scoring import machine

    scanner = machine("email_opened", "email_clicked").within_seconds(30, after="email_sent")
    all_links_at_once = machine("email_clicked").same_moment(at_least=3, within_seconds=5)
    auto_reply = machine("email_received").where("auto_submitted", is_in=[True])

A row that any rule names is left out wherever a feature says `.not_by_machine()`. Rules look at the
rows of one lead. A snapshot judges by the rows that it sees: a burst counts as one once enough of
it had happened and was recorded, and the rows of it that were there before are judged then, too.
Seconds mean nothing to a row that knows its day only (`precision = "day"`), so rules of seconds
leave it alone.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from fnmatch import fnmatchcase
from typing import Any, Literal

from scoring.errors import ConfigError

Rule = Literal["after", "burst", "marked"]
LONGEST = 86_400
Value = str | float | bool


@dataclass(frozen=True)
class MachineRule:
    """How a machine is known; immutable, and part of a champion.

    types      of the interactions that it speaks of: names or patterns
    rule       `after`: within `seconds` after one of the types `after`, or in the same moment;
               `burst`: at least `at_least` of them within `seconds`;
               `marked`: the property `of` has one of `values`
    values     numbers, True or False; or texts, which are patterns whatever their capital letters
    """

    types: tuple[str, ...]
    rule: Rule
    seconds: int = 0
    after: tuple[str, ...] = ()
    at_least: int = 0
    of: str = ""
    values: tuple[Value, ...] = ()

    @property
    def of_texts(self) -> bool:
        return any(isinstance(value, str) for value in self.values)

    def to_json(self) -> dict[str, Any]:
        return asdict(self)

    @staticmethod
    def from_json(value: Mapping[str, Any]) -> "MachineRule":
        values: dict[str, Any] = {
            name: tuple(v) if isinstance(v, list) else v for name, v in value.items()
        }
        return MachineRule(**values)


@dataclass(frozen=True)
class MachineRows:
    """Interactions of some types, before it is said how a machine's are known."""

    types: tuple[str, ...]

    def within_seconds(self, seconds: int, after: str | Sequence[str]) -> MachineRule:
        """Those in [t, t + seconds] after an interaction of the types `after` at t.

        Example: `machine("email_clicked").within_seconds(30, after="email_sent")`.
        """
        _whole("within_seconds", seconds, 1, LONGEST)
        kinds = _names("after", (after,) if isinstance(after, str) else tuple(after))
        return MachineRule(self.types, "after", seconds=seconds, after=kinds)

    def same_moment(self, *, at_least: int, within_seconds: int) -> MachineRule:
        """Those of which so many fall into one stretch of so many seconds, both ends included.

        Example: `machine("email_clicked").same_moment(at_least=3, within_seconds=5)`.
        """
        _whole("at_least", at_least, 2, 1000)
        _whole("within_seconds", within_seconds, 1, LONGEST)
        return MachineRule(self.types, "burst", seconds=within_seconds, at_least=at_least)

    def where(self, of: str, *, is_in: Iterable[Value]) -> MachineRule:
        """Those whose property is one of the values: numbers, True or False, or text patterns.

        A row without the property is a person's. Example:
        `machine("email_received").where("subject", is_in=["automatic reply*"])`.
        """
        values = () if isinstance(is_in, str) else tuple(is_in)
        if not values or len({isinstance(v, str) for v in values}) > 1:
            raise ConfigError(
                f'`is_in` of `machine(…).where("{of}", …)` must be a list of texts, or of numbers, '
                f"True and False. Got {is_in!r} instead."
            )
        return MachineRule(self.types, "marked", of=of, values=values)


def machine(*types: str) -> MachineRows:
    """Interactions that a machine may have made, by type; names or patterns, none for all."""
    return MachineRows(_names("machine", types) if types else ("*",))


@dataclass(frozen=True)
class NamedRule:
    """A rule with the variable and the theme (file) that hold it."""

    variable: str
    theme: str
    rule: MachineRule


def usable_rules(
    named: Iterable[NamedRule], types: Iterable[str], properties: Mapping[str, str]
) -> tuple[tuple[MachineRule, ...], dict[NamedRule, str]]:
    """The rules that this project's history can feed; the others with the reason.

    properties   property of interactions → `number`, `text` or `flag`
    """
    types = frozenset(types)
    rules: list[MachineRule] = []
    left_out: dict[NamedRule, str] = {}
    for item in named:
        rule = item.rule
        if not matching(rule.types, types):
            left_out[item] = f"no interactions of type {' or '.join(rule.types)}"
        elif rule.rule == "after" and not matching(rule.after, types):
            left_out[item] = f"no interactions of type {' or '.join(rule.after)}"
        elif rule.rule == "marked" and rule.of not in properties:
            left_out[item] = f"interactions have no property {rule.of}"
        elif rule.rule == "marked" and rule.of_texts != (properties[rule.of] == "text"):
            asked = "texts" if rule.of_texts else "numbers or flags"
            left_out[item] = f"{rule.of} is a {properties[rule.of]}, not {asked}"
        else:
            rules.append(rule)
    return tuple(rules), left_out


def removed_lines(machine: Mapping[str, Sequence[int]]) -> list[str]:
    """What `Built.machine` says, for people."""
    return [
        f"made by a machine: {removed:,} of {every:,} {name} rows ({removed / every:.1%})"
        for name, (removed, every) in sorted(machine.items())
    ]


def matching(patterns: Iterable[str], names: Iterable[str]) -> frozenset[str]:
    patterns = tuple(patterns)
    return frozenset(n for n in names if any(fnmatchcase(n, p) for p in patterns))


def _names(called: str, types: tuple[str, ...]) -> tuple[str, ...]:
    if not types or any(not isinstance(t, str) or not t for t in types):
        raise ConfigError(f"`{called}` must name types of interactions. Got {types!r} instead.")
    return types


def _whole(called: str, value: object, least: int, most: int) -> None:
    if type(value) is not int or not least <= value <= most:
        raise ConfigError(
            f"`{called}` must be a whole number from {least} to {most}. Got {value!r} instead."
        )
