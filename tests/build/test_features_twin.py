"""Every operator against its slow twin, on random small histories; and through real tables."""

import math
import random
import tempfile
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from unittest import mock
from zoneinfo import ZoneInfo

import pyarrow as pa
import pytest
import twin
from build_kit import Site, build, columns, tables_of, words
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from twin import DAY, Lead, Row, World

from scoring.build import past
from scoring.build.columns import Column
from scoring.build.declare import feature, interactions, lead_age, stage_changes
from scoring.build.featureset import FeatureSet
from scoring.build.run import build_scoring
from scoring.config import SnapshotsSection

START = datetime(2026, 3, 1)
END = START + 200 * DAY
TYPES = ("email_opened", "email_sent", "call", 'it\'s "odd" {n} --', "SELECT", "käynti")
STAGES = ("new", "'; DROP", "proposal")
PROPERTIES = {"value": pa.float64(), "note": pa.string(), "ok": pa.bool_(), "contact_id": None}
PROPERTIES["contact_id"] = pa.string()
KINDS = {"value": "number", "note": "text", "ok": "flag", "contact_id": "text"}
EXACT = ("count", "sum", "max", "last", "active_days", "distinct", "first_on", "last_on")
WORDS = words(
    [*TYPES, "fax"],
    stages=STAGES,
    directions={"inbound": TYPES, "outbound": TYPES},
    properties=KINDS,
)
odd = TYPES[3]
COLUMNS = columns(
    WORDS,
    n=interactions().count(last_days=[1, 7, 30]),
    n_ever=interactions().count(),
    mail=interactions("email_*").count(last_days=[7]),
    never=interactions("fax").count(last_days=[7]),
    inbound=interactions(direction="inbound").count(last_days=[30]),
    odd_out=interactions(odd, "SELECT", direction="outbound").count(),
    # names that the engine uses inside
    k0=interactions("call").count(),
    k1=interactions("call").sum("value"),
    seq=interactions().last_on(),
    total=interactions().sum("value", last_days=[7, 30]),
    total_calls=interactions("call").sum("value"),
    oks=interactions().sum("ok"),
    average=interactions().mean("value", last_days=[30]),
    average_in=interactions(direction="inbound").mean("value"),
    largest=interactions().max("value", last_days=[30]),
    latest=interactions().last("value"),
    latest_call=interactions("call").last("value"),
    latest_note=interactions().last("note"),
    latest_ok=interactions("email_*").last("ok"),
    share=interactions("email_*").share(type="email_opened", last_days=[30]),
    share_wider=interactions("email_*").share(type=["email_sent", "call"]),
    share_never=interactions().share(type=["fax"]),
    share_in=interactions(direction="inbound").share(type=["call"]),
    first=interactions().first_on(),
    first_call=interactions("call").first_on(),
    newest=interactions("email_*").last_on(),
    days=interactions().active_days(last_days=[1, 7, 30]),
    days_ever=interactions("email_*", direction="inbound").active_days(),
    gap=interactions().gap_mean(),
    gap_calls=interactions("call").gap_mean(),
    gap_two=interactions().gap_last(),
    gap_mail=interactions("email_*").gap_last(),
    trend=interactions().trend(last_days=[7, 30]),
    trend_in=interactions(direction="inbound").trend(last_days=[14]),
    kinds=interactions().distinct("type", last_days=[30]),
    people=interactions().distinct("contact_id", last_days=[7, 30]),
    values=interactions("call").distinct("value"),
    notes=interactions().distinct("note"),
    each=interactions().each_type().count(last_days=[30]),
    each_value=interactions().each_type().mean("value"),
    each_number=interactions().each_number().sum(last_days=[30]),
    each_text=interactions(direction="inbound").each_text().last(),
    moves=stage_changes().count(last_days=[30]),
    moves_to=stage_changes("proposal", "'*").count(),
    stage=stage_changes().last("stage"),
    stages=stage_changes().distinct("stage"),
    in_stage=stage_changes().last_on(),
    stage_share=stage_changes().share(type=["new"]),
    stage_gap=stage_changes().gap_last(),
    stage_trend=stage_changes().trend(last_days=[30]),
    age=lead_age(),
    ratio=feature("inbound_30d") / feature("n_30d"),
    ratio_null=feature("average_30d") / feature("total_7d"),
)  # fmt: skip


def equal(column: Column, got: Any, expected: Any) -> bool:
    if got is None or expected is None or column.kind == "category":
        return got == expected
    if column.op in EXACT:
        return got == float(expected)
    return math.isclose(got, expected, rel_tol=1e-9, abs_tol=1e-9)


def compare(world: World, made: list[dict], features: list[Column]) -> None:
    for row in made:
        as_of, lead_id = row["as_of"], row["lead_id"]
        for column in features:
            expected = twin.feature(world, column, lead_id, as_of, row)
            got = row[column.name]
            assert equal(column, got, expected), (column, lead_id, as_of, got, expected)


# Times on a coarse grid, so that events, records and snapshots meet to the microsecond.
steps = st.integers(0, 4 * 80)
nudges = st.sampled_from([0, 0, 0, -1, 1])


def moment(step: int, nudge: int = 0) -> datetime:
    return START + step * timedelta(hours=6) + nudge * timedelta(microseconds=1)


moments = st.builds(moment, steps, nudges)
delays = st.sampled_from([None, None, timedelta(0), timedelta(hours=6), 3 * DAY, 40 * DAY])
lead_ids = ("00123", "NA", "a'b", "null", "Ä")


@st.composite
def worlds(draw: st.DrawFn) -> World:
    chosen = draw(st.lists(st.sampled_from(lead_ids), min_size=1, max_size=4, unique=True))
    leads = [Lead(x, draw(moments)) for x in chosen]
    if len(leads) > 1 and draw(st.booleans()):
        # Chains and fans: a lead is merged into one that stands later in the list.
        for n in range(len(leads) - 1):
            if draw(st.booleans()):
                into = leads[draw(st.integers(n + 1, len(leads) - 1))].lead_id
                leads[n] = Lead(leads[n].lead_id, leads[n].created_at, into, draw(moments))
    rows = []
    for n in range(draw(st.integers(0, 25))):
        at = draw(moments)
        delay = draw(delays)
        number = draw(
            st.sampled_from([None, 0.0, 0.1, 0.2, -7.25, 999_999_999_999.0, 123456.789012])
        )
        rows.append(
            Row(
                draw(st.sampled_from(chosen)),
                at,
                draw(st.sampled_from(TYPES)),
                None if delay is None else at + delay,
                draw(st.sampled_from(["inbound", "outbound", None])),
                f"{n * 7919 % 1000:03d}",
                {
                    "value": number,
                    "note": draw(st.sampled_from([None, "", "x", "'"])),
                    "ok": draw(st.sampled_from([None, True, False])),
                    "contact_id": draw(st.sampled_from([None, "c1", "c2", "C1"])),
                },
                gone=draw(st.integers(0, 9)) == 0,
            )
        )
    stages = [
        Row(
            draw(st.sampled_from(chosen)),
            draw(moments),
            draw(st.sampled_from(STAGES)),
            row_id=str(n),
        )
        for n in range(draw(st.integers(0, 6)))
    ]
    zone = ZoneInfo(draw(st.sampled_from(["UTC", "Europe/Helsinki", "America/St_Johns"])))
    return World(tuple(leads), tuple(rows), tuple(stages), zone=zone)


ANY_TIME = SnapshotsSection(every_days=1, close_after_days=3000)


@settings(max_examples=30, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    worlds(),
    st.lists(moments, min_size=1, max_size=6),
    st.sampled_from([1, 7, past.ROWS_PER_BLOCK]),
)
def test_every_operator_equals_its_twin(world: World, as_ofs: list[datetime], block: int) -> None:
    with (
        tempfile.TemporaryDirectory() as folder,
        mock.patch.object(past, "ROWS_PER_BLOCK", block),
    ):
        made = build(
            Path(folder),
            world,
            COLUMNS,
            snapshots=ANY_TIME,
            rhythm=sorted(set(as_ofs)),
            until=END,
            properties=PROPERTIES,
        )
    compare(world, made, COLUMNS)


def test_a_lead_without_history_has_zeros_and_missing_values(tmp_path: Path) -> None:
    world = World((Lead("a", START),))
    (row,) = build(
        tmp_path, world, COLUMNS, snapshots=ANY_TIME, rhythm=[START + DAY], until=END,
        properties=PROPERTIES,
    )  # fmt: skip
    for column in COLUMNS:
        if column.op in ("count", "sum", "active_days", "distinct"):
            assert row[column.name] == 0, column.name
        elif column.op != "age":
            assert row[column.name] is None, column.name
    assert row["age"] == 1.0


@pytest.mark.parametrize(
    ("hours", "expected"),
    [
        (0, {"n_1d": 0, "n_ever": 0}),  # at as_of itself: not seen
        (-24, {"n_1d": 1, "n_ever": 1}),  # the window's first moment belongs to it
        (-24.001, {"n_1d": 0, "n_ever": 1}),
    ],
)
def test_windows_hold_their_start_and_not_as_of(
    tmp_path: Path, hours: float, expected: dict
) -> None:
    as_of = START + 10 * DAY
    row = Row("a", as_of + timedelta(hours=hours), "call", row_id="1")
    (made,) = build(
        tmp_path, World((Lead("a", START),), (row,)), COLUMNS, snapshots=ANY_TIME,
        rhythm=[as_of], until=END, properties=PROPERTIES,
    )  # fmt: skip
    assert {name: made[name] for name in expected} == expected


def test_active_days_are_local_days_also_where_the_clocks_change(tmp_path: Path) -> None:
    """Helsinki, 2026-03-29: the local day has 23 hours, from 22:00 UTC to 21:00 UTC."""
    zone = ZoneInfo("Europe/Helsinki")
    times = ["2026-03-28T21:59", "2026-03-28T22:00", "2026-03-29T20:59", "2026-03-29T21:00"]
    rows = tuple(
        Row("a", datetime.fromisoformat(t), "call", row_id=str(n)) for n, t in enumerate(times)
    )
    (made,) = build(
        tmp_path, World((Lead("a", START),), rows, zone=zone), COLUMNS, snapshots=ANY_TIME,
        rhythm=[datetime(2026, 3, 30)], until=END, properties=PROPERTIES,
    )  # fmt: skip
    assert made["days_7d"] == 3


def test_the_share_counts_within_the_selection_only(tmp_path: Path) -> None:
    rows = tuple(
        Row("a", START + n * DAY, what, row_id=str(n))
        for n, what in enumerate(["email_sent", "call", "call", "email_opened"])
    )
    (made,) = build(
        tmp_path, World((Lead("a", START),), rows), COLUMNS, snapshots=ANY_TIME,
        rhythm=[START + 9 * DAY], until=END, properties=PROPERTIES,
    )  # fmt: skip
    assert made["share_wider"] == 0.5


def test_histories_unite_from_the_merge_on(tmp_path: Path) -> None:
    """a → b on day 10, b → c on day 5: c sees a's call from day 10 on, whatever the order."""
    leads = (
        Lead("a", START, "b", START + 10 * DAY),
        Lead("b", START, "c", START + 5 * DAY),
        Lead("c", START),
    )
    call = Row("a", START + DAY, "call", row_id="1")
    made = build(
        tmp_path, World(leads, (call,)), COLUMNS, snapshots=ANY_TIME, until=END,
        rhythm=[START + n * DAY for n in (2, 6, 10, 11)], properties=PROPERTIES,
    )  # fmt: skip
    seen = {(r["lead_id"], (r["as_of"] - START).days): r["n_ever"] for r in made}
    assert seen == {
        ("a", 2): 1, ("a", 6): 1, ("a", 10): 1,
        ("b", 2): 0,
        ("c", 2): 0, ("c", 6): 0, ("c", 10): 0, ("c", 11): 1,
    }  # fmt: skip


# --- through real tables ------------------------------------------------------------------------


@pytest.mark.parametrize("zone", ["UTC", "Europe/Helsinki"])
def test_real_tables_give_what_the_twin_says(tmp_path: Path, zone: str) -> None:
    rng = random.Random(zone)
    leads = [Lead(f"{n:05d}", START + rng.randrange(40) * DAY / 4) for n in range(24)]
    leads[3] = Lead("00003", START, "00004", START + 30 * DAY)
    leads[4] = Lead("00004", START, "00005", START + 20 * DAY)
    rows = []
    for _ in range(500):
        at = moment(rng.randrange(240), rng.choice([0, 0, 1]))
        rows.append(
            Row(
                f"{rng.randrange(24):05d}", at, rng.choice(TYPES),
                at + DAY * rng.choice([0, 0, 0, 2, 30]),
                rng.choice(["inbound", "outbound", None]), f"{rng.randrange(10**9):09d}",
                {"value": rng.choice([None, 0.1, 2.5, -3.0]), "ok": rng.choice([True, False]),
                 "note": rng.choice(["x", "y", None]), "contact_id": rng.choice(["p", "q"])},
            )
        )  # fmt: skip
    stages = tuple(
        Row(f"{n:05d}", START + m * DAY, STAGES[m % 3], row_id=str(m))
        for n in range(24)
        for m in (5, 25)
    )
    outcomes = (Row("00020", START + 40 * DAY, "won"), Row("00021", START + 40 * DAY, "lost"))
    world = World(tuple(leads), tuple(rows), stages, outcomes, zone=ZoneInfo(zone))
    site = Site(tmp_path / "project", zone=zone)
    site.deliver(**tables_of(world))
    site.check(END)
    features = FeatureSet(tuple(COLUMNS), {}, frozenset(), frozenset())
    for day in (15, 21, 31, 60):
        as_of = (START + day * DAY).replace(tzinfo=ZoneInfo("UTC"))
        model = site.project.model("conversion")
        made = build_scoring(site.project, "conversion", model, features, as_of).frame()
        listed = [
            {k: None if v != v else v for k, v in row.items()} for row in made.to_dict("records")
        ]
        assert len(listed) >= 20
        compare(world, listed, COLUMNS)
