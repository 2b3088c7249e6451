"""Field history from what landed at different times."""

import pandas as pd
from check_world import at


def lead(seats, updated=None):
    moved = pd.Series([at(updated) if updated else pd.NaT], dtype="datetime64[us, UTC]")
    return {
        "lead_id": ["a"],
        "created_at": [at("2026-01-01")],
        "updated_at": moved,
        "seats": [seats],
        "industry": ["tools"],
    }


def changes(world):
    table = world.table("lead_changes")
    said = table[["lead_id", "field", "value", "changed_at", "known_at", "first_landed"]].copy()
    for name in ("changed_at", "known_at", "first_landed"):
        said[name] = said[name].dt.strftime("%m-%d %H")
    return list(said.itertuples(index=False, name=None))


def only_lead_a(world):
    world.deliver(
        "interactions", {"lead_id": ["a"], "occurred_at": [at("2026-01-05")], "type": ["call"]}
    )
    return world.deliver(
        "outcomes", {"lead_id": ["a"], "outcome": ["won"], "decided_at": [at("2026-02-01")]}
    )


def test_a_changed_value_is_known_from_when_the_source_moved_it(world):
    only_lead_a(world).deliver("leads", lead(10)).check()
    assert changes(world) == []
    world.deliver("leads", lead(20, "2026-06-01T18:00")).check()
    assert changes(world) == [
        ("a", "seats", "10.0", "06-01 00", "06-01 00", "06-01 00"),
        ("a", "seats", "20.0", "06-01 18", "06-01 18", "06-02 00"),
    ]
    found = world.table("leads").iloc[0]
    assert found["seats"] == 20
    assert found["first_landed"] == pd.Timestamp("2026-06-01")
    assert pd.isna(found["deleted_at"])


def test_without_a_newer_update_time_it_is_known_from_the_landing(world):
    only_lead_a(world).settings(mode="changes").deliver("leads", lead(10)).check()
    world.deliver("leads", lead(20, "2026-05-01")).check()
    assert changes(world)[1][2:4] == ("20.0", "06-02 00")


def test_a_value_that_comes_back_is_said_again(world):
    only_lead_a(world).settings(mode="changes")
    for number, seats in enumerate((10, 20, 10)):
        world.deliver("leads", lead(seats, f"2026-05-0{number + 1}")).check()
    assert [row[2] for row in changes(world)] == ["10.0", "20.0", "10.0"]


def test_the_sources_own_field_history_stands_beside_it(world):
    only_lead_a(world).deliver("leads", lead(10))
    world.deliver(
        "lead_changes",
        {
            "lead_id": ["a"],
            "changed_at": [at("2026-03-01")],
            "recorded_at": [at("2026-03-02")],
            "field": ["stage"],
            "value": ["hot"],
        },
    )
    world.check()
    world.deliver("leads", lead(20)).check()
    found = changes(world)
    assert ("a", "stage", "hot", "03-01 00", "03-02 00", "06-01 00") in found
    assert len(found) == 3
