"""Numbers, shares and days as a language writes them (Unicode CLDR, through Babel).

`12,345.6` `40%` `Mar 1, 2027`   en
`12 345,6` `40 %` `1.3.2027`     fi
`12 345,6` `40%` `01.03.2027`    et
`12 345,6` `40 %` `01.03.2027`   ru

The spaces inside a number are no-break spaces.
"""

import datetime

from babel import dates, numbers

# Below it four digits stay together: years are attributes as often as amounts.
GROUPED_FROM = 10_000
# Beyond it digits are counted, not read.
SCIENTIFIC_FROM = 1e15
# Four digits of a year in every language; CLDR's short form cuts it in Estonian, and its medium
# form writes the month as a word in Estonian and Russian.
DAY_PATTERNS = {"fi": "d.M.yyyy", "et": "dd.MM.yyyy", "ru": "dd.MM.yyyy"}


def number(value: float, language: str) -> str:
    """A finite number with at most four decimals, in the digits and signs of the language."""
    if abs(value) >= SCIENTIFIC_FROM:
        return numbers.format_scientific(value, format="0.##E0", locale=language)
    return numbers.format_decimal(
        value,
        format="#,##0.####",
        locale=language,
        group_separator=abs(value) >= GROUPED_FROM,
    )


def percent(share: float, language: str) -> str:
    """A share (0.4) in whole percents."""
    return numbers.format_percent(share, locale=language)


def date(day: datetime.date, language: str) -> str:
    """A calendar day, with its year."""
    return dates.format_date(day, format=DAY_PATTERNS.get(language, "medium"), locale=language)
