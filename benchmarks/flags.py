"""What the flag costs and what it finds (docs/flags.md).

    python benchmarks/flags.py kinds FOLDER [--leads N]     against a low score and a hand rule
    python benchmarks/flags.py courses FOLDER --data DIR    the price at 14, 28 and 56 days
    python benchmarks/flags.py companies [--number N]       the promise, also under drift

FOLDER is made; projects in it are made once. The simulated organisation is trained as of a moment
and flagged on nights after it: who the leads really are and which of them buy, nobody knew then.
"""

import argparse
import json
import shutil
import sys
from concurrent.futures import ProcessPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from scoring.build.partition import LeadScope
from scoring.build.run import build_scoring, build_training
from scoring.check.run import check
from scoring.check.tables import Tables
from scoring.clock import Moment
from scoring.flag.nights import every_night
from scoring.ingest.run import ingest
from scoring.project import Project
from scoring.score.attention import advisory_attention, attention
from scoring.score.facts import with_facts
from scoring.score.scale import score
from scoring.simulate import simulate
from scoring.store.publish import scratch
from scoring.train import tracking
from scoring.train.artefact import Artefact
from scoring.train.run import train

CHECKOUT = Path(__file__).parents[1]
END = datetime(2026, 11, 1, tzinfo=UTC)
TRAINED = END - timedelta(days=150)
NIGHTS = [TRAINED + timedelta(days=7 * week) for week in range(1, 13)]
KNOWN = ["industry", "company_size", "country", "role", "email_domain", "source"]
RULES = {
    "flag": "the flag",
    "same_price": "low score, as many later buyers",
    "same_number": "low score, as many leads",
    "hand_rule": "hand rule",
}
KINDS = ("hesitant", "no_budget", "student", "competitor", "chatterer", "quiet")


# --- the kinds of a simulated organisation ------------------------------------------------------


def organisation(root: Path, leads: int, seed: int) -> Project:
    """A project over a simulated organisation, trained as of TRAINED."""
    project = Project(root)
    if (root / "trained").exists():
        return project
    shutil.copytree(CHECKOUT / "features", root / "features")
    (root / "models" / "conversion").mkdir(parents=True)
    model = (CHECKOUT / "models" / "conversion" / "model.toml").read_text()
    fast = model.replace('preset = "best"', 'preset = "fast"')
    (root / "models" / "conversion" / "model.toml").write_text(fast)
    (root / "data").mkdir()
    shutil.copy(CHECKOUT / "scoring.toml", root)
    tables = ["leads", "interactions", "participants", "stage_changes", "lead_changes"]
    listed = "\n".join(f'{t} = "{t}.parquet"' for t in [*tables, "contacts", "outcomes"])
    (root / "data" / "sources.toml").write_text(
        f'[sources.crm]\npath = "source"\n[sources.crm.tables]\n{listed}\n'
    )
    simulate(root / "source", leads=leads, end=END, seed=seed, truth_dir=root / "truth")
    ingest(project, Moment(as_of=END, now=END))
    check(project, Moment(as_of=END, now=END))
    train(project, "conversion", TRAINED)
    (root / "trained").touch()
    return project


def champion_of(project: Project, question: str) -> Artefact:
    """The candidate, whatever the gates say: this is about the flag."""
    found = tracking.registered(project, question, tracking.CANDIDATE)
    assert found is not None
    return tracking.load(project, question, found.version, found.fingerprint)


def looked_at(project: Project, model: Artefact, rows: pd.DataFrame) -> pd.DataFrame:
    """What each rule says of each row, and its probability."""
    assert model.flag is not None
    kinds = Tables.open(project).manifest["kinds"]
    directed = any(kind["direction"] for kind in kinds)
    judged = model.flag.judged(rows, directed).rows
    probability = model.model.predict_proba(model.joined(rows)[list(model.names)])[:, 1]
    points = score(probability, model.reference)
    low = ~np.isin(model.cuts.grade(points), ("A", "B"))
    return rows[["lead_id", "as_of"]].assign(
        probability=probability,
        flag=judged["_flag_opens"].to_numpy() & low,
        flag_kind=judged["_flag_kind"].to_numpy(),
        hand_rule=advisory_attention(rows, points, directed) == "low_engagement",
        ours=np.isin(attention(rows, directed), ("waiting_for_us", "not_worked")),
    )


def nights_of(project: Project, model: Artefact) -> pd.DataFrame:
    """Every open lead on each of NIGHTS."""
    features = with_facts(model.scoring_features, Tables.open(project).manifest["kinds"])
    found = []
    for as_of in NIGHTS:
        with scratch(project.tmp, "night") as folder:
            built = build_scoring(
                project, "conversion", model.settings, features, as_of, parent=folder
            )
            found.append(looked_at(project, model, built.frame()).assign(night=as_of))
    return pd.concat(found, ignore_index=True)


def buyers_after(project: Project, model: Artefact, truth: pd.DataFrame) -> pd.DataFrame:
    """Every night after TRAINED of leads that then bought."""
    features = with_facts(model.scoring_features, Tables.open(project).manifest["kinds"])
    outcomes = pd.read_parquet(project.root / "source" / "outcomes.parquet")
    won = outcomes[(outcomes["outcome"] == "won") & (outcomes["decided_at"] >= _naive(TRAINED))]
    with scratch(project.tmp, "buyers") as folder:
        built = build_training(
            project,
            "conversion",
            END,
            features=features,
            scope=LeadScope(tuple(sorted(set(won["lead_id"]) & set(truth.index)))),
            parent=folder,
            asked=every_night(model.settings),
        )
        rows = built.frame()
    rows = rows[(rows["label"] == 1) & (rows["as_of"] >= _naive(TRAINED))].reset_index(drop=True)
    return looked_at(project, model, rows).assign(root=rows["root_key"])


def _naive(at: datetime) -> pd.Timestamp:
    return pd.Timestamp(at).tz_localize(None)


def kinds(folder: Path, leads: int, seed: int) -> None:
    """Precision and recall by kind, of the flag and of rules that cost as many later buyers."""
    project = organisation(folder / f"organisation-{leads}-{seed}", leads, seed)
    model = champion_of(project, "conversion")
    assert model.flag is not None
    print(json.dumps(dict(model.flag.facts)), flush=True)
    truth = pd.read_parquet(project.root / "truth" / "leads.parquet").set_index("lead_id")
    seen = nights_of(project, model).join(truth[["kind", "is_tire_kicker"]], on="lead_id")
    bought = buyers_after(project, model, truth)
    lost = bought.groupby("root")["flag"].any().mean()
    # As few of the later buyers at some night, or as many leads of each night.
    lowest = bought.groupby("root")["probability"].min()
    seen["same_price"] = seen["probability"] < lowest.quantile(lost)
    bought["same_price"] = bought["probability"] < lowest.quantile(lost)
    placed = seen.groupby("night")["probability"].rank(method="first")
    seen["same_number"] = placed <= seen.groupby("night")["flag"].transform("sum")
    limit = seen.loc[seen["same_number"]].groupby("night")["probability"].max().mean()
    bought["same_number"] = bought["probability"] <= limit
    _table(seen, bought.groupby("root")[list(RULES)].any())


def _table(rows: pd.DataFrame, buyers: pd.DataFrame) -> None:
    """A flag is right on a tire-kicker that neither waits for us nor was never tried."""
    print(f"\n{len(rows):,} leads on {len(NIGHTS)} nights, {len(buyers):,} later buyers\n")
    kicker, ours = rows["is_tire_kicker"], rows["ours"]
    print(f"tire-kickers {kicker.mean():.3f}, of them waiting or untried {ours[kicker].mean():.3f}")
    print("| rule | open leads | later buyers | tire-kickers | our turn | right | recall |", *KINDS)
    for name, title in RULES.items():
        on = rows[name]
        said = [on.mean(), buyers[name].mean(), kicker[on].mean(), ours[on].mean()]
        said += [(kicker & ~ours)[on].mean(), on[kicker & ~ours].mean()]
        said += [on[(rows["kind"] == kind) & ~ours].mean() for kind in KINDS]
        print(f"| {title} |", " | ".join(f"{100 * value:.1f} %" for value in said), "|")
    right = rows[rows["flag"]]
    print("\nthe kind that the flag names, by what the lead is")
    print(pd.crosstab(right["kind"], right["flag_kind"]))


# --- the courses ----------------------------------------------------------------------------------

# Nobody writes or calls here, so the signs of selling are silent; a course has signs of its own.
COURSE_SIGNS = """
from scoring import interactions

silent = (
    interactions("vle_*", "assessment_submitted").last_on()
    .says("last did something on {date}").warns("low_engagement")
)
active = (
    interactions("vle_*", "assessment_submitted").active_days(last_days=[28])
    .says("active on {n} day of {days}", "active on {n} days of {days}")
    .warns("low_engagement", side="low")
)
handed_in = (
    interactions("assessment_submitted").count(last_days=[56])
    .says("handed in {n} task in {days} days", "handed in {n} tasks in {days} days")
    .warns("low_engagement", side="low", strong=True)
)
"""


def courses(folder: Path, data: Path) -> None:
    """Trained on the presentations before the last, the price on the last at its three moments."""
    sys.path.insert(0, str(CHECKOUT / "tests" / "journeys"))
    from kit import oulad_project

    root = folder / data.name
    if not (root / "scoring.toml").exists():
        journey = oulad_project(root, data)
        flag = root / "models" / "tire_kicker"
        flag.mkdir(exist_ok=True)
        (flag / "model.toml").write_text('[flag]\nquestion = "moments"\n')
        (root / "features" / "course_signs.py").write_text(COURSE_SIGNS)
        journey("ingest")
        journey("check")
    project = Project(root)
    trained = datetime(2014, 10, 14, tzinfo=UTC)
    train(project, "moments", trained)
    model = champion_of(project, "moments")
    assert model.flag is not None
    print(json.dumps(dict(model.flag.facts)))
    features = with_facts(model.scoring_features, Tables.open(project).manifest["kinds"])
    outcomes = pd.read_parquet(data / "outcomes.parquet").set_index("lead_id")["outcome"]
    ever: set[str] = set()
    print("| day | open | flagged | of later passes | precision | passes flagged by then |")
    for day in (14, 28, 56):
        as_of = datetime(2014, 10, 1, tzinfo=UTC) + timedelta(days=day)
        with scratch(project.tmp, "night") as draft:
            built = build_scoring(project, "moments", model.settings, features, as_of, parent=draft)
            seen = looked_at(project, model, built.frame())
        bought = (seen["lead_id"].map(outcomes) == "won").to_numpy()
        ever |= set(seen.loc[seen["flag"], "lead_id"])
        passed = set(seen.loc[bought, "lead_id"])
        wrong, many = bought[seen["flag"]].sum(), max(1, int(seen["flag"].sum()))
        told = [
            seen["flag"].mean(), seen.loc[bought, "flag"].mean(), 1 - wrong / many,
            len(ever & passed) / len(passed),
        ]  # fmt: skip
        shares = " | ".join(f"{100 * value:.1f} %" for value in told)
        print(f"| {day} | {len(seen):,} | {shares} |")


# --- the promise ----------------------------------------------------------------------------------


def companies(number: int) -> None:
    """Companies that stay as they are, and what drift does to their promise."""
    sys.path.insert(0, str(CHECKOUT / "tests" / "flag"))
    from companies import kept_and_drifted

    with ProcessPoolExecutor(2) as pool:
        found = list(pool.map(kept_and_drifted, range(number), chunksize=5))
    promised = [one for one in found if one.promised]
    for name in ("risk", "drifted"):
        values = np.array([getattr(one, name) for one in promised])
        over, quarters = int((values > 0.05).sum()), np.quantile(values, [0.25, 0.5, 0.75, 1])
        print(
            name, f"{over} of {len(promised)} above 5 %; quartiles and largest", quarters.round(4)
        )
    caught = np.array([one.caught for one in promised])
    print(
        "of the leads that do not buy, flagged at some night:",
        np.quantile(caught, [0.25, 0.5, 0.75]),
    )
    print("without a promise:", number - len(promised))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    of = parser.add_subparsers(dest="what", required=True)
    for name in ("kinds", "courses"):
        of.add_parser(name).add_argument("folder", type=Path)
    of.choices["kinds"].add_argument("--leads", type=int, default=20_000)
    of.choices["kinds"].add_argument("--seed", type=int, default=1)
    of.choices["courses"].add_argument("--data", type=Path, required=True)
    of.add_parser("companies").add_argument("--number", type=int, default=200)
    said: Any = parser.parse_args()
    if said.what == "kinds":
        kinds(said.folder, said.leads, said.seed)
    elif said.what == "courses":
        courses(said.folder, said.data)
    else:
        companies(said.number)


if __name__ == "__main__":
    main()
