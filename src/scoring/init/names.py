"""Headers and file names as they are compared, and as plain identifiers."""

import re
import unicodedata
from dataclasses import dataclass
from functools import cache

from scoring.init.headers import COLUMNS, KNOWS_OUTCOME, PERSONAL

_CAMEL = re.compile(r"(?<=[a-zа-яё0-9])(?=[A-ZА-ЯЁ])")
_LATIN = "a b v g d e zh z i i k l m n o p r s t u f h ts ch sh sch - y - e yu ya"
_CYRILLIC = {
    letter: latin.strip("-")
    for letter, latin in zip("абвгдежзийклмнопрстуфхцчшщъыьэюя", re.split(" ", _LATIN), strict=True)
}
_LETTERS = str.maketrans(_CYRILLIC | {"ß": "ss", "ø": "o"})


def normalise(header: str) -> str:
    """A header or a file's stem as it is compared: lower case, no accents, words by one space.

    `LeadID`, `lead_id`, ` Lead-Id ` → `lead id`; `Päätöspäivä (pvm)` → `paatospaiva pvm`.
    Idempotent.
    """
    spaced = _CAMEL.sub(" ", header.strip().lstrip("\ufeff"))
    plain = unicodedata.normalize("NFKD", spaced.casefold()).casefold()
    letters = "".join(c for c in plain if not unicodedata.combining(c))
    return " ".join(re.findall(r"[^\W_]+", letters))


def plain_name(header: str) -> str:
    """A header as an identifier: ASCII, snake case, at most 63 characters; never empty."""
    ascii_only = normalise(header).translate(_LETTERS).encode("ascii", "ignore").decode()
    name = "_".join(re.findall(r"[a-z0-9]+", ascii_only))[:60].rstrip("_") or "column"
    return f"c_{name}" if name[0].isdigit() else name


def phrases(text: str) -> frozenset[str]:
    return frozenset(normalise(part) for part in text.split(","))


@dataclass(frozen=True)
class Phrase:
    """rank: 0 for the canonical name itself, then the place in its language's list."""

    rank: int
    languages: tuple[str, ...]


@cache
def known(table: str, column: str) -> dict[str, Phrase]:
    """Normalised phrase → its rank and the languages that use it, for one canonical column."""
    found = {normalise(column): Phrase(0, ())}
    for language, text in COLUMNS[table][column].items():
        for rank, part in enumerate(text.split(","), start=1):
            plain = normalise(part)
            before = found.get(plain, Phrase(rank, ()))
            found[plain] = Phrase(min(rank, before.rank), (*before.languages, language))
    return found


@cache
def personal(header: str) -> str:
    """What a column with this header holds of persons, or an empty string."""
    plain = normalise(header)
    return next((what for what, text in PERSONAL.items() if plain in phrases(text)), "")


@cache
def knows_outcome(header: str) -> bool:
    plain = normalise(header)
    return plain in phrases(KNOWS_OUTCOME) or plain in known("outcomes", "outcome")


def named(stem: str, names: dict[str, str]) -> str:
    """The key of `names` whose longest phrase stands in a file's stem, or an empty string."""
    words = f" {normalise(stem)} "
    hits = [
        (len(phrase), key)
        for key, text in names.items()
        for phrase in phrases(text)
        if f" {phrase} " in words
    ]
    return max(hits)[1] if hits else ""
