"""Few conversions: the model against a plain average of three models, on real histories.

    .venv/bin/python benchmarks/little_data.py

`model_quality.py` makes the sets. Leads are drawn from four fifths of a set so that exactly the
named number of them converted; all of the other fifth tests, weighted to the same share of
conversions. A set that has too few leads of a class for a size is left out there.

    average       plain average of the probabilities of: logistic regression (C = 0.1), a five-fold
                  bagged small LightGBM, scikit-learn's extra trees
    best          `ConversionModel`
    best + trees  four fifths of its log-odds and one fifth of the extra trees'
"""

from __future__ import annotations

import argparse
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import lightgbm as lgb
import numpy as np
import pandas as pd
from model_quality import SETS, prepare
from scipy.special import expit, logit
from sklearn.compose import make_column_selector, make_column_transformer
from sklearn.ensemble import ExtraTreesClassifier
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from scoring import ConversionModel
from scoring.train.blend import group_folds
from scoring.train.columns import encode, fit

SIZES = ((200, 40), (500, 60), (1000, 120))
SMALL = {
    "objective": "binary",
    "metric": "binary_logloss",
    "learning_rate": 0.05,
    "num_leaves": 7,
    "min_data_in_leaf": 10,
    "feature_fraction": 0.5,
    "bagging_fraction": 0.8,
    "bagging_freq": 1,
    "lambda_l2": 10.0,
    "cat_smooth": 20.0,
    "cat_l2": 20.0,
    "min_data_per_group": 20,
    "num_threads": 1,
    "verbosity": -1,
}


def draws(rows: pd.DataFrame, n: int, conversions: int, repeats: int) -> Iterator[np.ndarray]:
    """Positions of `n` training leads, `conversions` of which converted; none if too few."""
    train = np.flatnonzero(rows["fold"] != 0)
    label = rows["label"].to_numpy()[train]
    if min((label == 1).sum() - conversions, (label == 0).sum() - (n - conversions)) < 0:
        return
    for repeat in range(repeats):
        rng = np.random.default_rng([repeat, n])
        won = rng.choice(train[label == 1], conversions, replace=False)
        yield np.append(won, rng.choice(train[label == 0], n - conversions, replace=False))


def designed() -> Any:
    """Numbers with the median and an indicator for missing ones, levels as indicators."""
    texts = make_column_selector(dtype_exclude="number")
    numbers = make_column_selector(dtype_include="number")
    return make_column_transformer(
        (make_pipeline(SimpleImputer(add_indicator=True), StandardScaler()), numbers),
        (OneHotEncoder(handle_unknown="ignore"), texts),
    )


def members(train: pd.DataFrame, y: np.ndarray, test: pd.DataFrame) -> dict[str, np.ndarray]:
    """Probabilities of the test rows by the average's three models."""
    kept = [name for name in train if train[name].notna().any()]
    logistic = make_pipeline(designed(), LogisticRegression(C=0.1, max_iter=2000))
    random = make_pipeline(
        designed(), ExtraTreesClassifier(300, min_samples_leaf=3, random_state=7)
    )
    found = {
        "logistic": logistic.fit(train[kept], y).predict_proba(test[kept])[:, 1],
        "random": random.fit(train[kept], y).predict_proba(test[kept])[:, 1],
    }
    columns = fit(train)
    matrix = encode(columns, train)
    category = [j for j, column in enumerate(columns) if column.kind == "category"]
    bag = lgb.cv(
        SMALL,
        lgb.Dataset(matrix, y, categorical_feature=category, params=SMALL),
        num_boost_round=500,
        folds=group_folds(y.astype(float), np.arange(len(y)), 5, 7),
        callbacks=[lgb.early_stopping(30, verbose=False)],
        return_cvbooster=True,
    )["cvbooster"]
    each = bag.predict(encode(columns, test), num_iteration=bag.best_iteration)
    return {**found, "small": np.mean(each, axis=0)}


def compared(train: pd.DataFrame, y: np.ndarray, test: pd.DataFrame) -> dict[str, np.ndarray]:
    """Probabilities of the test rows by what the table shows."""
    three = members(train, y, test)
    best = ConversionModel().fit(train, y).predict_proba(test)[:, 1]
    random = np.clip(three["random"], 1e-3, 1 - 1e-3)
    return {
        "average": np.mean(list(three.values()), axis=0),
        "best": best,
        "best + trees": expit(0.8 * logit(best) + 0.2 * logit(random)),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--work", type=Path, default=Path(tempfile.gettempdir()) / "model-quality")
    parser.add_argument("--repeats", type=int, default=6)
    arguments = parser.parse_args()
    os.environ["OMP_NUM_THREADS"] = "1"
    print(
        "| leads / conversions | sets | model | AUC | log loss | AUC - average "
        "| log loss - average |"
    )
    print("|---|--:|---|--:|--:|--:|--:|")
    sets = {name: pd.read_parquet(prepare(name, arguments.work)) for name in SETS}
    for n, conversions in SIZES:
        measured: dict[str, list[np.ndarray]] = {}
        for rows in sets.values():
            X, label = rows.drop(columns=["label", "fold", "group"]), rows["label"].to_numpy()
            tested = rows["fold"].to_numpy() == 0
            share, natural = conversions / n, label[tested].mean()
            weight = np.where(label[tested] == 1, share / natural, (1 - share) / (1 - natural))
            repeats: dict[str, list[tuple[float, float]]] = {}
            for drawn in draws(rows, n, conversions, arguments.repeats):
                said = compared(X.iloc[drawn].reset_index(drop=True), label[drawn], X[tested])
                for model, p in said.items():
                    loss = -np.log(np.where(label[tested] == 1, p, 1 - p))
                    repeats.setdefault(model, []).append(
                        (roc_auc_score(label[tested], p), float(np.average(loss, weights=weight)))
                    )
            for model, values in repeats.items():
                measured.setdefault(model, []).append(np.array(values))
        for model, values in measured.items():
            mean = np.mean([of_set.mean(axis=0) for of_set in values], axis=0)
            paired = [own - other for own, other in zip(values, measured["average"], strict=True)]
            more = np.mean([d.mean(axis=0) for d in paired], axis=0)
            # Repeats of one set share its test rows: the interval is about the drawn leads only.
            error = np.sqrt(np.sum([d.var(axis=0, ddof=1) / len(d) for d in paired], axis=0))
            half = 1.96 * error / len(paired)
            print(
                f"| {n} / {conversions} | {len(values)} | {model} | {mean[0]:.4f} | {mean[1]:.4f} "
                f"| {more[0]:+.4f} ± {half[0]:.4f} | {more[1]:+.4f} ± {half[1]:.4f} |",
                flush=True,
            )


if __name__ == "__main__":
    main()
