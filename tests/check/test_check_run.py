"""The whole step: what lands becomes canonical tables, and the counts of every table add up."""

import json

import pandas as pd
import pytest
from check_world import at

from scoring.check.run import check
from scoring.check.tables import Tables
from scoring.errors import ConfigError, Held


def test_typed_tables_are_published_with_their_keys_and_kinds(small):
    result = small.check()
    assert result.to_json()["leads"] == {
        "rows_in": 3,
        "accepted": 3,
        "unchanged": 0,
        "superseded": 0,
        "quarantined": 0,
    }
    leads = small.table("leads")
    assert leads["lead_key"].tolist() == [0, 1, 2]
    assert leads["root_lead_id"].tolist() == leads["lead_id"].tolist()
    assert leads["group_id"].tolist() == leads["lead_id"].tolist()
    assert not leads["held"].any()
    events = small.table("interactions")
    assert events["interaction_id"].tolist() == ["2", "1", "3"]
    assert events["seq"].tolist() == [0, 1, 2]
    assert (events["known_at"] == events["occurred_at"]).all()
    assert events["minutes"].tolist()[0] == 3.5
    manifest = Tables.open(small.project()).manifest
    assert manifest["properties"] == {"minutes": "number"}
    assert manifest["attributes"] == {"industry": "text", "seats": "number"}
    assert manifest["data_end"] == "2026-02-03T00:00:00+00:00"
    assert [(k["type"], k["direction"], k["rows"]) for k in manifest["kinds"]] == [
        ("call", None, 1),
        ("call", "outbound", 1),
        ("email_opened", "inbound", 1),
    ]
    kinds = {k["id"]: (k["type"], k["direction"]) for k in manifest["kinds"]}
    for row in events.itertuples():
        direction = None if pd.isna(row.direction) else row.direction
        assert kinds[row.kind_id] == (row.type, direction)


def test_tables_that_no_source_has_are_there_and_empty(small):
    small.check()
    for name in ("stage_changes", "lead_changes", "contacts", "feedback", "participants"):
        assert small.table(name).empty
    assert "verdict" in small.table("feedback").columns


def test_a_second_run_without_news_publishes_nothing(small):
    first = small.check()
    manifest = small.root / ".scoring" / "tables" / "manifest.json"
    before = manifest.stat().st_mtime_ns
    second = small.check()
    assert not second.published
    assert second.version == first.version
    assert second.counts["leads"]["unchanged"] == 3
    assert manifest.stat().st_mtime_ns == before


def test_news_are_told_from_what_stood_already(small):
    small.check()
    small.deliver(
        "outcomes",
        {
            "lead_id": ["a", "b", "c"],
            "outcome": ["won", "lost", "won"],
            "decided_at": [at("2026-02-01"), at("2026-02-02"), at("2026-03-01")],
        },
    )
    counts = small.check().counts["outcomes"]
    assert (counts["accepted"], counts["unchanged"]) == (1, 2)


def test_the_previous_version_stays_and_older_ones_whose_files_stand(small):
    versions = [small.check().version]
    for seats in (11, 12):
        leads = pd.read_parquet(small.root / "exports" / "crm" / "leads.parquet")
        leads.loc[0, "seats"] = seats
        small.deliver("leads", leads)
        versions.append(small.check().version)
    folder = small.root / ".scoring" / "tables"
    assert {p.name for p in folder.iterdir() if p.is_dir()} == set(versions)
    assert {p.name for p in (folder / versions[2]).iterdir()} >= {"leads", "lead_changes"}
    assert not (folder / versions[2] / "outcomes").exists()


def test_an_equal_landing_gives_equal_files_byte_for_byte(small):
    small.check()
    tables = small.root / ".scoring" / "tables"
    first = {p.relative_to(tables): p.read_bytes() for p in sorted(tables.rglob("*.parquet"))}
    (tables / "manifest.json").unlink()
    check(small.project(), small.moment())
    second = {p.relative_to(tables): p.read_bytes() for p in sorted(tables.rglob("*.parquet"))}
    assert first == second


def test_without_outcomes_the_sentence_says_what_to_name(small):
    (small.root / "exports" / "crm" / "outcomes.parquet").unlink()
    with pytest.raises(ConfigError, match="No source has a table `outcomes`"):
        small.check()


def test_a_history_without_interactions_is_accepted(small):
    (small.root / "exports" / "crm" / "interactions.parquet").unlink()
    small.check()
    assert small.table("interactions").empty
    assert "occurred_at" in small.table("interactions").columns


def test_a_renamed_column_is_named_with_its_likely_new_name(small):
    leads = pd.read_parquet(small.root / "exports" / "crm" / "leads.parquet")
    small.deliver("leads", leads.rename(columns={"created_at": "created_on"}))
    with pytest.raises(ConfigError, match=r'no column `created_at`. Did you mean "created_on"'):
        small.check()


def test_a_column_renamed_later_holds_and_keeps_what_stood(small):
    version = small.check().version
    small.settings(mode="append")
    outcomes = pd.read_parquet(small.root / "exports" / "crm" / "outcomes.parquet")
    small.deliver("outcomes", outcomes.rename(columns={"decided_at": "decided_on"}))
    with pytest.raises(Held, match="decided_on"):
        small.check()
    assert Tables.open(small.project()).version == version


def test_many_partitions_hold_contiguous_ranges_of_leads(small, monkeypatch):
    monkeypatch.setattr("scoring.check.tables.ROWS_PER_PARTITION", 4)
    n = 40
    small.deliver(
        "leads", {"lead_id": [f"l{i:03d}" for i in range(n)], "created_at": [at("2026-01-01")] * n}
    )
    small.deliver(
        "interactions",
        {
            "lead_id": [f"l{i % n:03d}" for i in range(3 * n)],
            "occurred_at": [at("2026-01-05")] * (3 * n),
            "type": ["call"] * (3 * n),
        },
    )
    small.deliver(
        "outcomes", {"lead_id": ["l001"], "outcome": ["won"], "decided_at": [at("2026-02-01")]}
    )
    small.check()
    tables = Tables.open(small.project())
    assert tables.partitions == 30
    keys = []
    for part, (first, last) in enumerate(tables.ranges):
        leads = pd.read_parquet(tables.files("leads", part)[0])
        events = pd.read_parquet(tables.files("interactions", part)[0])
        assert leads["lead_key"].tolist() == list(range(first, last + 1))
        assert leads["lead_id"].is_monotonic_increasing
        assert set(events["lead_id"]) == set(leads["lead_id"])
        assert events["lead_key"].is_monotonic_increasing
        assert events["seq"].tolist() == list(range(len(events)))
        keys += leads["lead_key"].tolist()
    assert keys == sorted(keys)
    assert len(keys) == n


def test_equal_rows_without_an_id_get_ids_that_stay(small):
    same = {
        "lead_id": ["a", "a", "a"],
        "occurred_at": [at("2026-01-05")] * 3,
        "type": ["call", "call", "mail"],
    }
    small.deliver("interactions", same)
    small.check()
    first = small.table("interactions")["interaction_id"]
    assert first.is_unique
    more = pd.concat([pd.DataFrame(same), pd.DataFrame(same).tail(1).assign(type="visit")])
    small.deliver("interactions", more.assign(note=None).astype({"note": "str"}))
    small.check()
    assert set(first) <= set(small.table("interactions")["interaction_id"])


def test_ids_are_the_bytes_that_the_crm_has(csv_world):
    world = csv_world(
        "lead_id,occurred_at,type\n00123,2026-01-02,call\nNA,2026-01-02,call\n",
        "lead_id,outcome,decided_at\nnull,won,2026-05-01\n",
        "lead_id,created_at,person_id,code\n00123,2026-01-01,9007199254740993123,007\n"
        "NA,2026-01-01,NA,1\nnull,2026-01-01,null,2\n",
    )
    world.check()
    leads = world.table("leads").set_index("lead_id")
    assert leads["person_id"].to_dict() == {
        "00123": "9007199254740993123",
        "NA": "NA",
        "null": "null",
    }
    assert leads.loc["00123", "code"] == "007"


def test_two_sources_prefix_their_ids_and_may_name_each_others(small):
    small.settings("web")
    small.deliver(
        "interactions",
        {"lead_id": ["crm:a"], "occurred_at": [at("2026-01-07")], "type": ["page_view"]},
        source="web",
    )
    small.check()
    assert set(small.table("leads")["lead_id"]) == {"crm:a", "crm:b", "crm:c"}
    events = small.table("interactions")
    assert (events["lead_id"] == "crm:a").sum() == 3


def test_manifest_and_logs_hold_no_value_of_a_bad_row(small, caplog):
    small.deliver(
        "outcomes",
        {
            "lead_id": ["a", "b", "c", "secret-name"] * 3,
            "outcome": ["won"] * 12,
            "decided_at": [at(f"2026-02-{d:02d}") for d in range(1, 13)],
        },
    )
    small.scoring = "[limits]\nquarantine_share = 0.9\n"
    small.check()
    manifest = json.dumps(Tables.open(small.project()).manifest)
    assert "secret-name" not in manifest + caplog.text
    assert "secret-name" in small.quarantine("outcomes")["row"].iloc[0]
