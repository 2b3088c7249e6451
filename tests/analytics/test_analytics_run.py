"""The pipeline tables of a project: published with the scores, read through `Project`, documented;
and sellers' verdicts, which are reported and never learned from."""

import re
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from build_kit import Site

from scoring.analytics.catalogue import TABLES
from scoring.analytics.run import analyse, make_tables
from scoring.build.run import build_training
from scoring.clock import stamp
from scoring.errors import ConfigError
from scoring.score.run import scores_folder
from scoring.simulate import simulate
from scoring.store.publish import write_json

END = datetime(2026, 6, 1, tzinfo=UTC)
DAY = timedelta(days=1)
DOCS = Path(__file__).parents[2] / "docs" / "analytics.md"
TOML = """[project]
name = "t"
time_zone = "Europe/Helsinki"
[stages]
order = ["prospecting", "qualification", "first_contact", "needs_assessment", "proposal",
         "negotiation"]
[analytics.minutes]
email_sent = 5
[[analytics.spend]]
source = "advertising"
first_day = 2026-05-01
last_day = 2026-06-30
amount = 6100
"""


def scored(site: Site, as_of: datetime) -> None:
    """A score run as `score` leaves it: the leads that are open, with what the truth says of them
    as their probability."""
    truth = pd.read_parquet(site.root / "truth" / "probabilities.parquet")
    tonight = truth[truth["as_of"] == END.replace(tzinfo=None)]
    p = tonight["probability"].to_numpy()
    rows = pd.DataFrame(
        {
            "lead_id": tonight["lead_id"].to_numpy(),
            "as_of": pd.Series(as_of, index=range(len(p))).astype("datetime64[us, UTC]"),
            "score": pd.Series(100 * pd.Series(p).rank(pct=True)).round().astype("Int64"),
            "probability": p,
            "probability_low": pd.Series(np.nan, index=range(len(p)), dtype="Float64"),
            "probability_high": pd.Series(np.nan, index=range(len(p)), dtype="Float64"),
            "grade": np.where(pd.Series(p).rank(pct=True) > 0.8, "A", "C"),
            "attention": "none",
            "tire_kicker": p < np.quantile(p, 0.2),
        }
    )
    folder = scores_folder(site.project, "conversion") / stamp(as_of)
    folder.mkdir(parents=True)
    rows.to_parquet(folder / "scores.parquet", index=False)
    run = {"as_of": as_of.isoformat(), "landed_through": END.isoformat()}
    write_json(folder / "run.json", run)


def simulated(root: Path, *, feedback: float) -> Site:
    site = Site(root / "project")
    (site.root / "scoring.toml").write_text(TOML)
    folder = root / "tables"
    simulate(
        folder, leads=700, end=END, seed=5, years=1.0, prevalence=0.35, events_per_lead=15.0,
        feedback=feedback, truth_dir=site.root / "truth",
    )  # fmt: skip
    site.deliver(**{p.stem: pd.read_parquet(p) for p in sorted(folder.glob("*.parquet"))})
    site.check(END.replace(tzinfo=None))
    return site


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Site:
    made = simulated(tmp_path_factory.mktemp("analytics"), feedback=0.4)
    scored(made, END - 90 * DAY)
    scored(made, END)
    analyse(made.project, "conversion", END, newest=True)
    return made


def test_every_table_has_the_columns_of_the_catalogue_in_both_files(site: Site) -> None:
    folder = site.root / "out" / "analytics"
    assert {p.name for p in folder.iterdir()} == {
        f"{n}.{e}" for n in TABLES for e in ("csv", "parquet")
    }
    for name, about in TABLES.items():
        rows = site.project.analytics(name)
        assert list(rows.columns) == list(about.columns), name
        assert list(pd.read_csv(folder / f"{name}.csv").columns) == list(about.columns), name
        pd.testing.assert_frame_equal(rows, site.project.analytics(name, END))


def test_the_tables_of_a_sales_organisation_add_up(site: Site) -> None:
    get = site.project.analytics
    stages, sources, deals, forecast = map(get, ("stages", "sources", "deals", "forecast"))
    assert stages["stage"].tolist()[0] == "prospecting"
    assert stages["position"].tolist() == [1, 2, 3, 4, 5, 6]
    assert stages["conversion"].between(0, 1).all()
    kinds = sources[sources["source"] == "all"].set_index("source_kind")
    assert set(kinds.index) == {"word_of_mouth", "inbound", "outbound", "all"}
    for column in ("leads", "open", "closed", "won"):
        assert kinds[column].drop("all").sum() == kinds.loc["all", column]
    assert (kinds["open"] + kinds["closed"] == kinds["leads"]).all()
    # Recommendations convert best in the simulation.
    assert kinds["conversion"].drop("all").idxmax() == "word_of_mouth"
    assert deals["won"].iloc[-1] == get("velocity")["won"].sum()
    whole = forecast.set_index("leads")
    for column in ("n", "expected_won", "expected_amount", "open_amount"):
        parts = whole.loc[["flagged", "not_flagged"], column].sum()
        assert parts == pytest.approx(whole.loc["all", column])
    assert get("dwell")["here_now"].sum() <= whole.loc["all", "n"]
    unworked = get("unworked")
    assert set(unworked["grade"]) <= {"A"}
    assert (unworked["ours"] == 0).all()
    (channel,) = get("channels").itertuples()
    # Of 61 days 31 have passed, less three hours of summer time in Helsinki.
    assert channel.cost == pytest.approx(6100 * (31 + 3 / 24) / 61)
    assert channel.basis == "spend"


def test_the_same_date_again_gives_the_same_tables(site: Site) -> None:
    again = make_tables(site.project, "conversion", END)
    for name, rows in again.items():
        stored = pd.read_parquet(
            site.root / ".scoring" / "analytics" / "conversion" / stamp(END) / f"{name}.parquet"
        )
        pd.testing.assert_frame_equal(rows, stored, check_exact=True)


def test_verdicts_are_reported_by_seller_and_segment_and_against_what_came(site: Site) -> None:
    get = site.project.analytics
    sellers, segments, outcomes = map(
        get, ("feedback_sellers", "feedback_segments", "feedback_outcomes")
    )
    assert sellers["verdicts"].sum() == outcomes["given"].sum() > 100
    assert sellers["agreement"].between(0.3, 0.8).all()  # half agree, seller by seller
    for by, rows in segments.groupby("segment_by"):
        assert rows["verdicts"].sum() == sellers["verdicts"].sum(), by
    told = outcomes.set_index("verdict")
    # Sellers know more than a coin: whom they call too low buys more often than whom too high.
    assert told.loc["too_low", "won_share"] > told.loc["too_high", "won_share"]
    assert told["probability_then"].notna().all()


def test_a_name_or_a_date_that_there_is_not_is_refused(site: Site) -> None:
    with pytest.raises(ConfigError, match=r"stage.*stages"):
        site.project.analytics("stage")
    with pytest.raises(ConfigError, match="2026-04-30T21"):
        site.project.analytics("stages", "2026-05-01")
    with pytest.raises(ConfigError, match="no tables"):
        site.project.analytics("stages", question="other")


def test_a_question_about_an_event_has_no_tables(site: Site) -> None:
    folder = site.root / "models" / "meeting"
    folder.mkdir()
    (folder / "model.toml").write_text(
        '[question]\nevent = ["meeting_booked"]\n[snapshots]\nat_age_days = [7]\n'
    )
    analyse(site.project, "meeting", END, newest=True)
    assert not (site.root / "out" / "analytics-meeting").exists()


def test_verdicts_are_neither_label_nor_feature(site: Site, tmp_path: Path) -> None:
    """With and without the table the training rows are the same, to the bit."""
    without = simulated(tmp_path, feedback=0.0)
    one, other = (
        build_training(s.project, "conversion", END).frame().sort_values(["lead_id", "as_of"])
        for s in (site, without)
    )
    assert len(one) > 300
    pd.testing.assert_frame_equal(
        one.reset_index(drop=True), other.reset_index(drop=True), check_exact=True
    )
    assert not [c for c in one.columns if "feedback" in c or "verdict" in c]


def test_the_documentation_names_every_table_and_column() -> None:
    text = DOCS.read_text(encoding="utf-8")
    for name, about in TABLES.items():
        section = re.search(rf"### {name}\n(.*?)(?=\n###? |\Z)", text, re.S)
        assert section, name
        named = re.findall(r"^\| `(\w+)` \|", section.group(1), re.M)
        assert named == list(about.columns), name
        assert about.answers in section.group(1)
        assert about.missing in section.group(1)
