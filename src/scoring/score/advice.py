"""A next step as a sentence in the seller's language, with its question or its date."""

from dataclasses import dataclass, field
from gettext import NullTranslations

import numpy as np
import pandas as pd

from scoring.build.unfold import in_words
from scoring.score.sentences import filled
from scoring.words import date, named
from scoring.words.next_step import FAREWELL, NOTHING_OPEN, SAYS


@dataclass(frozen=True)
class Speech:
    """The language of the project, and its texts."""

    language: str = "en"
    texts: NullTranslations = field(default_factory=NullTranslations)


def spoken(rows: pd.DataFrame, speech: Speech) -> np.ndarray:
    """(n,) of str; "" for `none`.

    rows   next_step, ask_about, recycle_on, and `proposed`: the rest was our idea, so that a
           farewell is due
    """
    said: dict[tuple[object, ...], str] = {}
    found = []
    columns = [rows[name] for name in ("next_step", "ask_about", "recycle_on", "proposed")]
    for step, about, on, proposed in zip(*columns, strict=True):
        asks, returns = step == "ask_question", step == "recycle"
        key = step, asks and about, returns and on, proposed
        if key not in said:
            open_ = asks and pd.notna(about)
            text = FAREWELL if returns and proposed else SAYS[step]
            text = NOTHING_OPEN if asks and not open_ else text
            values = {
                "name": named(in_words(about), speech.texts) if open_ else "",
                "date": date(on.date(), speech.language) if returns else "",
            }
            said[key] = filled(text, values, speech.texts) if text else ""
        found.append(said[key])
    return np.array(found, dtype=object)
