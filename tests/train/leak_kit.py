"""Simulated companies with columns that know the outcome, each filled the way it happens."""

import json
import shutil
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pandas as pd

from scoring.build.run import build_training
from scoring.check.run import check
from scoring.clock import Moment
from scoring.ingest.run import ingest
from scoring.project import Project
from scoring.simulate import simulate
from scoring.train.leak_search import Searched, search
from scoring.train.splits import settled

END = datetime(2026, 11, 1, tzinfo=UTC)
TEMPLATE = Path(__file__).parents[2]
Tables = dict[str, pd.DataFrame]
KNOWN = ["industry", "company_size", "country", "role", "email_domain", "source"]
WHEN = {
    "leads": "created_at",
    "interactions": "recorded_at",
    "stage_changes": "recorded_at",
    "lead_changes": "recorded_at",
    "outcomes": "recorded_at",
}


def history(folder: Path, *, seed: int, leads: int = 1_000, prevalence: float = 0.2) -> Tables:
    """The tables of a clean simulation."""
    simulate(
        folder / "simulated", leads=leads, end=END, seed=seed, events_per_lead=15,
        prevalence=prevalence, truth_dir=folder / "truth",
    )  # fmt: skip
    return {name: pd.read_parquet(folder / "simulated" / f"{name}.parquet") for name in WHEN}


def project_over(
    root: Path, tables: Tables, *, known: list[str], model: str = "", nights: int = 1
) -> Project:
    """A checked project with the template's features.

    known    attributes that the project's owner declares known at creation, rightly or not
    model    instead of the template's snapshots at ages
    nights   1: everything landed today; 2: once before, 300 days ago, as the CRM was then
    """
    shutil.copytree(TEMPLATE / "features", root / "features")
    (root / "models" / "conversion").mkdir(parents=True)
    snapshots = model or "[snapshots]\nat_age_days = [1, 3, 7, 14, 30, 60, 90, 180]\n"
    (root / "models" / "conversion" / "model.toml").write_text(
        f"[question]\nhorizon_days = 90\n{snapshots}"
        f"[features]\nknown_at_creation = {json.dumps(known)}\n"
    )
    (root / "data").mkdir()
    listed = "\n".join(f'{name} = "{name}.parquet"' for name in tables)
    (root / "data" / "sources.toml").write_text(
        f'[sources.crm]\npath = "source"\n[sources.crm.tables]\n{listed}\n'
    )
    (root / "scoring.toml").write_text('[project]\nname = "leaks"\n')
    (root / "source").mkdir()
    project = Project(root)
    for days in (300, 0)[-nights:]:
        at = END - pd.Timedelta(days=days)
        land(project, tables, at)
    return project


def land(project: Project, tables: Tables, at: datetime) -> None:
    """Deliver what the CRM held at a moment, and check it."""
    moment = pd.Timestamp(at).tz_localize(None)
    for name, rows in tables.items():
        known = rows[rows[WHEN[name]] < moment]
        if name == "leads":
            known = as_it_stood(known, tables["outcomes"], moment)
        known.to_parquet(project.root / "source" / f"{name}.parquet", index=False)
    ingest(project, Moment(as_of=at, now=at))
    check(project, Moment(as_of=at, now=at))


def as_it_stood(leads: pd.DataFrame, outcomes: pd.DataFrame, at: pd.Timestamp) -> pd.DataFrame:
    """Rows of leads before `at`: columns `X__at_closing` are the value that closing writes to X."""
    leads = leads.assign(updated_at=leads["updated_at"].where(leads["updated_at"] < at, at))
    later = leads["merged_at"] >= at
    leads = leads.assign(
        merged_at=leads["merged_at"].mask(later), merged_into=leads["merged_into"].mask(later)
    )
    closed = leads["lead_id"].isin(decided(outcomes)[lambda o: o["decided_at"] < at].index)
    for name in [c for c in leads if c.endswith("__at_closing")]:
        plain = name.removesuffix("__at_closing")
        leads[plain] = leads[plain].mask(closed & leads[name].notna(), leads[name])
    return leads[[c for c in leads if not c.endswith("__at_closing")]]


def decided(outcomes: pd.DataFrame) -> pd.DataFrame:
    """outcome and decided_at of the decision that closed a lead, by lead_id."""
    closing = outcomes[outcomes["outcome"] != "recycled"].sort_values("decided_at")
    return closing.drop_duplicates("lead_id").set_index("lead_id")[["outcome", "decided_at"]]


def closings(tables: Tables) -> pd.DataFrame:
    """outcome (missing while open) and decided_at, in the order of the leads."""
    return decided(tables["outcomes"]).reindex(tables["leads"]["lead_id"])


def searched(project: Project, at: datetime = END) -> Searched:
    built = build_training(project, "conversion", at)
    rows = settled(built.frame(), built.settling)
    return search(project, "conversion", at, built, rows)


# --- what happens in CRMs ------------------------------------------------------------------------


def tags(tables: Tables, rng: np.random.Generator) -> None:
    """Sellers tag their customers when a deal is signed, and now and then somebody else."""
    won = (closings(tables)["outcome"] == "won").to_numpy()
    other = np.where(rng.random(len(won)) < 0.02, "partner", None)
    tables["leads"]["tags"] = np.where(won, "customer", other)


def sales_cycle(tables: Tables, rng: np.random.Generator) -> None:
    """A number made of dates that a rule of the CRM writes when it closes a lead."""
    lasted = closings(tables)["decided_at"] - tables["leads"]["created_at"].to_numpy()
    rounding = rng.choice([0.0, 0.5], len(lasted))
    tables["leads"]["sales_cycle"] = (lasted / pd.Timedelta(days=1)).round().to_numpy() + rounding


def contract_no(tables: Tables, rng: np.random.Generator) -> None:
    """A field that is only filled for won leads, and for half of them only."""
    won = (closings(tables)["outcome"] == "won").to_numpy() & (
        rng.random(len(closings(tables))) < 0.5
    )
    tables["leads"]["contract_no"] = np.where(
        won, rng.integers(1e6, 1e7, len(won)).astype(str), None
    )


def competitor(tables: Tables, rng: np.random.Generator) -> None:
    """Who got the deal instead: missing says that we did, or that nothing is decided."""
    lost = closings(tables)["outcome"].isin(["lost", "disqualified"]).to_numpy()
    names = rng.choice(["one", "another", "nobody"], len(lost))
    tables["leads"]["lost_to"] = np.where(lost, names, None)


def closer(tables: Tables, rng: np.random.Generator) -> None:
    """Whoever closes deals takes the lead over on the day it is signed."""
    won = (closings(tables)["outcome"] == "won").to_numpy()
    closers = rng.choice(["closer-1", "closer-2", "closer-3"], len(won))
    tables["leads"]["owner_id"] = np.where(won, closers, tables["leads"]["owner_id"])
    changes = tables["lead_changes"]
    tables["lead_changes"] = changes[changes["field"] != "owner_id"]


def backdated_event(tables: Tables, rng: np.random.Generator) -> None:
    """A credit check that is run for every deal to be signed, entered with the lead's own date."""
    won = closings(tables)["outcome"] == "won"
    chosen = tables["leads"][(won & (rng.random(len(won)) < 0.6)).to_numpy()]
    at = chosen["created_at"] + pd.Timedelta(hours=1)
    more = pd.DataFrame(
        {"lead_id": chosen["lead_id"], "occurred_at": at, "recorded_at": at, "type": "credit_check"}
    )
    tables["interactions"] = pd.concat([tables["interactions"], more], ignore_index=True)


def last_minute_call(tables: Tables, rng: np.random.Generator) -> None:
    """A review of every lead, and the call that its seller makes in its last hours once it is
    clear that there is a deal: now and then there is another reason to call."""
    leads, closed = tables["leads"], closings(tables)
    end = pd.Timestamp(END).tz_localize(None)
    lasts = closed["decided_at"].fillna(end).to_numpy() - leads["created_at"]
    leads["review_at"] = leads["created_at"] + lasts * rng.uniform(0.2, 0.9, len(leads))
    likely = np.where(closed["outcome"] == "won", 0.8, 0.1)
    chosen = leads[rng.random(len(leads)) < likely]
    at = chosen["review_at"] - pd.to_timedelta(rng.uniform(1, 10, len(chosen)), unit="h")
    more = pd.DataFrame(
        {"lead_id": chosen["lead_id"], "occurred_at": at, "recorded_at": at, "type": "deal_call"}
    )
    tables["interactions"] = pd.concat([tables["interactions"], more], ignore_index=True)


def signed_amount(tables: Tables, rng: np.random.Generator) -> None:
    """The amount is written over by what was signed; nothing but the landing sees it change."""
    won = (closings(tables)["outcome"] == "won").to_numpy()
    leads = tables["leads"]
    leads["amount"] = leads["amount"].fillna(20_000.0)
    leads["amount__at_closing"] = np.where(won, leads["amount"] * rng.uniform(0.6, 1.2), np.nan)
    changes = tables["lead_changes"]
    tables["lead_changes"] = changes[changes["field"] != "amount"]


def approval(tables: Tables, rng: np.random.Generator) -> None:
    """A status with a history in the CRM: its first value comes with the decision."""
    closed = closings(tables)
    closed = closed[closed["decided_at"].notna()]
    at = closed["decided_at"] - pd.to_timedelta(rng.uniform(0, 30, len(closed)), unit="min")
    more = pd.DataFrame(
        {"lead_id": closed.index, "changed_at": at, "recorded_at": at, "field": "approval",
         "value": np.where(closed["outcome"] == "won", "yes", "no")}
    )  # fmt: skip
    tables["leads"]["approval"] = None
    tables["lead_changes"] = pd.concat([tables["lead_changes"], more], ignore_index=True)


Plant = Callable[[Tables, np.random.Generator], None]
# Plant → the attribute or the event type that it spoils.
AT_ONCE: dict[Plant, str] = {
    tags: "tags",
    sales_cycle: "sales_cycle",
    contract_no: "contract_no",
    competitor: "lost_to",
    closer: "owner_id",
    backdated_event: "credit_check",
    approval: "approval",
}
