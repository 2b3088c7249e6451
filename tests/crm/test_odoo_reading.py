"""Odoo is read completely and once, archived leads too, whatever happens while it is read."""

import random
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import duckdb
import pyarrow.parquet as pq
import pytest
from loopback import START, Request, Response, ScaledClock, Window, serving
from odoo_server import OdooServer
from odoo_state import Record, records

from scoring.check.run import check
from scoring.clock import Moment
from scoring.crm.odoo import probe
from scoring.errors import ConfigError, TryLater
from scoring.ingest.run import IngestResult, ingest
from scoring.project import Project

NIGHT = datetime.fromtimestamp(START, UTC) + timedelta(hours=1)
DAY = 86_400
LOG = ("crm_lead", "mail_message", "mail_activity", "calendar_event")
MODEL = {name: name.replace("_", ".", 1) for name in LOG}


@pytest.fixture
def odoo(clock: ScaledClock, monkeypatch: pytest.MonkeyPatch) -> Iterator[OdooServer]:
    monkeypatch.setenv("ODOO_TOKEN", "token")
    monkeypatch.delenv("ODOO_ADDRESS", raising=False)
    with serving(OdooServer(clock)) as server:
        assert isinstance(server, OdooServer)
        yield server


def project_over(root: Path, server: OdooServer, **options: str) -> Path:
    """A project as `scoring init --crm odoo` writes it, with the server's address."""
    from scoring.init.crm import init_crm
    from scoring.init.template import template_root

    init_crm(
        root,
        "odoo",
        template=template_root(),
        given=options,
        address=server.address,
        known_at_creation=("*",),
        name="demo",
        time_zone="Europe/Helsinki",
        choose=None,
        ask=None,
    )
    return root


def populate(server: OdooServer, leads: int, messages: int, seed: int = 1) -> None:
    """Leads of which a third is lost (archived) and a fifth won, with a log of everything."""
    state, draw = server.state, random.Random(seed)
    for _ in range(leads):
        state.lead(partner_id=draw.choice([False, 2, 3]), expected_revenue=float(draw.randrange(9)))
    for lead in list(state["crm.lead"].ids):
        state.write(lead, stage_id=draw.choice([1, 2, 3]))
        if lead % 3 == 0:
            state.lose(lead, draw.choice([1, 2]))
        elif lead % 5 == 0:
            state.win(lead)
    ids = state["crm.lead"].ids
    for number in range(messages):
        kind = ("comment", "email", "notification")[number % 3]
        state.message(draw.choice(ids), kind, author_id=draw.choice([1, 2]))
    for number in range(messages // 20):
        lead = draw.choice(ids)
        state.add(
            "mail.activity",
            res_id=lead,
            res_model="crm.lead",
            activity_type_id=1 + number % 3,
            active=True,
            user_id=1,
            summary="Call back",
        )
        at = f"{NIGHT - timedelta(days=number % 9):%Y-%m-%d %H:%M:%S}"
        state.add(
            "calendar.event",
            name="Meeting",
            start=at,
            stop=at,
            opportunity_id=lead,
            active=True,
            duration=1.0,
            user_id=1,
        )


def night(project: Path, n: int = 0) -> IngestResult:
    at = NIGHT + timedelta(days=n)
    return ingest(Project(project), Moment(as_of=at, now=at))


def landed(project: Path, table: str) -> list[dict[str, Any]]:
    files = sorted((project / ".scoring/landing/crm" / table).glob("*/rows.parquet"))
    return [row for file in files for row in pq.read_table(file).to_pylist()]


def latest(project: Path, table: str) -> dict[str, dict[str, Any]]:
    return {row["id"]: row for row in landed(project, table)}


def require_everything(project: Path, server: OdooServer) -> None:
    """What the server has in its memory is what has landed, record by record."""
    for table in LOG:
        store = server.state[MODEL[table]]
        there = {
            str(r["id"]): r["create_date"]
            for r in records(store)
            if table != "mail_message" or r["message_type"] != "user_notification"
        }
        here = {
            key: row["create_date"]
            for key, row in latest(project, table).items()
            if not row["deleted_at"] and not row["merged_into"]
        }
        assert here == there, table


def test_everything_is_read_once_and_counted(tmp_path: Path, odoo: OdooServer) -> None:
    populate(odoo, 1_200, 3_500)
    project = project_over(tmp_path / "p", odoo)
    counts = night(project).to_json()
    require_everything(project, odoo)
    for table in LOG:
        assert counts[table]["in_crm"] == counts[table]["here"] == len(landed(project, table))
    lost = [r for r in latest(project, "crm_lead").values() if r["won_status"] == "lost"]
    assert len(lost) == 400  # a default read would drop every one of them
    assert {row["active"] for row in lost} == {"false"}
    values = len(odoo.state["mail.tracking.value"].ids)
    assert len(landed(project, "lead_history")) == values > 1_000
    again = night(project, 1).to_json()
    assert sum(count["accepted"] for count in again.values()) == 0


def test_a_page_that_odoo_has_thinned_out_is_not_the_last(tmp_path: Path, odoo: OdooServer) -> None:
    """More than a whole page of messages in the middle belongs to records nobody may see."""
    populate(odoo, 30, 4_000)
    ids = odoo.state["mail.message"].ids
    odoo.state.hidden = set(ids[500:2_700]) | set(ids[-7:])
    project = project_over(tmp_path / "p", odoo)
    counts = night(project).to_json()["mail_message"]
    assert counts["in_crm"] == counts["here"] == len(ids) - 2_207
    assert len(latest(project, "mail_message")) == len(ids) - 2_207


def test_a_lead_that_changes_while_it_is_read_comes_with_the_next_night(
    tmp_path: Path, odoo: OdooServer
) -> None:
    populate(odoo, 1_500, 10)
    changed: list[int] = []

    def change(request: Request) -> Response | None:
        if request.path.endswith("crm.lead/search_read") and len(changed) < 3:
            changed.append(1 + len(changed))
            odoo.state.write(changed[-1], expected_revenue=777.0)
        return None

    odoo.before = change
    project = project_over(tmp_path / "p", odoo)
    night(project)
    assert len(latest(project, "crm_lead")) == 1_500
    odoo.before = lambda _: None
    odoo.clock.move(DAY)
    night(project, 1)
    rows = latest(project, "crm_lead")
    assert {rows[str(lead)]["expected_revenue"] for lead in changed} == {"777.0"}


def test_a_transaction_that_ends_late_is_not_lost(tmp_path: Path, odoo: OdooServer) -> None:
    """Odoo stamps a record when its transaction begins, and shows it when that ends."""
    populate(odoo, 20, 10)
    project = project_over(tmp_path / "p", odoo)
    begun = odoo.state.now()
    odoo.clock.move(600)
    night(project)
    record = odoo.state["crm.lead"].own[4]
    record.update(expected_revenue=4_321.0, write_date=begun)
    odoo.clock.move(DAY)
    night(project, 1)
    assert latest(project, "crm_lead")["4"]["expected_revenue"] == "4321.0"


def test_merges_deletions_and_reopened_leads(tmp_path: Path, odoo: OdooServer) -> None:
    populate(odoo, 40, 200)
    state = odoo.state
    odoo.clock.move(DAY)
    before_us = state["crm.lead"].own[7]["create_date"]
    state.merge(8, 7)  # nobody has ever read 7
    project = project_over(tmp_path / "p", odoo)
    odoo.clock.move(3_600)
    night(project, 1)
    row = latest(project, "crm_lead")["7"]
    assert (row["merged_into"], row["create_date"]) == ("8", before_us)
    odoo.clock.move(DAY)
    log = {k: r["lead_id"] for k, r in latest(project, "mail_message").items()}
    state.merge(11, 10)
    state.merge(13, 11)
    state.unlink(14)
    state.restore(3)
    state.message(13)
    odoo.clock.move(3_600)
    counts = night(project, 2).to_json()
    rows = latest(project, "crm_lead")
    assert rows["10"]["merged_into"] == rows["11"]["merged_into"] == "13"
    assert rows["10"]["expected_revenue"] is not None  # the last that was known of it
    assert rows["14"]["deleted_at"]
    assert counts["crm_lead"]["in_crm"] == counts["crm_lead"]["here"] == 40 - 4
    # What was said to an absorbed lead stays with it: its own history is united with the
    # survivor's by the merge, not by its messages.
    now = {k: r["lead_id"] for k, r in latest(project, "mail_message").items()}
    assert {k: now[k] for k in log} == log
    odoo.clock.move(DAY)
    assert night(project, 3).to_json()["crm_lead"]["accepted"] == 0
    check(Project(project), Moment(as_of=NIGHT + timedelta(days=3), now=NIGHT))
    outcomes = rows_of(project, "outcomes")
    assert ("3", "lost") in outcomes
    assert ("3", "recycled") in outcomes


def rows_of(project: Path, table: str) -> set[tuple[str, str]]:
    files = f"{project}/.scoring/tables/*/{table}/*.parquet"
    return set(duckdb.sql(f"SELECT lead_id, outcome FROM read_parquet('{files}')").fetchall())


def test_canonical_tables(tmp_path: Path, odoo: OdooServer) -> None:
    populate(odoo, 300, 900)
    odoo.clock.move(3_600)
    project = project_over(tmp_path / "p", odoo)
    night(project)
    counts = check(Project(project), Moment(as_of=NIGHT, now=NIGHT)).to_json()
    assert {table: count["quarantined"] for table, count in counts.items()} == dict.fromkeys(
        counts, 0
    )
    outcomes = rows_of(project, "outcomes")
    leads = odoo.state["crm.lead"].own.values()
    spam = {str(r["id"]) for r in leads if r["lost_reason_id"] == 2}
    assert {i for i, o in outcomes if o == "won"} == {
        str(r["id"]) for r in leads if r["won_status"] == "won"
    }
    assert {i for i, o in outcomes if o == "disqualified"} == spam != set()
    assert {i for i, o in outcomes if o == "lost"} == {
        str(r["id"]) for r in leads if r["won_status"] == "lost"
    } - spam
    assert len(outcomes) == counts["outcomes"]["accepted"] == 100 + 40


def test_labels_in_any_language_become_keys(tmp_path: Path, odoo: OdooServer) -> None:
    lead = odoo.state.lead()
    odoo.languages = ["en_US", "fi_FI"]
    odoo.state.language = "fi_FI"
    odoo.state.win(lead)
    project = project_over(tmp_path / "p", odoo)
    night(project)
    told = {r["field"]: r["new_value"] for r in landed(project, "lead_history")}
    assert told["won_status"] == "won"
    assert told["stage_id"] == "Won"


def test_our_own_writes_do_not_come_back(tmp_path: Path, odoo: OdooServer) -> None:
    populate(odoo, 50, 50)
    project = project_over(tmp_path / "p", odoo)
    night(project)
    odoo.clock.move(DAY)
    odoo.state["crm.lead"].fields["x_ls_score"] = "integer"
    for record in odoo.state["crm.lead"].own.values():
        record.update(x_ls_score=50, write_date=odoo.state.now())
    counts = night(project, 1).to_json()
    assert counts["crm_lead"]["unchanged"] >= 50
    counts.pop("calendar_event")  # a meeting has ended meanwhile
    assert sum(count["accepted"] for count in counts.values()) == 0


def test_thirty_percent_of_failing_calls_lose_nothing(tmp_path: Path, odoo: OdooServer) -> None:
    populate(odoo, 1_500, 6_000)
    odoo.faults.share = 0.3
    project = project_over(tmp_path / "p", odoo)
    for _ in range(6):  # a call may fail six times in a row: then the same command goes on
        try:
            night(project)
            break
        except TryLater:
            continue
    assert odoo.faults.caused > 10
    require_everything(project, odoo)


def test_an_interrupted_read_goes_on(tmp_path: Path, odoo: OdooServer) -> None:
    populate(odoo, 2_500, 4_000)
    asked: list[int] = []

    def down(request: Request) -> Response | None:
        if request.path.endswith("mail.message/search_read") and "body" in request.body["fields"]:
            asked.append(1)
        return Response(503) if len(asked) > 3 else None

    odoo.before = down
    project = project_over(tmp_path / "p", odoo)
    with pytest.raises(TryLater):
        night(project)
    odoo.before = lambda _: None
    odoo.requests.clear()
    night(project)
    again = [r for r in odoo.requests if r.path.endswith("crm.lead/search_read")]
    fields = {tuple(r.body["fields"]) for r in again}
    assert fields <= {("id",), ("won_status", "date_closed")}  # no page of leads is read again
    require_everything(project, odoo)


def test_the_limit_of_odoo_online_is_kept(tmp_path: Path, odoo: OdooServer) -> None:
    populate(odoo, 300, 900)
    odoo.clock.scale = 400
    odoo.limit = Window(odoo.clock, 1, 1)
    project = project_over(tmp_path / "p", odoo)
    toml = project / "data/sources.toml"
    text = toml.read_text().replace('won = "won"', 'won = "won"\ncalls_in_a_second = 1')
    toml.write_text(
        text.replace("[sources.crm.options]", "limit_share = 1.0\n[sources.crm.options]")
    )
    night(project)
    assert odoo.limit.over == 0
    require_everything(project, odoo)


def test_what_the_user_may_not_do_is_named(tmp_path: Path, odoo: OdooServer) -> None:
    populate(odoo, 20, 10)
    project = Project(project_over(tmp_path / "p", odoo))
    odoo.keys["token"] = frozenset({"write"})
    with pytest.raises(ConfigError, match=r"may not read mail.tracking.value"):
        night(project.root)
    source = project.sources["crm"]
    with pytest.raises(ConfigError, match="history = false"):
        list(probe(source, project.root, {"ODOO_TOKEN": "token"}))
    odoo.keys["token"] = frozenset({"settings"})
    with pytest.raises(ConfigError, match=r"may not write crm.lead"):
        list(probe(source, project.root, {"ODOO_TOKEN": "token"}))
    calls = odoo.calls
    with pytest.raises(ConfigError, match="API key is not valid") as caught:
        list(probe(source, project.root, {"ODOO_TOKEN": "another-secret"}))
    assert odoo.calls == calls + 1
    assert "another-secret" not in str(caught.value)
    toml = project.root / "data/sources.toml"
    toml.write_text(toml.read_text().replace('won = "won"', 'won = "won"\nhistory = false'))
    odoo.keys["token"] = frozenset({"write"})
    night(project.root)
    assert len(latest(project.root, "crm_lead")) == 20
    assert landed(project.root, "lead_history") == []


def test_a_column_that_is_not_there_is_named(tmp_path: Path, odoo: OdooServer) -> None:
    populate(odoo, 20, 10)
    project = project_over(tmp_path / "p", odoo)
    toml = project / "data/sources.toml"
    toml.write_text(toml.read_text().replace("crm_lead = []", 'crm_lead = ["prioriti"]'))
    with pytest.raises(ConfigError, match=r'no column "prioriti" .is it "priority" now'):
        night(project)


@pytest.mark.slow
def test_fifty_thousand_leads_with_a_million_messages(tmp_path: Path, odoo: OdooServer) -> None:
    state = odoo.state
    odoo.keep = False
    for _ in range(50_000):
        state.lead()
    store, now = state["mail.message"], state.now()
    empty = dict.fromkeys(store.fields, False)

    def make(key: int) -> Record:
        lead = 1 + key * 7919 % 50_000
        told: Record = {"id": key, "res_id": lead, "date": now, "create_date": now}
        told |= {"write_date": now, "model": "crm.lead", "message_type": "comment"}
        told |= {"author_id": 1, "message_id": f"<{key}.1-openerp-{lead}-crm.lead@vm>"}
        return {**empty, **told}

    store.fill(950_000, make)
    odoo.faults.share = 0.02
    project = project_over(tmp_path / "p", odoo)
    counts = night(project).to_json()
    assert counts["crm_lead"]["here"] == counts["crm_lead"]["in_crm"] == 50_000
    assert counts["mail_message"]["here"] == counts["mail_message"]["in_crm"] == 1_000_000
    assert odoo.faults.caused > 10
