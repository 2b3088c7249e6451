"""The flag through the pipeline: trained, scored on several nights, lifted by a seller's word."""

import shutil
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pandas as pd
import pytest

from scoring.build.columns import SIGN_KINDS
from scoring.build.partition import LeadScope
from scoring.build.run import build_scoring, build_training
from scoring.check.run import check
from scoring.check.tables import Tables
from scoring.clock import Moment
from scoring.doctor import diagnose
from scoring.flag.nights import every_night
from scoring.flag.settings import FlagSection, load_flag
from scoring.flag.verdicts import spared_leads
from scoring.ingest.run import ingest
from scoring.project import Project
from scoring.score.facts import with_facts
from scoring.score.run import read_scores, score
from scoring.simulate import simulate
from scoring.store.publish import scratch
from scoring.train import tracking
from scoring.train.publish import card_path
from scoring.train.run import train

pytestmark = pytest.mark.slow
END = datetime(2026, 11, 1, tzinfo=UTC)
NIGHTS = [END - timedelta(days=3), END - timedelta(days=2), END - timedelta(days=1)]
MODEL = """
[question]
horizon_days = 60
[snapshots]
at_age_days = [7, 30, 60]
[features]
use = ["signs", "effort", "stages", "engagement", "meetings"]
[learner]
preset = "fast"
[gates]
min_conversions = 10
min_validation = 5
margin = 1.0
"""
TABLES = ("leads", "interactions", "stage_changes", "lead_changes", "contacts", "outcomes")


def deliver(project: Project, at: datetime) -> None:
    ingest(project, Moment(as_of=at, now=at))
    check(project, Moment(as_of=at, now=at))


@pytest.fixture(scope="module")
def company(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """2,500 leads, checked, trained, scored on NIGHTS."""
    root = tmp_path_factory.mktemp("flag") / "company"
    shutil.copytree(Path(__file__).parents[2] / "features", root / "features")
    (root / "models" / "conversion").mkdir(parents=True)
    (root / "models" / "conversion" / "model.toml").write_text(MODEL)
    (root / "data").mkdir()
    listed = "\n".join(f'{t} = "{t}.parquet"' for t in (*TABLES, "feedback"))
    (root / "data" / "sources.toml").write_text(
        f'[sources.crm]\npath = "source"\n[sources.crm.tables]\n{listed}\n'
    )
    (root / "scoring.toml").write_text('[project]\nname = "company"\n')
    simulate(
        root / "source", leads=2_500, end=END, seed=11, events_per_lead=25, prevalence=0.3,
        truth_dir=root / "truth",
    )  # fmt: skip
    _give(root, [], [])
    project = Project(root)
    deliver(project, END)
    candidate = train(project, "conversion", END).candidate
    tracking.set_champion(project, "conversion", candidate, "for the tests", END)
    for night in NIGHTS:
        score(project, "conversion", night)
    return project


def _give(root: Path, lead_ids: list[str], verdicts: list[str]) -> None:
    """What sellers said: of the first lead "agree" long ago, and now these verdicts."""
    first = pd.read_parquet(root / "source" / "leads.parquet")["lead_id"].iloc[0]
    now = pd.Timestamp((NIGHTS[2] - timedelta(hours=5)).replace(tzinfo=None))
    given = pd.DataFrame(
        {
            "lead_id": [first, *lead_ids],
            "verdict": ["agree", *verdicts],
            "given_by": "seller-1",
            "given_at": [now - pd.Timedelta(days=200)] + [now] * len(lead_ids),
        }
    )
    given.to_parquet(root / "source" / "feedback.parquet", index=False)


def test_the_champion_carries_a_tested_flag_and_its_price(company: Project) -> None:
    champion = tracking.champion(company, "conversion")[1]
    assert champion.flag is not None
    facts = champion.flag.facts
    assert facts["promised"]
    assert facts["buyers"] >= 59
    assert facts["bound"] <= 0.05
    assert facts["open"] > 100
    page = card_path(company, "conversion", "1").read_text()
    assert f"{facts['flagged']:,} of {facts['buyers']:,} were" in page
    assert "of open leads" in page
    said = [f for f in diagnose(company, "conversion", END) if f.what == "flag"]
    assert [f.level for f in said] == ["ok"]
    assert "At most 5 % of later buyers" in said[0].found


def test_the_tested_nights_are_what_a_nightly_run_sees(company: Project) -> None:
    """What buyers look like in the build of their nights, and in a run of the night."""
    champion = tracking.champion(company, "conversion")[1]
    flag = champion.flag
    assert flag is not None
    tables = Tables.open(company)
    features = with_facts(flag.features, tables.manifest["kinds"])
    outcomes = pd.read_parquet(company.root / "source" / "outcomes.parquet")
    won = LeadScope(tuple(outcomes.loc[outcomes["outcome"] == "won", "lead_id"].head(150)))
    with scratch(company.tmp, "nights") as folder:
        built = build_training(
            company,
            "conversion",
            END,
            features=features,
            scope=won,
            parent=folder,
            asked=every_night(champion.settings),
        )
        nights = built.frame()
    busiest = nights["as_of"].value_counts().index[:3]
    for midnight in busiest:
        at = midnight.tz_localize("UTC").to_pydatetime()
        with scratch(company.tmp, "night") as folder:
            run = build_scoring(
                company, "conversion", champion.settings, features, at, scope=won, parent=folder
            ).frame()
        tested = nights[nights["as_of"] == midnight].set_index("lead_id")
        seen = run.set_index("lead_id").loc[tested.index]
        names = [c.name for c in features.columns]
        pd.testing.assert_frame_equal(seen[names], tested[names])
        judged = [flag.judged(rows, True).rows for rows in (seen, tested)]
        pd.testing.assert_frame_equal(*judged)
        assert len(tested) > 5


def test_flagged_leads_say_so_everywhere_alike(company: Project) -> None:
    for night in NIGHTS:
        rows = read_scores(company, "conversion", night)
        assert set(rows["attention"]) <= {*SIGN_KINDS, "none", "waiting_for_us", "not_worked"}
        assert (rows["tire_kicker"] == rows["attention"].isin(SIGN_KINDS)).all()
        flagged = rows[rows["tire_kicker"]]
        assert len(flagged)
        assert flagged["grade"].isin(["C", "D"]).all()
        assert flagged["why"].str.contains("\n→ |^→ ").all()
        assert (flagged["tire_kicker_reasons"] != "").all()
        assert flagged["flag_since"].notna().all()
        assert not rows.loc[~rows["tire_kicker"], "why"].str.contains("→").any()
        assert rows["why"].str.len().max() <= 255
        hidden = rows[rows["flag_withheld"]]
        assert set(hidden["attention"]) <= {"none"}


def test_flags_stand_over_the_nights_and_a_date_again_gives_the_same(company: Project) -> None:
    first, second = (read_scores(company, "conversion", night) for night in NIGHTS[:2])
    both = first.merge(second, on="lead_id", suffixes=("", "_2"))
    stood = both[both["tire_kicker"] & both["tire_kicker_2"]]
    assert len(stood)
    assert (stood["flag_since"] == stood["flag_since_2"]).all()
    before = read_scores(company, "conversion", NIGHTS[1])
    score(company, "conversion", NIGHTS[1])
    pd.testing.assert_frame_equal(read_scores(company, "conversion", NIGHTS[1]), before)


def test_a_sellers_word_lifts_a_flag_and_a_newer_one_takes_it_back(
    company: Project, tmp_path: Path
) -> None:
    shutil.copytree(company.root, tmp_path / "copy")
    project = Project(tmp_path / "copy")
    rows = read_scores(project, "conversion", NIGHTS[1])
    known = set(read_scores(project, "conversion", NIGHTS[2]).query("tire_kicker")["lead_id"])
    lead, other = sorted(known & set(rows.loc[rows["tire_kicker"], "lead_id"]))[:2]
    _give(project.root, [lead, other], ["not_a_tire_kicker", "agree"])
    deliver(project, END + timedelta(hours=1))
    shutil.rmtree(project.store / "scores" / "conversion" / NIGHTS[2].strftime("%Y%m%dT%H%M%SZ"))
    score(project, "conversion", NIGHTS[2])
    found = read_scores(project, "conversion", NIGHTS[2]).set_index("lead_id")
    assert not found.loc[lead, "tire_kicker"]
    assert found.loc[other, "tire_kicker"]
    kept = load_flag(project.root).feedback_days
    for days, flagged in ((kept - 1, False), (kept + 1, True)):
        at = NIGHTS[2] - timedelta(hours=5) + timedelta(days=days)
        assert (lead in spared_leads(project, at, kept)) is not flagged


def test_switched_off_and_too_few_buyers(company: Project, tmp_path: Path) -> None:
    shutil.copytree(company.root, tmp_path / "copy")
    project = Project(tmp_path / "copy")
    folder = project.root / "models" / "tire_kicker"
    folder.mkdir()
    (folder / "model.toml").write_text("[flag]\nshare = 0.001\n")
    said = [f for f in diagnose(Project(project.root), "conversion", END) if f.what == "flag"]
    assert said[0].level == "ok"  # the champion has a flag that was promised
    strict = Project(project.root)
    candidate = train(strict, "conversion", END).candidate
    tracking.set_champion(strict, "conversion", candidate, "for the tests", END)
    made = tracking.champion(strict, "conversion")[1].flag
    assert made is not None
    assert (made.threshold, made.facts["needed"]) == (None, 2995)
    said = [f for f in diagnose(strict, "conversion", END) if f.what == "flag"]
    assert said[0].level == "advice"
    assert f"{2995 - made.facts['buyers']:,} are missing" in said[0].found
    score(strict, "conversion", END)
    rows = read_scores(strict, "conversion", END)
    assert set(rows["attention"]) <= {"not_assessed", "waiting_for_us", "not_worked"}

    (folder / "model.toml").write_text('[flag]\nmode = "off"\n')
    off = Project(project.root)
    candidate = train(off, "conversion", END).candidate
    tracking.set_champion(off, "conversion", candidate, "for the tests", END)
    assert tracking.champion(off, "conversion")[1].flag is None


def test_the_flags_settings_are_no_question(company: Project) -> None:
    template = Project(Path(__file__).parents[2])
    assert "tire_kicker" not in template.questions()
    assert template.flag == FlagSection()  # the file says the defaults
    assert company.flag == FlagSection()  # and so does its absence
