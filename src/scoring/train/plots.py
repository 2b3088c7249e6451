"""Pictures of a validation: calibration and lift. Matplotlib without a screen."""

from typing import TYPE_CHECKING

import numpy as np

from scoring.train.metrics import reliability

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def validation_figures(y: np.ndarray, p: np.ndarray) -> "dict[str, Figure]":
    """`calibration.png` (said against seen, ten bins of equal mass) and `lift.png`."""
    return {"calibration.png": _calibration(y, p), "lift.png": _lift(y, p)}


def _calibration(y: np.ndarray, p: np.ndarray) -> "Figure":
    from matplotlib.figure import Figure

    table = reliability(y, p)
    figure = Figure(figsize=(5, 5), layout="constrained")
    axes = figure.subplots()
    top = float(max(table["p_mean"].max(), table["observed"].max())) * 1.1 or 1.0
    error = 1.96 * np.sqrt(table["p_mean"] * (1 - table["p_mean"]) / table["n"])
    axes.plot([0, top], [0, top], color="0.6", linewidth=1)
    axes.errorbar(table["p_mean"], table["observed"], yerr=error, fmt="o", capsize=3)
    axes.set_xlabel("probability said")
    axes.set_ylabel("share converted (bars: chance alone)")
    axes.set_title(f"Calibration on {len(y):,} later rows")
    return figure


def _lift(y: np.ndarray, p: np.ndarray) -> "Figure":
    from matplotlib.figure import Figure

    order = np.argsort(-p, kind="stable")
    reached = np.cumsum(y[order]) / max(y.sum(), 1)
    share = np.arange(1, len(y) + 1) / len(y)
    figure = Figure(figsize=(5, 5), layout="constrained")
    axes = figure.subplots()
    axes.plot(share, reached)
    axes.plot([0, 1], [0, 1], color="0.6", linewidth=1)
    axes.set_xlabel("share of leads worked, best first")
    axes.set_ylabel("share of conversions among them")
    axes.set_title("What working the best leads reaches")
    return figure
