"""The flag's threshold: fitted on one half of the leads, tested on buyers of the other.

    flag = fit(rows of the fitting half, features, settings, seed)      everything but the threshold
    flag = calibrated(flag, worst_nights(flag, nights of buyers, …), …) the threshold, tested

A buyer's statistic is the largest risk among the nights on which the evidence stood and nothing
lifted it, so a threshold flags a buyer at some night just where it is at or below the statistic.
What keeps a flag standing (`state.py`) never opens one and needs no test; every further condition
for opening one only lowers the share. Nothing is fitted again afterwards.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd

from scoring.build.featureset import FeatureSet
from scoring.flag.bound import buyers_needed, loosest, most_flagged, upper_bound
from scoring.flag.model import Flag, acted, tells_when
from scoring.flag.settings import FlagSection
from scoring.flag.signs import Limits
from scoring.train.fitted import choose
from scoring.train.model import ConversionModel
from scoring.train.recipe import Fitted

# The grid: shares of the fitting rows that a threshold leaves above it, finest where it is
# strictest; a lead in the better half is never flagged.
STEPS, LARGEST_SHARE = 100, 0.5
# So many rows tell the quantiles of the risk well enough.
GRID_ROWS = 20_000


def fitting_half(groups: pd.Series, seed: int) -> np.ndarray:
    """(n,) bool: whether the row's person (lead, where no person is known) is in the half that is
    fitted on. By a hash, so a group stays where it is however many others come."""
    codes, names = pd.factorize(groups.astype(object))
    halves = np.array([hashed(name, f"half {seed}") < 0.5 for name in names], dtype=bool)
    return halves[codes]


def hashed(name: object, salt: str) -> float:
    """A number in [0, 1) that looks random and is the same everywhere and always."""
    digest = hashlib.blake2b(f"{salt}\n{name}".encode(), digest_size=7).digest()
    return int.from_bytes(digest) / 2**56


def fit(rows: pd.DataFrame, features: FeatureSet, settings: FlagSection, seed: int) -> Flag:
    """Everything of a flag but its threshold.

    rows   labelled training rows of the fitting half, as `build` makes them

    Raises ValueError (as `ConversionModel.fit`) where they hold fewer than two leads of a class.
    """
    chosen = choose(rows, features)
    bought = rows["converted"].fillna(False).to_numpy(dtype=bool) | (rows["label"] == 1).to_numpy()
    # Whoever bought after the horizon is a later buyer all the same: as a no it would teach that
    # slow buyers are none.
    clear = ((rows["label"] == 1) | ~bought).to_numpy()
    taught = rows[clear]
    model = ConversionModel(preset="fast", seed=seed)
    model.fit(
        chosen.rows.loc[clear, list(chosen.names)],
        taught["label"],
        time=taught["as_of"],
        groups=taught["group_id"],
    )
    risk = Fitted(model, chosen.names, chosen.learned)
    # Of the learned columns those alone whose tables are kept can be looked up for other leads.
    kept = {c.name for c in chosen.learned.columns}
    columns = [
        *(c for c in features.columns if c.name in chosen.rows),
        *(c for c in features.learned if c.name in kept),
    ]
    limits = Limits.fit(chosen.rows, columns, bought=bought, root=rows["root_key"])
    often = {
        c.name: acted(c, chosen.rows[c.name], settings.earnest_days)[bought].mean()
        for c in columns
        if tells_when(c)
    }
    earnest = tuple(sorted((c for c in columns if c.name in often), key=lambda c: -often[c.name]))
    reads = [*chosen.names, *limits.needs, *(c.name for c in earnest)]
    return Flag(settings, risk, limits, earnest, features.keep(reads), _grid(chosen.rows, risk))


def _grid(rows: pd.DataFrame, risk: Fitted) -> tuple[float, ...]:
    """Thresholds, strictest first: quantiles of the risk of the fitting rows."""
    every = -(-len(rows) // GRID_ROWS)
    found = -risk.model.decision_function(rows.iloc[::every][list(risk.names)])
    shares = LARGEST_SHARE * (np.arange(1, STEPS + 1) / STEPS) ** 2
    return tuple(np.unique(np.quantile(found, 1 - shares))[::-1].tolist())


def worst_nights(
    flag: Flag, nights: Iterable[pd.DataFrame], directions_known: bool
) -> dict[Any, float]:
    """The statistic of each lead of `nights`: root_key → largest risk, -inf for never.

    nights   frames of rows as `Flag.judged` reads them, one for each open night; merged leads are
             one lead
    """
    worst: dict[Any, float] = {}
    for frame in nights:
        rows = flag.judged(frame, directions_known).rows
        risk = rows["_flag_risk"].where(rows["_flag_evidence"], -np.inf).fillna(-np.inf)
        found = risk.groupby(frame["root_key"].to_numpy()).max()
        for root, value in found.items():
            worst[root] = max(worst.get(root, -np.inf), float(value))
    return worst


def calibrated(flag: Flag, statistic: np.ndarray) -> Flag:
    """The flag with the loosest threshold that keeps the promise, or without one.

    statistic   (n,) of buyers that `fit` has not seen

    With `mode = "advisory"` and too few buyers for the promise the threshold is the one that keeps
    the share on average: at most share * (n + 1) - 1 of n flagged ("conformal risk control",
    Angelopoulos, Bates, Fisch, Lei and Schuster 2022, arXiv:2208.02814).
    """
    settings, buyers = flag.settings, len(statistic)
    most = most_flagged(buyers, settings.share, settings.confidence)
    if not flag.limits.signs:
        most = -1
    place = loosest(statistic, flag.grid, most)
    promised = place is not None
    if not promised and settings.mode == "advisory" and flag.limits.signs:
        most = int(np.floor(settings.share * (buyers + 1) + 1e-9)) - 1
        place = loosest(statistic, flag.grid, most)
    threshold = None if place is None else flag.grid[place]
    flagged = 0 if threshold is None else int(np.count_nonzero(statistic >= threshold))
    needed = buyers_needed(settings.share, settings.confidence)
    facts = {
        "mode": settings.mode,
        "share": settings.share,
        "confidence": settings.confidence,
        "buyers": buyers,
        "needed": needed,
        "missing": max(0, needed - buyers),
        "promised": promised,
        "threshold": threshold,
        "flagged": flagged,
        "bound": upper_bound(flagged, buyers, settings.confidence),
        "signs": len(flag.limits.signs),
    }
    return replace(flag, threshold=threshold, facts={**flag.facts, **facts})
