"""Words in texts, as SQL of the engine: whether a text has a word of a list, and nothing else.

A list's entry is a word (`free`), the beginning of words (`discount*`), or several of either behind
each other (`no budget*`). Case and accents do not matter; signs and line ends separate words like
blanks do, in texts and in entries.

A text is written down once for all lists as its words in small letters, a blank before and behind
each. A list is then a regular expression of letters and blanks: the engine's automaton (RE2) never
goes back, so the time is linear in the length of the text. (With classes of letters in the
expressions themselves the automaton outgrew its memory: ten times as slow on long texts.)
"""

import re
import unicodedata
from collections.abc import Iterable

from scoring.engine.connection import literal
from scoring.engine.reading import whole

STEM = "*"


def mentions_sql(text: str, words: Iterable[str]) -> str:
    """1 where `text` (SQL) has one of the words, 0 where not, NULL where there is no text."""
    # The engine computes equal expressions of one SELECT once.
    found = rf"regexp_extract_all(strip_accents(lower({text})), '[\p{{L}}\p{{N}}]+')"
    said = f"' ' || array_to_string({found}, ' ') || ' '"
    pattern = " (?:" + "|".join(sorted({_expression(word) for word in words})) + ")"
    return f"regexp_matches({said}, {literal(pattern)})::INTEGER"


def listed_sql(value: str, patterns: Iterable[str]) -> str:
    """1 where a text (SQL) matches one of the patterns, 0 where not, NULL where it is missing."""
    return f"regexp_matches(lower(trim({value})), {literal(whole(patterns))})::INTEGER::DOUBLE"


def unreadable(word: str) -> str | None:
    """Why an entry of a list cannot be looked for; None where it can."""
    if not word.strip():
        return "is empty."
    for part in word.split():
        stem = part.removesuffix(STEM)
        if STEM in stem:
            return "has a `*` elsewhere than at the end of a word."
        if not _plain(stem):
            return "has no letter and no digit."
    return None


def _expression(word: str) -> str:
    *before, last = word.split()
    made = "".join(f"{_plain(p)}{'[^ ]*' if p.endswith(STEM) else ''} " for p in before)
    return made + _plain(last) + ("" if last.endswith(STEM) else " ")


def _plain(text: str) -> str:
    """Its words, as the engine writes them: small letters without accents, a blank between."""
    apart = unicodedata.normalize("NFD", text.lower())
    bare = "".join(c for c in apart if unicodedata.category(c) != "Mn")
    said = unicodedata.normalize("NFC", bare)
    return re.sub(" +", " ", "".join(c if c.isalnum() else " " for c in said)).strip()
