"""Plain comparisons over named values, as a team writes them: parsed strictly, never executed.

    grade in A, B            one of these texts; `not in` for none of them
    attention == not_worked  this text; `!=` for any other
    days_since_inbound <= 3  a number: == != < <= > >=
    resting == true          a yes or no
    offers is known          there is a value; `is missing` for none

A missing value equals nothing: `==`, `in` and the inequalities are false of it, `!=` and `not in`
are true.
"""

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from scoring.errors import ConfigError, nearest

NUMBER, FLAG, TEXT = "number", "flag", "text"
ANY = "any"  # of a feature without any history here: always missing
_COMPARISON = re.compile(
    r"\s*(?P<name>[^\W\d]\w*)\s*(?:"
    r"\s(?P<presence>is\s+known|is\s+missing)\s*"
    r"|\s(?P<among>(?:not\s+)?in)\s+(?P<values>.+?)\s*"
    r"|(?P<sign>==|!=|<=|>=|<|>)\s*(?P<value>[^=<>!].*?)\s*)"
)
_HOW = "Write `name == value`, `name >= 3`, `name in a, b`, `name is known` or `name is missing`."


@dataclass(frozen=True)
class Name:
    """What a condition may speak of: its kind, and the texts that it can be (none: any text)."""

    kind: str
    keys: tuple[str, ...] = ()


@dataclass(frozen=True)
class Condition:
    """One comparison. `values` are numbers (a flag as 0 or 1) or texts."""

    text: str
    name: str
    sign: str
    values: tuple[float, ...] | tuple[str, ...] = ()

    def holds(self, values: Mapping[str, pd.Series]) -> np.ndarray:
        """(n,) bool, for the values by name."""
        own = values[self.name]
        known = own.notna().to_numpy()
        if not known.any() and self.sign not in ("is missing", "!=", "not in"):
            return known
        match self.sign:
            case "is known":
                return known
            case "is missing":
                return ~known
            case "==" | "in":
                return known & own.isin(list(self.values)).to_numpy()
            case "!=" | "not in":
                return ~(known & own.isin(list(self.values)).to_numpy())
        number = own.to_numpy(dtype=np.float64, na_value=np.nan)
        limit = float(self.values[0])
        with np.errstate(invalid="ignore"):
            match self.sign:
                case "<":
                    return number < limit
                case "<=":
                    return number <= limit
                case ">":
                    return number > limit
                case _:
                    return number >= limit


def name_of(text: str) -> str:
    """The name that a comparison begins with; empty where it begins with none."""
    found = re.match(r"\s*([^\W\d]\w*)", text)
    return found[1] if found else ""


def parse(text: str, names: Mapping[str, Name], where: str) -> Condition:
    """A comparison over `names`. Raises ConfigError, beginning with `where`, for anything else."""
    found = _COMPARISON.fullmatch(text)
    if found is None:
        raise ConfigError(f"{where}: `{text}` is no comparison.", _HOW)
    name = found["name"]
    if name not in names:
        raise ConfigError(
            f"{where}: `{name}` is no name that conditions know.{nearest(name, names)}",
            "docs/score.md lists the names; `scoring features` lists the project's features.",
        )
    of = names[name]
    if found["presence"]:
        return Condition(text, name, " ".join(found["presence"].split()))
    if found["among"]:
        sign = " ".join(found["among"].split())
        said: Sequence[str] = [v.strip() for v in found["values"].split(",")]
    else:
        sign, said = found["sign"], [found["value"]]
    if sign not in ("==", "!=", "in", "not in") and of.kind in (TEXT, FLAG):
        raise ConfigError(
            f"{where}: `{text}` compares a {of.kind} with {sign}.",
            "Texts and flags know ==, !=, in and not in.",
        )
    return Condition(text, name, sign, _values(text, name, of, said, where))


def _values(
    text: str, name: str, of: Name, said: Sequence[str], where: str
) -> tuple[float, ...] | tuple[str, ...]:
    if of.kind == ANY:
        return tuple(said)
    if of.kind == TEXT:
        for value in said:
            if not value or (of.keys and value not in of.keys):
                raise ConfigError(
                    f"{where}: `{text}` names a value that `{name}` never has."
                    f"{nearest(value, of.keys)}",
                    f"It can be {', '.join(of.keys)}." if of.keys else "Name a text.",
                )
        return tuple(said)
    numbers = tuple(_number(value, of.kind) for value in said)
    if any(math.isnan(number) for number in numbers):
        wanted = "true or false" if of.kind == FLAG else "a number, such as 3 or 0.5"
        raise ConfigError(f"{where}: `{text}` must compare with {wanted}.")
    return numbers


def _number(value: str, kind: str) -> float:
    if kind == FLAG:
        return {"true": 1.0, "false": 0.0}.get(value, math.nan)
    if re.fullmatch(r"[+-]?\d+(\.\d+)?", value):
        return float(value)
    return math.nan
