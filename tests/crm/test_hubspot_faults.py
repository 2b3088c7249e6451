"""What HubSpot can do to a night, and what the night makes of it."""

import logging
import os
import signal
import threading
import time
from collections import Counter
from datetime import timedelta
from pathlib import Path

import pandas as pd
import pytest
from hubspot_server import HubSpotServer
from hubspot_state import iso
from hubspot_world import DAY, END, account, populate, project_over, record
from loopback import Request, Response
from test_hubspot_reading import NIGHT, landed, latest, night

from scoring.check.run import check
from scoring.clock import Moment
from scoring.emit.result import EmitResult, SomeRejected, Unfinished
from scoring.emit.run import emit
from scoring.errors import ConfigError, Held, TryLater
from scoring.project import Project

SECRET = "pat-eu1-secret-7712"


def scores(*numbers: int, plus: int = 0) -> pd.DataFrame:
    """A row for each contact, as a score run gives them."""
    return pd.DataFrame(
        {
            "lead_id": [str(n) for n in numbers],
            "score": [(n + plus) % 101 for n in numbers],
            "next_step": ["call_now" for _ in numbers],
            "attention": ["none" for _ in numbers],
            "why": [f"+ opened {n + plus} emails" for n in numbers],
            "why_key": [f"opens:{n + plus}" for n in numbers],
        }
    )


@pytest.fixture
def site(hubspot: HubSpotServer, tmp_path: Path) -> tuple[HubSpotServer, Project]:
    """300 contacts, a project that emits all scores, and our properties in HubSpot."""
    state = account(hubspot)
    state.stores["contacts"].load([record(n, END, END, country="FI") for n in range(1, 301)])
    root = project_over(tmp_path / "p", hubspot)
    toml = root / "scoring.toml"
    toml.write_text(toml.read_text().replace('mode = "shadow"', 'mode = "all"'))
    project = Project(root)
    send(project, scores(1, plus=50), apply_fields=True)
    hubspot.writes.clear()
    return hubspot, project


def send(project: Project, rows: pd.DataFrame, days: int = 0, **how: bool) -> EmitResult:
    return emit(project, "conversion", NIGHT + timedelta(days=days), rows, now=NIGHT, **how)


def held(server: HubSpotServer, *numbers: int) -> list[str]:
    there = server.state.stores["contacts"].records
    return [there[str(n)].properties.get("score", "") for n in numbers]


@pytest.mark.parametrize("as_date", [False, True])
def test_429_is_waited_for_while_reading(
    hubspot: HubSpotServer, tmp_path: Path, as_date: bool
) -> None:
    populate(hubspot, 200, 200)
    hubspot.as_date = as_date
    hubspot.burst.calls = 12  # another integration takes the rest
    project = project_over(tmp_path / "p", hubspot)
    counts = night(project).to_json()
    assert hubspot.burst.over > 0
    assert counts["contacts"]["here"] == 200


@pytest.mark.parametrize("status", [401, 403])
def test_refused_credentials_stop_the_night_and_stay_secret(
    hubspot: HubSpotServer,
    tmp_path: Path,
    status: int,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    populate(hubspot, 20, 20)
    monkeypatch.setenv("HUBSPOT_TOKEN", SECRET)
    hubspot.before = lambda r: Response(status, {"message": r.headers["authorization"]})
    project = project_over(tmp_path / "p", hubspot)
    with caplog.at_level(logging.DEBUG), pytest.raises(ConfigError) as caught:
        night(project)
    assert hubspot.calls == 1
    assert SECRET not in str(caught.value) + caplog.text


@pytest.mark.parametrize("partial", ["207", "400", "200"])
def test_one_bad_record_of_a_batch(site: tuple[HubSpotServer, Project], partial: str) -> None:
    server, project = site
    server.partial = partial
    server.refuses = lambda each, _: "no" if each == "77" else ""
    with pytest.raises(SomeRejected) as caught:
        send(project, scores(*range(1, 301)), days=1)
    assert caught.value.exit_code == 4
    told = caught.value.result.to_json()
    assert (told["sent"], told["rejected"]) == (299, 1)
    assert Counter(server.writes)["77"] == 0
    assert held(server, 76, 77, 78) == ["76", "", "78"]


def test_deleted_and_merged_leads_are_skipped_and_reported(
    site: tuple[HubSpotServer, Project],
) -> None:
    server, project = site
    server.state.archive("contacts", "5")
    server.state.merge("contacts", "6", "7")
    told = send(project, scores(*range(1, 21)), days=1).to_json()
    assert (told["sent"], told["skipped"]) == (17, 3)


def test_a_missing_field_is_found_before_the_first_write(
    site: tuple[HubSpotServer, Project],
) -> None:
    server, project = site
    server.state.properties["contacts"].pop("why")
    with pytest.raises(ConfigError, match="create the property why"):
        send(project, scores(*range(1, 21)), days=1)
    assert server.writes == []


def test_down_all_night_the_next_night_sends_the_latest_once(
    site: tuple[HubSpotServer, Project],
) -> None:
    server, project = site
    server.before = lambda _: Response(503)
    with pytest.raises((TryLater, Unfinished)):
        send(project, scores(*range(1, 21)), days=1)
    server.before = lambda _: None
    assert send(project, scores(*range(1, 21), plus=5), days=2).to_json()["sent"] == 20
    assert Counter(server.writes) == {str(n): 1 for n in range(1, 21)}
    assert held(server, 1, 20) == ["6", "25"]
    assert send(project, scores(*range(1, 21), plus=5), days=2).to_json()["sent"] == 0


def test_a_signal_ends_a_run_that_waits_for_the_crm(
    site: tuple[HubSpotServer, Project],
) -> None:
    """The CRM asks for ten minutes of silence; SIGTERM does not wait for them."""
    server, project = site
    server.clock.scale = 1.0
    server.before = lambda r: (
        Response(429, {}, {"Retry-After": "600"}) if r.path.endswith("/batch/update") else None
    )
    begun = time.monotonic()
    threading.Timer(1.0, os.kill, (os.getpid(), signal.SIGTERM)).start()
    with pytest.raises(SystemExit) as caught:
        send(project, scores(*range(1, 21)), days=1)
    assert caught.value.code == 143
    assert time.monotonic() - begun < 10
    server.before = lambda _: None
    server.clock.scale = 50.0
    assert send(project, scores(*range(1, 21)), days=1).to_json()["sent"] == 20


def test_a_dry_run_writes_nothing_at_the_servers_side(
    site: tuple[HubSpotServer, Project],
) -> None:
    server, project = site
    plan = send(project, scores(*range(1, 21)), days=1, dry_run=True).to_json()
    assert plan["sent"] == 20
    assert server.writes == []


def test_unknown_properties_ignored_with_a_200_are_no_success(
    site: tuple[HubSpotServer, Project],
) -> None:
    """HubSpot says yes and keeps nothing: what is read back tells."""
    server, project = site

    def forgets(request: Request) -> Response | None:
        if request.path.endswith("/batch/update"):
            server.state.properties["contacts"].pop("why", None)
            server.ignores_unknown = True
        return None

    server.before = forgets
    with pytest.raises(SomeRejected) as caught:
        send(project, scores(*range(1, 21)), days=1)
    assert caught.value.result.to_json()["rejected"] == 20


def test_half_of_the_leads_gone_without_a_word_holds(
    hubspot: HubSpotServer, tmp_path: Path
) -> None:
    populate(hubspot, 100, 50)
    project = project_over(tmp_path / "p", hubspot)
    night(project)
    store = hubspot.state.stores["contacts"]
    store.index = store.index[:40]  # the token sees fewer records than before
    with pytest.raises(Held, match="the CRM has 40 records, and 100 were there before"):
        night(project, 1)
    assert all(not row["deleted_at"] for row in latest(project, "contacts").values())


@pytest.mark.parametrize(
    ("told", "kept"),
    [
        ("0001-01-01T00:00:00.000Z", False),
        ("1970-01-01T00:00:00.000Z", False),
        ("9999-12-31T00:00:00.000Z", False),
        ("2031-01-01T00:00:00.000Z", False),
        ("not a time", False),
        (iso(END - DAY), True),
    ],
)
def test_impossible_times_of_activities_are_set_apart(
    hubspot: HubSpotServer, tmp_path: Path, told: str, kept: bool
) -> None:
    state = account(hubspot)
    state.stores["contacts"].load([record(1, END - 9 * DAY, END)])
    note = record(50, END - 5 * DAY, END, hs_timestamp=told, hs_createdate=iso(END - DAY))
    state.stores["notes"].load([note])
    state.associate("notes", "contacts", [("50", "1")])
    deal = record(60, END - 8 * DAY, END, dealstage="appointmentscheduled")
    deal.version("dealstage", "closedwon", END - DAY)
    state.stores["deals"].load([deal])
    state.associate("deals", "contacts", [("60", "1")])
    root = project_over(tmp_path / "p", hubspot)
    toml = root / "scoring.toml"
    toml.write_text(toml.read_text().replace("quarantine_share = 0.2", "quarantine_share = 1.0"))
    night(root)
    checked = check(Project(root), Moment(as_of=NIGHT, now=NIGHT)).to_json()["interactions"]
    # Beside the note: the deal was created.
    assert (checked["accepted"], checked["quarantined"]) == ((2, 0) if kept else (1, 1))


def test_a_record_that_comes_twice_lands_once(hubspot: HubSpotServer, tmp_path: Path) -> None:
    populate(hubspot, 250, 10)

    def doubled(request: Request) -> Response | None:
        if not request.path.endswith("contacts/search") or "sorts" not in request.body:
            return None
        hubspot.before = lambda _: None
        answer = hubspot.answer(request)
        hubspot.before = doubled
        answer.body["results"] = sorted(
            answer.body["results"] * 2, key=lambda r: r["properties"]["lastmodifieddate"]
        )[: 200 if len(answer.body["results"]) == 200 else 150]
        return answer

    hubspot.before = doubled
    project = project_over(tmp_path / "p", hubspot)
    night(project)
    assert len(landed(project, "contacts")) == len(latest(project, "contacts"))


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ('lead = "contacts"', 'lead = "contacts\'; --"'),
        ('lead = "contacts"', 'lead = "../../owners"'),
        ('lead = "contacts"', 'leed = "contacts"'),
        ("contacts = []", '"contacts\'; --" = []'),
        ("contacts = []", '"../contacts" = []'),
        ("contacts = []", "contakts = []"),
        ('kind = "hubspot"', 'kind = "hubspott"'),
    ],
)
def test_names_that_are_none_are_refused(
    hubspot: HubSpotServer, tmp_path: Path, old: str, new: str
) -> None:
    populate(hubspot, 10, 10)
    project = project_over(tmp_path / "p", hubspot)
    toml = project / "data/sources.toml"
    text = toml.read_text()
    assert old in text
    toml.write_text(text.replace(old, new))
    with pytest.raises(ConfigError):
        night(project)
    assert hubspot.writes == []
    assert not (project / ".scoring/landing/manifest.json").exists()


@pytest.mark.parametrize(
    "address", ["http://169.254.169.254", "http://metadata.google.internal", "http://10.0.0.8"]
)
def test_an_address_that_is_no_crm_gets_no_token(
    hubspot: HubSpotServer, tmp_path: Path, address: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    project = project_over(tmp_path / "p", hubspot)
    monkeypatch.setenv("HUBSPOT_ADDRESS", address)
    with pytest.raises(ConfigError, match="No credentials were sent"):
        night(project)


def test_a_redirect_of_the_crm_is_not_followed(hubspot: HubSpotServer, tmp_path: Path) -> None:
    reached: list[Request] = []
    elsewhere = {"Location": hubspot.address.replace("127.0.0.1", "localhost") + "/elsewhere"}

    def redirect(request: Request) -> Response | None:
        reached.append(request)
        return Response(302, None, elsewhere)

    hubspot.before = redirect
    project = project_over(tmp_path / "p", hubspot)
    with pytest.raises(ConfigError, match="redirect"):
        night(project)
    assert [r.path for r in reached] == ["/account-info/v3/details"]
