"""Small feature sets and frames, as the build hands them over."""

from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pandas as pd

from scoring.build.columns import Column
from scoring.score.sentences import Sentences
from scoring.words import translator

HELSINKI = ZoneInfo("Europe/Helsinki")
# Midnight of 1 March 2027 in Helsinki.
AS_OF = pd.Timestamp("2027-02-28 22:00", tz="UTC")


def column(name: str, op: str, singular: str, plural: str | None = None, **more: Any) -> Column:
    text = {"singular": singular, "plural": plural or singular}
    return Column(
        **{"name": name, "variable": name, "theme": "t", "stream": "interactions", "op": op}
        | text
        | more
    )


def sentence(
    of: Column,
    value: Any,
    language: str = "en",
    locale: Path | None = None,
    others: tuple[Column, ...] = (),
) -> str | None:
    """The sentence of one value, or None where it cannot be said."""
    said = Sentences((of, *others), language, HELSINKI, translator(language, locale))
    values = pd.Series([value], dtype=object if of.kind == "category" else "float64")
    if not said.sayable(of.name, values)[0]:
        return None
    as_of = pd.Series([AS_OF]).dt.as_unit("us")
    return str(said.say(of.name, values, as_of)[0][0])
