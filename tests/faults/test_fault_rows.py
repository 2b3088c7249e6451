"""One night over rows that no contract allows: quarantined with a reason or kept byte for byte,
the rest goes on, the counts add up, and what is exported is safe to open."""

import csv
import json
import shutil

import pandas as pd
import pytest
from fault_kit import PRIVATE, Answer, Row, Site

BIG = str(2**53 + 1)
ODD_IDS = ("00123", BIG, "NA", "null", "=cmd|' /C calc'!A0", "+1+1", "@x")


def odd_leads(rows: list[Row]) -> list[Row]:
    plain = {**rows[0], "merged_into": "", "merged_at": "", "deleted_at": "", "person_id": ""}
    plain["updated_at"] = ""
    recent = {**plain, "created_at": "2026-10-20 08:00:00"}
    new = [{**recent, "lead_id": lead} for lead in ODD_IDS]
    new += [
        {**plain, "lead_id": f"{PRIVATE}-{n}", "created_at": at}
        for n, at in enumerate(
            ["0001-01-01", "1970-01-01", "9999-12-31", "2031-01-01", "infinity", f"{PRIVATE}"]
        )
    ]
    new += [{**recent, "lead_id": "twice", "tier": tier} for tier in ("gold", "plain")]
    new += [{**recent, "lead_id": "early"}, {**recent, "lead_id": "quiet"}]
    # 25 October 2026: Helsinki's clocks go from 04:00 back to 03:00; on 29 March 03:00 is skipped.
    new += [{**plain, "lead_id": "gap", "created_at": "2026-03-29 03:30:00"}]
    new += [{**plain, "lead_id": "fold", "created_at": "2026-10-25 03:30:00"}]
    return rows + new


def odd_interactions(rows: list[Row]) -> list[Row]:
    plain = {**rows[0], "contact_id": "", "recorded_at": "", "occurred_at": "2026-10-30 10:00:00"}
    said = {"huge": "x" * 3_000_000, "emoji": "😀 done", "nul": f"{PRIVATE}\0"}
    new = [
        {**plain, "interaction_id": name, "lead_id": "00123", "text": text}
        for name, text in said.items()
    ]
    new += [{**plain, "interaction_id": "alone", "lead_id": f"{PRIVATE}-nobody"}]
    new += [
        {**plain, "interaction_id": "twin", "type": t, "lead_id": BIG} for t in ("call", "note")
    ]
    return rows + new


@pytest.fixture(scope="module")
def odd(trained: Site, tmp_path_factory: pytest.TempPathFactory) -> Site:
    site = Site(tmp_path_factory.mktemp("odd") / "site")
    shutil.copytree(trained.root, site.root)
    site.settings("data/sources.toml", 'time_zone = "UTC"', 'time_zone = "Europe/Helsinki"')
    site.edit("leads", odd_leads)
    site.edit("interactions", odd_interactions)
    before = {"lead_id": "early", "outcome": "won", "decided_at": "2026-10-01 00:00:00"}
    site.edit("outcomes", lambda rows: [*rows, before])
    site.edit("stage_changes", lambda rows: [{**r, "stage": "unheard of"} if i % 8 == 0 else r
                                             for i, r in enumerate(rows)])  # fmt: skip
    return site


@pytest.fixture(scope="module")
def night(odd: Site) -> Answer:
    return odd("run", "nightly", "--json")


@pytest.fixture(scope="module")
def scores(odd: Site, night: Answer) -> pd.DataFrame:  # noqa: ARG001 - the night makes them
    return pd.read_parquet(odd.project / "out" / "scores.parquet").set_index("lead_id")


def test_every_count_adds_up(night: Answer):
    for step in ("ingest", "check"):
        for name, table in night.json["steps"][step].items():
            parts = ("accepted", "unchanged", "superseded", "quarantined")
            assert table["rows_in"] == sum(table[p] for p in parts), (step, name)


def test_odd_ids_are_the_same_bytes_at_the_other_end(odd: Site, scores: pd.DataFrame):
    assert set(ODD_IDS) <= set(scores.index)
    (sent,) = (odd.project / "out" / "emit" / "conversion").glob("20261102*.parquet")
    assert set(ODD_IDS) <= set(pd.read_parquet(sent)["lead_id"])


def test_text_that_a_spreadsheet_would_run_is_defused(odd: Site, night: Answer):  # noqa: ARG001
    (sent,) = (odd.project / "out" / "emit" / "conversion").glob("20261102*.csv")
    for path in (odd.project / "out" / "scores.csv", sent):
        with path.open(encoding="utf-8-sig", newline="") as handle:
            cells = [cell for row in csv.reader(handle) for cell in row]
        for cell in cells:
            number = cell.replace("-", "", 1).replace(".", "", 1).replace("e-", "", 1).isdigit()
            assert number or not cell.startswith(("=", "+", "-", "@", "\t", "\r")), path
        assert any("cmd" in cell for cell in cells)


def test_impossible_years_are_quarantined_and_never_a_feature(odd: Site, scores: pd.DataFrame):
    assert not [lead for lead in scores.index if lead.startswith(PRIVATE)]
    reasons = odd.manifest()["quarantine"]["leads"]
    assert sum(n for reason, n in reasons.items() if "created_at" in reason) == 6, reasons
    assert PRIVATE not in json.dumps(odd.manifest()["quarantine"])


def test_duplicate_ids_have_one_winner(odd: Site, scores: pd.DataFrame):
    assert "twice" in scores.index
    reasons = odd.manifest()["quarantine"]
    assert any("dupl" in reason or "twice" in reason or "same" in reason
               for reason in reasons["leads"]), reasons["leads"]  # fmt: skip


def test_an_outcome_before_creation_takes_the_lead_out(odd: Site, scores: pd.DataFrame):
    assert "early" not in scores.index
    assert sum(odd.manifest()["quarantine"]["outcomes"].values()) >= 1


def test_leads_without_interactions_are_scored(scores: pd.DataFrame):
    assert "quiet" in scores.index


def test_interactions_without_a_lead_are_quarantined(odd: Site, night: Answer):
    assert night.json["steps"]["check"]["interactions"]["quarantined"] >= 1
    assert odd.manifest()["quarantine"]["interactions"]


def test_a_huge_note_and_emoji_are_accepted_and_nul_is_quarantined(night: Answer):
    counts = night.json["steps"]["ingest"]["interactions"]
    assert (counts["accepted"], counts["quarantined"]) == (5, 1)


def test_clock_changes_are_counted(odd: Site, night: Answer):  # noqa: ARG001
    notes = odd.manifest()["notes"]
    assert sum(n for name, n in notes.items() if "gap" in name or "skipped" in name) >= 1, notes
    assert sum(n for name, n in notes.items() if "ambig" in name) >= 1, notes


def test_stages_never_seen_are_counted_and_warned_about(odd: Site, night: Answer):
    assert "stage" in night.err
    notes = odd.manifest()["notes"]
    assert sum(n for name, n in notes.items() if "stage" in name) >= 1, notes


def test_nothing_personal_in_records_and_doctor(odd: Site, night: Answer):  # noqa: ARG001
    odd("doctor")
    odd("status", night=None)
    store = odd.project / ".scoring"
    for path in [*(store / "runs").iterdir(), store / "mlflow.db"]:
        assert PRIVATE.encode() not in path.read_bytes(), path.name
