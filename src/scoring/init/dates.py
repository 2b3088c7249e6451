"""How dates and numbers are written in text columns, judged from a sample.

Formats are strptime's, as `dates` in sources.toml takes them. A date with digits on both sides
of the month is never read by taste: the order of day and month follows from values above 12, from
dots (written day first everywhere), from the other files, or from the file's locale; otherwise it
stays open and becomes a question.
"""

import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Literal

Order = Literal["day", "month", "open"]

_DATE = re.compile(
    r"(\d{1,4})([./-])(\d{1,2})\2(\d{1,4})"
    r"(?:(?P<gap>[T ]|, | klo | kell )(?P<h>\d{1,2})(?P<c>[:.])\d{2}"
    r"(?P<s>(?P=c)\d{2}(?P<f>[.,]\d{1,9})?)?(?P<ap> ?[AaPp][Mm])?)?"
    r"(?P<z> ?(?:Z|[+-]\d{2}(?::?\d{2})?))?"
)
_ISO = re.compile(r"%Y-%m-%d([T ]%H:%M(:%S(\.%f)?)?( ?%z)?)?")
_NUMBER = re.compile(r"[-+−]?(\d{1,3}(?:[   '.,]\d{3})+|\d+)(?:([.,])(\d+))?")
_MONEY = re.compile(r"^(?:€|\$|£|EUR|USD)\s*|\s*(?:€|\$|£|₽|%|EUR|USD|eur|руб\.?|р\.)$")
EXCEL = "excel"
_SERIALS = (20_000.0, 73_050.0)  # 1954-10-03 to 2099-12-31, days since 1899-12-30


@dataclass
class DateShape:
    """The written forms of a column's dates.

    forms         format → how often; `{a}` and `{b}` stand where day and month are not told apart
    share         of the non-empty values, how many are dates
    first_over    some value has its first number above 12, so it is a day
    second_over   likewise the second
    with_time     some value has a time of day
    """

    forms: Counter[str] = field(default_factory=Counter)
    share: float = 0.0
    first_over: bool = False
    second_over: bool = False
    with_time: bool = False

    @property
    def unordered(self) -> bool:
        return any("{a}" in form for form in self.forms)

    @property
    def dotted(self) -> bool:
        return all("{a}.{b}" in form for form in self.forms if "{a}" in form)

    def formats(self, order: Order) -> list[str]:
        """strptime formats, most frequent first; forms whose order is open are left out."""
        a, b = ("%d", "%m") if order == "day" else ("%m", "%d")
        return [
            form.replace("{a}", a).replace("{b}", b)
            for form, _ in self.forms.most_common()
            if order != "open" or "{a}" not in form
        ]


def date_shape(values: Iterable[str]) -> DateShape | None:
    """The forms of a column's dates, or None where fewer than 9 of 10 values are dates."""
    shape, total = DateShape(), 0
    for value in values:
        total += 1
        found = _DATE.fullmatch(value)
        form = _form(found) if found else None
        if found is None or form is None:
            continue
        shape.forms[form] += 1
        shape.with_time |= found["h"] is not None
        if "{a}" in form:
            shape.first_over |= int(found[1]) > 12
            shape.second_over |= int(found[3]) > 12
    shape.share = sum(shape.forms.values()) / total if total else 0.0
    return shape if shape.share >= 0.9 else None


def _form(found: re.Match[str]) -> str | None:
    a, separator, b, c = found[1], found[2], found[3], found[4]
    if len(a) == 4 and len(c) <= 2 and 1 <= int(b) <= 12 and 1 <= int(c) <= 31:
        # A month or day of one digit is not ISO 8601; the form says so.
        short = len(b) == 1 or len(c) == 1 or len(found["h"] or "00") == 1
        day = separator.join(("%Y", "%m", "%-d" if short else "%d"))
    elif len(a) <= 2 and len(c) in (2, 4) and _day_and_month(int(a), int(b)):
        day = separator.join(("{a}", "{b}", "%Y" if len(c) == 4 else "%y"))
    else:
        return None
    if found["h"] is None:
        return day
    colon, half = found["c"], found["ap"]
    clock = ("%I" if half else "%H") + f"{colon}%M"
    clock += f"{colon}%S" if found["s"] else ""
    clock += f"{found['f'][0]}%f" if found["f"] else ""
    clock += half[:-2] + "%p" if half else ""
    zone = found["z"] or ""
    return day + found["gap"] + clock + (" %z" if zone[:1] == " " else "%z" if zone else "")


def _day_and_month(a: int, b: int) -> bool:
    return 1 <= min(a, b) <= 12 and 1 <= max(a, b) <= 31


def is_iso(form: str) -> bool:
    """Whether a format is ISO 8601, which is read without being declared."""
    return _ISO.fullmatch(form) is not None


def order_of(shapes: Iterable[DateShape], hint: Order, why: str) -> tuple[Order, bool, str]:
    """Day or month first in a file: (order, sure, because).

    shapes   the file's columns whose forms have day and month in an open order
    hint     what the other files or the locale suggest, "open" for nothing; `why` says what
    """
    open_shapes = [s for s in shapes if s.unordered]
    day = any(s.first_over for s in open_shapes)
    month = any(s.second_over for s in open_shapes)
    if day and month:
        return "open", False, "some values can only be day first and others only month first"
    if day:
        return "day", True, "the first number goes above 12"
    if month:
        return "month", True, "the second number goes above 12"
    if all(s.dotted for s in open_shapes):
        return "day", False, "no value is above 12, and dates with dots are written day first"
    if hint != "open":
        return hint, False, f"no value is above 12, and {why}"
    return "open", False, "no value is above 12 and nothing else decides"


@dataclass(frozen=True)
class NumberShape:
    """comma, point: values that only make sense with this decimal sign.

    dirty: values with a currency sign or grouped by dots or commas, which must go before the cast
    (groups by spaces are read as they are).
    """

    comma: int
    point: int
    dirty: bool
    whole: bool
    excel: bool


def number_shape(values: list[str]) -> NumberShape | None:
    """How a column's numbers are written, or None where some value is no number."""
    comma = point = 0
    dirty, whole, serial = False, True, bool(values)
    for value in values:
        bare = _MONEY.sub("", value)
        found = _NUMBER.fullmatch(bare)
        if found is None:
            return None
        head, sign, tail = found.groups()
        dirty |= bare != value or re.search(r"[.,']", head) is not None
        if sign is None and re.fullmatch(r"\d{1,3}[.,]\d{3}", head):
            whole = serial = False  # 1,234: a decimal or a group, the file's other values tell
            continue
        if sign is None and "," in head and "." not in head:
            point += 1  # groups by comma: 1,234,567
        elif sign is None and "." in head:
            comma += 1
        comma += sign == ","
        point += sign == "."
        whole &= sign is None
        serial &= head.isdigit() and _SERIALS[0] <= float(f"{head}.{tail or 0}") < _SERIALS[1]
    return NumberShape(comma, point, dirty, whole, serial)
