"""Projects whose history is known to the row, and one that is trained and scored."""

import shutil
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from scoring.check.run import check
from scoring.clock import Moment
from scoring.ingest.run import ingest
from scoring.project import Project
from scoring.score.run import read_scores, score
from scoring.simulate import simulate
from scoring.train import tracking
from scoring.train.run import train

TEMPLATE = Path(__file__).parents[2]
END = datetime(2026, 11, 1, tzinfo=UTC)
FIRST_RUN = END - timedelta(days=21)
LATER = END + timedelta(days=2)
SILENT = "silent"
AGES = (7, 30, 90)

MODEL = """
[question]
horizon_days = 60
[snapshots]
at_age_days = {ages}
close_after_days = 200
[features]
use = {use}
known_at_creation = {known}
[gates]
min_conversions = 5
min_validation = 2
margin = 1.0
"""


def new_project(
    root: Path,
    tables: list[str],
    *,
    known: str = "[]",
    ages: tuple[int, ...] = AGES,
    use: str = '["*"]',
) -> Project:
    """A project with the template's features over Parquet files in `source/`."""
    shutil.copytree(
        TEMPLATE / "features", root / "features", ignore=shutil.ignore_patterns("__pycache__")
    )
    (root / "models" / "conversion").mkdir(parents=True)
    (root / "data").mkdir()
    (root / "source").mkdir()
    (root / "scoring.toml").write_text(
        '[project]\nname = "test"\ntime_zone = "Europe/Helsinki"\n'
        "[owners]\ncapacity = 3\n[limits]\nvanished_share = 1.0\n"
    )
    (root / "models" / "conversion" / "model.toml").write_text(
        MODEL.format(ages=list(ages), known=known, use=use)
    )
    shutil.copyfile(
        TEMPLATE / "models" / "conversion" / "next_step.toml",
        root / "models" / "conversion" / "next_step.toml",
    )
    listed = "\n".join(f'{t} = "{t}.parquet"' for t in tables)
    (root / "data" / "sources.toml").write_text(
        f'[sources.crm]\npath = "source"\n[sources.crm.tables]\n{listed}\n'
    )
    return Project(root)


def deliver(project: Project, tables: Mapping[str, pd.DataFrame], at: datetime) -> None:
    """Write the source's files, ingest and check them as of a moment."""
    for name, rows in tables.items():
        rows.to_parquet(project.root / "source" / f"{name}.parquet", index=False)
    moment = Moment(as_of=at, now=at)
    ingest(project, moment)
    check(project, moment)


def scored_project(root: Path) -> Project:
    """A small simulated sales organisation, trained at END and scored at FIRST_RUN and END.

    Every lead has an event at exactly the moment of its first snapshot, but for one, SILENT, that
    never has any.
    """
    tables = ["leads", "interactions", "stage_changes", "lead_changes", "contacts", "outcomes"]
    project = new_project(
        root,
        tables,
        known='["industry", "country", "source"]',
        use='["engagement", "effort", "fit", "stages"]',  # few enough to train on at once
    )
    source = root / "source"
    simulate(
        source, leads=300, end=END, seed=3, events_per_lead=25, prevalence=0.2,
        truth_dir=root / "truth",
    )  # fmt: skip
    leads = pd.read_parquet(source / "leads.parquet")
    events = pd.read_parquet(source / "interactions.parquet")
    edge = leads[["lead_id"]].assign(
        interaction_id="edge-" + leads["lead_id"].astype(str),
        occurred_at=leads["created_at"] + pd.Timedelta(days=AGES[0]),
        type="email_opened",
        direction="inbound",
    )
    edge = edge[edge["occurred_at"] < END.replace(tzinfo=None)]
    silent = leads.head(1).assign(
        lead_id=SILENT, created_at=pd.Timestamp(END.replace(tzinfo=None) - timedelta(days=300))
    )
    silent["merged_into"], silent["merged_at"], silent["deleted_at"] = None, pd.NaT, pd.NaT
    tables_now = {
        "leads": pd.concat([leads, silent.astype(leads.dtypes)], ignore_index=True),
        "interactions": pd.concat([events, edge], ignore_index=True),
    }
    deliver(project, tables_now, END)
    candidate = train(project, "conversion", END).candidate
    # Good or not is no matter here.
    tracking.set_champion(project, "conversion", candidate, "for the tests", END)
    for run in (FIRST_RUN, END):
        score(project, "conversion", run)
    return project


def copy_of(project: Project, root: Path) -> Project:
    shutil.copytree(project.root, root)
    return Project(root)


def source_table(project: Project, table: str) -> pd.DataFrame:
    return pd.read_parquet(project.root / "source" / f"{table}.parquet")


def later_project(scored: Project, root: Path) -> Project:
    """Two days after the scores: everything happened that must not change a past score."""
    project = copy_of(scored, root)
    scores = read_scores(project, "conversion")
    target, gone, merged, barred, into = scores["lead_id"].head(5)
    events = source_table(project, "interactions")
    own = events[events["lead_id"] == target].sort_values("occurred_at")
    late = own.tail(3).assign(interaction_id=["late-1", "late-2", "late-3"])
    at = END.replace(tzinfo=None)
    # The first two landed late; the last happened after the score.
    late["occurred_at"] = late["recorded_at"] = [
        at - timedelta(days=3), at - timedelta(days=4), at + timedelta(days=1)
    ]  # fmt: skip
    events = events.drop(own.index[0])  # and one is not delivered any more
    leads = source_table(project, "leads")
    leads.loc[leads["lead_id"] == merged, "merged_into"] = into
    leads.loc[leads["lead_id"] == merged, "merged_at"] = pd.Timestamp(at - timedelta(days=9))
    leads = leads[leads["lead_id"] != gone]
    outcomes = source_table(project, "outcomes")
    bad = outcomes.head(1).assign(lead_id=barred, decided_at=pd.Timestamp("1980-01-01"))
    deliver(
        project,
        {
            "leads": leads,
            "interactions": pd.concat([events, late], ignore_index=True),
            "outcomes": pd.concat([outcomes, bad], ignore_index=True),
        },
        LATER,
    )
    return project


# --- a hand-made history -------------------------------------------------------------------------

START = datetime(2026, 1, 1)
NIGHTS = tuple(datetime(2026, 4, 10, tzinfo=UTC) + timedelta(days=75 * n) for n in range(3))


def troubled_history(seed: int = 5) -> list[dict[str, pd.DataFrame]]:
    """What three nights deliver of a history with everything that tempts a feature to look ahead:
    late recording, chains of merges, attributes that change from night to night, a field history,
    equal moments, missing IDs, properties of every kind, rows that vanish and leads that do.
    """
    rng = np.random.default_rng(seed)
    n = 60
    ids = [f"{number:04d}" for number in rng.permutation(n)]
    created = [START + timedelta(days=float(d)) for d in rng.uniform(0, 60, n)]
    merged: dict[int, tuple[int, datetime]] = {}
    for a, b in [(0, 1), (1, 2), (3, 2), (4, 5), (6, 5), (5, 7), (8, 9), (10, 11)]:
        merged[a] = (b, START + timedelta(days=float(rng.uniform(40, 200))))

    def events(count: int) -> list[dict[str, Any]]:
        made = []
        for _ in range(count):
            lead = int(rng.integers(n))
            at = created[lead] + timedelta(days=float(rng.exponential(35)) - 1)
            if rng.random() < 0.15:  # exactly at a snapshot
                at = created[lead] + timedelta(days=int(rng.choice(AGES)))
            late = timedelta(days=float(rng.exponential(10))) if rng.random() < 0.3 else None
            made.append(
                {"lead_id": ids[lead], "at": at, "recorded_at": at + late if late else None}
            )
        return made

    interactions = [
        {
            **{k: v for k, v in e.items() if k != "at"},
            "occurred_at": e["at"],
            "interaction_id": f"i{rng.integers(10**9)}" if rng.random() < 0.7 else None,
            "type": rng.choice(["call", "email_sent", "email_opened", "meeting_held"]),
            "direction": rng.choice(["inbound", "outbound", None]),
            "contact_id": rng.choice(["c1", "c2", "c3", None]),
            "minutes": float(rng.integers(1, 90)) / 3 if rng.random() < 0.5 else None,
            "answered": rng.choice([True, False, None]),
            "page": rng.choice(["price", "docs", None]),
        }
        for e in events(2500)
    ]
    stages = [
        {
            **{k: v for k, v in e.items() if k != "at"},
            "changed_at": e["at"],
            "stage": rng.choice(["new", "talk", "offer"]),
        }
        for e in events(300)
    ]
    changes = [
        {
            **{k: v for k, v in e.items() if k != "at"},
            "changed_at": e["at"],
            "field": "budget",
            "value": str(rng.integers(1, 9) * 1000),
        }
        for e in events(150)
    ]
    outcomes = [
        {"lead_id": ids[i], "outcome": "recycled" if i % 7 == 0 else "won" if i % 3 else "lost",
         "decided_at": created[i] + timedelta(days=float(rng.uniform(60, 200)))}
        for i in range(0, n, 2)
    ]  # fmt: skip
    nights = []
    for number, night in enumerate(NIGHTS):
        until = night.replace(tzinfo=None)
        leads = pd.DataFrame(
            {
                "lead_id": ids,
                "created_at": created,
                "industry": [f"i{(i + number * (i % 4 == 0)) % 5}" for i in range(n)],
                "seats": [float(i + number * (i % 5 == 0)) for i in range(n)],
                "vip": [(i + number) % 3 == 0 for i in range(n)],
                "budget": [float(i * 100 + number * (i % 3)) for i in range(n)],
                "merged_into": [
                    ids[merged[i][0]] if i in merged and merged[i][1] < until else None
                    for i in range(n)
                ],
                "merged_at": [
                    merged[i][1] if i in merged and merged[i][1] < until else None for i in range(n)
                ],
            }
        ).astype({"created_at": "datetime64[us]", "merged_at": "datetime64[us]"})
        tables = {
            "leads": leads.drop(index=[20, 21] if number > 0 else []),
            "interactions": _until(interactions, until).drop(index=[5, 6] if number > 1 else []),
            "stage_changes": _until(stages, until),
            "lead_changes": _until(changes, until),
            "outcomes": _until(outcomes, until),
        }
        nights.append(tables)
    return nights


def _until(rows: list[dict[str, Any]], until: datetime) -> pd.DataFrame:
    """What the source holds on a night: what was recorded by then."""
    frame = pd.DataFrame(rows)
    event = next(c for c in ("occurred_at", "changed_at", "decided_at") if c in frame)
    known = frame[event]
    if "recorded_at" in frame:
        frame["recorded_at"] = frame["recorded_at"].astype("datetime64[us]")
        known = frame["recorded_at"].fillna(known)
    frame[event] = frame[event].astype("datetime64[us]")
    key = [c for c in ("lead_id", event, "stage", "field", "outcome") if c in frame]
    frame = frame[known < until]
    return frame if "type" in frame else frame.drop_duplicates(key)


def troubled_project(root: Path) -> Project:
    nights = troubled_history()
    project = new_project(root, list(nights[0]), known='["industry"]')
    for night, tables in zip(NIGHTS, nights, strict=True):
        deliver(project, tables, night)
    return project
