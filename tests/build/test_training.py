"""Training and scoring rows of real projects, through `ingest` and `check`."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pandas as pd
import pytest
from build_kit import FEATURES, Site

from scoring.build.featureset import project_features
from scoring.build.run import build_scoring, build_training
from scoring.check import tables as check_tables
from scoring.errors import ConfigError
from scoring.simulate import simulate

END = datetime(2026, 6, 1, tzinfo=UTC)
DAY = timedelta(days=1)
MODEL = """
[question]
horizon_days = 60
[snapshots]
at_age_days = [1, 14, 60]
[features]
known_at_creation = ["industry", "company_size", "source"]
"""


@pytest.fixture(scope="module")
def simulated(tmp_path_factory: pytest.TempPathFactory) -> dict[str, pd.DataFrame]:
    folder = tmp_path_factory.mktemp("simulated") / "tables"
    folder.mkdir()
    simulate(folder, leads=300, end=END, seed=5, years=1.0, events_per_lead=15.0)
    return {path.stem: pd.read_parquet(path) for path in sorted(folder.glob("*.parquet"))}


@pytest.fixture(scope="module")
def whole(simulated: dict[str, pd.DataFrame], tmp_path_factory: pytest.TempPathFactory) -> Site:
    site = Site(tmp_path_factory.mktemp("whole") / "project", model=MODEL)
    site.deliver(**simulated)
    site.check(END.replace(tzinfo=None))
    return site


def training(site: Site) -> pd.DataFrame:
    """The rows by lead and as_of; keys depend on how leads are spread over partitions."""
    rows = build_training(site.project, "conversion", END).frame()
    rows = rows.drop(columns=["lead_key", "root_key"])
    return rows.sort_values(["lead_id", "as_of"], ignore_index=True)


def test_training_rows_hold_both_labels_and_live_features(whole: Site) -> None:
    rows = training(whole)
    assert set(rows["label"]) == {0, 1}
    assert rows["lead_id"].nunique() > 100
    assert (rows["matured_at"] <= END.replace(tzinfo=None)).all()
    assert (rows["ever"] >= rows["n_30d"]).all()
    assert rows["stage"].notna().any()
    assert not rows.duplicated(["lead_id", "as_of"]).any()


@pytest.mark.parametrize("cores", [1, 2])
def test_arrival_partitions_and_threads_do_not_matter(
    whole: Site,
    simulated: dict[str, pd.DataFrame],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    cores: int,
) -> None:
    monkeypatch.setattr("os.cpu_count", lambda: cores)
    other = Site(tmp_path / "project", model=MODEL)
    shuffled = {name: t.sample(frac=1, random_state=1) for name, t in simulated.items()}
    other.deliver(**shuffled)
    monkeypatch.setattr(check_tables, "ROWS_PER_PARTITION", -(-len(simulated["interactions"]) // 3))
    assert other.check(END.replace(tzinfo=None)).partitions == 3
    pd.testing.assert_frame_equal(training(other), training(whole), check_exact=True)


def test_nothing_is_built_twice(whole: Site) -> None:
    first = build_training(whole.project, "conversion", END)
    again = build_training(whole.project, "conversion", END)
    assert again.reused
    assert (again.folder, again.rows) == (first.folder, first.rows)
    assert len(again.frame()) == again.rows


def test_a_changed_declaration_builds_again(whole: Site) -> None:
    before = build_training(whole.project, "conversion", END)
    try:
        whole.theme("all", FEATURES.replace("[7, 30]", "[7, 30, 31]"))
        after = build_training(whole.project, "conversion", END)
        assert not after.reused
        assert after.folder != before.folder
        assert "n_31d" in after.frame()
    finally:
        whole.theme("all", FEATURES)


def test_a_scoring_row_equals_the_training_row_of_its_moment(whole: Site) -> None:
    rows = build_training(whole.project, "conversion", END).frame()
    model = whole.project.model("conversion")
    features = project_features(whole.project, model)
    names = [column.name for column in features.columns]
    # Rows whose outcome was recorded late are open for scoring longer, never the other way round.
    for as_of in rows["as_of"].drop_duplicates().sample(4, random_state=3):
        same = rows[rows["as_of"] == as_of].set_index("lead_id")[names]
        at = as_of.to_pydatetime().replace(tzinfo=UTC)
        scored = build_scoring(whole.project, "conversion", model, features, at).frame()
        assert set(scored["as_of"]) == {as_of}
        pd.testing.assert_frame_equal(
            scored.set_index("lead_id").loc[same.index, names], same, check_exact=True
        )


def test_only_the_named_leads_are_built(whole: Site) -> None:
    from scoring.build.partition import LeadScope

    model = whole.project.model("conversion")
    features = project_features(whole.project, model)
    everything = build_scoring(whole.project, "conversion", model, features, END).frame()
    some = tuple(everything["lead_id"].iloc[[0, 7, 9]])
    scope = LeadScope(some)
    few = build_scoring(whole.project, "conversion", model, features, END, scope=scope).frame()
    expected = everything[everything["lead_id"].isin(some)].reset_index(drop=True)
    pd.testing.assert_frame_equal(few, expected, check_exact=True)


# --- population ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "where",
    ["industry = 'retail'", "industry IN ('retail', 'x') AND NOT source IS NULL -- comment"],
)
def test_the_population_is_a_condition_over_attributes(whole: Site, where: str) -> None:
    whole.theme("all", FEATURES)
    before = training(whole)
    industry = before["industry"].dropna().mode()[0]
    try:
        whole.model(MODEL + f'[population]\nwhere = "{where.replace("retail", industry)}"\n')
        rows = training(whole)
        expected = before[(before["industry"] == industry)]
        if "source" in where:
            expected = expected[expected["source"].notna()]
        pd.testing.assert_frame_equal(rows, expected.reset_index(drop=True))
    finally:
        whole.model(MODEL)


@pytest.mark.parametrize(
    "where",
    [
        "industry = (SELECT 'x')",
        "EXISTS (SELECT 1)",
        "lower(industry) = 'x'",
        "now() > '2026-01-01'",
        "random() < 0.5",
        "getenv('HOME') = 'x'",
        "count(*) > 1",
        "industry = 'x'; DROP TABLE leads",
        "indstry = 'x'",
        "snap_id = 1",
        "attributes.industry = 'x'",
        "deleted_at IS NULL",
        "industry = $1",
        "industry =",
        "industry > 5",
        "*",
    ],
)
def test_the_population_refuses_everything_else(whole: Site, where: str) -> None:
    try:
        whole.model(MODEL + f'[population]\nwhere = "{where}"\n')
        with pytest.raises(ConfigError, match=r"population\.where"):
            build_training(whole.project, "conversion", END)
    finally:
        whole.model(MODEL)


# --- small histories ----------------------------------------------------------------------------

LEADS = [
    {"lead_id": f"{n:03d}", "created_at": datetime(2026, 1, 1) + n * DAY, "industry": "x"}
    for n in range(6)
]
OUTCOMES = [
    {"lead_id": "001", "outcome": "won", "decided_at": datetime(2026, 1, 25)},
    {"lead_id": "002", "outcome": "lost", "decided_at": datetime(2026, 4, 1)},
]


def test_leads_and_outcomes_alone_are_enough(site: Site) -> None:
    site.deliver(leads=LEADS, outcomes=OUTCOMES)
    site.check(datetime(2026, 5, 1))
    rows = build_training(site.project, "conversion", END).frame()
    # No interactions, no stages: only what stands in the lead's row can be a feature.
    features = project_features(site.project, site.project.model("conversion"))
    assert [c.name for c in features.columns] == ["age", "industry"]
    assert rows["label"].sum() > 0
    assert set(rows["industry"]) == {"x"}


def test_a_project_without_stages_has_the_other_features(site: Site) -> None:
    calls = [{"lead_id": "001", "occurred_at": datetime(2026, 1, 4), "type": "call"}]
    site.deliver(leads=LEADS, outcomes=OUTCOMES, interactions=calls)
    site.check(datetime(2026, 5, 1))
    rows = build_training(site.project, "conversion", END).frame()
    assert rows["ever"].sum() > 0
    assert "stage" not in rows
    assert "value_30d" not in rows  # no property of that name


def test_a_moment_with_an_offset_is_the_same_moment(site: Site) -> None:
    calls = [{"lead_id": "001", "occurred_at": datetime(2026, 1, 4, 23, 30), "type": "call"}]
    site.deliver(leads=LEADS, outcomes=OUTCOMES, interactions=calls)
    site.check(datetime(2026, 5, 1))
    frame = site.project.features("2026-01-05T02:00:00+02:00")
    assert frame["as_of"].iloc[0] == pd.Timestamp("2026-01-05", tz="UTC")
    assert frame.set_index("lead_id")["ever"]["001"] == 1


def test_before_the_first_check_it_says_what_to_run(site: Site) -> None:
    for ask in (site.project.training_table, lambda: site.project.features("2026-01-05")):
        with pytest.raises(ConfigError, match="scoring check"):
            ask()


# --- DataFrames for people ----------------------------------------------------------------------


def test_the_training_table_is_what_train_learns_from(whole: Site) -> None:
    table = whole.project.training_table()
    assert list(table.columns[:5]) == ["lead_id", "as_of", "group_id", "label", "matured_at"]
    assert str(table["as_of"].dtype) == "datetime64[us, UTC]"
    assert str(table["matured_at"].dtype) == "datetime64[us, UTC]"
    features = project_features(whole.project, whole.project.model("conversion"))
    assert list(table.columns[5:]) == [c.name for c in features.columns]
    earlier = whole.project.training_table("2026-03-01")
    assert 0 < len(earlier) < len(table)
    assert (earlier["matured_at"] <= pd.Timestamp("2026-03-01", tz="UTC")).all()


def test_features_have_a_row_per_open_lead(whole: Site) -> None:
    table = whole.project.features(datetime(2026, 5, 1, tzinfo=UTC))
    assert list(table.columns[:2]) == ["lead_id", "as_of"]
    assert table["lead_id"].is_unique
    assert set(table["as_of"]) == {pd.Timestamp("2026-05-01", tz="UTC")}
    assert "label" not in table


def test_features_are_the_champion_s_where_there_is_one(
    whole: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    from types import SimpleNamespace

    from scoring.train import tracking

    settings = whole.project.model("conversion")
    kept = project_features(whole.project, settings).keep(["rate", "age"])
    champion = SimpleNamespace(
        settings=settings,
        features=kept,
        joined=lambda rows: rows.assign(like=1.0),
        learned=SimpleNamespace(columns=(SimpleNamespace(name="like"),)),
    )
    monkeypatch.setattr(tracking, "champion", lambda *_: (None, champion))
    table = whole.project.features("2026-05-01")
    assert list(table.columns) == ["lead_id", "as_of", "n_7d", "n_30d", "age", "rate", "like"]


def test_scores_come_with_their_zone(whole: Site) -> None:
    from scoring.score.run import scores_folder

    with pytest.raises(ConfigError, match="scoring score"):
        whole.project.scores()
    folder = scores_folder(whole.project, "conversion") / "20260501T000000Z"
    folder.mkdir(parents=True)
    (folder / "run.json").write_text("{}")
    times = pd.to_datetime(["2026-05-01"]).astype("datetime64[us]")
    pd.DataFrame({"lead_id": ["a"], "as_of": times, "score": [3]}).to_parquet(
        folder / "scores.parquet"
    )
    for asked in (None, "2026-05-01", datetime(2026, 5, 1, tzinfo=UTC)):
        assert whole.project.scores(asked)["as_of"][0] == pd.Timestamp("2026-05-01", tz="UTC")
    with pytest.raises(ConfigError, match="was not scored"):
        whole.project.scores("2026-05-02")
