"""Every record that is written to Odoo has an outcome, and only our fields are touched."""

from collections.abc import Iterator
from datetime import date
from pathlib import Path

import pytest
from loopback import ScaledClock, serving
from odoo_server import OdooServer

from scoring.config import EmitSection, Source
from scoring.crm.odoo import OdooSink
from scoring.crm.port import Change, Field, Option, Value
from scoring.errors import ConfigError

FIELDS = (
    Field("score", "score", "integer", label="Score", group="Lead scoring"),
    Field("probability", "probability", "share", label="Probability"),
    Field("attention", "attention", "choice", options=(Option("none", "–"), Option("low", "Low"))),
    Field("why", "why", "text", 255, label="Why"),
    Field("score_updated_on", "score_updated_on", "date", label="Updated"),
    Field("tire_kicker", "tire_kicker", "flag", label="Weak intent"),
    Field(
        "score_feedback", "score_feedback", "choice", options=(Option("agree", "Yes"),), theirs=True
    ),
)
OURS = tuple(f for f in FIELDS if not f.theirs)


@pytest.fixture
def odoo(clock: ScaledClock) -> Iterator[OdooServer]:
    with serving(OdooServer(clock)) as server:
        assert isinstance(server, OdooServer)
        server.keys["nightly"] = frozenset({"write"})
        for _ in range(300):
            server.state.lead()
        yield server


def sink_at(server: OdooServer, admin: bool = False) -> OdooSink:
    source = Source.model_validate(
        {
            "kind": "odoo",
            "address": server.address,
            "credentials_env": "ODOO",
            "tables": {"crm_lead": []},
        }
    )
    environ = {"ODOO_TOKEN": "nightly", "ODOO_ADMIN_TOKEN": "token"}
    return OdooSink(source, EmitSection(sink="odoo"), Path("/nowhere"), environ, admin=admin)


def ready(server: OdooServer) -> OdooSink:
    assert sink_at(server, admin=True).ensure_fields(FIELDS, apply=True).missing == ()
    sink = sink_at(server)
    assert sink.ensure_fields(FIELDS).steps == ()
    return sink


def change(lead: object, score: int = 50, **more: Value) -> Change:
    values: dict[str, Value] = {
        "score": score,
        "probability": 0.1234,
        "attention": "none",
        "why": "+ a\n− b",
        "score_updated_on": date(2026, 5, 1),
        "tire_kicker": False,
        **more,
    }
    return Change(str(lead), values)


def test_fields_are_planned_made_once_and_shown(odoo: OdooServer) -> None:
    plan = sink_at(odoo).ensure_fields(FIELDS)
    assert plan.missing == FIELDS
    assert "create x_ls_attention on the model crm.lead" in plan.steps[2]
    with pytest.raises(ConfigError, match=r"may not create ir.model.fields"):
        sink_at(odoo).ensure_fields(FIELDS, apply=True)
    ready(odoo)
    ready(odoo)
    made = {r["name"]: r for r in odoo.state["ir.model.fields"].own.values() if "x_" in r["name"]}
    assert set(made) == {f"x_ls_{f.column}" for f in FIELDS}
    assert {n for n, r in made.items() if r["tracking"]} == {"x_ls_score_feedback"}
    views = list(odoo.state["ir.ui.view"].own.values())
    assert len(views) == 3
    assert all(f'"x_ls_{f.column}"' in view["arch_db"] for view in views for f in FIELDS)


def test_what_does_not_fit_is_found_before_the_first_write(odoo: OdooServer) -> None:
    sink = ready(odoo)
    odoo.state.selections["x_ls_attention"].pop()
    assert [f.column for f in sink.ensure_fields(FIELDS).incomplete] == ["attention"]
    assert sink_at(odoo, admin=True).ensure_fields(FIELDS, apply=True).incomplete == ()
    odoo.state["crm.lead"].fields["x_ls_score"] = "char"
    with pytest.raises(ConfigError, match="x_ls_score of Odoo's leads is a char"):
        sink.ensure_fields(FIELDS)
    with pytest.raises(ConfigError, match="has numbers only"):
        sink.ensure_fields(FIELDS[:2])


def test_values_come_back_as_they_were_written(odoo: OdooServer) -> None:
    sink = ready(odoo)
    before = {k: dict(r) for k, r in odoo.state["crm.lead"].own.items()}
    odoo.state["crm.lead"].own[2]["active"] = False  # a lost lead is written, too
    changes = [change(1, 0), change(2, 100), change(3)]
    assert {o.status for o in sink.write(changes)} == {"sent"}
    back = sink.read_back(["1", "2", "3", "4"])
    for each in changes:
        for name, value in each.values.items():
            told = back[each.lead_id][name]
            assert told == (pytest.approx(value, abs=5e-5) if name == "probability" else value)
    assert set(back["4"].values()) == {None}
    record = odoo.state["crm.lead"].own[1]
    assert record["x_ls_probability"] == 12.34  # Odoo's percents go to 100
    own = {n: v for n, v in record.items() if not n.startswith("x_ls_") and n != "write_date"}
    assert own == {n: v for n, v in before[1].items() if n in own}
    cleared = Change("1", dict.fromkeys(changes[0].values), cleared=True)
    assert sink.write([cleared])[0].status == "sent"
    assert sink.read_back(["1"])["1"] == dict.fromkeys(changes[0].values)


def test_bad_records_are_found_and_the_rest_is_delivered(odoo: OdooServer) -> None:
    sink = ready(odoo)
    ids = [*range(1, 180), 99_999, "L0001", "007", str(2**40)]
    refused = {17: "odoo.exceptions.ValidationError", 64: "AccessError"}
    odoo.refuses = lambda lead, _: refused.get(lead, "")
    changes = [change(i, attention="nonsense") if i == 33 else change(i) for i in ids]
    outcomes = {o.lead_id: o for o in sink.write(changes)}
    assert len(outcomes) == len(ids)
    skipped = {i for i, o in outcomes.items() if o.status == "skipped"}
    assert skipped == {"99999", "L0001", "007", str(2**40)}
    rejected = {i: o.code for i, o in outcomes.items() if o.status == "rejected"}
    assert rejected == {"17": "ValidationError", "33": "ValueError", "64": "AccessError"}
    sent = {int(i) for i, o in outcomes.items() if o.status == "sent"}
    assert sent == set(range(1, 180)) - {17, 33, 64} == set(odoo.written)
    assert odoo.state["crm.lead"].own[17]["x_ls_score"] is False


def test_a_lead_that_vanishes_between_look_and_write(odoo: OdooServer) -> None:
    sink = ready(odoo)

    def vanish(lead: int, _: object) -> str:
        if lead == 5:
            odoo.refuses = lambda *_: ""
            odoo.state.unlink(6)
        return ""

    odoo.refuses = vanish
    outcomes = {o.lead_id: o.status for o in sink.write([change(i) for i in range(1, 11)])}
    assert outcomes == {str(i): "skipped" if i == 6 else "sent" for i in range(1, 11)}


def test_failing_calls_lose_nothing_and_write_nothing_wrong(odoo: OdooServer) -> None:
    sink = ready(odoo)
    odoo.faults.share = 0.3
    waiting = {str(i): change(i, i % 100) for i in range(1, 301)}
    for _ in range(60):
        if not waiting:
            break
        part = list(waiting.values())[:10]
        for outcome in sink.write(part):
            if outcome.status != "retry":
                assert outcome.status == "sent"
                del waiting[outcome.lead_id]
    assert odoo.faults.caused > 10
    assert not waiting
    scores = {r["id"]: r["x_ls_score"] for r in odoo.state["crm.lead"].own.values()}
    assert scores == {i: i % 100 for i in range(1, 301)}


def test_a_user_who_may_write_no_lead_stops_the_run(odoo: OdooServer) -> None:
    sink = ready(odoo)
    odoo.keys["nightly"] = frozenset()
    with pytest.raises(ConfigError, match="write none of the leads"):
        sink.write([change(i) for i in range(1, 5)])
    with pytest.raises(ConfigError, match=r"may not write crm.lead"):
        sink.ensure_fields(FIELDS)


def test_sellers_answers_are_read(odoo: OdooServer) -> None:
    sink = ready(odoo)
    odoo.state.write(7, x_ls_score_feedback="agree")
    (answer,) = list(sink.answers(FIELDS[-1]))
    assert (answer.lead_id, answer.value) == ("7", "agree")
    assert answer.changed_at is not None
    assert answer.changed_at.tzinfo is not None
