"""Contributions → the reasons that a seller reads, and the fingerprint of the facts behind them.

The windows of one variable speak together: their contributions are summed, and the window that
pulls hardest in the direction of the sum says it. Up to three reasons up and two down, strongest
first; what cannot be said truthfully gives way to the next.
"""

from collections.abc import Sequence
from hashlib import blake2b

import numpy as np
import pandas as pd

from scoring.build.columns import Column
from scoring.score.sentences import MARKS, Sentences

UP, DOWN = 3, 2
WHY_LENGTH = 255
UNFOLDED = ("type", "number", "text")
OF_ATTRIBUTE = ("attribute", "peers_rate")
# Who of us looks after a lead may tell something of its chances, but a reason that judges a
# colleague is none.
UNSPOKEN = "owner_id"
# A variable with less than this share of all that moved the score is no reason.
LEAST_SHARE = 0.02
MAIN_REASON_LENGTH = 90
CHUNK = 20_000
COLUMNS = ("why", "reasons_up", "reasons_down", "main_reason", "why_key")


def subject(column: Column) -> str:
    """What a column is about: its variable, or the type, property or attribute that it is made of.

    Columns about the same thing speak with one sentence: "email sent: 11 times in 30 days" and
    "email sent: 14 times so far" would be one reason said twice, and so would be a lead's industry
    and how often that industry buys.
    """
    if column.op in OF_ATTRIBUTE:
        return f"attribute {column.of}"
    return f"{column.theme} {column.label}" if column.each in UNFOLDED else column.variable


def reasons(
    frame: pd.DataFrame,
    contributions: pd.DataFrame,
    columns: Sequence[Column],
    sentences: Sentences,
) -> pd.DataFrame:
    """COLUMNS for each row of `frame`, in its order and with its index; all str.

    frame           as_of (datetime64[us, UTC]) and the features by name; missing: NaN or None
    contributions   the same rows; by feature name, in log-odds, positive raises; missing: 0

    why            lines of at most 90 characters, at most 255 in all; "" where nothing can be said
    reasons_up, reasons_down   all chosen reasons, one a line, without marks
    main_reason    theme of what moved the score most of all that speaks; missing if nothing does
    why_key        changes when the chosen columns, their directions or the shown facts change; not
                   with the wording, the language or the order
    """
    speaking = [c for c in columns if UNSPOKEN not in (c.of, *c.inputs)]
    speaking = sorted(speaking, key=subject)  # stable: windows in declared order
    cells = {name: np.empty(len(frame), dtype=object) for name in COLUMNS}
    for start in range(0, len(frame) if speaking else 0, CHUNK):
        rows = slice(start, start + CHUNK)
        chosen = _Chosen(frame.iloc[rows], contributions.iloc[rows], speaking, sentences)
        for name, values in chosen.written().items():
            cells[name][rows] = values
    if not speaking:
        for name in ("why", "reasons_up", "reasons_down", "why_key"):
            cells[name][:] = ""
    return pd.DataFrame(cells, index=frame.index).astype("str")


class _Chosen:
    """The reasons of a chunk of leads: (n, UP + DOWN) cells, the ups first."""

    def __init__(
        self,
        frame: pd.DataFrame,
        contributions: pd.DataFrame,
        columns: Sequence[Column],
        sentences: Sentences,
    ) -> None:
        self.frame, self.columns, self.sentences = frame, columns, sentences
        variables = [subject(c) for c in columns]
        self.starts = np.array([i for i, v in enumerate(variables) if v not in variables[:i]])
        self.ends = np.append(self.starts[1:], len(columns))
        each = np.nan_to_num(contributions[[c.name for c in columns]].to_numpy(dtype=np.float64))
        merged = np.add.reduceat(each, self.starts, axis=1)
        direction = np.repeat(np.sign(merged), self.ends - self.starts, axis=1)
        sayable = np.column_stack([sentences.sayable(c.name, frame[c.name]) for c in columns])
        # How loudly each window speaks for the direction of its variable; 0: not at all.
        self.voice = np.where(sayable, np.maximum(each * direction, 0), 0)
        speaks = np.maximum.reduceat(self.voice, self.starts, axis=1) > 0
        weight = np.abs(merged)
        counts = weight >= LEAST_SHARE * weight.sum(axis=1, keepdims=True)
        strength = np.where(speaks & counts, merged, 0)
        ups, downs = _largest(strength, UP), _largest(-strength, DOWN)
        self.variable = np.column_stack([ups, downs])
        self.strength = np.take_along_axis(strength, self.variable, axis=1)
        self.sign = np.repeat([1, -1], (ups.shape[1], downs.shape[1]))
        self.present = self.strength * self.sign > 0

    def _column(self) -> np.ndarray:
        """Which column speaks in each cell; -1 where there is no reason."""
        speaker = np.full(self.variable.shape, -1)
        for variable, (start, end) in enumerate(zip(self.starts, self.ends, strict=True)):
            rows, places = np.nonzero((self.variable == variable) & self.present)
            speaker[rows, places] = start + self.voice[rows, start:end].argmax(axis=1)
        return speaker

    def _said(self) -> tuple[np.ndarray, np.ndarray]:
        """Sentences and facts, both (n, places) of str; None where there is no reason."""
        speaker = self._column()
        texts = np.full(speaker.shape, None, dtype=object)
        facts = np.full(speaker.shape, None, dtype=object)
        for index, column in enumerate(self.columns):
            rows, places = np.nonzero(speaker == index)
            if len(rows):
                values = self.frame[column.name].iloc[rows]
                said = self.sentences.say(column.name, values, self.frame["as_of"].iloc[rows])
                texts[rows, places], facts[rows, places] = said
        return texts, facts

    def written(self) -> dict[str, list[str | None]]:
        texts, facts = self._said()
        weight = np.abs(self.strength)
        themes = [self.columns[start].theme[:MAIN_REASON_LENGTH] for start in self.starts]
        strongest = np.where(self.present, weight, 0).argmax(axis=1)
        main = np.take_along_axis(self.variable, strongest[:, None], axis=1)[:, 0]
        table: dict[str, list[str | None]] = {name: [] for name in COLUMNS}
        signs = self.sign.tolist()
        for row, (said, known, weights) in enumerate(
            zip(texts.tolist(), facts.tolist(), weight.tolist(), strict=True)
        ):
            lines: dict[str, tuple[int, float]] = {}
            for text, sign, strength in zip(said, signs, weights, strict=True):
                if text is not None:
                    lines.setdefault(text, (sign, strength))
            table["why"].append(why(lines))
            table["reasons_up"].append("\n".join(t for t, (s, _) in lines.items() if s > 0))
            table["reasons_down"].append("\n".join(t for t, (s, _) in lines.items() if s < 0))
            table["main_reason"].append(themes[main[row]] if lines else None)
            table["why_key"].append(_fingerprint(known, signs))
        return table


def why(lines: dict[str, tuple[int, float]]) -> str:
    """Sentence → (sign, strength), in order of showing; the weakest gives way where it is long."""
    kept = dict(lines)
    while True:
        text = "\n".join(MARKS[sign] + sentence for sentence, (sign, _) in kept.items())
        if len(text) <= WHY_LENGTH:
            return text
        del kept[min(kept, key=lambda sentence: kept[sentence][1])]


def _largest(values: np.ndarray, places: int) -> np.ndarray:
    """Indices of the largest values of each row, largest first, ties in order of the columns."""
    return np.argsort(-values, axis=1, kind="stable")[:, :places]


def _fingerprint(facts: Sequence[str | None], signs: Sequence[int]) -> str:
    known = sorted(
        ("+" if sign > 0 else "-") + fact
        for fact, sign in zip(facts, signs, strict=True)
        if fact is not None
    )
    return blake2b("\n".join(known).encode(), digest_size=8).hexdigest() if known else ""
