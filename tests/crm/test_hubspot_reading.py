"""HubSpot is read completely and once, whatever happens while it is read."""

import json
import logging
from collections import Counter
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from contracts import HubSpotContract
from hubspot_server import HubSpotServer
from hubspot_state import iso
from hubspot_world import DAY, END, account, populate, project_over, record
from loopback import START, Request, Response

from scoring.clock import Moment
from scoring.errors import ConfigError, Held, TryLater
from scoring.ingest.run import IngestResult, ingest
from scoring.project import Project

NIGHT = datetime.fromtimestamp(START, UTC)


def night(project: Path, n: int = 0) -> IngestResult:
    at = NIGHT + timedelta(days=n)
    return ingest(Project(project), Moment(as_of=at, now=at))


def landed(project: Path, table: str) -> list[dict[str, Any]]:
    """Rows of a raw table in the order of their landing."""
    files = sorted((project / ".scoring/landing/crm" / table).glob("*/rows.parquet"))
    return [row for file in files for row in pq.read_table(file).to_pylist()]


def latest(project: Path, table: str) -> dict[str, dict[str, Any]]:
    return {row["id"]: row for row in landed(project, table)}


def expected(server: HubSpotServer, kind: str) -> dict[str, str]:
    """Id → owner or time of every record that is there: read from the server's own memory."""
    store = server.state.stores[kind]
    return {
        r.id: iso(r.modified)
        for r in store.records.values()
        if r.archived is None and r.id not in store.merged
    }


def read(project: Path, kind: str) -> dict[str, str]:
    return {
        each: row["updated_at"]
        for each, row in latest(project, kind).items()
        if not row["deleted_at"] and not row["merged_into"]
    }


def test_everything_is_read_once_and_counted(tmp_path: Path, hubspot: HubSpotServer) -> None:
    populate(hubspot, 900, 3_000)
    project = project_over(tmp_path / "p", hubspot)
    counts = night(project).to_json()
    for kind in ("contacts", "calls", "emails", "notes", "tasks", "meetings"):
        assert read(project, kind) == expected(hubspot, kind)
        assert len(landed(project, kind)) == len(expected(hubspot, kind)) == counts[kind]["here"]
        assert counts[kind]["in_crm"] == counts[kind]["here"]
    history = Counter(row["record_id"] for row in landed(project, "contact_history"))
    assert history == {
        r.id: sum(
            len(v) for n, v in r.history.items() if n in ("lifecyclestage", "hubspot_owner_id")
        )
        for r in hubspot.state.stores["contacts"].records.values()
    }
    calls = latest(project, "calls")
    there = hubspot.state.associations["calls", "contacts"]
    assert {each: row["lead_ids"].split(";") for each, row in calls.items()} == {
        each: there[each] for each in calls
    }
    for row in counts.values():
        assert row["rows_in"] == row["accepted"] + row["unchanged"] + row["quarantined"]


def test_requests_fit_the_contract(tmp_path: Path, hubspot: HubSpotServer) -> None:
    contract = HubSpotContract()
    populate(hubspot, 60, 200)
    hubspot.state.archive("contacts", "7")
    for options in ({"lead": "contacts"}, {"lead": "leads"}):
        project = project_over(tmp_path / options["lead"], hubspot, **options)
        night(project)
    assert len({r.path for r in hubspot.requests}) > 20
    for request in hubspot.requests:
        contract.check(request)


def test_more_than_ten_thousand_with_one_modified_time(
    tmp_path: Path, hubspot: HubSpotServer
) -> None:
    account(hubspot)
    records = [record(n, END - DAY, END, country="FI") for n in range(1, 12_051)]
    hubspot.state.stores["notes"].load(records)
    hubspot.state.stores["contacts"].load([record(1, END, END)])
    hubspot.keep = False
    project = project_over(tmp_path / "p", hubspot)
    counts = night(project).to_json()
    assert len(landed(project, "notes")) == 12_050 == counts["notes"]["here"]


def test_a_record_that_changes_while_it_is_read_shifts_no_other(
    tmp_path: Path, hubspot: HubSpotServer
) -> None:
    """Between two pages an early record is changed: pages by offset would skip one."""
    account(hubspot)
    records = [record(n, END - DAY, END - 10_000_000 + n * 1000) for n in range(1, 1001)]
    hubspot.state.stores["contacts"].load(records)
    changed: list[str] = []

    def change(request: Request) -> Response | None:
        if request.path == "/crm/v3/objects/contacts/search" and len(changed) < 5:
            each = str(1 + len(changed))
            changed.append(each)
            there = hubspot.state.stores["contacts"].records[each]
            hubspot.state.update("contacts", there, {"country": f"X{each}"}, "CRM_UI")
        return None

    hubspot.before = change
    project = project_over(tmp_path / "p", hubspot)
    night(project)
    assert set(latest(project, "contacts")) == {str(n) for n in range(1, 1001)}
    assert {latest(project, "contacts")[each]["country"] for each in changed} == {
        f"X{each}" for each in changed
    }


def test_a_search_that_does_not_sort_is_noticed(tmp_path: Path, hubspot: HubSpotServer) -> None:
    populate(hubspot, 300, 10)
    project = project_over(tmp_path / "p", hubspot)

    def unsorted(request: Request) -> Response | None:
        if request.path != "/crm/v3/objects/contacts/search" or "sorts" not in request.body:
            return None
        body = json.loads(request.content)
        body.pop("sorts")
        request.content = json.dumps(body).encode()
        return None

    hubspot.before = unsorted
    with pytest.raises(Exception, match="did not sort contacts"):
        night(project)


def test_the_next_night_reads_only_what_changed(tmp_path: Path, hubspot: HubSpotServer) -> None:
    populate(hubspot, 400, 1_000)
    project = project_over(tmp_path / "p", hubspot)
    night(project)
    calls = hubspot.calls
    hubspot.clock.move(3 * 86_400)
    there = hubspot.state.stores["contacts"].records["17"]
    hubspot.state.update("contacts", there, {"country": "EE"}, "CRM_UI")
    counts = night(project, 1).to_json()
    assert counts["contacts"]["accepted"] == 1
    assert latest(project, "contacts")["17"]["country"] == "EE"
    assert sum(c["accepted"] for c in counts.values()) == 1
    assert hubspot.calls - calls < 60


def test_what_the_index_learns_late_is_not_lost(tmp_path: Path, hubspot: HubSpotServer) -> None:
    """A record is written before another one, and appears in the search after it."""
    populate(hubspot, 50, 50)
    project = project_over(tmp_path / "p", hubspot)
    store = hubspot.state.stores["contacts"]
    store.lag = 600
    hubspot.state.update("contacts", store.records["1"], {"country": "LATE"}, "CRM_UI")
    hubspot.clock.move(60)
    store.lag = 0
    hubspot.state.update("contacts", store.records["2"], {"country": "SOON"}, "CRM_UI")
    night(project)
    assert latest(project, "contacts")["2"]["country"] == "SOON"
    hubspot.clock.move(86_400)
    night(project, 1)
    assert latest(project, "contacts")["1"]["country"] == "LATE"


def test_our_own_writes_do_not_come_back(tmp_path: Path, hubspot: HubSpotServer) -> None:
    populate(hubspot, 40, 10)
    project = project_over(tmp_path / "p", hubspot)
    night(project)
    hubspot.state.define("contacts", {"ls_score": "number"}, group="lead_scoring")
    hubspot.clock.move(86_400)
    for record_ in list(hubspot.state.stores["contacts"].records.values()):
        hubspot.state.update("contacts", record_, {"ls_score": "77"}, "INTEGRATION")
    hubspot.clock.move(86_400)
    counts = night(project, 2).to_json()
    assert counts["contacts"]["accepted"] == 0
    assert counts["contacts"]["unchanged"] >= 40
    assert counts["contact_history"]["accepted"] == 0
    assert "ls_score" not in latest(project, "contacts")["1"]


def test_deleted_and_merged_records_keep_their_rows(tmp_path: Path, hubspot: HubSpotServer) -> None:
    populate(hubspot, 50, 100)
    project = project_over(tmp_path / "p", hubspot)
    night(project)
    hubspot.clock.move(86_400)
    hubspot.state.archive("contacts", "5")
    made = hubspot.state.merge("contacts", "10", "11")
    again = hubspot.state.merge("contacts", made.id, "12")
    hubspot.clock.move(86_400)
    counts = night(project, 2).to_json()
    rows = latest(project, "contacts")
    assert rows["5"]["deleted_at"]
    assert rows["5"]["country"] == "FI"
    assert {rows[e]["merged_into"] for e in ("10", "11", "12")} == {again.id}
    assert rows["10"]["merged_at"] < rows["12"]["merged_at"]
    assert rows["10"]["created_at"]
    assert counts["contacts"]["in_crm"] == counts["contacts"]["here"] == 50 - 1 - 3 + 1
    assert night(project, 3).to_json()["contacts"]["accepted"] == 0


def test_what_vanishes_without_a_word_is_found_by_its_key(
    tmp_path: Path, hubspot: HubSpotServer
) -> None:
    populate(hubspot, 50, 100)
    project = project_over(tmp_path / "p", hubspot)
    night(project)
    store = hubspot.state.stores["contacts"]
    gone = store.records.pop("9")
    store.index.remove((gone.indexed or 0, 9))
    counts = night(project, 1).to_json()["contacts"]
    assert counts["in_crm"] == counts["here"] == 49
    assert latest(project, "contacts")["9"]["deleted_at"].startswith("2026-05-29")


def test_a_gap_that_stays_is_reported_and_read_again(
    tmp_path: Path, hubspot: HubSpotServer, caplog: pytest.LogCaptureFixture
) -> None:
    """A record appears with an old modified time, behind the cursor: no increment would find it."""
    populate(hubspot, 50, 100)
    project = project_over(tmp_path / "p", hubspot)
    night(project)
    hubspot.state.stores["contacts"].load([record(777, END - 300 * DAY, END - 300 * DAY)])
    with caplog.at_level(logging.WARNING, logger="scoring"):
        counts = night(project, 1).to_json()["contacts"]
    assert (counts["in_crm"], counts["here"]) == (51, 50)
    assert "the CRM has 51 records, 50 are here" in caplog.text
    night(project, 2)
    counts = night(project, 3).to_json()["contacts"]
    assert (counts["in_crm"], counts["here"], counts["accepted"]) == (51, 51, 1)


def test_an_interrupted_read_goes_on(tmp_path: Path, hubspot: HubSpotServer) -> None:
    """The CRM goes down in the middle; what was read stays, and nothing of it is asked again."""
    populate(hubspot, 2_000, 100)
    project = project_over(tmp_path / "p", hubspot)
    reads: list[str] = []

    def down(request: Request) -> Response | None:
        if request.path.endswith("contacts/batch/read"):
            reads.extend(each["id"] for each in request.body["inputs"])
        return Response(503) if len(reads) > 1_200 else None

    hubspot.before = down
    with pytest.raises(TryLater):
        night(project)
    assert not (project / ".scoring/landing/manifest.json").exists()
    manifest = json.loads((project / ".scoring/pulled/crm/manifest.json").read_text())
    kept = sum(manifest["tables"]["contacts"]["drops"].values())
    assert 0 < kept < 2_000
    reads.clear()

    def up(request: Request) -> None:
        if request.path.endswith("contacts/batch/read"):
            reads.extend(each["id"] for each in request.body["inputs"])

    hubspot.before = up
    night(project)
    # At the edge of many records of one millisecond a page of them comes again, by id.
    assert len(reads) <= 2_000 - kept + 200
    assert read(project, "contacts") == expected(hubspot, "contacts")
    assert len(landed(project, "contacts")) == 2_000


def test_behind_a_page_that_fails_nothing_is_kept(tmp_path: Path, hubspot: HubSpotServer) -> None:
    """One page fails for good while later ones succeed: the cursor must not pass it."""
    populate(hubspot, 2_000, 100)
    broken = "1111"

    def fails(request: Request) -> Response | None:
        asked = request.path.endswith("contacts/batch/read") and request.body["inputs"]
        return Response(503) if asked and {"id": broken} in asked else None

    hubspot.before = fails
    project = project_over(tmp_path / "p", hubspot)
    for _ in range(2):
        with pytest.raises(TryLater):
            night(project)
    hubspot.before = lambda _: None
    night(project)
    assert read(project, "contacts") == expected(hubspot, "contacts")
    assert len(landed(project, "contacts")) == 2_000


def test_thirty_percent_of_failing_calls_lose_nothing(
    tmp_path: Path, hubspot: HubSpotServer
) -> None:
    populate(hubspot, 400, 1_500)
    hubspot.faults.share = 0.3
    project = project_over(tmp_path / "p", hubspot)
    for _ in range(5):  # a call may fail six times in a row: then the same command goes on
        try:
            night(project)
            break
        except TryLater:
            continue
    assert hubspot.faults.caused > 10
    for kind in ("contacts", "calls", "emails", "notes", "tasks", "meetings"):
        assert read(project, kind) == expected(hubspot, kind)


def test_success_with_nothing_in_it_is_no_success(tmp_path: Path, hubspot: HubSpotServer) -> None:
    populate(hubspot, 120, 10)
    hubspot.swallows = 1
    project = project_over(tmp_path / "p", hubspot)
    with pytest.raises(TryLater, match="0 of 50 records of contacts"):
        night(project)
    night(project)
    assert len(latest(project, "contacts")) == 120


def test_another_account_is_refused(tmp_path: Path, hubspot: HubSpotServer) -> None:
    populate(hubspot, 20, 10)
    project = project_over(tmp_path / "p", hubspot)
    night(project)
    hubspot.account = 99
    with pytest.raises(ConfigError, match="was read from the account 4242"):
        night(project, 1)


def test_a_property_that_was_renamed_holds_the_run(tmp_path: Path, hubspot: HubSpotServer) -> None:
    populate(hubspot, 20, 10)
    hubspot.state.define("contacts", {"team_size": "number"})
    project = project_over(tmp_path / "p", hubspot)
    toml = project / "data/sources.toml"
    toml.write_text(toml.read_text().replace("contacts = []", 'contacts = ["team_size"]'))
    night(project)
    assert "team_size" in latest(project, "contacts")["1"]
    hubspot.state.properties["contacts"].pop("team_size")
    hubspot.state.define("contacts", {"team_sizes": "number"})
    with pytest.raises(Held, match=r'no column "team_size" .is it "team_sizes" now'):
        night(project, 1)


def test_a_column_that_is_asked_for_later_comes_for_all_records(
    tmp_path: Path, hubspot: HubSpotServer
) -> None:
    state = populate(hubspot, 300, 10)
    state.define("contacts", {"team_size": "number"})
    for each in state.stores["contacts"].records.values():
        each.version("team_size", each.id, END - DAY)
    project = project_over(tmp_path / "p", hubspot)
    night(project)
    toml = project / "data/sources.toml"
    text = toml.read_text().replace("contacts = []", 'contacts = ["team_size"]')
    toml.write_text(text.replace("contact_history = []", 'contact_history = ["team_size"]'))
    counts = night(project, 1).to_json()
    assert counts["contacts"]["accepted"] == counts["contact_history"]["accepted"] == 300
    assert {e: r["team_size"] for e, r in latest(project, "contacts").items()} == {
        str(n): str(n) for n in range(1, 301)
    }
    assert night(project, 2).to_json()["contacts"]["accepted"] == 0


def test_an_account_without_any_record_holds(tmp_path: Path, hubspot: HubSpotServer) -> None:
    account(hubspot)
    project = project_over(tmp_path / "p", hubspot)
    with pytest.raises(Held, match="gave no record of any kind"):
        night(project)


def test_ids_and_texts_come_through_as_they_are(tmp_path: Path, hubspot: HubSpotServer) -> None:
    account(hubspot)
    texts = {
        "1": "NA",
        "2": "null",
        "3": "00123",
        "4": "9007199254740993",
        "5": "emoji 😀 and \u00a0",
        "6": "half \ud83d of a pair",
        "7": "nul \x00 inside",
        "8": "x" * 3_000_000,
    }
    records = [record(int(n), END - DAY, END + int(n), jobtitle=t) for n, t in texts.items()]
    hubspot.state.stores["contacts"].load(records)
    project = project_over(tmp_path / "p", hubspot)
    night(project)
    rows = latest(project, "contacts")
    assert {n: rows[n]["jobtitle"] for n in texts if n != "6"} == {
        n: t for n, t in texts.items() if n != "6"
    }
    assert rows["6"]["jobtitle"] == "half ? of a pair"
