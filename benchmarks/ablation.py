"""What features do to the predictions: with and without each theme, before and after a change.

    python benchmarks/ablation.py predict PROJECT --question Q --test-from DATE --origins N OUT
        the recipe's probabilities of the tested rows, into OUT (Parquet)
    python benchmarks/ablation.py compare BEFORE AFTER
        paired difference of two such files, on the leads and moments that both have
    python benchmarks/ablation.py themes PROJECT --question Q --test-from DATE --origins N
        the recipe without the columns of each theme, against the whole, on the same rows

Rows before --test-from train, `backtest`'s way: labels known at each origin, refitted before each
block. With --test-until the rows from that date on are left out altogether, so that choices can be
made on origins inside a training period. A difference is log loss of the first minus log loss of
the second, with its 95 % interval over leads (paired bootstrap); below 0 the first is better.
`predict` runs with older versions of the package, too: put another checkout's `src` on PYTHONPATH.
"""

import argparse
import json
from pathlib import Path
from typing import Any

import pandas as pd

from scoring import Project
from scoring.build.run import build_training
from scoring.check.tables import Tables
from scoring.clock import parse_moment
from scoring.train.metrics import measures, paired_bootstrap
from scoring.train.recipe import fit
from scoring.train.splits import as_naive, rolling_origins, settled, training_rows

KEYS = ["lead_id", "as_of"]


class Rows:
    """The labelled rows of a question and the origins to test."""

    def __init__(self, arguments: argparse.Namespace) -> None:
        project = Project(arguments.project)
        zone = project.settings.zone
        self.settings = project.model(arguments.question)
        built = build_training(project, arguments.question, Tables.open(project).data_end)
        self.features = built.features
        rows = settled(built.frame(), built.settling)
        if arguments.test_until:
            until = as_naive(parse_moment(arguments.test_until, zone))
            rows = rows[rows["as_of"] < until].reset_index(drop=True)
        self.rows = rows
        start = as_naive(parse_moment(arguments.test_from, zone))
        self.splits = rolling_origins(rows, start, arguments.origins)

    def predicted(self, **without: Any) -> pd.DataFrame:
        """lead_id, as_of, group_id, label, probability of the tested rows, and how many columns
        the first model has."""
        found = []
        for split in self.splits:
            train, test = training_rows(self.rows, split), self.rows.iloc[split.test]
            fitted = fit(train, self.features, self.settings.learner, **without)
            kept = test[[*KEYS, "group_id", "label"]]
            found.append(
                kept.assign(probability=fitted.probability(test), columns=len(fitted.names))
            )
        return pd.concat(found, ignore_index=True)


def difference(first: pd.DataFrame, second: pd.DataFrame, seed: int) -> dict[str, Any]:
    both = first.merge(second, on=KEYS, suffixes=("", "_second"))
    y = both["label"].to_numpy()
    pair = both["probability"].to_numpy(), both["probability_second"].to_numpy()
    mean, low, high = paired_bootstrap(y, *pair, both["group_id"].to_numpy(), seed=seed)
    return {"rows": len(both), "log_loss": mean, "low": low, "high": high}


def _measured(predicted: pd.DataFrame, seed: int) -> dict[str, Any]:
    told = measures(predicted["label"].to_numpy(), predicted["probability"].to_numpy(), seed=seed)
    told = {name: told[name] for name in ("n", "positives", "auc", "log_loss", "ece", "ece_floor")}
    return {**told, "columns": int(predicted["columns"].iloc[0])}


def _say(name: str, told: dict[str, Any]) -> None:
    shown = {k: round(v, 4) if isinstance(v, float) else v for k, v in told.items()}
    print(f"{name:<28} {json.dumps(shown)}", flush=True)


def themes(arguments: argparse.Namespace) -> None:
    rows = Rows(arguments)
    whole = rows.predicted()
    _say("the whole", _measured(whole, arguments.seed))
    for theme in dict.fromkeys(c.theme for c in rows.features.all):
        own = {c.name for c in rows.features.all if c.theme == theme}
        told = difference(whole, rows.predicted(leave_out=own), arguments.seed)
        _say(f"with minus without {theme}", {**told, "columns": len(own)})


def predict(arguments: argparse.Namespace) -> None:
    predicted = Rows(arguments).predicted()
    predicted.to_parquet(arguments.out, index=False)
    _say(str(arguments.question), _measured(predicted, arguments.seed))


def compare(arguments: argparse.Namespace) -> None:
    before, after = pd.read_parquet(arguments.before), pd.read_parquet(arguments.after)
    told = difference(after, before, arguments.seed)
    for name, one in (("before", before), ("after", after)):
        _say(name, _measured(one, arguments.seed))
    _say("after minus before", told)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    commands = parser.add_subparsers(required=True)
    for run in (predict, themes):
        command = commands.add_parser(run.__name__)
        command.add_argument("project", type=Path)
        command.add_argument("--question", default="conversion")
        command.add_argument("--test-from", required=True)
        command.add_argument("--test-until")
        command.add_argument("--origins", type=int, default=1)
        if run is predict:
            command.add_argument("out", type=Path)
        command.set_defaults(run=run)
    command = commands.add_parser("compare")
    command.add_argument("before", type=Path)
    command.add_argument("after", type=Path)
    command.set_defaults(run=compare)
    parser.add_argument("--seed", type=int, default=7)
    arguments = parser.parse_args()
    arguments.run(arguments)


if __name__ == "__main__":
    main()
