"""From an address and a token to scores in the CRM, by the command line."""

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from hubspot_server import EVERYTHING, SCHEMA, HubSpotServer
from hubspot_simulated import load, table
from typer.testing import CliRunner

from scoring.cli.app import app
from scoring.errors import ScoringError
from scoring.simulate import simulate

NIGHT, NEXT = "2026-05-28", "2026-05-29"


def scoring(*arguments: object, code: int = 0) -> Any:
    """`scoring ARGUMENTS --json` in this process, so that it shares the server's clock."""
    done = CliRunner().invoke(app, [*map(str, arguments), "--json"])
    if isinstance(done.exception, ScoringError):
        assert done.exception.exit_code == code, done.exception
        return done.exception
    if done.exception and not isinstance(done.exception, SystemExit):
        raise done.exception
    assert code == 0
    return json.loads(done.stdout)


@pytest.fixture(scope="module")
def history(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("simulated")
    end = datetime(2026, 5, 27, 21, tzinfo=UTC)
    simulate(folder / "tables", leads=1_200, end=end, seed=3, truth_dir=folder / "truth")
    return folder / "tables"


@pytest.mark.slow
def test_from_an_address_and_a_token_to_scores_in_the_crm(
    history: Path, tmp_path: Path, hubspot: HubSpotServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    ids = load(hubspot, history)
    hubspot.keep = False
    hubspot.faults.share = 0.03
    monkeypatch.setenv("HUBSPOT_ADDRESS", hubspot.address)
    project = tmp_path / "p"
    made = scoring("init", project, "--crm", "hubspot", "--known-at-creation", "country,industry")
    assert made["answers"] == {"lead": "contacts", "won": "deal"}
    at = ("--project", project, "--as-of", NIGHT)

    counts = scoring("ingest", *at)
    assert counts["contacts"]["in_crm"] == counts["contacts"]["here"] == len(ids)
    checked = scoring("check", *at)
    assert checked["leads"]["accepted"] == len(ids)
    assert {t: c["quarantined"] for t, c in checked.items() if c["quarantined"]} == {}
    tables = project / ".scoring/tables"
    outcomes = [o for o in table(history, "outcomes") if o["outcome"] != "churned"]
    assert checked["outcomes"]["accepted"] == len(outcomes)
    assert tables.is_dir()

    trained = scoring("run", "retrain", *at)["steps"]["train"]
    assert trained["promoted"], trained["why"]
    nightly = scoring("run", "nightly", *at)["steps"]
    assert nightly["emit"]["sent"] == 0  # the roll-out begins in the shadow
    assert hubspot.writes == []

    toml = project / "scoring.toml"
    toml.write_text(toml.read_text().replace('mode = "shadow"', 'mode = "all"'))
    plan = scoring("emit", "--dry-run", *at)
    assert hubspot.writes == []
    assert plan["sent"] > 50
    error = scoring("emit", *at, code=2)
    assert "score" in str(error)
    assert hubspot.writes == []
    hubspot.tokens["nightly"] = EVERYTHING - {SCHEMA}
    monkeypatch.setenv("HUBSPOT_TOKEN", "nightly")
    monkeypatch.setenv("HUBSPOT_ADMIN_TOKEN", "token")
    sent = scoring("emit", "--apply-fields", *at)
    assert sent["sent"] == plan["sent"]
    scores = pd.read_parquet(project / "out/scores.parquet").set_index("lead_id")
    there = hubspot.state.stores["contacts"].records
    assert {i: int(there[i].properties["score"]) for i in scores.index} == dict(scores["score"])
    assert scoring("emit", *at)["sent"] == 0
    assert scoring("doctor", *at)["findings"][1]["level"] == "ok"

    # The next night: nothing of what we wrote comes back, a seller's answer does.
    lead = str(scores.index[0])
    hubspot.clock.move(86_400)
    answer = {"score_feedback": "too_high"}
    hubspot.state.update("contacts", there[lead], answer, "CRM_UI")
    hubspot.clock.move(86_400)
    at = ("--project", project, "--as-of", "2026-05-30")
    counts = scoring("ingest", *at)
    assert counts["contacts"]["accepted"] == 0
    assert counts["contacts"]["unchanged"] >= len(scores)
    assert counts["contact_history"]["accepted"] == 1
    checked = scoring("check", *at)
    assert checked["feedback"]["accepted"] == 1
    assert checked["interactions"]["accepted"] == 0


def test_doctor_names_the_scope_that_is_missing(
    tmp_path: Path, hubspot: HubSpotServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    from hubspot_world import account

    account(hubspot)
    monkeypatch.setenv("HUBSPOT_ADDRESS", hubspot.address)
    scoring("init", tmp_path / "p", "--crm", "hubspot")
    hubspot.tokens["token"] = EVERYTHING - {"crm.objects.deals.read"}
    found = scoring("doctor", "--project", tmp_path / "p")["findings"][1]
    assert found["what"] == "source crm"
    assert "Missing scope: crm.objects.deals.read" in found["found"]
    monkeypatch.setenv("HUBSPOT_TOKEN", "wrong")
    calls = hubspot.calls
    error = scoring("ingest", "--project", tmp_path / "p", code=2)
    assert hubspot.calls - calls == 1
    assert "token is not valid" in str(error)
    assert "wrong" not in str(error)
    monkeypatch.delenv("HUBSPOT_TOKEN")
    error = scoring("ingest", "--project", tmp_path / "p", code=2)
    assert "HUBSPOT_TOKEN" in str(error)


@pytest.mark.parametrize("lead", ["contacts", "leads"])
@pytest.mark.parametrize("won", ["deal", "customer"])
def test_every_answer_gives_a_project_whose_staging_binds(
    tmp_path: Path, hubspot: HubSpotServer, lead: str, won: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    from hubspot_world import END, populate, record

    monkeypatch.setenv("HUBSPOT_ADDRESS", hubspot.address)
    state = populate(hubspot, 40, 200)
    leads = [record(n, END - 10**9, END, hs_pipeline_stage="new-stage-id") for n in range(500, 520)]
    leads[0].version("hs_pipeline_stage", "unqualified-stage-id", END)
    state.stores["leads"].load(leads)
    state.associate("leads", "contacts", [(r.id, str(int(r.id) - 499)) for r in leads])
    deal = record(900, END - 10**8, END, dealstage="appointmentscheduled")
    deal.version("dealstage", "closedwon", END)
    state.stores["deals"].load([deal])
    state.associate("deals", "contacts", [("900", "3")])
    state.stores["contacts"].records["3"].version("lifecyclestage", "customer", END)
    project = tmp_path / "p"
    options = ("--option", f"lead={lead}", "--option", f"won={won}")
    scoring("init", project, "--crm", "hubspot", *options)
    at = ("--project", project, "--as-of", NIGHT)
    scoring("ingest", *at)
    checked = scoring("check", *at)
    assert checked["leads"]["accepted"] == (40 if lead == "contacts" else 20)
    assert checked["interactions"]["accepted"] > 50
    assert checked["outcomes"]["accepted"] == (1 if lead == "contacts" else 2)
    assert checked["stage_changes"]["accepted"] > 15
    assert {t for t, c in checked.items() if c["quarantined"]} <= {"interactions"}


def test_an_unknown_crm_or_answer_is_refused(tmp_path: Path) -> None:
    assert "hubspot" in str(scoring("init", tmp_path / "a", "--crm", "hubspott", code=2))
    error = scoring("init", tmp_path / "a", "--crm", "hubspot", "--option", "won=maybe", code=2)
    assert "must be one of deal, customer" in str(error)
    assert not (tmp_path / "a").exists()
