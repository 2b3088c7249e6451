"""The language: what it accepts, what it refuses, and in which words."""

import pytest

from scoring.build.columns import Column
from scoring.build.declare import (
    attribute,
    each_attribute,
    feature,
    interactions,
    lead_age,
    stage_changes,
)
from scoring.errors import ConfigError


def test_a_declaration_is_immutable_and_says_what_it_reads() -> None:
    said = interactions("email_*", direction="inbound").count(last_days=[7, 30]).says("{n}")
    assert (said.stream, said.op, said.patterns) == ("interactions", "count", ("email_*",))
    assert (said.direction, said.windows) == ("inbound", (7, 30))
    assert (said.singular, said.plural) == ("{n}", "{n}")
    with pytest.raises(AttributeError):
        said.op = "sum"  # type: ignore[misc]


def test_windows_are_said_once() -> None:
    assert interactions().count(last_days=[7, 7, 30]).windows == (7, 30)
    assert interactions().count().windows == (None,)


def test_one_type_may_stand_alone_in_a_share() -> None:
    assert interactions().share(type="call").part == ("call",)
    assert interactions().share(type=["call", "mail"]).part == ("call", "mail")


@pytest.mark.parametrize("days", [[], [0], [-1], [1.5], ["7"], "7", 7, [True], [36_501]])
def test_windows_are_whole_days(days: object) -> None:
    with pytest.raises(ConfigError, match=r"`last_days` must be a list of whole days.*Got"):
        interactions().count(last_days=days)  # type: ignore[arg-type]


@pytest.mark.parametrize("text", ["{m}", "{}", "{0}", "{n.real}", "{n[0]}"])
def test_a_sentence_has_known_placeholders(text: str) -> None:
    with pytest.raises(ConfigError, match=r"Known: \{date\}, \{days\}, \{n\}"):
        interactions().count().says(text)
    with pytest.raises(ConfigError):
        interactions().count().says("one", text)


def test_a_direction_is_inbound_or_outbound() -> None:
    with pytest.raises(ConfigError, match=r"Got 'inbond' instead\. Did you mean .inbound"):
        interactions(direction="inbond")  # type: ignore[arg-type]


def test_stage_changes_have_stages_and_nothing_else() -> None:
    stages = stage_changes()
    for ask in (
        lambda: stages.sum("stage"),
        lambda: stages.max("stage"),
        lambda: stages.mean("amount"),
        lambda: stages.active_days(),
        lambda: stages.last("amount"),
        lambda: stages.distinct("contact_id"),
        lambda: stages.each_number(),
        lambda: stages.each_text(),
    ):
        with pytest.raises(ConfigError, match="interactions"):
            ask()
    assert stages.last("stage").of == "stage"
    assert stages.distinct("stage").op == "distinct"


def test_types_and_properties_are_not_unfolded_together() -> None:
    with pytest.raises(ConfigError, match="directly"):
        interactions().each_type().each_number()


def test_a_ratio_is_of_two_columns() -> None:
    assert (feature("a") / feature("b")).inputs == ("a", "b")
    with pytest.raises(ConfigError, match="Got a int instead"):
        feature("a") / 2  # type: ignore[operator]


def test_a_share_names_a_type() -> None:
    with pytest.raises(ConfigError, match="at least one type"):
        interactions().share(type=[])


def test_the_lead_s_own_row() -> None:
    assert attribute("industry").of == "industry"
    assert each_attribute().each == "attribute"
    assert lead_age().op == "age"


@pytest.mark.parametrize(
    "column",
    [
        Column("n_7d", "n", "t", "interactions", "count", days=7),
        Column("s", "s", "t", "interactions", "share", part=()),  # no type of it was ever seen
        Column("s", "s", "t", "interactions", "share", types=("a", "b"), part=("a",)),
        Column("r", "r", "t", "columns", "ratio", inputs=("a", "b"), singular="x", plural="y"),
        Column("c", "c", "t", "lead", "attribute", of="c", kind="category", each="attribute"),
    ],
)
def test_a_column_survives_the_way_through_json(column: Column) -> None:
    import json

    assert Column.from_json(json.loads(json.dumps(column.to_json()))) == column
    assert Column.from_json({**column.to_json(), "newer": 1}) == column
