"""One peer on one fold, in the peers' own environment: `model_quality.py` starts it.

    benchmarks/.venv/models/bin/python benchmarks/model_peers.py \\
        --model autogluon --rows rows.parquet --fold 0 --out folder

`rows.parquet` holds the columns, `label` (0 or 1), `group` and `fold`. Written: `p.npy`, the
probability of each row of the fold in the file's order, and `fit.json` with what fitting cost.
Seconds of CPU are user and system time of this process and the children that it waited for, imports
left out; so AutoGluon fits its folds in this process, one after the other, with all cores, and not
in Ray's.
"""

import argparse
import importlib
import json
import os
import time
import warnings
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd

LIMITS = {"autogluon": 300, "flaml": 120}
SEED = 7


def catboost(train: pd.DataFrame, y: np.ndarray, folder: Path) -> Callable:
    from catboost import CatBoostClassifier

    texts = [name for name in train if not pd.api.types.is_numeric_dtype(train[name])]

    def ready(frame: pd.DataFrame) -> pd.DataFrame:
        return frame.assign(
            **{name: frame[name].fillna("missing").astype(object) for name in texts}
        )

    model = CatBoostClassifier(
        random_seed=SEED, cat_features=texts, verbose=False, train_dir=str(folder / "catboost")
    )
    model.fit(ready(train), y)
    return lambda test: model.predict_proba(ready(test))[:, 1]


def flaml(train: pd.DataFrame, y: np.ndarray, _: Path) -> Callable:
    from flaml import AutoML

    texts = [name for name in train if not pd.api.types.is_numeric_dtype(train[name])]
    levels = {name: pd.CategoricalDtype(sorted(train[name].dropna().unique())) for name in texts}
    model = AutoML()
    model.fit(
        train.astype(levels),
        y,
        task="classification",
        metric="log_loss",
        time_budget=LIMITS["flaml"],
        n_jobs=os.cpu_count(),
        seed=SEED,
        verbose=0,
    )
    return lambda test: model.predict_proba(test.astype(levels))[:, 1]


def autogluon(train: pd.DataFrame, y: np.ndarray, folder: Path) -> Callable:
    from autogluon.tabular import TabularPredictor

    model = TabularPredictor(
        label="label", eval_metric="log_loss", path=str(folder / "autogluon"), verbosity=2
    )
    model.fit(
        train.assign(label=y),
        presets="best_quality",
        time_limit=LIMITS["autogluon"],
        num_cpus=os.cpu_count(),
        num_gpus=0,
        ag_args_ensemble={"fold_fitting_strategy": "sequential_local"},
        ds_args={"memory_safe_fits": False},
    )
    return lambda test: model.predict_proba(test)[1].to_numpy()


PEERS = {"catboost": catboost, "flaml": flaml, "autogluon": autogluon}
IMPORTS = {"catboost": "catboost", "flaml": "flaml", "autogluon": "autogluon.tabular"}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", choices=sorted(PEERS), required=True)
    parser.add_argument("--rows", type=Path, required=True)
    parser.add_argument("--fold", type=int, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--seconds", type=int, help="time limit; more where the machine is busy")
    arguments = parser.parse_args()
    if arguments.seconds:
        LIMITS[arguments.model] = arguments.seconds
    warnings.filterwarnings("ignore")
    rows = pd.read_parquet(arguments.rows)
    columns = rows.drop(columns=["label", "group", "fold"])
    test = rows["fold"] == arguments.fold
    # Heavy imports are not what is measured.
    importlib.import_module(IMPORTS[arguments.model])
    arguments.out.mkdir(parents=True, exist_ok=True)
    before, began = os.times(), time.perf_counter()
    predict = PEERS[arguments.model](
        columns[~test].reset_index(drop=True),
        rows.loc[~test, "label"].to_numpy(),
        arguments.out,
    )
    after, ended = os.times(), time.perf_counter()
    cpu = sum(after[:4]) - sum(before[:4])
    np.save(arguments.out / "p.npy", predict(columns[test].reset_index(drop=True)))
    fit = {"cpu": cpu, "wall": ended - began}
    (arguments.out / "fit.json").write_text(json.dumps(fit))


if __name__ == "__main__":
    main()
