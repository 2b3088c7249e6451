"""Merged leads: whose history a survivor sees, and from when."""

from datetime import datetime, timedelta

import pandas as pd
from check_world import at
from hypothesis import given
from hypothesis import strategies as st

from scoring.check.merges import follow

START = datetime(2026, 1, 1)
NAMES = [f"l{i}" for i in range(7)]


def seen_from(merges, lead, survivor):
    """The slow twin: walk from the lead; None where the walk never meets the survivor."""
    at, known, steps = lead, None, 0
    while at in merges and steps <= len(merges):
        at, when = merges[at]
        known = when if known is None else max(known, when)
        steps += 1
        if at == survivor:
            return known
    return None


def on_circle(merges, lead):
    at, steps = lead, 0
    while at in merges and steps <= len(merges):
        at, steps = merges[at][0], steps + 1
        if at == lead:
            return True
    return False


days = st.integers(0, 50).map(lambda d: START + timedelta(days=d))
merge_maps = st.dictionaries(
    st.sampled_from(NAMES), st.tuples(st.sampled_from([*NAMES, "ghost"]), days)
)


@given(merges=merge_maps)
def test_paths_are_those_of_a_walk(merges):
    paths = follow(merges, set(NAMES))
    assert paths.circles == {lead for lead in merges if on_circle(merges, lead)}
    gone = paths.circles | {"ghost"}
    assert paths.unknown == {
        k for k, (into, _) in merges.items() if k not in paths.circles and into in gone
    }
    kept = {k: v for k, v in merges.items() if k not in paths.circles | paths.unknown}
    expected = {
        (lead, survivor, seen_from(kept, lead, survivor))
        for lead in kept
        for survivor in NAMES
        if seen_from(kept, lead, survivor) is not None
    }
    assert set(paths.steps) == expected
    assert len(paths.steps) == len(expected)


@given(merges=merge_maps, seed=st.randoms())
def test_the_order_of_merging_does_not_matter(merges, seed):
    shuffled = list(merges.items())
    seed.shuffle(shuffled)
    assert follow(dict(shuffled), set(NAMES)) == follow(merges, set(NAMES))


def with_merges(world, merged_into, merged_at):
    return world.deliver(
        "leads",
        {
            "lead_id": ["a", "b", "c"],
            "created_at": [at("2026-01-01"), at("2026-01-02"), at("2026-01-03")],
            "person_id": [None, None, "p"],
            "merged_into": merged_into,
            "merged_at": merged_at,
        },
    )


def test_a_survivor_sees_the_history_from_the_last_merge_on_the_way(small):
    # b had gone into c before a went into b: c sees a's calls from the later of the two.
    with_merges(small, ["b", "c", None], [at("2026-03-02"), at("2026-03-01"), None])
    result = small.check()
    assert result.counts["interactions"]["accepted"] == 3
    events = small.table("interactions")
    events["known_at"] = events["known_at"].dt.strftime("%m-%d")
    seen = events[["lead_id", "interaction_id", "inherited", "known_at"]]
    assert sorted(seen.itertuples(index=False, name=None)) == [
        ("a", "1", False, "01-05"),
        ("a", "2", False, "01-04"),
        ("b", "1", True, "03-02"),
        ("b", "2", True, "03-02"),
        ("b", "3", False, "01-06"),
        ("c", "1", True, "03-02"),
        ("c", "2", True, "03-02"),
        ("c", "3", True, "03-01"),
    ]
    leads = small.table("leads").set_index("lead_id")
    assert leads["root_lead_id"].to_dict() == {"a": "c", "b": "c", "c": "c"}
    assert leads["group_id"].to_dict() == {"a": "p", "b": "p", "c": "p"}
    assert (leads["root_lead_key"] == leads.loc["c", "lead_key"]).all()


def test_a_circle_is_in_quarantine_with_its_events(small):
    small.scoring = "[limits]\nquarantine_share = 1.0\n"
    with_merges(small, ["b", "a", "a"], [at("2026-03-02"), at("2026-03-01"), at("2026-03-05")])
    result = small.check()
    assert result.quarantine["leads"] == {"merged_into forms a circle": 2}
    assert result.quarantine["interactions"] == {"lead_id is not in leads": 3}
    leads = small.table("leads")
    assert leads["lead_id"].tolist() == ["c"]
    assert leads["deleted_at"].tolist() == [pd.Timestamp("2026-03-05")]


def test_an_unknown_survivor_counts_as_deletion_when_merged(small):
    with_merges(small, ["ghost", None, None], [at("2026-03-02"), None, None])
    assert small.check().notes["merged_into_unknown"] == 1
    leads = small.table("leads").set_index("lead_id")
    assert leads.loc["a", "deleted_at"] == pd.Timestamp("2026-03-02")
    assert leads.loc["a", "root_lead_id"] == "a"
    assert leads["deleted_at"].notna().sum() == 1
