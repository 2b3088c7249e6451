"""Small tables in, values out: counts, bursts, decays, values, changes and dates."""

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from operator_kit import DAY, START, one, table, value, values
from twin import Lead, World

from scoring.build.columns import Column
from scoring.build.declare import Declaration, contacts, interactions, lead_changes
from scoring.build.operators.sums import whole_sum

asks = interactions("ask")
CALLS = table(
    (1, "ask", {"minutes": 5.0, "mood": "good", "ok": True, "contact_id": "c1"}),
    (2, "meet", {"minutes": 12.0, "mood": "bad", "ok": False, "contact_id": "c2"}),
    (8, "ask", {"minutes": 30.0}),
)


@pytest.mark.parametrize(
    ("declaration", "expected"),
    [
        (interactions().where("minutes", at_least=12).count(), 2),
        (interactions().where("minutes", at_least=12).count(last_days=[3]), 1),
        (interactions().where("minutes", at_least=12, at_most=12).count(), 1),
        (interactions().where("minutes", at_most=5).last_on(), 8),
        (interactions().where("mood", is_in=["bad", "sad"]).count(), 1),
        (interactions().where("minutes", is_in=[5, 30]).where("ok", is_in=[True]).count(), 1),
        (interactions().where("ok", is_in=[False]).sum("minutes"), 12),
        (interactions().where("mood", is_in=["never"]).gap_mean(), None),
        (asks.share(part=interactions().where("minutes", at_least=10)), 0.5),
        (asks.share(part=interactions().where("minutes", at_least=10), last_days=[2]), 1),
        (interactions().share(type=["meet", "reply"]), 1 / 3),
        (interactions("reply").share(type="ask"), None),
        (interactions().decayed(half_life_days=[1]), 0.5**8 + 0.5**7 + 0.5**1),
        (interactions("reply").decayed(half_life_days=[1]), 0),
        (interactions().busiest(within_days=2), 2),
        (interactions().busiest(within_days=1), 1),  # [t, t + 1 day): a day later is outside
        (interactions().busiest(within_days=2, last_days=[3]), 1),
        (interactions("reply").busiest(within_days=2), 0),
        (interactions().busiest_share(within_days=2), 2 / 3),
        (interactions("reply").busiest_share(within_days=2), None),
        (interactions().min("minutes"), 5),
        (interactions().min("minutes", last_days=[8]), 5),
        (interactions().min("minutes", last_days=[7]), 12),
        (interactions("reply").min("minutes"), None),
        (interactions().max("minutes", last_days=[7]), 30),
        (interactions().first("minutes"), 5),
        (interactions("meet").first("mood"), "bad"),
        (interactions().first("type"), "ask"),
        (interactions("reply").first("minutes"), None),
        (interactions().distinct("contact_id"), 2),
        (interactions().distinct("type"), 2),
        (interactions().distinct("contact_id", last_days=[3]), 0),
        (interactions().gap_longest(), 6),
        (asks.where("minutes", at_least=10).gap_longest(), None),
    ],
)
def test_rows_in_value_out(declaration: Declaration, expected: Any) -> None:
    near = pytest.approx(expected, rel=1e-9) if isinstance(expected, float) else expected
    assert value(CALLS, declaration) == near


def test_what_a_machine_did_counts_until_it_is_known() -> None:
    (click,) = table((1, "ask"))
    click = replace(click, machine_from=START + 3 * DAY)
    people = interactions().not_by_machine().count()
    assert value([click], people, START + 3 * DAY) == 1
    assert value([click], people, START + 3 * DAY + timedelta(microseconds=1)) == 0
    assert value([click], interactions().count(), START + 9 * DAY) == 1


def test_purchases_have_recency_frequency_and_money() -> None:
    """Nothing of their own: the newest, the number and the sum of the rows that are purchases."""
    bought = table((1, "meet", {"minutes": 99.9}), (5, "meet", {"minutes": 0.1}), (8, "ask"))
    purchases = interactions("meet")
    assert value(bought, purchases.last_on()) == 4
    assert value(bought, purchases.count(last_days=[365])) == 2
    assert value(bought, purchases.sum("minutes")) == 100


def test_evenings_and_weekends_are_the_lead_s_own() -> None:
    late = interactions().where("local_hour", at_least=18)
    rows = table(
        (0.5, "ask", {"local_hour": 12}), (0.8, "ask", {"local_hour": 19}),
        (1.9, "ask", {"local_hour": 21}), (2, "ask", {"local_hour": 0}),
    )  # fmt: skip
    assert value(rows, interactions().share(part=late)) == 0.5


def test_a_property_keeps_the_kind_that_a_column_was_compiled_for() -> None:
    """What was numbers is text in the tables now, and the other way round."""
    rows = table(
        (1, "ask", {"mood": "12.5", "minutes": 3.0}),
        (2, "ask", {"mood": "often", "minutes": 0.1}),
        (3, "ask", {"mood": "true"}),
    )
    world = World((Lead("a", START),), tuple(rows))
    number = one(interactions().max("minutes"))
    text = one(interactions().last("mood"))
    many = one(interactions().where("minutes", at_least=1).count())
    true = one(interactions().where("ok", is_in=[True]).count())
    few = one(interactions().where("mood", is_in=["0.1", "7"]).count())

    def of(column: Column, name: str) -> Column:
        where = tuple(replace(c, of=name) for c in column.where)
        return replace(column, of=name if column.of else None, where=where)

    for column, expected in (
        (of(number, "mood"), 12.5),
        (of(many, "mood"), 2),  # 12.5, and true is 1
        (of(true, "mood"), 1),
        (of(text, "minutes"), "0.1"),
        (of(few, "minutes"), 1),
        (text, "true"),
    ):
        (made,) = values(world, [column], [("a", START + 9 * DAY)])
        assert made[column.name] == expected


# --- fields that change -------------------------------------------------------------------------

CLOSE = table(
    (1, "close_on", {"value": "2026-05-01", "number": 20574.0}),
    (2, "budget", {"value": "10", "number": 10.0}),
    (3, "close_on", {"value": "2026-06-01", "number": 20605.0}),
    (4, "close_on", {"value": None}),  # emptied: passed over
    (5, "close_on", {"value": "2026-05-01", "number": 20574.0}),
    (6, "budget", {"value": "10", "number": 10.0}),
    (7, "close_on", {"value": "2026-07-01", "number": 20635.0}),
)
close_on = lead_changes("close_on")


@pytest.mark.parametrize(
    ("declaration", "expected"),
    [
        (close_on.count(), 5),
        (close_on.changes("value"), 3),
        (close_on.changes("value", last_days=[3]), 1),  # the row before may be older
        (close_on.returns("value"), 1),
        (lead_changes("budget").returns("value"), 0),  # said again, not changed
        (close_on.rises("number"), 2),
        (close_on.falls("number"), 1),
        (close_on.distinct("value"), 3),
        (close_on.ahead("number"), 20635 - ((START - datetime(1970, 1, 1)).days + 9)),
        (lead_changes("budget").changes("value"), 0),
        (lead_changes().changes("value"), 3),  # each field against itself
        (lead_changes().rises("number"), 2),
        (lead_changes("none").changes("value"), 0),
        (close_on.last("field"), "close_on"),
    ],
)
def test_changes_of_fields(declaration: Declaration, expected: Any) -> None:
    if declaration.patterns == ("none",):
        assert value([], close_on.changes("value")) == expected
        return
    assert value(CLOSE, declaration) == expected


def test_a_decision_maker_joins() -> None:
    people = table((1, "user", {"contact_id": "u"}), (4, "decider", {"contact_id": "d"}))
    assert value(people, contacts("decider").first_on()) == 5
    assert value(people, contacts().distinct("role")) == 2
    assert value(people[:1], contacts("decider").first_on()) is None


# --- dates that rows name -----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("due", "expected"),
    [
        (["2026-03-12"], 2),  # as_of is 2026-03-10
        (["2026-03-12", "2026-03-15"], 5),
        (["2026-03-15", "2026-03-12"], 5),  # the latest date, not the newest row
        (["2026-03-10"], 0),  # today is not over
        (["2026-03-09"], None),
        (["soon"], None),
        ([None], None),
        ([], None),
    ],
)
def test_a_next_step_is_booked_while_its_day_is_not_over(due: list, expected: Any) -> None:
    rows = table(*((1, "ask", {"due": d}) for d in due))
    assert value(rows, interactions().ahead("due")) == expected


@pytest.mark.parametrize(
    ("rows", "expected"),
    [
        ([(1, "ask", {"due": "2026-03-09"})], 1),
        ([(1, "ask", {"due": "2026-03-10"})], 0),  # today is not over
        ([(1, "ask", {"due": "2026-03-09"}), (4, "meet")], 0),
        ([(4, "meet"), (4, "ask", {"due": "2026-03-09"})], 1),  # it came before
        ([(1, "ask", {"due": "2026-03-09"}), (2, "ask", {"due": "2026-03-08"})], 2),
        ([(1, "ask", {"due": "soon"})], 0),
        ([], 0),
    ],
)
def test_a_next_step_is_missed_when_nothing_came_of_it(rows: list, expected: int) -> None:
    missed = interactions("ask").missed("due", done=interactions("meet"))
    assert value(table(*rows), missed) == expected


# --- sums ---------------------------------------------------------------------------------------


@given(st.lists(st.tuples(st.floats(0, 400), st.sampled_from(["ask", "meet"])), max_size=40))
def test_decayed_rows_sum_to_the_same_in_any_order(rows: list[tuple[float, str]]) -> None:
    """Weights are whole multiples of 2^-40: rows told twice, apart or together, add up exactly."""
    decayed = interactions().decayed(half_life_days=[7])
    as_of = START + 401 * DAY
    whole = value(table(*rows), decayed, as_of)
    assert whole == value(table(*rows[::-1]), decayed, as_of)
    apart = [value(table(r), decayed, as_of) for r in rows]
    assert whole == sum(apart)


def test_whole_sums_are_exact_beyond_floats() -> None:
    snapshot, values = np.array([0, 0, 2]), np.array([2**53, 1, -1])
    assert whole_sum(snapshot, values, 3).tolist() == [2**53 + 1, 0, -1]
