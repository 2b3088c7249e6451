"""Explaining a night's leads: seconds for 200,000, by the kernel of the product and by LightGBM.

    .venv/bin/python benchmarks/explain.py                       120 and 180 columns
    .venv/bin/python benchmarks/explain.py --leads 20000 --columns 60

A model of preset "best" is fitted on generated leads with counts, days, amounts, categories and
missing values, 15 % of which convert, a third of the columns matter. Then `contributions` explains
the leads. Their columns are drawn independently of each other: more different leads than real ones,
which is the worse case for a kernel that works out each distinct set of answers once. LightGBM's
own `pred_contrib` takes some hundred leads, one thread, and is extrapolated.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from itertools import pairwise

import lightgbm as lgb
import numpy as np
import pandas as pd

from scoring import ConversionModel
from scoring.train import columns as cols
from scoring.train.trees import Trees

TRAINING_ROWS = 20_000
BY_LIGHTGBM = 300


def leads(n: int, k: int, seed: int) -> pd.DataFrame:
    """`k` columns as a CRM brings them."""
    rng = np.random.default_rng(seed)
    table: dict[str, np.ndarray] = {}
    for j in range(k):
        if j % 12 == 0:
            table[f"level_{j}"] = rng.choice([f"l{i}" for i in range(3 + j % 17)], n)
        elif j % 3:
            table[f"count_{j}"] = rng.poisson(rng.gamma(1, 2, n)).astype(float)
        else:
            days = rng.exponential(30, n)
            table[f"days_{j}"] = np.where(rng.random(n) < 0.2, np.nan, days)
    return pd.DataFrame(table)


def converted(X: pd.DataFrame, seed: int) -> np.ndarray:
    """15 % of the leads, by a third of the columns, with curves and pairs."""
    rng = np.random.default_rng(seed)
    margin = np.zeros(len(X))
    numbers = [name for name in X.columns[: len(X.columns) // 3] if X[name].dtype.kind == "f"]
    for name, other in pairwise(numbers):
        rank = X[name].rank(pct=True).fillna(0.3).to_numpy()
        margin += rng.normal() * rank + rng.normal() * (rank > 0.7) * (X[other] > 1)
    noisy = margin / margin.std() * 1.5 + rng.logistic(size=len(X))
    return (noisy > np.quantile(noisy, 0.85)).astype(int)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--leads", type=int, default=200_000)
    parser.add_argument("--columns", type=int, nargs="*", default=[120, 180])
    arguments = parser.parse_args()
    print(f"{os.cpu_count()} cores, Python {sys.version.split()[0]}")
    print("| columns | trees | leads | contributions s (CPU s) | leads/s | probability s (CPU s) |"
          " pred_contrib leads/s | its s | largest difference |")  # fmt: skip
    print("|--:|--:|--:|--:|--:|--:|--:|--:|--:|")
    for k in arguments.columns:
        X = leads(TRAINING_ROWS, k, seed=1)
        model = ConversionModel().fit(X, converted(X, seed=2))
        night = leads(arguments.leads, k, seed=3)
        began, cpu = time.perf_counter(), time.process_time()
        parts = model.contributions(night)
        seconds, cpu = time.perf_counter() - began, time.process_time() - cpu
        began, cpu_of_p = time.perf_counter(), time.process_time()
        model.predict_proba(night)
        predicted, cpu_of_p = time.perf_counter() - began, time.process_time() - cpu_of_p

        some = cols.encode(model.columns_, night.head(BY_LIGHTGBM))
        trees = [member for member in model.members_.values() if isinstance(member, Trees)]
        began = time.perf_counter()
        theirs = [
            lgb.Booster(model_str=member.text).predict(some, pred_contrib=True, num_threads=1)[
                :, :-1
            ]
            for member in trees
        ]
        slow = (time.perf_counter() - began) / BY_LIGHTGBM
        ours = [member.contributions(some) for member in trees]
        apart = max(np.abs(a - b).max() for a, b in zip(ours, theirs, strict=True))
        rounds = sum(model.summary_["rounds"].values())
        print(
            f"| {parts.shape[1]} | {rounds} | {len(parts):,} | {seconds:.1f} ({cpu:.1f}) "
            f"| {len(parts) / seconds:,.0f} | {predicted:.1f} ({cpu_of_p:.1f}) | {1 / slow:,.0f} "
            f"| {slow * len(parts):,.0f} | {apart:.0e} |",
            flush=True,
        )


if __name__ == "__main__":
    main()
