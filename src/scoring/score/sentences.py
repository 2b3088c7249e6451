"""A column and its value → the sentence that a seller reads.

The words are the declaration's own (`.says`), translated; numbers, shares and days are written
as the language writes them. A sentence is said only if it is true and complete: what is missing
is not said, a placeholder without a value silences the column, and nothing that grows by itself
every night (the days since something) is shown as a number, only as its date.
"""

import string
import unicodedata
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from functools import lru_cache
from gettext import NullTranslations
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
import pandas as pd

from scoring import words
from scoring.build.columns import DATE_OPS, FUTURE_DATES, MOVING_OPS, Column, opposed
from scoring.build.unfold import in_words
from scoring.words.labels import NO, YES

LINE_LENGTH = 90
MARKS = {1: "+ ", -1: "– "}
TEXT_LENGTH = LINE_LENGTH - 2
# A name and the number behind it stand within the first 40 characters of a line.
NAME_LENGTH = 24
VALUE_LENGTH = 40
NUMBERS = frozenset({"n", "value", "share"})
# Beyond it no calendar helps: about five centuries.
MOST_DAYS = 200_000
EPOCH = date(1970, 1, 1)
_DAY_US = 86_400_000_000
_KEPT_SPACES = "\u00a0\u202f"


class Sentences:
    """The sentences of a set of columns in one language. Said once, remembered."""

    def __init__(
        self, columns: Iterable[Column], language: str, zone: ZoneInfo, texts: NullTranslations
    ) -> None:
        columns = tuple(columns)
        growing = {c.name for c in columns if c.op in (*DATE_OPS, *MOVING_OPS)}
        self._speakers = {
            c.name: _Speaker(c, language, zone, texts, drifts=not growing.isdisjoint(c.inputs))
            for c in columns
        }

    def sayable(self, column: str, values: pd.Series) -> np.ndarray:
        """(n,) bool: where the value can be said truthfully."""
        return self._speakers[column].sayable(values)

    def say(
        self, column: str, values: pd.Series, as_of: pd.Series
    ) -> tuple[np.ndarray, np.ndarray]:
        """Sentences and facts of sayable values, both (n,) of str.

        values   one for each lead; as_of: of the same leads, datetime64[us, UTC]

        A fact is the column's name and what is shown of its value, free of language and wording:
        the same facts mean that nothing new is to be said.
        """
        return self._speakers[column].say(values, as_of)


class _Speaker:
    """One column's sentence. `drifts`: it compares days since something, other every night."""

    def __init__(
        self,
        column: Column,
        language: str,
        zone: ZoneInfo,
        texts: NullTranslations,
        *,
        drifts: bool,
    ) -> None:
        self.column, self.language, self.zone, self.texts = column, language, zone, texts
        self.opposed = opposed(column.op, column.singular, column.plural)
        self.constants = {}
        if label := clean(words.named(column.label, texts)):
            self.constants["name"] = cut(label, NAME_LENGTH)
        if column.days:
            self.constants["days"] = words.number(column.days, language)
        self.can = frozenset(self.constants)
        if not drifts:
            self.can |= self._own_placeholders()
        forms = [parsed(column.singular), parsed(column.plural)]
        self.fields = frozenset().union(*(f.fields for f in forms if f))
        self.speaks = all(f is not None and f.fields <= self.can for f in forms)
        self.said: dict[Any, tuple[str, str]] = {}

    def _own_placeholders(self) -> frozenset[str]:
        if self.column.kind == "category":
            return frozenset({"value"})
        if self.column.op in DATE_OPS:
            return frozenset({"date"})
        return frozenset() if self.opposed or self.column.op in MOVING_OPS else NUMBERS

    def sayable(self, values: pd.Series) -> np.ndarray:
        if not self.speaks:
            return np.zeros(len(values), dtype=bool)
        if self.column.kind == "category":
            return self._texts(values) != ""
        numbers = _numbers(values)
        if self.column.op in DATE_OPS:
            return (numbers >= 0) & (numbers < MOST_DAYS)
        if self.opposed:
            return np.isfinite(numbers) & (self._side(numbers) != 0)
        if not self.fields & NUMBERS:  # "visited the price page" is not true of 0 visits
            return np.isfinite(numbers) & (numbers > 0)
        return np.isfinite(numbers)

    def _shown(self, values: pd.Series, as_of: pd.Series) -> np.ndarray:
        """What the sentence shows of each value; of a date, the days since 1970."""
        if self.column.kind == "category":
            return self._texts(values)
        numbers = _numbers(values)
        if self.column.op in DATE_OPS:
            return self._days(numbers, as_of)
        if self.opposed:
            return self._side(numbers)
        if "value" in self.fields:
            return significant(numbers)
        if "share" in self.fields:
            return np.rint(100 * numbers) / 100 + 0.0
        return np.rint(numbers) + 0.0  # no negative zero

    def _texts(self, values: pd.Series) -> np.ndarray:
        codes, levels = pd.factorize(values.astype(object))
        known = [cut(clean(str(level)), VALUE_LENGTH) for level in levels]
        return np.array([*known, ""], dtype=object)[codes]  # missing has code -1: the last one

    def _side(self, numbers: np.ndarray) -> np.ndarray:
        """1 above what is even, -1 below."""
        return np.sign(numbers - 1 if self.column.op == "ratio" else numbers)

    def _days(self, days: np.ndarray, as_of: pd.Series) -> np.ndarray:
        span = pd.to_timedelta(np.rint(days * _DAY_US).astype(np.int64), unit="us")
        ahead = self.column.op in FUTURE_DATES
        at = as_of + span if ahead else as_of - span
        # A date that a row names is the same date everywhere; a moment is a local one.
        local = at.dt.tz_convert("UTC" if ahead else self.zone).dt.tz_localize(None)
        return (local.dt.normalize() - pd.Timestamp(EPOCH)).dt.days.to_numpy()

    def say(self, values: pd.Series, as_of: pd.Series) -> tuple[np.ndarray, np.ndarray]:
        codes, levels = pd.factorize(self._shown(values, as_of))
        for level in levels:
            if level not in self.said:
                self.said[level] = self._sentence(level), self._fact(level)
        texts = np.array([self.said[level][0] for level in levels], dtype=object)
        facts = np.array([self.said[level][1] for level in levels], dtype=object)
        return texts[codes], facts[codes]

    def _fact(self, shown: Any) -> str:
        if self.column.kind == "category":
            return f"{self.column.name}={shown}"
        if self.column.op in DATE_OPS:
            return f"{self.column.name}={EPOCH + timedelta(days=int(shown))}"
        return f"{self.column.name}={float(shown)!r}"

    def _sentence(self, shown: Any) -> str:
        first, count = self._number_of(shown)
        translated = self._translated(first, count)
        form = parsed(translated)
        if form is None or not form.fields <= self.can:  # a damaged translation
            form = parsed(self.column.singular if first else self.column.plural)
        assert form is not None  # `speaks`
        values = {f: self.constants.get(f) or self._value(f, shown) for f in form.fields}
        text = form.fill(values)
        if self.language != "en":  # English stands as it was declared
            text = text[:1].upper() + text[1:]
        return cut(text, TEXT_LENGTH)

    def _value(self, field: str, shown: Any) -> str:
        if self.column.kind == "category":
            # A CRM's key reads like words; anything else stays as somebody wrote it.
            said = (in_words(shown) if shown.isidentifier() else "") or str(shown)
            return words.named(said, self.texts)
        if self.column.kind == "flag":
            return self.texts.gettext(YES if shown else NO)
        if field == "date":
            return words.date(EPOCH + timedelta(days=int(shown)), self.language)
        if self.column.op == "furthest" and field == "value":
            return words.named(in_words(self._stage(int(shown))), self.texts)
        if field == "share":
            return words.percent(float(shown), self.language)
        whole = field == "n" or shown == np.rint(shown)
        return words.number(round(shown) if whole else float(shown), self.language)

    def _stage(self, position: int) -> str:
        """The stage's name in the newest order that is so long."""
        fits = [o.stages for o in self.column.order if len(o.stages) >= position]
        return fits[-1][position - 1]

    def _number_of(self, shown: Any) -> tuple[bool, int]:
        """Does the English singular fit, and the whole number that governs the plural.

        A fraction takes the form of 2: plural in English, Finnish and Estonian, and the genitive
        singular that Russian wants behind one (1,5 раза).
        """
        if self.opposed:
            return shown > 0, 1
        if self.column.kind != "number" or self.column.op in (*DATE_OPS, "furthest"):
            return True, 1
        if "value" not in self.fields and "share" in self.fields:
            count = round(100 * abs(shown))
        elif "n" not in self.fields and shown != np.rint(shown):
            count = 2
        else:
            count = round(abs(shown))
        return count == 1, count

    def _translated(self, first: bool, count: int) -> str:
        singular, plural = self.column.singular, self.column.plural
        if self.opposed:  # two sentences, not two forms of one
            return self.texts.gettext(singular if first else plural)
        if singular == plural:
            return self.texts.gettext(singular)
        return self.texts.ngettext(singular, plural, count)


def _numbers(values: pd.Series) -> np.ndarray:
    return values.to_numpy(dtype=np.float64, na_value=np.nan)


@dataclass(frozen=True)
class Form:
    """A sentence with placeholders: pairs of literal text and the placeholder behind it."""

    parts: tuple[tuple[str, str | None], ...]

    @property
    def fields(self) -> frozenset[str]:
        return frozenset(field for _, field in self.parts if field is not None)

    def fill(self, values: Mapping[str, str]) -> str:
        return "".join(text + (values[f] if f is not None else "") for text, f in self.parts)


@lru_cache(maxsize=4096)
def parsed(text: str) -> Form | None:
    """None for an empty text, and for braces that do not match. Made one line of plain text."""
    try:
        found = string.Formatter().parse(clean(text))
        parts = tuple((literal, field) for literal, field, _, _ in found)
    except ValueError:
        return None
    return Form(parts) if parts else None


def filled(text: str, values: Mapping[str, str], texts: NullTranslations) -> str:
    """A text of the engine, translated, with its placeholders filled; a translation that asks for
    others gives way to English."""
    form = parsed(texts.gettext(text))
    if form is None or not form.fields <= values.keys():
        form = parsed(text)
        assert form is not None
    return form.fill(values)


def significant(numbers: np.ndarray) -> np.ndarray:
    """Three significant digits, at most four decimals, whole digits always kept."""
    with np.errstate(divide="ignore", invalid="ignore"):
        decimals = np.clip(2 - np.floor(np.log10(np.abs(numbers))), 0, 4)
    result = np.rint(numbers)
    for places in (1, 2, 3, 4):
        chosen = decimals == places
        result[chosen] = np.round(numbers[chosen], places)
    return result + 0.0


def clean(text: str) -> str:
    """One line of visible characters; no-break spaces stay."""
    if text.isascii() and text.isprintable() and "  " not in text:
        return text.strip()
    visible = "".join(
        " " if c.isspace() and c not in _KEPT_SPACES else c
        for c in text
        if c.isspace() or unicodedata.category(c)[0] != "C"
    )
    return " ".join(part for part in visible.split(" ") if part)


def cut(text: str, length: int) -> str:
    """At most `length` characters, cut at a word, with an ellipsis where something is gone."""
    if len(text) <= length:
        return text
    head = text[: length - 1]
    if text[length - 1] != " ":
        word = head.rfind(" ")
        head = head[:word] if word >= length // 2 else head
    return head.rstrip(" ,;:") + "…"
