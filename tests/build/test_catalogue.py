"""The catalogue that a new project gets: its files, its page, and the command `features`."""

import json
import shutil
from pathlib import Path

import pytest
from typer.testing import CliRunner

from scoring import against_won, attribute, each_attribute, feature, like_won, peers_rate
from scoring.build.columns import Column
from scoring.build.declare import Declaration
from scoring.build.learned import learned_columns
from scoring.build.load import Named, load_features
from scoring.build.page import page
from scoring.cli.app import app
from scoring.errors import ConfigError

ROOT = Path(__file__).parents[2]
FEATURES = ROOT / "features"


def test_the_page_is_what_the_files_say():
    said = (ROOT / "docs" / "features.md").read_text(encoding="utf-8")
    assert said == page(FEATURES), "python -m scoring.build.page features docs/features.md"


def test_every_theme_that_sales_people_speak_of_has_a_file():
    themes = {item.theme for item in load_features(FEATURES)}
    assert themes >= {
        *("engagement", "meetings", "email", "web", "stages", "fit", "qualification"),
        *("contacts", "timing", "effort", "signs", "peers", "purchases", "activity"),
    }


def test_no_two_features_say_the_same():
    said: dict[tuple[str, str | None], str] = {}
    for item in load_features(FEATURES):
        sentence = item.declaration.singular, item.declaration.each
        assert sentence not in said, f"{item.variable} speaks as {said[sentence]}"
        said[sentence] = item.variable


# --- columns that are learned from other leads ----------------------------------------------------

INDUSTRY = Column("industry", "attributes", "fit", "lead", "attribute", of="industry",
                  kind="category", each="attribute", label="industry")  # fmt: skip
STAFF = Column("staff", "attributes", "fit", "lead", "attribute", of="staff", each="attribute")
STAGE = Column("stage", "stage", "stages", "stage_changes", "last", of="stage", kind="category")
DWELL = Column("in_stage", "in_stage", "stages", "stage_changes", "entered_on")
BUILT = (INDUSTRY, STAFF, STAGE, DWELL)


def _learned(built: tuple[Column, ...] = BUILT, **declarations: Declaration):
    items = [Named(name, "peers", d) for name, d in declarations.items()]
    items += [Named(c.variable, c.theme, Declaration(c.stream, c.op)) for c in BUILT]
    return learned_columns(items, built)


def test_a_column_for_each_attribute_of_the_right_kind():
    made, missing = _learned(
        peers=peers_rate(each_attribute()), size=against_won(each_attribute(), by="stage")
    )
    assert [(c.name, c.inputs, c.each) for c in made] == [
        ("peers_industry", ("industry",), "attribute"),
        ("size_staff", ("staff", "stage"), "attribute"),
    ]
    assert made[0].label == "industry"
    assert not missing


def test_a_named_attribute_and_a_named_feature():
    made, _ = _learned(
        rate=peers_rate(attribute("industry")),
        like=like_won(each_attribute()),
        stay=against_won(feature("in_stage"), by="stage"),
    )
    assert [(c.name, c.inputs, c.stream) for c in made] == [
        ("rate", ("industry",), "learned"),
        ("like", ("industry",), "learned"),
        ("stay", ("in_stage", "stage"), "learned"),
    ]


@pytest.mark.parametrize(
    ("declared", "reason"),
    [
        (peers_rate(attribute("region")), "no feature is the attribute `region` as a text."),
        (peers_rate(attribute("staff")), "no feature is the attribute `staff` as a text."),
        (against_won(attribute("industry")), "no feature is the attribute `industry` as a number."),
        (against_won(feature("in_stage"), by="stage"), "it reads `in_stage`, which cannot be"),
    ],
)
def test_what_a_project_does_not_have_makes_no_column_and_says_why(declared, reason):
    made, missing = _learned((INDUSTRY, STAFF, STAGE), x=declared)
    assert not made
    assert missing[0].reason.startswith(reason)


@pytest.mark.parametrize(
    ("declared", "says"),
    [
        (against_won(feature("in_stagee")), "Did you mean .in_stage."),
        (against_won(feature("stage")), "must be given a number"),
        (against_won(feature("in_stage"), by="staff"), "must be given a category"),
    ],
)
def test_a_wrong_input_is_refused_at_load_with_the_nearest_name(declared, says):
    with pytest.raises(ConfigError, match=says):
        _learned(x=declared)


def test_a_name_that_is_taken_is_refused():
    with pytest.raises(ConfigError, match="`Stage`"):
        _learned(Stage=peers_rate(attribute("industry")))


@pytest.mark.parametrize("wrong", [feature("industry"), "industry", None])
def test_peers_are_asked_of_attributes(wrong):
    with pytest.raises(ConfigError, match="attribute"):
        peers_rate(wrong)


# --- the command ----------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def company(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A simulated company with the whole catalogue, checked; nothing trained."""
    from datetime import UTC, datetime

    from scoring.simulate import simulate

    root = tmp_path_factory.mktemp("catalogue") / "company"
    shutil.copytree(FEATURES, root / "features", ignore=shutil.ignore_patterns("__pycache__"))
    (root / "models").mkdir(parents=True)
    shutil.copytree(ROOT / "models" / "conversion", root / "models" / "conversion")
    shutil.copyfile(ROOT / "scoring.toml", root / "scoring.toml")
    end = datetime(2026, 11, 1, tzinfo=UTC)
    simulate(root / "source", leads=400, end=end, seed=3, events_per_lead=20, prevalence=0.2)
    tables = sorted(p.stem for p in (root / "source").glob("*.parquet"))
    listed = "\n".join(f'{t} = "{t}.parquet"' for t in tables)
    (root / "data").mkdir()
    (root / "data" / "sources.toml").write_text(
        f'[sources.crm]\npath = "source"\n[sources.crm.tables]\n{listed}\n'
    )
    for step in ("ingest", "check"):
        _run(root, step)
    return root


def _run(root: Path, *arguments: str) -> str:
    done = CliRunner().invoke(app, [*arguments, "--project", str(root), "--as-of", "2026-11-01"])
    assert done.exit_code == 0, done.output
    return done.stdout


def test_features_lists_every_column_with_what_it_costs(company: Path):
    said = json.loads(_run(company, "features", "--json"))
    by_name = {f["name"]: f for f in said["features"]}
    assert len(by_name) == len(said["features"])
    assert 150 <= len(by_name) <= 280
    assert all(f["sentence"] and f["theme"] for f in by_name.values())
    assert (by_name["touches_30d"]["window"], by_name["touches_ever"]["window"]) == (30, None)
    assert by_name["age_of_lead"]["coverage"] == 1
    assert by_name["touches_30d"]["cost"] == "history"
    assert by_name["their_share"]["cost"] == by_name["industry"]["cost"] == "lookup"
    assert by_name["peers_industry"]["cost"] == "learned"
    shares = [f["share"] for f in by_name.values() if f["share"] is not None]
    assert sum(shares) == pytest.approx(1)
    assert {f["cost"] for f in by_name.values() if f["share"] is not None} == {"history"}
    assert not any(f["used_by"] for f in by_name.values())
    moved = by_name["moved_alone_90d"]
    assert (moved["sign"], moved["strong"]) == ("low_engagement", True)
    assert by_name["decider_joined"]["earnest"]
    assert by_name["touches_30d"]["sign"] is None
    silent = {m["variable"]: m for m in said["silent_signs"]}
    assert silent["competitor_contacts"]["sign"] == "outside_profile"
    assert silent.keys() & by_name.keys() == set()
    assert "bounced" not in silent, "no sign"
    assert not list((company / ".scoring" / "tmp").glob("catalogue-*"))


def test_features_tells_signs_and_those_without_data(company: Path):
    lines = _run(company, "features").splitlines()
    (moved,) = [line for line in lines if line.strip().startswith("moved_alone_90d")]
    assert moved.endswith("[strong sign of low engagement]")
    (joined,) = [line for line in lines if line.strip().startswith("decider_joined")]
    assert joined.endswith("[lifts a flag]")
    start = lines.index("signs that this history has no data for; they count for nothing")
    (silent,) = [line for line in lines[start:] if "signs.competitor_contacts" in line]
    assert "property `domain`" in silent


def test_check_says_what_cannot_be_computed_and_why(company: Path):
    said = json.loads(_run(company, "features", "--check", "--json"))
    absent = {m["variable"]: m for m in said["absent"]}
    assert "bounced" in absent, "this history has no bounces"
    assert "`*bounce*`" in absent["bounced"]["reason"]
    assert "touches" not in absent
    lines = _run(company, "features", "--check").splitlines()
    assert len(lines) == len(absent)
    made = {f["name"] for f in json.loads(_run(company, "features", "--json"))["features"]}
    assert not made & set(absent)
