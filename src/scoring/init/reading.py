"""How each file is to be read: the settings of sources.toml, with what was guessed about them."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from scoring.init.dates import EXCEL, Order, is_iso, order_of
from scoring.init.headers import LANGUAGES
from scoring.init.profile import Profile

ZONES = {"fi": "Europe/Helsinki", "et": "Europe/Tallinn"}  # languages of one time zone


@dataclass(frozen=True)
class Reading:
    """Settings of one raw table, by the names of sources.toml.

    decided     some number of the file shows its decimal sign
    forms       every written form of dates that is understood
    guesses     sentences on what was not certain
    questions   what only a person can answer; until then such values go to quarantine
    """

    encoding: str = ""
    delimiter: str = ""
    decimal: Literal[".", ","] = "."
    decided: bool = False
    forms: tuple[str, ...] = ()
    precision: Literal["microsecond", "day"] = "microsecond"
    guesses: tuple[str, ...] = ()
    questions: tuple[str, ...] = ()

    @property
    def dates(self) -> tuple[str, ...]:
        """What must be declared: nothing where all dates are ISO 8601, else every form."""
        return self.forms if any(not is_iso(form) for form in self.forms) else ()


def readings(
    profiles: Iterable[Profile], times: dict[str, list[str]], language: str
) -> dict[str, Reading]:
    """Pattern of a file → how to read it.

    times      pattern → headers that are canonical timestamps; they alone may be Excel's numbers
    language   of the headers, for the last guess about the order of day and month
    """
    files = list(profiles)
    decided = {order_of(p.dates(), "open", "")[:2] for p in files if _unordered(p)}
    sure: set[Order] = {order for order, certain in decided if certain}
    return {p.pattern: _reading(p, times.get(p.pattern, []), sure, language) for p in files}


def _unordered(profile: Profile) -> bool:
    return any(shape.unordered for shape in profile.dates())


def _reading(profile: Profile, times: list[str], sure: set[Order], language: str) -> Reading:
    guesses: list[str] = []
    questions: list[str] = []
    if profile.encoding.startswith("windows"):
        guesses.append(f"{profile.pattern} is read as {profile.encoding}, judged by its letters.")
    decimal, why = _decimal(profile)
    if why:
        guesses.append(f"{profile.pattern}: {why}")
    order: Order = "day"
    if _unordered(profile):
        hint, because = _hint(profile, sure, language, decimal)
        order, certain, because = order_of(profile.dates(), hint, because)
        if order == "open":
            questions.append(
                f"{profile.pattern}: is 03/04 the third of April or the fourth of March? "
                f"{because[0].upper() + because[1:]}. Until `dates` in data/sources.toml says it "
                "(%d first or %m first), such dates go to quarantine."
            )
        elif not certain:
            guesses.append(f"{profile.pattern}: dates are read {order} first: {because}.")
    timed = _with_time(profile, times)
    forms: Counter[str] = Counter()
    for shape in profile.dates():
        for form in shape.formats(order):
            forms[form] += 1
    formats = [form for form, _ in forms.most_common()]
    serials = [h for h in times if (n := profile.columns[h].numbers) is not None and n.excel]
    if serials:
        formats.append(EXCEL)
    return Reading(
        encoding=profile.encoding,
        delimiter=profile.delimiter if profile.delimiter != "," else "",
        decimal="," if decimal == "," else ".",
        decided=any(
            c.numbers.comma or c.numbers.point
            for c in profile.columns.values()
            if c.numbers is not None
        ),
        forms=tuple(formats),
        precision="day" if timed and not any(timed.values()) else "microsecond",
        guesses=tuple(guesses),
        questions=tuple(questions),
    )


def _hint(profile: Profile, sure: set[Order], language: str, decimal: str) -> tuple[Order, str]:
    if len(sure) == 1:
        (order,) = sure
        return order, f"the other files have dates that can only be {order} first"
    if language not in ("", "en"):
        return "day", f"the headers are {LANGUAGES[language]}, which writes the day first"
    if profile.delimiter == ";" and decimal == ",":
        return "day", "the file is written with ; and decimal commas, as where the day comes first"
    return "open", ""


def _decimal(profile: Profile) -> tuple[str, str]:
    """(decimal sign, what was unsure)."""
    shapes = [c.numbers for c in profile.columns.values() if c.numbers is not None]
    comma, point = sum(s.comma for s in shapes), sum(s.point for s in shapes)
    if comma and point:
        sign = "," if comma > point else "."
        return sign, f'numbers have both "," and "."; "{sign}" is taken as the decimal sign.'
    if comma or point:
        return "," if comma else ".", ""
    unsure = any(s.dirty and not s.whole for s in shapes)
    sign = "," if profile.delimiter == ";" else "."
    why = f'numbers like 1,234 or 1.234 are read with the decimal sign "{sign}".' if unsure else ""
    return sign if unsure else ".", why


def _with_time(profile: Profile, times: list[str]) -> dict[str, bool]:
    """Canonical timestamp → whether some of its values have a time of day."""
    found = {}
    for header in times:
        column = profile.columns[header]
        if column.dates is not None:
            found[header] = column.dates.with_time
        elif column.numbers is not None:
            found[header] = not column.numbers.whole
        elif column.kind != "empty":
            found[header] = any(":" in value for value in column.values)
    return found
