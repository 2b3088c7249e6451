"""No feature sees the future: whatever happened or was recorded at or after as_of may be added,
removed or altered, and every feature of the snapshot stays as it was. Through `ingest`, `check` and
`build` of real projects.
"""

import random
import tempfile
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pandas as pd
import pytest
from build_kit import MODEL, Site, tables_of
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from twin import DAY, Lead, Row, World

from scoring.build.featureset import FeatureSet, project_features
from scoring.build.run import build_scoring, build_training

START = datetime(2026, 1, 1)
AS_OF = START + 60 * DAY
END = START + 200 * DAY
TICK = timedelta(microseconds=1)
KEYS = ["lead_key", "root_key", "group_id"]  # who is who may change with later leads and merges
TYPES = ("call", "mail", "visit")


def some_row(rng: random.Random, leads: list[Lead], at: datetime, known: datetime | None) -> Row:
    lead = rng.choice(leads)
    values = {"value": rng.choice([None, 0.1, 0.2, 7.3])}
    return Row(
        lead.lead_id, at, rng.choice(TYPES), known, rng.choice(["inbound", "outbound", None]),
        f"{rng.randrange(10**12)}", values,
    )  # fmt: skip


def before(rng: random.Random) -> datetime:
    return rng.choice([AS_OF - TICK, START + rng.randrange(60 * 24) * DAY / 24])


def after(rng: random.Random) -> datetime:
    return rng.choice([AS_OF, AS_OF + TICK, AS_OF + rng.randrange(1, 100) * DAY])


def past_world(rng: random.Random) -> World:
    """Everything that happened and was known before AS_OF."""
    leads = [
        Lead(
            f"{n:03d}",
            START + rng.randrange(40) * DAY,
            values={"industry": rng.choice(["x", "y"]), "tier": "gold", "signed": "no"},
        )
        for n in range(12)
    ]
    leads[0] = replace(leads[0], merged_into="001", merged_at=AS_OF - 5 * DAY)
    events = [some_row(rng, leads, before(rng), None) for _ in range(80)]
    events += [
        some_row(rng, leads, AS_OF - 9 * DAY, AS_OF - rng.choice([TICK, 3 * DAY])) for _ in range(6)
    ]
    stages = [
        Row(x.lead_id, AS_OF - n * DAY, stage)
        for x in leads
        for n, stage in ((15, "new"), (rng.randrange(1, 9), "proposal"))
    ]
    outcomes = [Row("002", AS_OF - DAY, "lost"), Row("003", AS_OF - DAY, "recycled")]
    changes = [Row(x.lead_id, x.created_at, "tier", values={"value": "tin"}) for x in leads]
    return World(tuple(leads), tuple(events), tuple(stages), tuple(outcomes), tuple(changes))


def with_a_future(rng: random.Random, past: World) -> World:
    """The same past, and something else at and after AS_OF."""
    leads = list(past.leads)
    for n in range(4, len(leads)):
        signed = {**leads[n].values, "signed": rng.choice(["yes", "no"])}
        signed["tier"] = rng.choice(["gold", "lead"])
        leads[n] = replace(leads[n], values=signed)
        happens = rng.randrange(4)
        if happens == 0:
            into = leads[rng.choice([1, n - 1])].lead_id
            leads[n] = replace(leads[n], merged_into=into, merged_at=after(rng))
        elif happens == 1:
            leads[n] = replace(leads[n], deleted_at=after(rng))
    leads += [
        Lead(f"9{n}", AS_OF + DAY, values={"industry": "z", "tier": None, "signed": None})
        for n in range(rng.randrange(3))
    ]
    events = [some_row(rng, leads, after(rng), None) for _ in range(rng.randrange(60))]
    events += [
        some_row(rng, list(past.leads), before(rng), after(rng)) for _ in range(rng.randrange(30))
    ]
    events += [replace(row, what="fax", row_id=row.row_id + "f") for row in events[:3]]
    stages = [Row(x.lead_id, after(rng), "won") for x in past.leads if rng.random() < 0.5]
    stages += [
        Row(x.lead_id, AS_OF - 7 * TICK, "late", after(rng))
        for x in past.leads
        if rng.random() < 0.3
    ]
    outcomes = {
        (x.lead_id, what): Row(x.lead_id, AS_OF + rng.randrange(90) * DAY, what)
        for x in past.leads
        for what in (rng.choice(["won", "lost"]),)
        if rng.random() < 0.6
    }
    changes = [
        Row(x.lead_id, after(rng), "tier", values={"value": rng.choice(["gold", None])})
        for x in past.leads
        if rng.random() < 0.5
    ]
    changes += [
        Row(x.lead_id, AS_OF - DAY, "tier", after(rng), values={"value": "late"})
        for x in past.leads
        if rng.random() < 0.3
    ]
    return World(
        tuple(leads),
        past.interactions + tuple(rng.sample(events, len(events))),
        past.stages + tuple(stages),
        past.outcomes + tuple(outcomes.values()),
        past.changes + tuple(changes),
    )


def project(folder: Path, world: World) -> Site:
    site = Site(folder / "project", model=MODEL)
    site.deliver(**tables_of(world))
    # A lead whose outcome is in quarantine would be no snapshot at all.
    tables = site.check(END)
    assert not any(tables.manifest["quarantine"].values())
    return site


def scored(site: Site, features: FeatureSet, as_of: datetime = AS_OF, **more: datetime):
    model = site.project.model("conversion")
    at = as_of.replace(tzinfo=UTC)
    rows = build_scoring(site.project, "conversion", model, features, at, **more).frame()
    return rows.drop(columns=KEYS)


def trained(site: Site, features: FeatureSet) -> pd.DataFrame:
    until = END.replace(tzinfo=UTC)
    rows = build_training(site.project, "conversion", until, features=features).frame()
    rows = rows[rows["as_of"] <= AS_OF].set_index(["lead_id", "as_of"])
    labels = ["label", "matured_at", "label_known_at", "closed_at", "converted"]
    return rows.drop(columns=["lead_key", "root_key", "group_id", *labels])


@settings(max_examples=4, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.integers(0, 2**32))
def test_whatever_comes_at_or_after_as_of_changes_no_feature(seed: int) -> None:
    rng = random.Random(seed)
    past = past_world(rng)
    with tempfile.TemporaryDirectory() as one, tempfile.TemporaryDirectory() as other:
        first = project(Path(one), with_a_future(rng, past))
        second = project(Path(other), with_a_future(rng, past))
        features = project_features(first.project, first.project.model("conversion"))
        rows = scored(first, features)
        assert len(rows) == 10  # one was merged, one lost
        pd.testing.assert_frame_equal(rows, scored(second, features), check_exact=True)

        mine, theirs = trained(first, features), trained(second, features)
        both = mine.index.intersection(theirs.index)
        assert len(both) > 20
        pd.testing.assert_frame_equal(mine.loc[both], theirs.loc[both], check_exact=True)


def test_the_property_can_fail(tmp_path: Path) -> None:
    """One event a microsecond before as_of instead of at it does change features."""
    past = past_world(random.Random(1))
    seen = Row("005", AS_OF - TICK, "call", row_id="new", values={"value": 1.0})
    first = project(tmp_path / "a", past)
    second = project(tmp_path / "b", replace(past, interactions=(*past.interactions, seen)))
    features = project_features(first.project, first.project.model("conversion"))
    changed = scored(first, features)["ever"] != scored(second, features)["ever"]
    assert changed.sum() == 1


# --- attributes ---------------------------------------------------------------------------------

LEADS = pd.DataFrame(
    {
        "lead_id": ["a", "b"],
        "created_at": [START, START],
        "industry": ["x", "y"],
        "contract_no": [None, None],
        "budget": [1.0, 2.0],
    }
)
OUTCOMES = [{"lead_id": "b", "outcome": "won", "decided_at": START + 90 * DAY}]


def test_what_may_have_been_filled_after_the_sale_is_never_a_column(tmp_path: Path) -> None:
    site = Site(tmp_path / "project")
    filled = LEADS.assign(contract_no=["", "C-1"], amount=[0.0, 900.0], owner_id=["", "winner"])
    site.deliver(leads=filled, outcomes=OUTCOMES)
    site.check(END)
    features = project_features(site.project, site.project.model("conversion"))
    assert [c.of for c in features.columns if c.op == "attribute"] == ["industry"]
    assert {"contract_no", "budget", "amount", "owner_id"} <= set(features.left_out)


def test_an_attribute_is_what_it_was_on_the_night(tmp_path: Path) -> None:
    """Nightly exports: the budget of `a` changes from 1 to 5; `industry` was there from the start
    and is corrected. What is no column at first becomes one once its history exists."""
    site = Site(tmp_path / "project")
    site.deliver(leads=LEADS, outcomes=OUTCOMES)
    site.check(START + 100 * DAY)
    site.deliver(leads=LEADS.assign(budget=[5.0, 2.0], industry=["z", "y"]))
    site.check(START + 120 * DAY)
    features = project_features(site.project, site.project.model("conversion"))
    assert features.known_at_creation == {"industry"}
    assert {c.of for c in features.columns if c.op == "attribute"} == {"industry", "budget"}

    def on(day: float) -> dict:
        # `b` is won on day 90, so that only `a` is looked at.
        row = scored(site, features, START + day * DAY).set_index("lead_id").loc["a"]
        budget = row["budget"]
        return {"industry": row["industry"], "budget": None if budget != budget else budget}

    assert on(50) == {"industry": "x", "budget": None}  # not landed yet: not known
    assert on(100) == {"industry": "x", "budget": None}
    assert on(101) == {"industry": "x", "budget": 1.0}
    assert on(120) == {"industry": "x", "budget": 1.0}
    assert on(121) == {"industry": "z", "budget": 5.0}


def test_a_field_history_speaks_of_its_own_lead(tmp_path: Path) -> None:
    """Merging brings the absorbed lead's events, not its fields."""
    site = Site(tmp_path / "project")
    leads = [
        {"lead_id": "a", "created_at": START, "merged_into": "b", "merged_at": START + 9 * DAY,
         "tier": "gold", "industry": "x"},
        {"lead_id": "b", "created_at": START, "merged_into": None, "merged_at": pd.NaT,
         "tier": "tin", "industry": "x"},
    ]  # fmt: skip
    changes = [
        {"lead_id": "b", "changed_at": START + DAY, "field": "tier", "value": "tin"},
        {"lead_id": "a", "changed_at": START + 2 * DAY, "field": "tier", "value": "gold"},
    ]
    calls = [{"lead_id": "a", "occurred_at": START + DAY, "type": "call"}]
    outcomes = [{"lead_id": "b", "outcome": "won", "decided_at": START + 90 * DAY}]
    site.deliver(leads=leads, lead_changes=changes, interactions=calls, outcomes=outcomes)
    site.check(END)
    features = project_features(site.project, site.project.model("conversion"))
    (row,) = scored(site, features, START + 20 * DAY).to_dict("records")
    assert (row["lead_id"], row["ever"], row["tier"]) == ("b", 1, "tin")


@pytest.mark.parametrize(("value", "expected"), [("7", 7.0), ("inf", None), ("nan", None)])
def test_a_history_s_text_is_a_finite_number_or_missing(
    tmp_path: Path, value: str, expected: float | None
) -> None:
    site = Site(tmp_path / "project")
    changes = [{"lead_id": "a", "changed_at": START, "field": "budget", "value": value}]
    site.deliver(leads=LEADS, lead_changes=changes, outcomes=OUTCOMES)
    site.check(END)
    features = project_features(site.project, site.project.model("conversion"))
    row = scored(site, features, START + 9 * DAY).set_index("lead_id").loc["a"]
    assert (row["budget"] if row["budget"] == row["budget"] else None) == expected


# --- late arrivals --------------------------------------------------------------------------------


@pytest.fixture
def late(tmp_path: Path) -> Callable[..., tuple[Site, FeatureSet, pd.DataFrame]]:
    def make(**later: object) -> tuple[Site, FeatureSet, pd.DataFrame]:
        """A project scored on day 60, and then a delivery on day 70."""
        site = Site(tmp_path / "project")
        leads = [
            {"lead_id": x, "created_at": START, "merged_into": None, "merged_at": pd.NaT,
             "deleted_at": pd.NaT, "industry": "x"}
            for x in "abc"
        ]  # fmt: skip
        calls = [
            {"interaction_id": x, "lead_id": x, "occurred_at": START + 50 * DAY, "type": "call"}
            for x in "abc"
        ]
        outcomes = [{"lead_id": "c", "outcome": "recycled", "decided_at": START + DAY}]
        first = {
            "leads": pd.DataFrame(leads).astype({"merged_into": "str"}),
            "interactions": pd.DataFrame(calls),
            "outcomes": pd.DataFrame(outcomes),
        }
        site.deliver(**first)
        site.check(AS_OF)
        features = project_features(site.project, site.project.model("conversion"))
        rows = scored(site, features)
        site.deliver(**{name: change(first[name].copy()) for name, change in later.items()})  # type: ignore[operator]
        site.check(AS_OF + 10 * DAY)
        return site, features, rows

    return make


def merged(leads: pd.DataFrame) -> pd.DataFrame:
    leads.loc[0, "merged_into"] = "b"
    leads["merged_at"] = pd.Series([AS_OF - 2 * DAY, pd.NaT, pd.NaT]).astype("datetime64[us]")
    return leads


def deleted(leads: pd.DataFrame) -> pd.DataFrame:
    leads["deleted_at"] = pd.Series([AS_OF - 2 * DAY, pd.NaT, pd.NaT]).astype("datetime64[us]")
    return leads


def one_more(rows: pd.DataFrame) -> pd.DataFrame:
    return pd.concat([rows, rows.head(1).assign(interaction_id="late")])


@pytest.mark.parametrize(
    "later",
    [
        {"interactions": one_more},
        {"interactions": lambda rows: rows.iloc[1:]},
        {"interactions": lambda rows: rows.assign(type="mail")},
        {"leads": lambda rows: rows.assign(industry="y")},
        {"leads": merged},
        {"leads": deleted},
        {"leads": lambda rows: rows.iloc[1:]},
        {"outcomes": lambda rows: rows.assign(outcome="lost")},
    ],
    ids=["new", "gone", "changed", "corrected", "merged", "deleted", "lead gone", "outcome"],
)
def test_late_arrivals_never_change_a_past_score(late: Callable, later: dict) -> None:
    site, features, rows = late(**later)
    again = scored(site, features, landed_through=AS_OF.replace(tzinfo=UTC))
    pd.testing.assert_frame_equal(again, rows, check_exact=True)
