"""Texts become timestamps and numbers by what is declared, and nothing is guessed."""

from datetime import datetime
from zoneinfo import ZoneInfo

import pandas as pd
import pytest
from check_world import at
from hypothesis import given, settings
from hypothesis import strategies as st

from scoring.check import cast
from scoring.config import FileSettings
from scoring.engine.connection import connect


@pytest.fixture(scope="module")
def engine(tmp_path_factory):
    with connect(tmp_path_factory.mktemp("engine")) as connection:
        yield connection


def read(engine, said, expression):
    return engine.execute(f"SELECT {expression} FROM (SELECT ? AS x)", [said]).fetchall()[0][0]


def time_of(engine, said, day_end=False, **reading):
    return read(engine, said, cast.timestamp('"x"', "VARCHAR", FileSettings(**reading), day_end))


def number_of(engine, said, decimal="."):
    return read(engine, said, cast.number('"x"', "VARCHAR", FileSettings(decimal=decimal)))


@pytest.mark.parametrize(
    ("said", "utc"),
    [
        ("2026-01-05", datetime(2026, 1, 5)),
        (" 2026-01-05T10:20 ", datetime(2026, 1, 5, 10, 20)),
        ("2026-01-05 10:20:30.123456", datetime(2026, 1, 5, 10, 20, 30, 123456)),
        ("2026-01-05T10:20:30Z", datetime(2026, 1, 5, 10, 20, 30)),
        ("2026-01-05T10:20:30+02:00", datetime(2026, 1, 5, 8, 20, 30)),
        ("2026-01-05 10:20-0530", datetime(2026, 1, 5, 15, 50)),
        ("05.01.2026", None),
        ("01/05/2026", None),
        ("2026-1-5", None),
        ("2026-02-30", None),
        ("infinity", None),
        ("epoch", None),
        ("20260105", None),
        ("", None),
    ],
)
def test_without_declared_formats_only_iso_8601_is_a_time(engine, said, utc):
    assert time_of(engine, said) == utc


def test_declared_formats_are_tried_in_their_order_and_no_other(engine):
    dates = ("%d.%m.%Y %H.%M", "%d/%m/%Y", "%m/%d/%Y", "excel")
    assert time_of(engine, "31.12.2026 14.05", dates=dates) == datetime(2026, 12, 31, 14, 5)
    assert time_of(engine, "03/04/2026", dates=dates) == datetime(2026, 4, 3)
    assert time_of(engine, "12/31/2026", dates=dates) == datetime(2026, 12, 31)
    assert time_of(engine, "44197.5", dates=dates) == datetime(2021, 1, 1, 12)
    assert time_of(engine, "44197,25", dates=dates, decimal=",") == datetime(2021, 1, 1, 6)
    assert time_of(engine, "2026-12-31", dates=dates) is None
    zoned = ("%Y-%m-%d %H:%M %z",)
    said = time_of(engine, "2026-12-31 14:05 +02:00", dates=zoned, time_zone="Asia/Tokyo")
    assert said == datetime(2026, 12, 31, 12, 5)


@settings(max_examples=60, deadline=None)
@given(
    local=st.datetimes(datetime(1990, 1, 1), datetime(2037, 1, 1)),
    zone=st.sampled_from(["Europe/Helsinki", "America/New_York", "Asia/Kolkata"]),
)
def test_local_times_follow_their_zone(engine, local, zone):
    found = time_of(engine, local.isoformat(), time_zone=zone)
    first, second = (
        local.replace(tzinfo=ZoneInfo(zone), fold=f)
        .astimezone(ZoneInfo("UTC"))
        .replace(tzinfo=None)
        for f in (0, 1)
    )
    assert found in (first, second)


def test_in_a_clock_change_the_zone_rule_decides(engine):
    zone = {"time_zone": "Europe/Helsinki"}
    assert time_of(engine, "2026-03-29T03:30", **zone) == datetime(2026, 3, 29, 1, 30)
    assert time_of(engine, "2026-10-25T03:30", **zone) == datetime(2026, 10, 25, 1, 30)
    assert time_of(engine, "2026-10-25T03:30+03:00", **zone) == datetime(2026, 10, 25, 0, 30)


def test_a_day_ends_with_its_last_microsecond_in_the_source_zone(engine):
    day = {"precision": "day", "time_zone": "Europe/Helsinki"}
    assert time_of(engine, "2026-01-05", day_end=True, **day) == datetime(
        2026, 1, 5, 21, 59, 59, 999999
    )
    assert time_of(engine, "2026-01-05", day_end=False, **day) == datetime(2026, 1, 4, 22)
    assert time_of(engine, "2026-01-04T22:00Z", day_end=True, **day) == datetime(
        2026, 1, 5, 21, 59, 59, 999999
    )


@pytest.mark.parametrize(
    ("said", "decimal", "value"),
    [
        ("12", ".", 12.0),
        (" -1.5e3 ", ".", -1500.0),
        ("1 234 567.5", ".", 1234567.5),
        ("1\u00a0234,5", ",", 1234.5),
        ("1\u202f234", ",", 1234.0),
        ("0,5", ",", 0.5),
        ("1.234,5", ",", None),
        ("1,234.5", ".", None),
        ("1.5", ",", None),
        ("1 23", ".", None),
        ("nan", ".", None),
        ("inf", ".", None),
        ("0x10", ".", None),
        ("1_000", ".", None),
        ("", ".", None),
    ],
)
def test_numbers_have_the_declared_decimal_sign(engine, said, decimal, value):
    assert number_of(engine, said, decimal) == value


@pytest.mark.parametrize(
    ("values", "kind"),
    [
        (["1", "2.5", ""], "number"),
        (["00123", "1"], "text"),
        (["12345678901234567890"], "text"),
        (["0", "0.5"], "number"),
        (["true", "False", ""], "flag"),
        (["2026-01-01", "2026-01-01T10:00Z"], "timestamp"),
        (["2026-01-01", "soon"], "text"),
        (["", ""], None),
    ],
)
def test_a_csv_column_is_what_all_of_its_values_are(engine, values, kind):
    engine.register("texts", pd.DataFrame({"x": pd.Series(values, dtype="str")}))
    assert cast.text_kinds(engine, "texts", ["x"], FileSettings()) == {"x": kind}


def test_what_cannot_be_read_is_in_quarantine_with_its_reason(csv_world):
    world = csv_world(
        "lead_id,occurred_at,recorded_at,type\n"
        "a,2026-02-01,2026-02-01,call\na,01.02.2026,,call\na,2026-02-02,gestern,call\n"
        "a,,,call\na,2026-02-03,,call\na,2026-02-04,,call\n"
    )
    world.scoring = "[limits]\nquarantine_share = 0.6\n"
    result = world.check()
    says = "is not a date and time in a declared format"
    assert result.quarantine["interactions"] == {
        f"occurred_at {says}": 1,
        "occurred_at is missing": 1,
        f"recorded_at {says}": 1,
    }
    assert result.counts["interactions"]["accepted"] == 3


def test_implausible_values_never_reach_a_feature(small):
    small.scoring = "[limits]\nquarantine_share = 0.9\n"
    small.deliver(
        "interactions",
        {
            "lead_id": ["a"] * 8,
            "occurred_at": [
                at("1970-01-01"),
                at("1969-07-20"),
                at("2300-01-01"),
                at("2026-06-05"),
                at("2026-06-01T12:00"),
                at("2026-03-01"),
                at("2026-03-01"),
                at("2026-03-01"),
            ],
            "type": ["call"] * 8,
            "minutes": [1.0, 1.0, 1.0, 1.0, 1.0, float("inf"), 1e12, 1.0],
        },
    )
    result = small.check()
    assert result.quarantine["interactions"] == {
        "occurred_at lies before 1971": 2,
        "occurred_at lies in the future": 2,
        "minutes is not a number below 1e12": 2,
    }
    small.day = 5
    later = small.check()
    assert later.published
    assert later.quarantine["interactions"]["occurred_at lies in the future"] == 1


def test_skipped_and_repeated_local_times_are_counted(csv_world):
    world = csv_world(
        "lead_id,occurred_at,type\na,2026-03-29T03:30,call\na,2025-10-26 03:30,call\n"
        "a,2025-10-26T03:30+03:00,call\na,2026-04-01T03:30,call\n",
        leads="lead_id,created_at\na,2025-01-01\n",
    ).settings(time_zone="Europe/Helsinki")
    notes = world.check().notes
    assert (notes["in_dst_gap"], notes["ambiguous"]) == (1, 1)


def test_a_number_column_stays_one_and_bars_what_is_none(csv_world):
    head = "lead_id,occurred_at,type,clicks\n"
    good = "".join(f"a,2026-02-{d:02d},call,{d}\n" for d in range(1, 11))
    world = csv_world(head + good)
    world.check()
    world.deliver("interactions", head + good + "a,2026-02-12,call,many\n")
    result = world.check()
    assert result.quarantine["interactions"] == {"clicks is not a number": 1}
    assert world.table("interactions")["clicks"].dtype == "float64"
