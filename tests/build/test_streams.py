"""What is read of a history beside its rows: field changes, contacts, local time, who took part.

Each is told through real tables: files are delivered, landed, checked and read.
"""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
import pandas as pd
import pytest
from build_kit import Site
from hypothesis import given, settings
from hypothesis import strategies as st

from scoring.engine import zones
from scoring.engine.arrays import Events, Stream
from scoring.engine.connection import connect
from scoring.engine.events import read_stream
from scoring.engine.landed import Landed
from scoring.engine.numbers import as_numbers
from scoring.engine.reading import Reading
from scoring.engine.vocabulary import known_properties, types_and_holders
from scoring.errors import ConfigError

T0 = datetime(2026, 3, 2, 9)
NIGHT = datetime(2026, 6, 1)
HOUR, DAY = timedelta(hours=1), timedelta(days=1)


def lead(name: str, **values: Any) -> dict[str, Any]:
    return {"lead_id": name, "created_at": T0 - DAY, **values}


def met(name: str, of: str, at: datetime, **values: Any) -> dict[str, Any]:
    return {"interaction_id": name, "lead_id": of, "occurred_at": at, "type": "meeting_held",
            **values}  # fmt: skip


def deliver(site: Site, **tables: list[dict[str, Any]]) -> None:
    lost = {"outcome": "lost", "decided_at": NIGHT - HOUR}
    site.deliver(**tables, outcomes=[{**lost, "lead_id": tables["leads"][0]["lead_id"]}])


def read(
    site: Site,
    name: str,
    *properties: str,
    reading: Reading | None = None,
    landed: Landed | None = None,
    tracked: tuple[str, ...] = (),
) -> tuple[Stream, Events]:
    from scoring.check.tables import Tables

    tables = Tables.open(site.project)
    with connect(site.project.tmp) as connection:
        connection.execute(
            f"CREATE TEMP TABLE leads AS SELECT lead_key FROM {tables.scan('leads')}"
        )
        return read_stream(
            connection, tables, name, 0, properties, landed or Landed(), reading or Reading(),
            tracked,
        )  # fmt: skip


def listed(events: Events, stream: Stream, *properties: str) -> list[tuple[Any, ...]]:
    """(kind, properties…) in the order of the rows; None for missing."""
    made = []
    for n, kind in enumerate(events.kind):
        row = [stream.kinds[int(kind)][0]]
        for name in properties:
            value = events.values[name][n]
            if name in events.levels:
                row.append(None if value < 0 else events.levels[name][int(value)])
            else:
                row.append(None if np.isnan(value) else float(value))
        made.append(tuple(row))
    return made


def one(events: Events, name: str) -> list[Any]:
    if name in events.levels:
        return [None if v < 0 else events.levels[name][int(v)] for v in events.values[name]]
    return [None if np.isnan(v) else float(v) for v in events.values[name]]


# --- field changes ------------------------------------------------------------------------------


def change(of: str, at: datetime, field: str, value: str | None) -> dict[str, Any]:
    return {"lead_id": of, "changed_at": at, "recorded_at": at, "field": field, "value": value}


def test_field_changes_have_texts_and_numbers(tmp_path: Path) -> None:
    site = Site(tmp_path)
    deliver(
        site,
        leads=[lead("a")],
        lead_changes=[
            change("a", T0, "budget", "12500.5"),
            change("a", T0 + HOUR, "expected_close_on", "2026-07-01"),
            change("a", T0 + 2 * HOUR, "expected_close_on", "2026-08-01 00:00:00"),
            change("a", T0 + 3 * HOUR, "need", "pilot"),
            change("a", T0 + 4 * HOUR, "need", None),
            change("a", T0 + 5 * HOUR, "merged_into", "b"),
        ],
    )
    site.check(NIGHT)
    stream, events = read(site, "lead_changes", "value", "number", tracked=("need",))
    july = (datetime(2026, 7, 1) - datetime(1970, 1, 1)).days
    assert listed(events, stream, "value", "number") == [
        ("budget", "12500.5", 12500.5),
        ("expected_close_on", "2026-07-01", july),
        ("expected_close_on", "2026-08-01 00:00:00", july + 31),
        ("need", "pilot", None),
        ("need", None, None),
    ]


def test_values_of_the_first_night_are_no_changes(tmp_path: Path) -> None:
    """The value that stood there before is told only because it changed later: not the past's."""
    site = Site(tmp_path)
    deliver(site, leads=[lead("a", need="pilot"), lead("b", need="pilot")])
    site.check(NIGHT)
    deliver(site, leads=[lead("a", need="price"), lead("b", need="pilot")])
    site.check(NIGHT + DAY)
    stream, events = read(site, "lead_changes", "value")
    assert listed(events, stream, "value") == [("need", "price")]
    assert (events.known == (NIGHT + DAY).replace(tzinfo=UTC).timestamp() * 1e6).all()
    _, before = read(site, "lead_changes", "value", landed=Landed("2026-06-01 12:00:00"))
    assert len(before.time) == 0


def test_field_changes_are_not_inherited(tmp_path: Path) -> None:
    site = Site(tmp_path)
    deliver(
        site,
        leads=[lead("a", merged_into="b", merged_at=T0 + DAY), lead("b")],
        lead_changes=[change("a", T0, "need", "pilot")],
    )
    site.check(NIGHT)
    _, events = read(site, "lead_changes", "value", tracked=("need",))
    assert events.lead_key.tolist() == [0]


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("7", 7.0), ("-7.25", -7.25), ("1e3", 1000.0), ("", None), ("seven", None), ("inf", None),
        ("nan", None), ("1e13", None), ("1970-01-02", 1.0), ("1970-01-02T23:59:59+00:00", 1.0),
        ("1970-01-02T01:00:00+02:00", 0.0), ("1.3.2027", None), ("true", None),
    ],
)  # fmt: skip
def test_texts_as_numbers(text: str, number: float | None) -> None:
    (found,) = as_numbers(np.array([text], dtype=object))
    assert np.isnan(found) if number is None else found == number


# --- contacts -----------------------------------------------------------------------------------


def contact(name: str, of: str, joined: datetime | None, role: str | None = None, **more: Any):
    return {"contact_id": name, "lead_id": of, "joined_at": joined, "role": role, **more}


def test_contacts_are_rows_by_role_in_the_order_of_joining(tmp_path: Path) -> None:
    site = Site(tmp_path)
    deliver(
        site,
        leads=[lead("a")],
        contacts=[
            contact("p1", "a", T0 + DAY, "Decision Maker", seniority="high", domain="x.fi"),
            contact("p2", "a", None, "user"),  # known since it landed
            contact("p3", "a", T0, None),
        ],
    )
    site.check(NIGHT)
    stream, events = read(site, "contacts", "contact_id", "seniority", "domain")
    assert listed(events, stream, "contact_id", "seniority", "domain") == [
        ("unknown", "p3", None, None),
        ("Decision Maker", "p1", "high", "x.fi"),
        ("user", "p2", None, None),
    ]
    assert (np.diff(events.time) > 0).all()


def test_a_contact_of_a_merged_lead_is_known_from_the_merge_on(tmp_path: Path) -> None:
    site = Site(tmp_path)
    deliver(
        site,
        leads=[lead("a", merged_into="b", merged_at=T0 + DAY), lead("b")],
        contacts=[contact("p1", "a", T0, "ceo")],
        interactions=[
            met("m1", "b", T0 + HOUR, contact_id="p1"),
            met("m2", "b", T0 + 2 * DAY, contact_id="p1"),
        ],
    )
    site.check(NIGHT)
    _, events = read(site, "interactions", "contact_role")
    assert one(events, "contact_role") == [None, "ceo"]


# --- who took part ------------------------------------------------------------------------------


def taking(of: str, who: str, invited: bool | None = None, attended: bool | None = None):
    return {"interaction_id": of, "contact_id": who, "invited": invited, "attended": attended}


WHO = ("invited_count", "attended_count", "deciding_invited", "deciding_attended")


def test_people_of_an_interaction_are_counted(tmp_path: Path) -> None:
    site = Site(tmp_path)
    deliver(
        site,
        leads=[lead("a")],
        contacts=[
            contact("boss", "a", T0 - HOUR, "Decision Maker"),
            contact("late", "a", T0 + 30 * DAY, "CEO"),
            contact("user", "a", T0 - HOUR, "user"),
        ],
        interactions=[met(f"m{n}", "a", T0 + n * DAY) for n in range(5)],
        participants=[
            taking("m0", "boss", True, False), taking("m0", "user", True, True),
            taking("m1", "late", True, True),  # nobody knew the role then
            taking("m2", "boss", False, True), taking("m2", "user", None, True),
            taking("m3", "boss", True, None),
        ],
    )  # fmt: skip
    site.check(NIGHT)
    _, events = read(site, "interactions", *WHO)
    assert list(zip(*(one(events, name) for name in WHO), strict=True)) == [
        (2, 1, 1, 0),
        (1, 1, None, None),
        (1, 2, 0, 1),
        (1, None, 1, None),
        (None, None, None, None),
    ]


def test_who_took_part_is_what_was_recorded_with_the_interaction(tmp_path: Path) -> None:
    """What is corrected or becomes known on a later night changes no row that had landed."""
    site = Site(tmp_path)
    tables = {
        "leads": [lead("a")],
        "contacts": [contact("p", "a", T0 - HOUR, "user"), contact("q", "a", T0 - HOUR, None)],
        "interactions": [met("m0", "a", T0, contact_id="p")],
        "participants": [taking("m0", "p", True, False)],
    }
    deliver(site, **tables)
    site.check(NIGHT)
    tables["contacts"] = [
        contact("p", "a", T0 - HOUR, "owner"),
        contact("q", "a", T0 - HOUR, "ceo"),
    ]
    tables["interactions"] += [met("m1", "a", NIGHT + HOUR, contact_id="p")]
    tables["participants"] = [
        taking("m0", "p", True, True), taking("m0", "q", True, True),
        taking("m1", "p", True, True), taking("m1", "q", True, True),
    ]  # fmt: skip
    deliver(site, **tables)
    site.check(NIGHT + DAY)
    for landed in (Landed(), Landed("2026-06-03 00:00:00")):
        _, events = read(site, "interactions", *WHO, "contact_role", landed=landed)
        assert one(events, "contact_role") == ["user", "owner"]
        assert [one(events, name) for name in WHO] == [[1, 2], [0, 2], [0, 2], [0, 2]]


def test_what_the_contact_is(tmp_path: Path) -> None:
    site = Site(tmp_path)
    deliver(
        site,
        leads=[lead("a")],
        contacts=[contact("p", "a", T0, "user", seniority="junior", domain="X.fi")],
        interactions=[
            met("m0", "a", T0 - HOUR, contact_id="p"),  # nobody knew the contact yet
            met("m1", "a", T0 - HOUR, contact_id="p", recorded_at=T0 + HOUR),
            met("m2", "a", T0 + HOUR, contact_id="p"),
            met("m3", "a", T0 + HOUR, contact_id="nobody"),
        ],
    )
    site.check(NIGHT)
    told = ("contact_role", "contact_seniority", "contact_domain")
    _, events = read(site, "interactions", *told)
    found = list(zip(*(one(events, name) for name in told), strict=True))
    nothing = (None, None, None)
    assert found == [nothing, ("user", "junior", "x.fi"), ("user", "junior", "x.fi"), nothing]


def test_deciding_roles_are_the_projects_own() -> None:
    roles = ["Decision Maker", "CEO", "toimitusjohtaja", "ЛПР", "user", "Hankinta", "ceo assistant"]
    assert Reading().deciding(roles) == roles[:4]
    assert Reading(deciding_roles=("hankinta", "Ceo *")).deciding(roles) == roles[5:]


# --- local time ---------------------------------------------------------------------------------

ZONES = ("UTC", "Europe/Helsinki", "America/St_Johns", "Asia/Kathmandu", "Australia/Lord_Howe",
         "Africa/Casablanca", "Pacific/Apia")  # fmt: skip


@settings(max_examples=200, deadline=None)
@given(
    st.sampled_from(ZONES),
    st.lists(st.datetimes(datetime(1999, 1, 1), datetime(2060, 1, 1)), min_size=1, max_size=20),
)
def test_wall_clocks_are_those_of_the_zone(zone: str, moments: list[datetime]) -> None:
    aware = [m.replace(tzinfo=UTC) for m in moments]
    micros = [(m - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(microseconds=1) for m in aware]
    clock = zones.local_time(np.array(micros, dtype=np.int64), zone)
    local = [m.astimezone(ZoneInfo(zone)) for m in aware]
    assert zones.hour(clock).tolist() == [m.hour for m in local]
    assert zones.weekday(clock).tolist() == [m.weekday() for m in local]
    assert zones.day(clock).tolist() == [m.date().toordinal() - 719_163 for m in local]


def test_the_leads_own_zone_and_else_the_projects(tmp_path: Path) -> None:
    """29 March 2026, 01:30 UTC: 04:30 in Helsinki since half an hour, 21:30 the day before in New
    York. A zone is what landed first; one that nobody knows is the project's."""
    site = Site(tmp_path, zone="Europe/Helsinki")
    at = datetime(2026, 3, 29, 1, 30)
    wanted = {"ny": "America/New_York", "none": None, "odd": "Mars/Base"}
    deliver(
        site,
        leads=[lead(name, zone=zone) for name, zone in wanted.items()],
        interactions=[met(name, name, at) for name in wanted],
    )
    site.check(NIGHT)
    deliver(site, leads=[lead(n, zone="Asia/Tokyo" if n == "ny" else z) for n, z in wanted.items()])
    site.check(NIGHT + DAY)
    clock = ("local_day", "local_hour", "local_weekday")
    day = (at - datetime(1970, 1, 1)).days
    helsinki, new_york = (day, 4, 6), (day - 1, 21, 5)
    own = Reading(zone="Europe/Helsinki", lead_time_zone="zone")
    for reading, expected in (
        (own, {"none": helsinki, "ny": new_york, "odd": helsinki}),
        (Reading(zone="Europe/Helsinki"), dict.fromkeys(wanted, helsinki)),
    ):
        _, events = read(site, "interactions", *clock, reading=reading)
        keys = read_leads(site)
        found = {
            keys[int(k)]: tuple(int(events.values[c][n]) for c in clock)
            for n, k in enumerate(events.lead_key)
        }
        assert found == expected


def read_leads(site: Site) -> dict[int, str]:
    from scoring.check.tables import Tables

    frame = pd.read_parquet(Tables.open(site.project).files("leads", 0)[0])
    return dict(zip(frame["lead_key"], frame["lead_id"], strict=True))


# --- what can be asked --------------------------------------------------------------------------


def known(site: Site, reading: Reading) -> tuple[dict[str, dict[str, int]], dict[str, dict]]:
    from scoring.check.tables import Tables

    tables = Tables.open(site.project)
    with connect(site.project.tmp) as connection:
        types, _ = types_and_holders(connection, tables)
        return types, known_properties(connection, tables, reading)


def test_only_what_the_tables_hold_can_be_asked(tmp_path: Path) -> None:
    site = Site(tmp_path)
    deliver(site, leads=[lead("a")], interactions=[met("m", "a", T0)])
    site.check(NIGHT)
    types, properties = known(site, Reading())
    assert types == {"interactions": {"meeting_held": 1}, "stage_changes": {}, "lead_changes": {},
                     "contacts": {}}  # fmt: skip
    assert set(properties["interactions"]) == {"local_day", "local_hour", "local_weekday"}
    assert properties["contacts"] == properties["lead_changes"] == {}
    with pytest.raises(ConfigError, match="lead_time_zone"):
        known(site, Reading(lead_time_zone="zone"))


def test_whatever_the_tables_hold_can_be_asked(tmp_path: Path) -> None:
    site = Site(tmp_path)
    deliver(
        site,
        leads=[lead("a"), lead("b")],
        contacts=[contact("p", "a", T0, "ceo"), contact("p", "b", T0, "ceo"),
                  contact("q", "a", T0, None)],
        interactions=[met("m", "a", T0, contact_id="p")],
        participants=[taking("m", "p", True, None)],
        lead_changes=[change("a", T0, "need", "pilot"),
                      change("a", T0, "deleted_at", "2026-04-01")],
    )  # fmt: skip
    site.check(NIGHT)
    types, properties = known(site, Reading())
    assert types["contacts"] == {"ceo": 2, "unknown": 1}
    assert types["lead_changes"] == {"need": 1}
    asked = {"contact_id", "contact_role", "invited_count", "deciding_invited"}
    assert asked < set(properties["interactions"])
    assert not {"attended_count", "deciding_attended", "contact_domain"} & set(
        properties["interactions"]
    )
    _, plain = known(site, Reading(deciding_roles=("nobody",)))
    assert "deciding_invited" not in plain["interactions"]


def test_nothing_of_a_machine_is_read_unless_it_is_asked(tmp_path: Path) -> None:
    site = Site(tmp_path)
    deliver(site, leads=[lead("a")], interactions=[met("m", "a", T0)])
    site.check(NIGHT)
    _, events = read(site, "interactions")
    assert events.values == {}
    assert events.machine is None
