"""`ConversionModel` against other learners, paired on the same folds: log loss, AUC, CPU seconds.

    .venv/bin/python benchmarks/model_quality.py                         everything that runs here
    .venv/bin/python benchmarks/model_quality.py --folds 0 --models best fast autogluon
    .venv/bin/python benchmarks/model_quality.py --data leads.csv --label won --group person

Sets: the real histories (`LEAD_SCORING_DATA`, or ../shared/data), each taken through `init`,
`ingest`, `check` and `Project.training_table` (both courses 28 days after the start); or a CSV or
Parquet file with a row per lead and a label of 0 and 1. Folds are random and keep a group
together: for an estimator that is the right question; `scoring backtest` asks the one of time.

Models that are not installed here (CatBoost, FLAML, AutoGluon) run in an environment of their own,
by default benchmarks/.venv/models (see requirements-model-peers.txt); without it they are left out,
and said so. A measured fold is kept in the work folder and not measured again. CPU seconds are user
and system time of fitting, threads and children included: a shared machine makes them larger by
little, unlike seconds of the clock. Those with a time limit (AutoGluon, FLAML) do less in it there.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
from sklearn.metrics import roc_auc_score

ROOT = Path(__file__).parents[1]
SETS = ("oulad_clicks", "oulad_submissions", "bank_marketing")
FOLDS = 5
PEERS = ("catboost", "flaml", "autogluon")
KEYS = ["lead_id", "as_of", "group_id", "label", "matured_at"]


def prepare(name: str, work: Path, label: str = "label", group: str | None = None) -> Path:
    """The set's rows as Parquet: columns, `label`, `group` and `fold`; made once."""
    path = work / Path(name).stem / "rows.parquet"
    if path.exists():
        return path
    from scoring.train.blend import group_folds

    if name in SETS:
        table = _history(name, work / name / "project")
        y, groups = table["label"], table["group_id"]
        X = table.drop(columns=KEYS)
    else:
        table = pd.read_csv(name) if name.endswith(".csv") else pd.read_parquet(name)
        y, groups = table[label], table[group] if group else pd.Series(range(len(table)))
        X = table.drop(columns=[label, *([group] if group else [])])
    # What says nothing in the whole set: scikit-learn's boosting breaks on a column without values.
    X = X[
        [column for column in X if X[column].nunique(dropna=False) > 1 and X[column].notna().any()]
    ]
    texts = [column for column in X if not pd.api.types.is_numeric_dtype(X[column])]
    codes = pd.factorize(groups)[0]
    fold = np.empty(len(X), dtype=int)
    for k, (_, test) in enumerate(group_folds(y.to_numpy(dtype=float), codes, FOLDS, seed=0)):
        fold[test] = k
    path.parent.mkdir(parents=True, exist_ok=True)
    # Plain objects: the peers' pandas knows no other text.
    rows = X.astype(dict.fromkeys(texts, object))
    rows.assign(label=y.to_numpy(dtype=int), group=codes, fold=fold).to_parquet(path)
    return path


def _history(name: str, project: Path) -> pd.DataFrame:
    """The labelled rows of a real history, through the product."""
    sys.path.insert(0, str(ROOT / "tests" / "journeys"))
    from kit import bank_project, oulad_project

    from scoring.project import Project

    data = Path(os.environ.get("LEAD_SCORING_DATA", ROOT.parent / "shared" / "data")) / name
    make, question = (
        (bank_project, "conversion") if name == "bank_marketing" else (oulad_project, "day28")
    )
    if not (project / "scoring.toml").exists():
        made = make(project, data)
        made("ingest")
        made("check")
    return Project(project).training_table(question=question)


def best(X: pd.DataFrame, y: np.ndarray, preset: str = "best") -> Callable:
    from scoring import ConversionModel

    model = ConversionModel(preset=preset).fit(X, y)
    return lambda test: model.predict_proba(test)[:, 1]


def fast(X: pd.DataFrame, y: np.ndarray) -> Callable:
    return best(X, y, "fast")


def logistic(X: pd.DataFrame, y: np.ndarray) -> Callable:
    from scoring.train.baselines import LogisticBaseline

    model = LogisticBaseline().fit(X, y)
    return lambda test: model.predict_proba(test)[:, 1]


def _categories(X: pd.DataFrame) -> Callable[[pd.DataFrame], pd.DataFrame]:
    texts = [name for name in X if not pd.api.types.is_numeric_dtype(X[name])]
    levels = {name: pd.CategoricalDtype(sorted(X[name].dropna().unique())) for name in texts}
    return lambda frame: frame.astype(levels)


def lightgbm(X: pd.DataFrame, y: np.ndarray) -> Callable:
    from lightgbm import LGBMClassifier

    ready = _categories(X)
    model = LGBMClassifier(verbosity=-1, random_state=7).fit(ready(X), y)
    return lambda test: model.predict_proba(ready(test))[:, 1]


def hist(X: pd.DataFrame, y: np.ndarray) -> Callable:
    from sklearn.ensemble import HistGradientBoostingClassifier

    ready = _categories(X)
    model = HistGradientBoostingClassifier(random_state=7).fit(ready(X), y)
    return lambda test: model.predict_proba(ready(test))[:, 1]


OWN = {"best": best, "fast": fast, "logistic": logistic, "lightgbm": lightgbm, "hist": hist}


def measure(model: str, path: Path, fold: int, peers: Path) -> tuple[np.ndarray, float] | None:
    """Probabilities of a fold's rows and the CPU seconds of fitting; None without the peer."""
    out = path.parent / f"{model}-{fold}"
    if not (out / "fit.json").exists():
        out.mkdir(exist_ok=True)
        if model in OWN:
            rows = pd.read_parquet(path)
            test = rows["fold"] == fold
            X, y = rows.drop(columns=["label", "group", "fold"]), rows["label"].to_numpy()
            before = os.times()
            predict = OWN[model](X[~test], y[~test])
            cpu = sum(os.times()[:4]) - sum(before[:4])
            np.save(out / "p.npy", predict(X[test]))
            (out / "fit.json").write_text(json.dumps({"cpu": cpu}))
        else:
            if not peers.exists():
                return None
            script = Path(__file__).resolve().with_name("model_peers.py")
            command = [peers, script, "--model", model, "--rows", path, "--out", out]
            with (out / "log.txt").open("w") as log:
                subprocess.run(
                    [*map(str, command), "--fold", str(fold)],
                    check=True,
                    cwd=out,  # some of them leave files where they run
                    stdout=log,
                    stderr=subprocess.STDOUT,
                )
    return np.load(out / "p.npy"), json.loads((out / "fit.json").read_text())["cpu"]


def main() -> None:
    from scoring.train.metrics import paired_bootstrap

    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", nargs="*", default=list(SETS), help="names of sets, or files")
    parser.add_argument("--label", default="label", help="column of a file's label, 0 or 1")
    parser.add_argument("--group", help="column of a file that says which rows are one person's")
    parser.add_argument("--models", nargs="*", default=[*OWN, *PEERS], choices=[*OWN, *PEERS])
    parser.add_argument("--folds", type=int, nargs="*", default=list(range(FOLDS)))
    parser.add_argument("--peers", type=Path, default=ROOT / "benchmarks/.venv/models/bin/python")
    parser.add_argument("--work", type=Path, default=Path(tempfile.gettempdir()) / "model-quality")
    arguments = parser.parse_args()
    arguments.work, arguments.peers = arguments.work.absolute(), arguments.peers.absolute()
    print(f"{os.cpu_count()} cores, Python {sys.version.split()[0]}, folds {arguments.folds}")
    print("| set | model | AUC | log loss | log loss: best - it, 95 % interval | CPU s |")
    print("|---|---|--:|--:|--:|--:|")
    for name in arguments.data:
        path = prepare(name, arguments.work, arguments.label, arguments.group)
        rows = pd.read_parquet(path, columns=["label", "group", "fold"])
        parts = [rows[rows["fold"] == fold] for fold in arguments.folds]
        y, groups = (pd.concat(parts)[column].to_numpy() for column in ("label", "group"))
        ours = None
        for model in dict.fromkeys(["best", *arguments.models]):
            found = [measure(model, path, fold, arguments.peers) for fold in arguments.folds]
            done = [one for one in found if one is not None]
            if len(done) < len(found):
                print(f"{model}: not measured, {arguments.peers} is missing", file=sys.stderr)
                continue
            p = np.clip(np.concatenate([p for p, _ in done]), 1e-9, 1 - 1e-9)
            ours = p if ours is None else ours
            difference, low, high = paired_bootstrap(y, ours, p, groups, seed=7)
            auc = np.mean(
                [roc_auc_score(part["label"], q) for part, (q, _) in zip(parts, done, strict=True)]
            )
            loss = -np.log(np.where(y == 1, p, 1 - p)).mean()
            cpu = np.mean([seconds for _, seconds in done])
            against = f"{difference:+.4f} ({low:+.4f} to {high:+.4f})" if model != "best" else ""
            print(
                f"| {name} | {model} | {auc:.4f} | {loss:.4f} | {against} | {cpu:.1f} |", flush=True
            )


if __name__ == "__main__":
    main()
