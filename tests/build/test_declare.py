"""The language: what it accepts, what it refuses, and in which words."""

import json
import re
from collections.abc import Callable
from typing import Any

import pytest

from scoring.build.columns import Column, Condition, Selection, Sign, StageOrder
from scoring.build.declare import (
    Events,
    attribute,
    contacts,
    each_attribute,
    feature,
    interactions,
    lead_age,
    lead_changes,
    stage_changes,
)
from scoring.build.operators import OPERATORS
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
    assert interactions().share(type="call").part.patterns == ("call",)
    assert interactions().share(type=["call", "mail"]).part.patterns == ("call", "mail")
    inbound = interactions(direction="inbound")
    assert interactions().share(part=inbound).part == inbound


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


def test_columns_are_compared_with_columns() -> None:
    assert (feature("a") / feature("b")).inputs == ("a", "b")
    assert (feature("a") - feature("b")).op == "difference"
    for ask in (lambda: feature("a") / 2, lambda: feature("a") / 0, lambda: feature("a") - 1):
        with pytest.raises(ConfigError, match="Got a int instead"):
            ask()


@pytest.mark.parametrize(
    "ask",
    [
        lambda: interactions().share(type=[]),
        lambda: interactions().share(),
        lambda: interactions().share(type="call", part=interactions("call")),
    ],
)
def test_a_share_names_types_or_rows(ask: Callable[[], object]) -> None:
    with pytest.raises(ConfigError, match="at least one type"):
        ask()


@pytest.mark.parametrize(
    ("ask", "message"),
    [
        (lambda r: r.where("p"), "must say `at_least`"),
        (lambda r: r.where("p", at_least=1, is_in=[1]), "must say `at_least`"),
        (lambda r: r.where("p", is_in=[]), "must say `at_least`"),
        (lambda r: r.where("p", is_in="customer"), "must say `at_least`"),
        (lambda r: r.where("p", at_least="3"), "must be numbers"),
        (lambda r: r.where("p", at_most=float("nan")), "must be numbers"),
        (lambda r: r.where("p", is_in=["a", 1]), "either texts or numbers"),
        (lambda r: r.where("type", is_in=["call"]), r"interactions\(…\)"),
        (lambda r: r.where("direction", is_in=["inbound"]), r"interactions\(…\)"),
        (lambda r: r.where("p", listed=""), "must say `at_least`"),
        (lambda r: r.where("p", listed="a", is_in=["b"]), "must say `at_least`"),
        (lambda r: r.where("p", or_missing=True), "must say `at_least`"),
        (lambda r: r.mentions(""), "must name a list of words"),
    ],
)
def test_a_condition_is_bounds_or_values(ask: Callable[[Events], object], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        ask(interactions())


def test_conditions_add_up_and_leave_the_selection_alone() -> None:
    calls = interactions("call")
    long = calls.where("minutes", at_least=5, at_most=60).where("moved_by", is_in=["customer"])
    assert [c.of for c in long.conditions] == ["minutes", "moved_by"]
    assert calls.conditions == ()
    assert long.not_by_machine().count().by_person


@pytest.mark.parametrize(
    ("ask", "message"),
    [
        (lambda: stage_changes().not_by_machine(), "asked of interactions"),
        (lambda: interactions().furthest(), "asked of stage_changes"),
        (lambda: interactions().entered_on(), "asked of stage_changes"),
        (lambda: lead_changes("budget").last("valeu"), r'Did you mean "value"'),
        (lambda: lead_changes("budget").sum("value"), "asked of numbers"),
        (lambda: contacts().where("senority", is_in=["high"]), r'Did you mean "seniority"'),
        (lambda: contacts().active_days(), "asked of interactions"),
        (lambda: interactions().last("contact_id"), "names one person"),
        (lambda: interactions().busiest(within_days=0), "`within_days` must be one whole number"),
        (lambda: interactions().decayed(half_life_days=[0]), "`half_life_days` must be a list"),
        (lambda: interactions().decayed(half_life_days=7), "`half_life_days` must be a list"),
        (
            lambda: interactions().followed_by(stage_changes(), within_days=1),
            "must be of one history: interactions. Got stage_changes",
        ),
        (
            lambda: interactions().response_mean(by=interactions().each_type()),
            "each type instead",
        ),
        (lambda: interactions().missed("due", done="meeting"), "Got str instead"),
        (lambda: interactions(""), "must be a name or a pattern"),
        (lambda: contacts().mentions("price"), "asked of interactions"),
        (lambda: lead_changes("budget").last_listed("value", ""), "must name a list"),
        (lambda: lead_age().is_listed("x"), r"asked of attribute\("),
        (lambda: each_attribute().is_listed("x"), r"asked of attribute\("),
        (lambda: attribute("industry").is_listed(""), r"asked of attribute\("),
        (lambda: each_attribute(but="owner_id"), "`but` must be a list"),
        (lambda: interactions().unfollowed(contacts(), within_days=1), "must be of one history"),
        (lambda: interactions().unprepared("call"), "Got str instead"),
    ],
)
def test_what_cannot_be_asked_is_refused_in_words(ask: Callable[[], object], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        ask()


@pytest.mark.parametrize(
    ("ask", "message"),
    [
        (lambda d: d.warns("low_engagment"), 'Did you mean "low_engagement"'),
        (lambda d: d.warns("low_engagement", side="left"), '"high", "low" or "both"'),
        (lambda d: d.warns("low_engagement", above=1, below=2), "one number"),
        (lambda d: d.warns("low_engagement", above=float("nan")), "one number"),
        (lambda d: d.warns("low_engagement", above="3"), "one number"),
        (lambda d: d.warns("low_engagement", below=True), "one number"),
    ],
)
def test_a_sign_is_of_a_kind_and_a_side(ask: Callable[[Any], object], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        ask(interactions().count())


def test_a_sign_has_one_window() -> None:
    with pytest.raises(ConfigError, match="must have one window"):
        interactions().count(last_days=[7, 30]).warns("low_engagement")
    interactions().count(last_days=[30]).warns("low_engagement")


def test_what_a_sign_says_is_kept_whatever_comes_first() -> None:
    said = interactions().count().says("{n}").warns("low_engagement", below=2, unless="a").earnest()
    turned = interactions().count().earnest().warns("low_engagement", below=2, unless=["a"])
    assert said == turned.says("{n}")
    assert said.sign == Sign("low_engagement", False, "low", 2.0, ("a",))
    assert said.shows_intent
    assert interactions().count().warns("outside_profile").sign == Sign("outside_profile", False)


def test_the_lead_s_own_row() -> None:
    assert attribute("industry").of == "industry"
    assert each_attribute().each == "attribute"
    assert lead_age().op == "age"


@pytest.mark.parametrize("op", sorted(OPERATORS))
def test_every_operator_says_its_interval_empty_value_unit_and_example(op: str) -> None:
    said = " ".join((getattr(Events, op).__doc__ or "").split())
    assert re.search(r"The whole history|\[as_of - N days, as_of\)", said), said
    assert re.search(r": (0|missing)\b", said), said
    assert "Unit: " in said
    assert re.search(r"Examples?: (\w+ is )?`", said), said


WHERE = (
    Condition("minutes", at_least=5.0),
    Condition("by", is_in=("us", "x")),
    Condition("ok", is_in=(True,)),
)


@pytest.mark.parametrize(
    "column",
    [
        Column("n_7d", "n", "t", "interactions", "count", days=7),
        Column("s", "s", "t", "interactions", "share", part=Selection(types=())),
        Column("s", "s", "t", "interactions", "share", part=Selection(("a",), None, WHERE)),
        Column("f", "f", "t", "interactions", "followed_by", where=WHERE, by_person=True,
               then=Selection(None, "inbound", WHERE[:1], True), within=3),
        Column("f", "f", "t", "stage_changes", "furthest",
               order=(StageOrder(("a", "b")), StageOrder(("b",), 1_700_000_000_000_000))),
        Column("r", "r", "t", "columns", "ratio", inputs=("a", "b"), singular="x", plural="y"),
        Column("c", "c", "t", "lead", "attribute", of="c", kind="category", each="attribute"),
        Column("l", "l", "t", "lead", "listed", of="c", like=("a*", "b")),
        Column("w", "w", "t", "interactions", "count",
               where=(Condition("p", listed="x", like=("a",), or_missing=True),)),
        Column("s", "s", "t", "interactions", "count", sign=Sign("low_engagement", True)),
        Column("s", "s", "t", "interactions", "count", earnest=True,
               sign=Sign("outside_profile", False, "both", 2.5, ("a", "b"))),
    ],
)  # fmt: skip
def test_a_column_survives_the_way_through_json(column: Column) -> None:
    assert Column.from_json(json.loads(json.dumps(column.to_json()))) == column
    assert Column.from_json({**column.to_json(), "newer": 1}) == column


def test_a_condition_of_an_older_format_is_read() -> None:
    """Models that were trained before lists and signs have less to say."""
    old = {"of": "p", "at_least": 1.0, "at_most": None, "is_in": None}
    column = {"name": "s", "variable": "s", "theme": "t", "stream": "interactions", "op": "count",
              "where": [old]}  # fmt: skip
    assert Column.from_json(column).where == (Condition("p", at_least=1.0),)
    assert Column.from_json(column).sign is None


def test_a_share_of_the_first_format_is_read() -> None:
    old = {"name": "s", "variable": "s", "theme": "t", "stream": "interactions", "op": "share",
           "types": ["a", "b"], "part": ["a"]}  # fmt: skip
    assert Column.from_json(old).part == Selection(("a",))


def test_a_column_names_the_properties_that_it_reads() -> None:
    column = Column("f", "f", "t", "interactions", "missed", of="due", where=WHERE,
                    then=Selection(where=(Condition("held", is_in=(True,)),)))  # fmt: skip
    assert column.properties == {"due", "minutes", "by", "ok", "held"}
    spoke = Column("l", "l", "t", "interactions", "last", of="direction")
    assert spoke.properties == frozenset()
    assert Column("d", "d", "t", "interactions", "active_days").properties == {"local_day"}
