"""Every record that is written to HubSpot has an outcome, whichever way a batch ends."""

from collections import Counter
from collections.abc import Iterator
from datetime import date
from pathlib import Path

import pytest
from contracts import HubSpotContract
from hubspot_server import EVERYTHING, SCHEMA, WRITE, HubSpotServer
from hubspot_world import END, account, record

from scoring.config import EmitSection, Source
from scoring.crm.hubspot import HubSpotSink
from scoring.crm.port import BUDGET, Change, Field, Option, Value
from scoring.errors import ConfigError

FIELDS = (
    Field("score", "ls_score", "integer", label="Score", group="Lead scoring"),
    Field("probability", "ls_probability", "share", label="Probability"),
    Field(
        "attention",
        "ls_attention",
        "choice",
        label="Attention",
        options=(Option("none", "–"), Option("low_engagement", "Low"), Option("not_worked", "New")),
    ),
    Field("why", "ls_why", "text", 255, label="Why"),
    Field("score_updated_on", "ls_score_updated_on", "date", label="Updated"),
    Field("tire_kicker", "ls_tire_kicker", "flag", label="Weak intent"),
    Field(
        "score_feedback",
        "ls_score_feedback",
        "choice",
        label="Feedback",
        options=(Option("agree", "Agree"), Option("too_high", "Too high")),
        theirs=True,
    ),
)
OURS = tuple(f for f in FIELDS if not f.theirs)


def source_at(server: HubSpotServer, **options: str) -> Source:
    return Source.model_validate(
        {
            "kind": "hubspot",
            "address": server.address,
            "credentials_env": "HUBSPOT",
            "tables": {"contacts": []},
            "options": options,
            "limit_share": 1.0,
        }
    )


def sink_at(
    server: HubSpotServer, admin: bool = False, environ: dict[str, str] | None = None
) -> HubSpotSink:
    return HubSpotSink(
        source_at(server),
        EmitSection(),
        Path(),
        environ or {"HUBSPOT_TOKEN": "token"},
        admin=admin,
    )


def values(number: int) -> dict[str, Value]:
    return {
        "ls_score": number % 101,
        "ls_probability": number / 1000,
        "ls_attention": ("none", "low_engagement")[number % 2],
        "ls_why": f"line {number}\nand another — ä",
        "ls_score_updated_on": date(2026, 5, 27),
        "ls_tire_kicker": number % 2 == 0,
    }


def changes(*numbers: int) -> list[Change]:
    return [Change(str(n), values(n)) for n in numbers]


@pytest.fixture
def ready(hubspot: HubSpotServer) -> Iterator[tuple[HubSpotServer, HubSpotSink]]:
    """1,000 contacts, and a sink whose fields are there."""
    state = account(hubspot)
    state.stores["contacts"].load([record(n, END, END, country="FI") for n in range(1, 1001)])
    sink = sink_at(hubspot)
    sink.ensure_fields(FIELDS, apply=True)
    hubspot.writes.clear()
    yield hubspot, sink
    sink.close()


def stored(server: HubSpotServer, number: int) -> dict[str, str]:
    properties = server.state.stores["contacts"].records[str(number)].properties
    return {k: v for k, v in properties.items() if k.startswith("ls_")}


def test_fields_are_planned_then_made_once(hubspot: HubSpotServer) -> None:
    account(hubspot)
    sink = sink_at(hubspot)
    plan = sink.ensure_fields(FIELDS)
    assert [f.name for f in plan.missing] == [f.name for f in FIELDS]
    assert "ls_score" in plan.steps[0]
    assert hubspot.writes == []
    assert sink.ensure_fields(FIELDS, apply=True).missing == ()
    there = hubspot.state.properties["contacts"]
    assert {n: (p["type"], p["fieldType"]) for n, p in there.items() if n.startswith("ls_")} == {
        "ls_score": ("number", "number"),
        "ls_probability": ("number", "number"),
        "ls_attention": ("enumeration", "select"),
        "ls_why": ("string", "textarea"),
        "ls_score_updated_on": ("date", "date"),
        "ls_tire_kicker": ("bool", "booleancheckbox"),
        "ls_score_feedback": ("enumeration", "select"),
    }
    assert all(p["formField"] is False for n, p in there.items() if n.startswith("ls_"))
    assert hubspot.state.groups["contacts"]["lead_scoring"]["label"] == "Lead scoring"
    made = len(hubspot.writes)
    sink.ensure_fields(FIELDS, apply=True)
    assert len(hubspot.writes) == made


def test_a_changed_list_or_type_is_noticed_before_the_first_write(
    ready: tuple[HubSpotServer, HubSpotSink],
) -> None:
    server, sink = ready
    there = server.state.properties["contacts"]
    there["ls_attention"]["options"] = [
        {"label": "Mine", "value": "mine", "hidden": False},
        {"label": "–", "value": "none", "hidden": False},
    ]
    plan = sink.ensure_fields(FIELDS)
    assert [f.name for f in plan.incomplete] == ["ls_attention"]
    assert "low_engagement, not_worked" in plan.steps[0]
    sink.ensure_fields(FIELDS, apply=True)
    listed = [o["value"] for o in there["ls_attention"]["options"]]
    assert listed == ["mine", "none", "low_engagement", "not_worked"]
    there["ls_score"]["type"] = "string"
    with pytest.raises(ConfigError, match='"ls_score" has the type string'):
        sink.ensure_fields(FIELDS)


def test_what_is_written_reads_back_the_same(ready: tuple[HubSpotServer, HubSpotSink]) -> None:
    server, sink = ready
    outcomes = sink.write(changes(*range(1, 251)))
    assert Counter(o.status for o in outcomes) == {"sent": 250}
    back = sink.read_back([str(n) for n in range(1, 251)])
    assert back == {str(n): values(n) for n in range(1, 251)}
    cleared = [Change("7", dict.fromkeys(values(7)), cleared=True)]
    assert [o.status for o in sink.write(cleared)] == ["sent"]
    assert set(stored(server, 7).values()) == {""}
    assert sink.read_back(["7"])["7"] == dict.fromkeys(values(7))
    assert server.state.stores["contacts"].records["7"].properties["country"] == "FI"


@pytest.mark.parametrize("partial", ["207", "400", "200"])
def test_bad_records_cost_only_themselves(
    ready: tuple[HubSpotServer, HubSpotSink], partial: str
) -> None:
    server, sink = ready
    server.partial = partial
    server.refuses = lambda each, _: "no" if int(each) % 97 == 0 else ""
    outcomes = {o.lead_id: o for o in sink.write(changes(*range(1, 1001)))}
    bad = {str(n) for n in range(97, 1001, 97)}
    assert {each for each, o in outcomes.items() if o.status == "rejected"} == bad
    assert {each for each, o in outcomes.items() if o.status == "sent"} == {
        str(n) for n in range(1, 1001)
    } - bad
    assert {outcomes[each].code for each in bad} == {
        "no_answer" if partial == "200" else "VALIDATION_ERROR"
    }
    for number in range(1, 1001):
        assert (stored(server, number) == {}) == (str(number) in bad)


def test_success_with_nothing_in_it_is_written_again(
    ready: tuple[HubSpotServer, HubSpotSink],
) -> None:
    server, sink = ready
    ids = [str(n) for n in range(1, 101)]
    sink.read_back(ids)
    server.swallows = 1
    assert Counter(o.status for o in sink.write(changes(*range(1, 101)))) == {"sent": 100}
    assert all(stored(server, n)["ls_score"] == str(n % 101) for n in range(1, 101))


def test_deleted_and_merged_records_are_skipped_and_survivors_left_alone(
    ready: tuple[HubSpotServer, HubSpotSink],
) -> None:
    server, sink = ready
    server.state.archive("contacts", "3")
    made = server.state.merge("contacts", "4", "5")
    outcomes = {o.lead_id: (o.status, o.code) for o in sink.write(changes(1, 3, 4, 5))}
    assert outcomes == {
        "1": ("sent", ""),
        "3": ("skipped", "no_such_record"),
        "4": ("skipped", "no_such_record"),
        "5": ("skipped", "no_such_record"),
    }
    assert stored(server, int(made.id)) == {}


def test_a_record_that_goes_between_the_look_and_the_write(
    ready: tuple[HubSpotServer, HubSpotSink],
) -> None:
    server, sink = ready
    sink.read_back([str(n) for n in range(1, 101)])
    server.state.archive("contacts", "50")
    outcomes = {o.lead_id: o for o in sink.write(changes(*range(1, 101)))}
    assert outcomes["50"].status == "skipped"
    assert Counter(o.status for o in outcomes.values()) == {"sent": 99, "skipped": 1}


def test_unknown_properties_that_are_ignored_silently_show_when_read_back(
    ready: tuple[HubSpotServer, HubSpotSink],
) -> None:
    server, sink = ready
    server.ignores_unknown = True
    server.state.properties["contacts"].pop("ls_why")
    assert Counter(o.status for o in sink.write(changes(1, 2))) == {"sent": 2}
    assert sink.read_back(["1"])["1"]["ls_why"] is None


def test_a_property_that_is_deleted_meanwhile_is_no_fault_of_a_record(
    ready: tuple[HubSpotServer, HubSpotSink],
) -> None:
    server, sink = ready
    sink.read_back(["1", "2"])
    server.state.properties["contacts"].pop("ls_why")
    with pytest.raises(ConfigError, match="does not exist"):
        sink.write(changes(1, 2))
    assert server.writes == []


def test_a_crm_that_is_away_means_retry(ready: tuple[HubSpotServer, HubSpotSink]) -> None:
    server, sink = ready
    server.faults.share = 1.0
    outcomes = sink.write(changes(*range(1, 101)))
    assert Counter((o.status, o.code) for o in outcomes) == {("retry", "unavailable"): 100}
    assert {o.lead_id for o in outcomes} == {str(n) for n in range(1, 101)}


def test_thirty_percent_of_failing_calls(ready: tuple[HubSpotServer, HubSpotSink]) -> None:
    server, sink = ready
    server.faults.share = 0.3
    waiting = changes(*range(1, 1001))
    sent: list[str] = []
    for _ in range(6):
        outcomes = sink.write(waiting)
        assert len(outcomes) == len({o.lead_id for o in outcomes}) == len(waiting)
        sent += [o.lead_id for o in outcomes if o.status == "sent"]
        retry = {o.lead_id for o in outcomes if o.status == "retry"}
        waiting = [c for c in waiting if c.lead_id in retry]
        if not waiting:
            break
    assert sorted(sent, key=int) == [str(n) for n in range(1, 1001)]
    server.faults.share = 0.0
    assert all(stored(server, n)["ls_score"] == str(n % 101) for n in range(1, 1001))


def test_the_days_limit_leaves_others_their_share(
    ready: tuple[HubSpotServer, HubSpotSink],
) -> None:
    server, _ = ready
    server.daily = 130_050  # of 650,000; a fifth is not ours
    sink = HubSpotSink(
        source_at(server).model_copy(update={"limit_share": 0.8}),
        EmitSection(),
        Path(),
        {"HUBSPOT_TOKEN": "token"},
    )
    sink.ensure_fields(OURS)
    room = sink.room()
    assert room.tonight is not None
    assert 1_000 < room.tonight < 5_000
    server.daily = 129_999
    sink.read_back(["1"])
    outcomes = sink.write(changes(1, 2, 3))
    assert {(o.status, o.code) for o in outcomes} == {("retry", BUDGET)}


def test_the_nightly_token_needs_no_right_to_make_fields(
    ready: tuple[HubSpotServer, HubSpotSink],
) -> None:
    server, _ = ready
    server.tokens["nightly"] = EVERYTHING - {SCHEMA}
    server.tokens["reader"] = EVERYTHING - {SCHEMA, WRITE}
    environ = {"HUBSPOT_TOKEN": "nightly", "HUBSPOT_ADMIN_TOKEN": "token"}
    server.state.properties["contacts"].pop("ls_score")
    with pytest.raises(ConfigError, match=f"Missing scope: {SCHEMA}"):
        sink_at(server, environ=environ).ensure_fields(FIELDS, apply=True)
    sink_at(server, admin=True, environ=environ).ensure_fields(FIELDS, apply=True)
    nightly = sink_at(server, environ=environ)
    assert nightly.ensure_fields(FIELDS).missing == ()
    assert [o.status for o in nightly.write(changes(1))] == ["sent"]
    reader = sink_at(server, environ={"HUBSPOT_TOKEN": "reader"})
    reader.ensure_fields(FIELDS)
    with pytest.raises(ConfigError, match=f"Missing scope: {WRITE}"):
        reader.write(changes(2))


def test_what_sellers_answered(ready: tuple[HubSpotServer, HubSpotSink]) -> None:
    server, sink = ready
    contacts = server.state.stores["contacts"].records
    server.state.update("contacts", contacts["8"], {"ls_score_feedback": "too_high"}, "CRM_UI")
    server.state.update("contacts", contacts["9"], {"ls_score_feedback": "nonsense"}, "CRM_UI")
    (answer,) = list(sink.answers(FIELDS[-1]))
    assert (answer.lead_id, answer.value) == ("8", "too_high")
    assert answer.changed_at is not None
    assert abs(answer.changed_at.timestamp() - server.clock.time()) < 60


def test_requests_fit_the_contract(ready: tuple[HubSpotServer, HubSpotSink]) -> None:
    contract = HubSpotContract()
    server, sink = ready
    server.partial = "207"
    server.state.archive("contacts", "3")
    sink.write([*changes(1, 2, 3), Change("4", dict.fromkeys(values(4)), cleared=True)])
    sink.read_back(["1", "2"])
    list(sink.answers(FIELDS[-1]))
    server.state.properties["contacts"]["ls_attention"]["options"].pop()
    sink.ensure_fields(FIELDS, apply=True)
    assert {r.method for r in server.requests} == {"GET", "POST", "PATCH"}
    for request in server.requests:
        contract.check(request)


def test_no_two_batches_hold_a_record_and_none_is_too_large(
    ready: tuple[HubSpotServer, HubSpotSink],
) -> None:
    server, sink = ready
    sink.write(changes(*range(1, 1001)))
    batches = [r.body["inputs"] for r in server.requests if r.path.endswith("/batch/update")]
    assert [len(b) for b in batches] == [100] * 10
    assert len({each["id"] for b in batches for each in b}) == 1000
    names = {name for b in batches for each in b for name in each["properties"]}
    assert names == set(values(1))  # only ours, and not the sellers' field
