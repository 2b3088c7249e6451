"""Features that conditions name are built whether the champion reads them or not."""

import pytest

from scoring.check.tables import Tables
from scoring.doctor import _next_steps
from scoring.errors import ConfigError
from scoring.project import Project
from scoring.score.conditions import ANY, NUMBER, TEXT
from scoring.score.named import OWNER, with_named, with_owner
from scoring.score.next_step import settings_of
from scoring.score.run import features_to_build, read_scores
from scoring.train import tracking


@pytest.fixture
def features(scored: Project):
    return tracking.champion(scored, "conversion")[1].features


def test_what_the_champion_has_is_taken_from_it(scored: Project, features) -> None:
    name = next(c.name for c in features.columns if c.kind == "number")
    made = with_named(scored, "conversion", features, [name])
    assert made.features == features
    assert made.names[name].kind == NUMBER


def test_what_it_has_not_is_compiled_from_the_projects_files(scored: Project, features) -> None:
    there = {c.name for c in features.columns}
    wanted = {"haggled", "offers", "haggled_per_offer", "stage"}
    assert not {"haggled", "offers", "haggled_per_offer"} & there
    made = with_named(scored, "conversion", features, wanted)
    names = [c.name for c in made.features.columns]
    assert wanted <= set(names)
    assert len(names) == len(set(names))
    assert [c.name for c in made.features.columns[: len(features.columns)]] == [
        c.name for c in features.columns
    ]
    assert made.names["haggled"].kind == NUMBER
    assert made.names["stage"].kind == TEXT


def test_a_feature_without_history_here_is_known_and_always_missing(
    scored: Project, features
) -> None:
    made = with_named(scored, "conversion", features, ["left_the_list", "count_fax_sent_30d"])
    assert {of.kind for of in made.names.values()} == {ANY}
    assert made.there == {}
    assert made.features.columns == features.columns


@pytest.mark.parametrize(
    ("name", "says"),
    [("hagled", 'Did you mean "haggled"'), ("profile", "is learned from other leads")],
)
def test_a_name_that_no_condition_can_read_is_refused(
    scored: Project, features, name: str, says: str
) -> None:
    with pytest.raises(ConfigError) as error:
        with_named(scored, "conversion", features, [name])
    assert says in str(error.value)


def test_the_owner_is_read_for_the_days_work_only(scored: Project, features) -> None:
    model = tracking.champion(scored, "conversion")[1]
    table = settings_of(scored.root, "conversion")
    made = features_to_build(scored, "conversion", model, Tables.open(scored), table).features
    assert OWNER in {c.name for c in made.columns}
    without = features_to_build(scored, "conversion", model, Tables.open(scored), None).features
    assert OWNER not in {c.name for c in without.columns}
    assert "owner_id" in with_owner(features).attributes
    assert OWNER not in read_scores(scored, "conversion")


def test_doctor_says_what_the_table_asks_for_in_vain(scored: Project, features) -> None:
    path = scored.root / "models" / "conversion" / "next_step.toml"
    text = path.read_text()
    try:
        path.write_text('[[steps]]\nstep = "nurture"\nwhen = ["left_the_list is known"]\n')
        (vain,) = _next_steps(scored, "conversion", features)
        path.write_text('[[steps]]\nstep = "nurture"\nwhen = ["scor > 3"]\n')
        (wrong,) = _next_steps(scored, "conversion", features)
        path.unlink()
        assert _next_steps(scored, "conversion", features) == []
    finally:
        path.write_text(text)
    assert (vain.level, vain.found[:13]) == ("advice", "left_the_list")
    assert (wrong.level, "`scor`" in wrong.found) == ("problem", True)
