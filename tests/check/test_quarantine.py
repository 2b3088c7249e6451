"""Rows that break a contract, duplicates, newer versions, and the gate."""

import itertools

import pandas as pd
import pytest
from check_world import at

from scoring.check.tables import Tables
from scoring.errors import Held


def test_an_outcome_before_its_lead_bars_the_outcome_and_holds_the_lead(small):
    small.scoring = "[limits]\nquarantine_share = 0.5\n"
    small.deliver(
        "outcomes",
        {
            "lead_id": ["a", "b"],
            "outcome": ["won", "lost"],
            "decided_at": [at("2025-12-31"), at("2026-02-02")],
        },
    )
    result = small.check()
    assert result.quarantine["outcomes"] == {"decided_at lies before the lead's created_at": 1}
    leads = small.table("leads").set_index("lead_id")
    assert leads["held"].to_dict() == {"a": True, "b": False, "c": False}
    assert small.table("outcomes")["lead_id"].tolist() == ["b"]
    small.deliver(
        "outcomes",
        {
            "lead_id": ["a", "b"],
            "outcome": ["won", "lost"],
            "decided_at": [at("2026-02-01"), at("2026-02-02")],
        },
    )
    mended = small.check()
    assert mended.counts["outcomes"] == {
        "rows_in": 3,
        "accepted": 1,
        "unchanged": 1,
        "superseded": 1,
        "quarantined": 0,
    }
    assert not small.table("leads")["held"].any()


def test_history_of_an_unknown_lead_is_barred_and_early_events_are_counted(small):
    small.scoring = "[limits]\nquarantine_share = 0.5\n"
    small.deliver(
        "interactions",
        {
            "lead_id": ["a", "a", "ghost"],
            "occurred_at": [at("2025-12-31"), at("2026-01-02"), at("2026-01-02")],
            "type": ["call"] * 3,
        },
    )
    result = small.check()
    assert result.quarantine["interactions"] == {"lead_id is not in leads": 1}
    assert result.notes["interactions_before_creation"] == 1
    row = small.quarantine("interactions").iloc[0]
    assert (row["source"], row["table"]) == ("crm", "interactions")
    assert list(row["columns"]) == ["lead_id"]
    assert '"ghost"' in row["row"]


@pytest.mark.parametrize("order", list(itertools.permutations(range(3))))
def test_of_equal_ids_the_latest_update_wins_in_whatever_order(small, order):
    small.scoring = "[limits]\nquarantine_share = 0.7\n"
    rows = [("a", "2026-03-01", "old"), ("a", "2026-03-02", "new"), ("a", None, "never")]
    small.deliver(
        "leads",
        {
            "lead_id": [rows[i][0] for i in order] + ["b"],
            "created_at": [at("2026-01-01")] * 4,
            "updated_at": pd.Series(
                [pd.Timestamp(rows[i][1], tz="UTC") if rows[i][1] else pd.NaT for i in order]
                + [pd.NaT]
            ),
            "industry": [rows[i][2] for i in order] + ["b"],
        },
    )
    result = small.check()
    assert result.quarantine["leads"] == {"duplicate lead_id": 2}
    assert small.table("leads").set_index("lead_id").loc["a", "industry"] == "new"


def test_equal_interaction_ids_keep_one_row(small):
    small.scoring = "[limits]\nquarantine_share = 0.7\n"
    event = {
        "interaction_id": ["7", "7", "7", "8"],
        "lead_id": ["a", "a", "b", "b"],
        "occurred_at": [at("2026-02-01")] * 4,
        "type": ["call", "call", "mail", "mail"],
    }
    small.deliver("interactions", event)
    result = small.check()
    assert result.quarantine["interactions"] == {"duplicate interaction_id": 2}
    assert sorted(small.table("interactions")["interaction_id"]) == ["7", "8"]


def test_a_changed_row_replaces_its_older_version_which_stays_in_history(small):
    small.settings(mode="changes")
    small.check()
    events = pd.read_parquet(small.root / "exports" / "crm" / "interactions.parquet")
    small.deliver("interactions", events.head(1).assign(occurred_at=[at("2026-01-08")]))
    result = small.check()
    assert result.counts["interactions"] == {
        "rows_in": 4,
        "accepted": 1,
        "unchanged": 2,
        "superseded": 1,
        "quarantined": 0,
    }
    versions = small.table("interactions").query("interaction_id == '1'")
    old = versions[versions["occurred_at"] == pd.Timestamp("2026-01-05")].iloc[0]
    new = versions[versions["occurred_at"] == pd.Timestamp("2026-01-08")].iloc[0]
    assert old["gone_landed"] == new["first_landed"] == pd.Timestamp("2026-06-02")
    assert pd.isna(new["gone_landed"])


def test_a_bad_row_is_forgotten_when_a_good_one_replaces_it(small):
    small.settings(mode="changes")
    small.scoring = "[limits]\nquarantine_share = 0.5\n"
    event = {
        "interaction_id": ["9"],
        "lead_id": ["ghost"],
        "occurred_at": [at("2026-01-08")],
        "type": ["call"],
    }
    small.deliver("interactions", event)
    small.scoring = "[limits]\nquarantine_share = 1.0\n"
    assert small.check().counts["interactions"]["quarantined"] == 1
    small.deliver("interactions", event | {"lead_id": ["a"]})
    counts = small.check().counts["interactions"]
    assert (counts["quarantined"], counts["superseded"], counts["accepted"]) == (0, 1, 1)


def test_a_vanished_row_is_superseded_and_a_vanished_lead_deleted(small):
    small.check()
    leads = pd.read_parquet(small.root / "exports" / "crm" / "leads.parquet")
    events = pd.read_parquet(small.root / "exports" / "crm" / "interactions.parquet")
    small.deliver("leads", leads[leads["lead_id"] != "c"])
    small.deliver("interactions", events[events["interaction_id"] != "3"])
    result = small.check()
    assert result.counts["leads"]["superseded"] == 1
    assert result.counts["interactions"]["superseded"] == 1
    found = small.table("leads").set_index("lead_id")
    assert found.loc["c", "deleted_at"] == pd.Timestamp("2026-06-02")
    gone = small.table("interactions").set_index("interaction_id")["gone_landed"]
    assert gone["3"] == pd.Timestamp("2026-06-02")
    assert gone[["1", "2"]].isna().all()


def test_too_many_bad_rows_hold_and_say_where_to_look(small):
    version = small.check().version
    small.deliver(
        "outcomes",
        {
            "lead_id": ["a", "b"],
            "outcome": ["yes", "lost"],
            "decided_at": [at("2026-02-01"), at("2026-02-02")],
        },
    )
    with pytest.raises(Held) as held:
        small.check()
    assert held.value.exit_code == 3
    assert "1 of 2 rows" in str(held.value)
    assert "outcome is not one of won, lost" in str(held.value)
    kept = pd.read_parquet(small.root / ".scoring" / "held" / "outcomes.parquet")
    assert '"yes"' in kept["row"].iloc[0]
    assert Tables.open(small.project()).version == version
    assert not list((small.root / ".scoring" / "tmp").glob("*/work"))


def test_a_stage_never_seen_is_read_as_unknown_and_warns(small, caplog):
    small.scoring = '[stages]\norder = ["new", "offer"]\n'
    small.deliver(
        "stage_changes",
        {
            "lead_id": ["a", "a", "b"],
            "stage": ["new", "offer", "Angebot"],
            "changed_at": [at("2026-01-05")] * 3,
        },
    )
    result = small.check()
    assert result.notes["unknown_stages"] == 1
    assert small.table("stage_changes")["stage"].tolist() == ["new", "offer", "unknown"]
    assert "1 of 3 rows" in caplog.text
    assert "Angebot" not in caplog.text


def test_long_notes_emoji_and_nul_bytes_do_not_stop_the_file(small):
    small.deliver(
        "interactions",
        {
            "interaction_id": ["1", "2", "3"],
            "lead_id": ["a"] * 3,
            "occurred_at": [at("2026-01-05")] * 3,
            "type": ["note"] * 3,
            "text": ["x" * 3_000_000, "🦆", "a\0b"],
        },
    )
    small.check()
    texts = small.table("interactions")["text"]
    assert [len(t) for t in texts] == [3_000_000, 1, 3]
