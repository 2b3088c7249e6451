"""Which column of a file is which canonical column, and how sure that is.

sure      the header is a known name of it and the values fit
guessed   the header only resembles one, or the values decided; `because` says what
missing   no column was found
"""

from collections.abc import Iterator
from dataclasses import dataclass
from difflib import SequenceMatcher
from typing import Literal

from scoring.init import words
from scoring.init.headers import COLUMNS, REQUIRED, TIMES
from scoring.init.names import known, normalise
from scoring.init.profile import Column, Profile

Confidence = Literal["sure", "guessed", "missing"]
MOST_TYPES = 500


@dataclass(frozen=True)
class Match:
    """`header` is None where the confidence is missing."""

    column: str
    header: str | None
    confidence: Confidence
    because: str = ""
    languages: tuple[str, ...] = ()


def match(profile: Profile, table: str, lead_ids: frozenset[str] | None) -> dict[str, Match]:
    """Canonical column → its match, for every column of `table`.

    lead_ids: all identifiers of leads, where they are known; another table's lead_id must be
    among them. A header is used for one column only; the strongest match takes it.
    """
    offers = sorted(_offers(profile, table, lead_ids), key=lambda offer: -offer[0])
    found: dict[str, Match] = {}
    used: set[str | None] = set()
    for _, offer in offers:
        if offer.column not in found and offer.header not in used:
            found[offer.column] = offer
            used.add(offer.header)
    for offer in _by_values(profile, table, lead_ids, used):
        if offer.column not in found and offer.header not in used:
            found[offer.column] = offer
            used.add(offer.header)
    return {c: found.get(c, Match(c, None, "missing")) for c in COLUMNS[table]}


def complete(table: str, matches: dict[str, Match]) -> bool:
    """Whether every required column was found."""
    return all(matches[c].header is not None for c in REQUIRED[table])


def _offers(
    profile: Profile, table: str, lead_ids: frozenset[str] | None
) -> Iterator[tuple[float, Match]]:
    for header, column in profile.columns.items():
        plain = normalise(header)
        for canonical in COLUMNS[table]:
            names = known(table, canonical)
            phrase = names.get(plain)
            doubt = _misfit(column, table, canonical, lead_ids)
            if doubt is None:
                continue
            if phrase is not None:
                sure: Confidence = "guessed" if doubt else "sure"
                score = 2.0 - 0.01 * phrase.rank - (0.5 if doubt else 0.0)
                # Of several status columns, the one whose words tell more is the outcome.
                score += _known_share(column) if canonical == "outcome" else 0.0
                # A column that could be a required one or another is the required one.
                score += 0.2 if canonical in REQUIRED[table] else 0.0
                yield score, Match(canonical, header, sure, doubt, phrase.languages)
                continue
            near = max(names, key=lambda name: _resemblance(plain, name))
            strength = _resemblance(plain, near)
            if strength >= 0.87 and not (canonical == "lead_id" and doubt):
                because = f'the header resembles "{near}"'
                both = f"{because}; {doubt}" if doubt else because
                yield strength, Match(canonical, header, "guessed", both, names[near].languages)


def _by_values(
    profile: Profile, table: str, lead_ids: frozenset[str] | None, used: set[str | None]
) -> Iterator[Match]:
    """What the values alone suggest for a required column that no header names."""
    free = {name: c for name, c in profile.columns.items() if name not in used}
    if table != "leads" and lead_ids:
        shares = {name: _share_in(c, lead_ids) for name, c in free.items() if len(c.values) >= 5}
        best = max(shares, key=lambda name: shares[name], default=None)
        if best is not None and shares[best] >= 0.8:
            because = f"{shares[best]:.0%} of its values are identifiers of leads"
            yield Match("lead_id", best, "guessed", because)
    times = [name for name, column in free.items() if column.kind == "timestamp"]
    if len(times) == 1:
        because = "it is the only column with dates"
        yield from (Match(c, times[0], "guessed", because) for c in REQUIRED[table] if c in TIMES)


def _misfit(
    column: Column, table: str, canonical: str, lead_ids: frozenset[str] | None
) -> str | None:
    """None where the values cannot be this column; else the doubt, empty where there is none."""
    if column.kind == "empty":
        return ""
    if canonical in TIMES:
        if column.kind == "timestamp":
            return ""
        excel = column.numbers is not None and column.numbers.excel
        return "its numbers are read as Excel's serial dates" if excel else None
    if canonical == "amount":
        return "" if column.kind == "number" or column.numbers is not None else None
    if canonical == "outcome":
        share = _known_share(column)
        if share == 0 and column.kind != "category":
            return None
        return "" if share > 0 else "none of its words is a known outcome"
    if canonical == "direction":
        told = sum(bool(words.direction_of(v)) for v in column.values)
        return "" if told else None
    if canonical in ("invited", "attended"):
        return "" if column.kind in ("flag", "timestamp", "category") else None
    if column.kind == "timestamp":
        return None
    if canonical == "type":
        return "" if len(column.values) <= MOST_TYPES and column.kind != "number" else None
    if canonical == "lead_id":
        return _identifier_doubt(column, table, lead_ids)
    if canonical == "interaction_id":
        return "" if column.unique or len(column.values) < 2 else None
    return "" if column.kind != "email" else None


def _identifier_doubt(column: Column, table: str, lead_ids: frozenset[str] | None) -> str | None:
    if column.kind == "email":
        return None
    if table == "leads":
        repeated = 1 - len(column.values) / max(column.values.total(), 1)
        if repeated > 0.5:
            return None
        return "some of its values repeat" if repeated > 0 else ""
    if lead_ids:
        share = _share_in(column, lead_ids)
        return "" if share >= 0.5 else f"only {share:.0%} of its values are identifiers of leads"
    return ""


def _share_in(column: Column, lead_ids: frozenset[str]) -> float:
    total = column.values.total()
    inside = sum(n for value, n in column.values.items() if value in lead_ids)
    return inside / total if total else 0.0


def _known_share(column: Column) -> float:
    """Of the distinct words, how many are a known way of ending."""
    if len(column.values) > 200:
        return 0.0
    told = sum(bool(words.outcome_of(v)) for v in column.values)
    return told / max(len(column.values), 1)


def _resemblance(header: str, name: str) -> float:
    """1 for the same words; 0.9 where a long name stands in the header as whole words."""
    if len(name) >= 6 and f" {name} " in f" {header} ":
        return 0.9
    if abs(len(header) - len(name)) > 4 or len(name) < 5:
        return 0.0
    return SequenceMatcher(None, header, name, autojunk=False).ratio()
