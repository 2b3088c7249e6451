"""What a flagged lead's row says: the signs, and in `why` what would end the flag.

The line names the strongest sign that can still change: something of a window or of the present
stage, not what lies in the past for good and not what the lead is.
"""

from collections.abc import Sequence
from gettext import NullTranslations
from pathlib import Path
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

import numpy as np
import pandas as pd

from scoring.build.columns import SIGN_KINDS, Column
from scoring.score.reasons import WHY_LENGTH
from scoring.score.sentences import MARKS, TEXT_LENGTH, Sentences, cut, filled
from scoring.words import translator
from scoring.words.flagged import ENDS_IF, ENDS_WITH_A_STEP, ENDS_WITH_THE_CHANCE

if TYPE_CHECKING:
    from scoring.flag.model import Flag, Judged

MARK = "→ "
MOST_REASONS = 5
# Of the whole history, and yet no more what it was after the next event of its kind.
PRESENT = (
    *("last", "last_listed", "last_on", "waiting_since", "dwell", "ahead", "furthest"),
    "response_last",
)


def flag_texts(
    judged: "Judged",
    flag: "Flag",
    why: pd.Series,
    *,
    as_of: pd.Series,
    language: str,
    zone: ZoneInfo,
    locale_dir: Path | None = None,
) -> pd.DataFrame:
    """`_flag_reasons` and `_flag_why` of rows whose flag may open or stand, "" of the others.

    judged    as `Flag.judged` gives it; why and as_of (datetime64[us, UTC]) of the same rows

    `_flag_reasons`: the sentences of the signs, the strongest first, one a line. `_flag_why`: `why`
    with a line on what would end the flag; lines of the lead's favour give way to it.
    """
    texts = translator(language, locale_dir)
    sentences = Sentences(flag.features.all, language, zone, texts)
    may = (judged.rows["_flag_opens"] | judged.rows["_flag_stays"]).to_numpy()
    places = np.flatnonzero(may)
    kind = judged.rows["_flag_kind"].iloc[places].to_numpy()
    said = _said(judged, flag.limits.signs, sentences, as_of, places)
    by_name = {column.name: column for column in flag.features.all}
    changing = {c.name for c in flag.limits.signs if can_change(c, by_name)}
    otherwise = texts.gettext(ENDS_WITH_A_STEP if flag.earnest else ENDS_WITH_THE_CHANCE)
    reasons = np.full(len(why), "", dtype=object)
    ends = np.full(len(why), "", dtype=object)
    for number, place in enumerate(places):
        order = [_loudness(column, kind[number]) for column, _ in said[number]]
        own = [said[number][at] for at in sorted(range(len(order)), key=order.__getitem__)]
        reasons[place] = "\n".join(text for _, text in own[:MOST_REASONS])
        first = next((text for column, text in own if column.name in changing), "")
        ends[place] = with_end(why.iloc[place], first, otherwise, texts)
    return pd.DataFrame({"_flag_reasons": reasons, "_flag_why": ends}, index=why.index, dtype="str")


def _said(
    judged: "Judged",
    signs: Sequence[Column],
    sentences: Sentences,
    as_of: pd.Series,
    places: np.ndarray,
) -> list[list[tuple[Column, str]]]:
    """The signs of each of the rows `places` that can be said, with their sentences."""
    found: list[list[tuple[Column, str]]] = [[] for _ in places]
    for column in signs:
        fired = np.flatnonzero(judged.fired[column.name].to_numpy()[places])
        values = judged.values[column.name].iloc[places[fired]]
        speaks = sentences.sayable(column.name, values)
        rows = fired[speaks]
        if len(rows):
            at = as_of.iloc[places[rows]]
            spoken, _ = sentences.say(column.name, values[speaks], at)
            for row, text in zip(rows, spoken, strict=True):
                found[row].append((column, text))
    return found


def _loudness(column: Column, kind: str) -> tuple[bool, bool, int]:
    """What is named first: strong signs, those of the flag's kind, then in the order of kinds."""
    assert column.sign is not None
    other = column.sign.kind != kind
    return (not column.sign.strong, other, SIGN_KINDS.index(column.sign.kind))


def can_change(column: Column, columns: dict[str, Column]) -> bool:
    """Whether what a sign saw can become other than it is: an attribute says what the lead is.

    columns   by name, for what a compared one is made of
    """
    if column.inputs:
        return any(can_change(columns[name], columns) for name in column.inputs if name in columns)
    if column.stream == "lead":
        return False
    low = column.sign is not None and column.sign.side == "low"
    return low or column.days is not None or column.op in PRESENT


def with_end(why: str, reason: str, otherwise: str, texts: NullTranslations) -> str:
    """`why` and, behind it, what would end the flag; at most WHY_LENGTH characters.

    reason   the sentence of a sign that can change; "": none, and `otherwise` is said
    """
    end = filled(ENDS_IF, {"reason": reason}, texts) if reason else otherwise
    end = MARK + cut(end, TEXT_LENGTH)
    lines = [line for line in why.split("\n") if line and line != MARKS[-1] + reason]
    while lines and sum(len(line) + 1 for line in lines) + len(end) > WHY_LENGTH:
        up = [place for place, line in enumerate(lines) if line.startswith(MARKS[1])]
        del lines[up[-1] if up else -1]
    return "\n".join([*lines, end])
