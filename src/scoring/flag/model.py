"""The flag as a champion carries it: a risk model, limits of signs, acts that lift it, a threshold.

Everything here looks at one row at a time. What a lead's earlier nights and a seller's word change
is in `state.py`; where the threshold comes from, in `calibrate.py`.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from scoring.build.columns import FUTURE_DATES, PAST_DATES, SIGN_KINDS, Column
from scoring.build.featureset import FeatureSet
from scoring.errors import NoUsableModel
from scoring.flag.settings import FlagSection
from scoring.flag.signs import Limits
from scoring.score.attention import attention
from scoring.train.learned import Learned
from scoring.train.model import ConversionModel
from scoring.train.payload import HASHES
from scoring.train.recipe import Fitted

FOLDER = "flag"
# A strong sign is evidence by itself, a weak one needs company.
STRONG, WEAK, ENOUGH = 2, 1, 2


@dataclass(frozen=True)
class Judged:
    """What single rows say of the flag, with the index of the rows.

    rows    `_flag_risk` log-odds against buying, NaN where no sign is there or the flag is lifted;
            `_flag_evidence` one strong sign or several, and nothing lifts it; `_flag_opens` and
            `_flag_stays` a flag may begin, or go on; `_flag_kind` what the signs speak of, "" for
            nothing
    fired   (n, signs) bool; values: what the signs saw
    """

    rows: pd.DataFrame
    fired: pd.DataFrame
    values: pd.DataFrame


@dataclass(frozen=True)
class Flag:
    """The flag of one champion.

    risk        P(buys), fitted on one half of the leads; its complement is the risk of the flag
    limits      of the signs, of the same half
    earnest     columns of acts that lift a flag, those that buyers do most first
    features    what `build` must make for it
    grid        thresholds to choose from, strictest first, fixed on the same half
    threshold   log-odds against buying from which on evidence opens a flag; None: no flags
    facts       JSON: what the threshold was tested on and what the flag costs (docs/flags.md)
    """

    settings: FlagSection
    risk: Fitted
    limits: Limits
    earnest: tuple[Column, ...]
    features: FeatureSet
    grid: tuple[float, ...] = ()
    threshold: float | None = None
    facts: Mapping[str, Any] = field(default_factory=dict)

    def judged(self, built: pd.DataFrame, directions_known: bool) -> Judged:
        """What each row says by itself.

        built   as `build` makes them: the columns of `features`, and the facts of attention.
                Nothing that a champion has joined to them, as the flag has learned by itself
        """
        rows = self.risk.learned.joined(built)
        fired = self.limits.fired(rows)
        kind, evidence = _kinds(fired, self.limits.signs)
        lifted = self.in_earnest(rows) | np.isin(
            attention(built, directions_known), ("waiting_for_us", "not_worked")
        )
        some = (evidence > 0) & ~lifted
        enough = (evidence >= ENOUGH) & ~lifted
        risk = np.full(len(rows), np.nan)
        if some.any():
            asked = rows.loc[some, list(self.risk.names)]
            risk[some] = -self.risk.model.decision_function(asked)
        opens = stays = np.zeros(len(rows), dtype=bool)
        if self.threshold is not None:
            opens = enough & (risk >= self.threshold)
            stays = some & (risk >= self.threshold - self.settings.exit_margin)
        made = {
            "_flag_risk": risk,
            "_flag_evidence": enough,
            "_flag_opens": opens,
            "_flag_stays": stays,
            "_flag_kind": kind,
        }
        values = rows[[column.name for column in self.limits.signs]]
        return Judged(pd.DataFrame(made, index=built.index), fired, values)

    def in_earnest(self, rows: pd.DataFrame) -> np.ndarray:
        """(n,) bool: an act in earnest is so new that no flag stands."""
        held = np.zeros(len(rows), dtype=bool)
        for column in self.earnest:
            held |= acted(column, rows[column.name], self.settings.earnest_days)
        return held

    def write(self, folder: Path) -> dict[str, Any]:
        """The risk model's files into `folder`/flag; what stands beside them, as JSON."""
        hashes = self.risk.model.to_payload(folder / FOLDER)
        return {
            "settings": self.settings.model_dump(mode="json"),
            "names": list(self.risk.names),
            "learned": self.risk.learned.to_json(),
            "limits": self.limits.to_json(),
            "earnest": [c.to_json() for c in self.earnest],
            "features": self.features.to_json(),
            "grid": list(self.grid),
            "threshold": self.threshold,
            "facts": dict(self.facts),
            "hashes": hashes,
        }

    @staticmethod
    def read(value: Mapping[str, Any], folder: Path) -> Flag:
        """What `write` wrote. Raises NoUsableModel where a file is absent or another one."""
        model = ConversionModel.from_payload(folder / FOLDER)
        if _hashes(folder / FOLDER) != value["hashes"]:
            raise NoUsableModel(
                "The files of the model's flag are not those that it was registered with.",
                "Restore the store from a backup, or train again.",
            )
        risk = Fitted(model, tuple(value["names"]), Learned.from_json(value["learned"]))
        return Flag(
            settings=FlagSection.model_validate(value["settings"]),
            risk=risk,
            limits=Limits.from_json(value["limits"]),
            earnest=tuple(Column.from_json(c) for c in value["earnest"]),
            features=FeatureSet.from_json(value["features"]),
            grid=tuple(value["grid"]),
            threshold=value["threshold"],
            facts=dict(value["facts"]),
        )


def _hashes(folder: Path) -> Any:
    return json.loads((folder / HASHES).read_text(encoding="utf-8"))


def acted(column: Column, values: pd.Series, days: int) -> np.ndarray:
    """(n,) bool: whether the act of an earnest column is at most `days` old; of a count, whether
    there is one in its window; of a date ahead, whether it is agreed."""
    numbers = values.to_numpy(dtype=np.float64, na_value=np.nan)
    if column.op in PAST_DATES:
        return numbers <= days
    if column.op in FUTURE_DATES:
        return numbers >= 0
    return numbers > 0


def tells_when(column: Column) -> bool:
    """Whether an earnest column can tell a new act from an old one."""
    dated = (*PAST_DATES, *FUTURE_DATES)
    return column.earnest and (column.op in dated or column.days is not None)


def _kinds(fired: pd.DataFrame, signs: tuple[Column, ...]) -> tuple[np.ndarray, np.ndarray]:
    """(n,) the kind with most evidence ("" for none; ties in the order of SIGN_KINDS), and the
    evidence of all kinds together."""
    weight = np.zeros((len(fired), len(SIGN_KINDS)), dtype=np.int64)
    for column in signs:
        assert column.sign is not None
        place = SIGN_KINDS.index(column.sign.kind)
        weight[:, place] += fired[column.name].to_numpy() * (STRONG if column.sign.strong else WEAK)
    evidence = weight.sum(axis=1)
    names = np.array(SIGN_KINDS, dtype=object)[weight.argmax(axis=1)]
    return np.where(evidence > 0, names, ""), evidence
