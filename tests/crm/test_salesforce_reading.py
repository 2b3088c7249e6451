"""Salesforce is read completely, whatever happens while it is read, and becomes our tables."""

import json
from collections import Counter
from pathlib import Path
from typing import Any

import duckdb
import pyarrow.parquet as pq
import pytest
from loopback import Request, Response
from salesforce_kit import at, night, populate, project_over
from salesforce_server import SalesforceServer

from scoring.check.run import check
from scoring.check.tables import Tables
from scoring.errors import ConfigError, TryLater
from scoring.ingest.run import IngestResult, ingest
from scoring.project import Project

KINDS = {"leads": "Lead", "tasks": "Task", "events": "Event", "opportunities": "Opportunity"}
LOGS = {"lead_history": "LeadHistory", "opportunity_history": "OpportunityHistory"}


def read(root: Path, n: int = 0) -> IngestResult:
    return ingest(Project(root), night(n))


def landed(root: Path, table: str) -> list[dict[str, Any]]:
    files = sorted((root / ".scoring/landing/crm" / table).glob("*/rows.parquet"))
    return [row for file in files for row in pq.read_table(file).to_pylist()]


def latest(root: Path, table: str) -> dict[str, dict[str, Any]]:
    return {row["Id"]: row for row in landed(root, table)}


def there(server: SalesforceServer, kind: str) -> set[str]:
    return {r["Id"] for r in server.state.stores[kind].values() if not r["IsDeleted"]}


def here(root: Path, table: str) -> set[str]:
    return {
        each
        for each, row in latest(root, table).items()
        if not row["deleted_at"] and not row["merged_into"]
    }


def rows(root: Path, table: str, columns: str) -> list[tuple[Any, ...]]:
    tables = Tables.open(Project(root))
    with duckdb.connect() as connection:
        connection.execute("SET TimeZone = 'UTC'")
        found = f"SELECT {columns} FROM {tables.scan(table)} ORDER BY ALL"
        return connection.execute(found).fetchall()


def test_everything_is_read_once_and_counted(tmp_path, salesforce):
    populate(salesforce, 500, 6_000)
    root = project_over(tmp_path / "p", salesforce)
    counts = read(root).to_json()
    for table, kind in KINDS.items():
        assert here(root, table) == there(salesforce, kind)
        assert len(landed(root, table)) == len(there(salesforce, kind))
        assert counts[table]["in_crm"] == counts[table]["here"] == len(there(salesforce, kind))
    for table, kind in LOGS.items():
        assert {r["Id"] for r in landed(root, table)} == salesforce.state.stores[kind].keys()
    again = read(root, 1).to_json()
    assert {table: row["accepted"] for table, row in again.items()} == dict.fromkeys(counts, 0)


def test_archived_activities_are_among_them(tmp_path, salesforce):
    """A plain query leaves activities out that are older than a year."""
    populate(salesforce, 20, 400)
    root = project_over(tmp_path / "p", salesforce)
    read(root)
    archived = {r["Id"] for r in salesforce.state.stores["Task"].values() if r["IsArchived"]}
    assert archived
    assert archived <= here(root, "tasks")


@pytest.mark.parametrize("page", [2_000, 250])
def test_thousands_in_the_same_moment_and_small_pages(tmp_path, salesforce, page):
    """An import gives thousands of records one time; wide rows come on small pages."""
    salesforce.page = page
    for _ in range(4_500):
        salesforce.state.add("Lead", at(3))
    root = project_over(tmp_path / "p", salesforce, tables="leads = []")
    read(root)
    assert len(here(root, "leads")) == 4_500


def test_records_that_change_while_they_are_read_are_not_lost(tmp_path, salesforce):
    ids = populate(salesforce, 5_000, 0)
    root = project_over(tmp_path / "p", salesforce, tables="leads = []")
    count = iter(range(1_000_000))

    def touch(request: Request) -> Response | None:
        if "FROM Lead" in request.query.get("q", [""])[0]:
            for _ in range(20):
                salesforce.state.change("Lead", ids[next(count) * 37 % 5_000], {"Rating": "Hot"})
        return None

    salesforce.before = touch
    read(root)
    salesforce.before = lambda _: None
    read(root, 1)
    assert here(root, "leads") == there(salesforce, "Lead")
    found = latest(root, "leads")
    for each, record in salesforce.state.stores["Lead"].items():
        assert found[each]["Rating"] == record["Rating"]


def test_only_what_changed_is_asked_for(tmp_path, salesforce):
    ids = populate(salesforce, 3_000, 3_000)
    root = project_over(tmp_path / "p", salesforce)
    read(root)
    calls = salesforce.calls
    salesforce.clock.move(86_400)
    salesforce.state.change("Lead", ids[7], {"Industry": "Banking"})
    counts = read(root, 1).to_json()
    assert {t: c["accepted"] for t, c in counts.items() if c["accepted"]} == {"leads": 1}
    # Describing, counting and one look a table, not the pages of the first night.
    assert salesforce.calls - calls < 40


def test_our_own_writes_do_not_come_back(tmp_path, salesforce):
    ids = populate(salesforce, 50, 0)
    root = project_over(tmp_path / "p", salesforce)
    read(root)
    salesforce.clock.move(86_400)
    for each in ids:
        salesforce.state.change("Lead", each, {})  # only its SystemModstamp moves
    counts = read(root, 1).to_json()
    assert sum(c["accepted"] for c in counts.values()) == 0


def test_deleted_and_merged_leads(tmp_path, salesforce):
    ids = populate(salesforce, 40, 100)
    root = project_over(tmp_path / "p", salesforce)
    read(root)
    check(Project(root), night())
    salesforce.clock.move(86_400)
    salesforce.state.delete("Lead", ids[2], at(290))
    salesforce.state.merge(ids[4], ids[5], at(291))
    read(root, 1)
    check(Project(root), night(1))
    found = {r[0]: r[1:] for r in rows(root, "leads", "lead_id, deleted_at, merged_into")}
    assert found[ids[2]][0] is not None
    assert found[ids[5]][1] == ids[4]
    assert found[ids[4]] == (None, None)
    told = latest(root, "leads")
    assert (told[ids[2]]["deleted_at"], told[ids[5]]["merged_at"]) == (at(290), at(291))


def test_a_record_that_left_the_recycle_bin_is_found_by_counting(tmp_path, salesforce):
    ids = populate(salesforce, 30, 0)
    root = project_over(tmp_path / "p", salesforce)
    read(root)
    del salesforce.state.stores["Lead"][ids[3]]
    salesforce.state._orders.clear()
    read(root, 1)
    assert here(root, "leads") == there(salesforce, "Lead")


def test_the_canonical_tables(tmp_path, salesforce):
    state = salesforce.state
    won = state.add("Lead", at(1), Status="Open - Not Contacted", OwnerId="005A", LeadSource="Web")
    state.set(won, "Status", "Working - Contacted", at(2))
    call = state.add("Task", at(3), WhoId=won, TaskSubtype="Call", IsClosed=True,
                     CompletedDateTime=at(3.5), CallType="Inbound")  # fmt: skip
    contact, deal = state.convert(won, at(10))
    state.move(deal, "Proposal/Price Quote", at(12))
    state.move(deal, "Closed Won", at(20))
    bad = state.add("Lead", at(1), Status="Open - Not Contacted")
    state.set(bad, "Status", "Unqualified", at(5))
    state.set(bad, "ls_score_feedback__c", "agree", at(6), by="005S")
    state.set(bad, "Owner", "005B", at(6))
    state.set(bad, "Owner", "A name", at(6))
    past = state.add("Event", at(4), WhoId=bad, StartDateTime=at(8), EndDateTime=at(8.1))
    gone = state.add("Event", at(4), WhoId=bad, StartDateTime=at(9), EndDateTime=at(9.1))
    state.delete("Event", gone, at(7))
    ahead = state.add("Event", at(298), WhoId=bad, StartDateTime=at(310), EndDateTime=at(310.1))
    open_ = state.add("Lead", at(2))
    state.convert(open_, at(30))  # IsConverted is not won
    root = project_over(tmp_path / "p", salesforce)
    read(root)
    result = check(Project(root), night())
    assert not any(result.quarantine.values())
    assert [r[:2] for r in rows(root, "outcomes", "lead_id, outcome, reason")] == [
        (won, "won"),
        (bad, "disqualified"),
    ]
    assert [r[0] for r in rows(root, "stage_changes", "stage")].count("Working - Contacted") == 1
    assert Counter(r[:2] for r in rows(root, "stage_changes", "lead_id, stage, changed_at")) == {
        (won, "Working - Contacted"): 1,
        (won, "Prospecting"): 1,
        (won, "Proposal/Price Quote"): 1,
        (open_, "Prospecting"): 1,
    }
    found = rows(root, "interactions", "lead_id, type, direction, interaction_id")
    assert (won, "call", "inbound", f"call:{call}:1") in found
    assert Counter(r[1] for r in found if r[0] == bad) == {
        "meeting_booked": 3,
        "meeting_held": 1,
        "meeting_cancelled": 1,
    }
    assert (bad, "meeting_held", None, f"meeting_held:{past}:1") in found
    assert (contact, won) in rows(root, "contacts", "contact_id, lead_id")
    assert rows(root, "feedback", "lead_id, verdict, given_by") == [(bad, "agree", "005S")]
    assert rows(root, "lead_changes", "field, value")[-1] == ("owner_id", "005B")
    # The meeting ahead is held once its time has come, although nobody touched it.
    salesforce.clock.move(15 * 86_400)
    read(root, 15)
    check(Project(root), night(15))
    found = rows(root, "interactions", "type, interaction_id")
    assert ("meeting_held", f"meeting_held:{ahead}:1") in found


def test_an_old_opportunity_that_a_lead_is_converted_into_brings_its_history(tmp_path, salesforce):
    state = salesforce.state
    deal = state.deal("Prospecting", at(5))
    lead = state.add("Lead", at(100))
    root = project_over(tmp_path / "p", salesforce)
    read(root)
    salesforce.clock.move(86_400)
    state.convert(lead, opportunity=deal)
    read(root, 1)
    told = [r["lead_ids"] for r in landed(root, "opportunity_history")]
    assert told == ["", lead]


def test_a_read_with_faults_ends_and_is_complete(tmp_path, salesforce):
    populate(salesforce, 2_500, 9_000)
    salesforce.faults.share = 0.3
    root = project_over(tmp_path / "p", salesforce)
    for n in range(30):
        try:
            read(root, n)
        except TryLater:
            continue
        break
    assert salesforce.faults.caused > 5
    for table, kind in KINDS.items():
        assert here(root, table) == there(salesforce, kind)
    for table, kind in LOGS.items():
        assert {r["Id"] for r in landed(root, table)} == salesforce.state.stores[kind].keys()


def test_the_daily_limit_leaves_a_share_to_others_and_the_next_day_goes_on(tmp_path, salesforce):
    populate(salesforce, 9_000, 0)
    root = project_over(tmp_path / "p", salesforce, tables="leads = []")
    salesforce.daily, salesforce.used = 10, 3
    with pytest.raises(TryLater, match="other integrations"):
        read(root)
    assert salesforce.used == 8
    salesforce.used = 0
    salesforce.daily = 1_000
    read(root)
    assert here(root, "leads") == there(salesforce, "Lead")


def test_a_limit_that_others_used_up_is_for_later(tmp_path, salesforce):
    root = project_over(tmp_path / "p", salesforce)
    salesforce.daily = salesforce.used = 100
    with pytest.raises(TryLater):
        read(root)
    assert salesforce.calls == 1


def test_a_session_that_ended_stops_after_one_call(tmp_path, salesforce):
    root = project_over(tmp_path / "p", salesforce)
    salesforce.tokens.clear()
    with pytest.raises(ConfigError) as raised:
        read(root)
    assert salesforce.calls == 1
    assert "token" not in str(raised.value).replace("the token and its scopes", "")


def test_a_field_that_is_hidden_or_not_there_is_named(tmp_path, salesforce):
    populate(salesforce, 5, 0)
    del salesforce.state.fields["Lead"]["Rating"]
    root = project_over(tmp_path / "p", salesforce, tables='leads = ["Industri"]')
    with pytest.raises(ConfigError, match=r"Industri.*Industry"):
        read(root)
    toml = root / "data" / "sources.toml"
    toml.write_text(toml.read_text().replace("Industri", "Industry"))
    read(root)
    assert {row["Rating"] for row in landed(root, "leads")} == {None}


def test_another_organisation_does_not_mix(tmp_path, salesforce):
    populate(salesforce, 5, 0)
    root = project_over(tmp_path / "p", salesforce)
    read(root)
    salesforce.organisation = "00D000000000002EAA"
    with pytest.raises(ConfigError, match="do not mix"):
        read(root, 1)


def test_an_unknown_option_is_refused(tmp_path, salesforce):
    root = project_over(tmp_path / "p", salesforce, options='versoin = "60.0"')
    with pytest.raises(ConfigError, match="version"):
        read(root)
    assert salesforce.calls == 0


def test_client_credentials_sign_in_and_renew(tmp_path, salesforce, monkeypatch):
    monkeypatch.delenv("SALESFORCE_TOKEN")
    monkeypatch.setenv("SALESFORCE_CLIENT_ID", "client")
    monkeypatch.setenv("SALESFORCE_CLIENT_SECRET", "secret")
    populate(salesforce, 5, 0)
    root = project_over(tmp_path / "p", salesforce)
    ended = iter([True])

    def end_the_first(request: Request) -> Response | None:
        if "describe" in request.path and next(ended, False):
            salesforce.tokens.clear()
        return None

    salesforce.before = end_the_first
    read(root)
    assert sum("oauth2" in r.path for r in salesforce.requests) == 2
    monkeypatch.setenv("SALESFORCE_CLIENT_SECRET", "wrong")
    with pytest.raises(ConfigError, match="secret is wrong") as raised:
        read(root, 1)
    assert 'wrong"' not in json.dumps(str(raised.value))


def test_a_signed_assertion_signs_in(tmp_path, salesforce, monkeypatch):
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric import rsa

    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    pem, none = serialization.Encoding.PEM, serialization.NoEncryption()
    path = tmp_path / "key.pem"
    path.write_bytes(key.private_bytes(pem, serialization.PrivateFormat.PKCS8, none))
    path.chmod(0o600)
    salesforce.public_key = key.public_key().public_bytes(
        pem, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    monkeypatch.delenv("SALESFORCE_TOKEN")
    monkeypatch.setenv("SALESFORCE_CLIENT_ID", "client")
    monkeypatch.setenv("SALESFORCE_USERNAME", "someone@example.com")
    monkeypatch.setenv("SALESFORCE_PRIVATE_KEY_FILE", str(path))
    populate(salesforce, 5, 0)
    root = project_over(tmp_path / "p", salesforce)
    read(root)
    assert len(here(root, "leads")) == 5
    salesforce.audience = "https://test.salesforce.com"
    salesforce.tokens.clear()
    with pytest.raises(ConfigError, match="gave no token"):
        read(root, 1)
