"""Scores into Salesforce: every record accounted for, whatever its interface does to a call."""

from datetime import UTC, datetime, timedelta

import pandas as pd
import pytest
from loopback import Request, Response
from salesforce_kit import create_fields, populate, project_over

from scoring.crm.salesforce.sink import BULK_FROM, SalesforceSink
from scoring.emit.fields import fields_of
from scoring.emit.run import clear
from scoring.emit.run import emit as run_emit
from scoring.emit.undo import undo
from scoring.errors import ConfigError, PartlyRejected, TryLater
from scoring.project import Project

DAY_1 = datetime(2026, 5, 27, tzinfo=UTC)
DAY_2 = DAY_1 + timedelta(days=1)
COLUMNS = (
    *("score", "next_step", "attention", "why", "score_updated_on", "score_feedback"),
    *("probability", "main_reason", "tire_kicker", "grade"),
)
EMIT = f"columns = {list(COLUMNS)}\n"


def emit(project, as_of, scores, **more):
    return run_emit(project, "conversion", as_of, scores, now=as_of, **more)


def scores_of(ids):
    return pd.DataFrame(
        {
            "lead_id": ids,
            "score": [i * 37 % 101 for i in range(len(ids))],
            "next_step": [None if i % 3 else "call_now" for i in range(len(ids))],
            "attention": ["none" if i % 2 else "waiting_for_us" for i in range(len(ids))],
            "why": ["" if i % 5 == 4 else f'+ "{i}" e-mails, ä\n− no meeting'
                    for i in range(len(ids))],
            "why_key": [f"mails:{i}" for i in range(len(ids))],
            "probability": [i / 7 % 1 for i in range(len(ids))],
            "main_reason": ["engagement" if i % 2 else None for i in range(len(ids))],
            "tire_kicker": [i % 4 == 0 for i in range(len(ids))],
            "grade": ["ABCD"[i % 4] for i in range(len(ids))],
        }
    )  # fmt: skip


@pytest.fixture
def project(tmp_path, salesforce):
    made = Project(project_over(tmp_path / "p", salesforce, emit=EMIT))
    create_fields(salesforce, made)
    return made


@pytest.fixture
def ids(project, salesforce):
    """Leads that may be edited."""
    populate(salesforce, 500, 0)
    create_fields(salesforce, project)
    leads = salesforce.state.stores["Lead"]
    return [each for each, record in leads.items() if not record["IsConverted"]]


def held(server, each):
    record = server.state.stores["Lead"][each]
    return {c: record[f"ls_{c}__c"] for c in COLUMNS if c != "score_feedback"}


def wanted(row):
    plain = {k: None if v is None or pd.isna(v) or v == "" else v for k, v in row.items()}
    return plain | {"probability": round(row["probability"] * 100, 2)}


def check_all(server, scores, skip=()):
    for row in scores.to_dict("records"):
        if row["lead_id"] not in skip:
            found = held(server, row.pop("lead_id"))
            row.pop("why_key")
            assert found == {**wanted(row), "score_updated_on": found["score_updated_on"]}


@pytest.mark.parametrize("bulk_from", [BULK_FROM, 50])
def test_scores_arrive_with_their_types_and_only_ours(
    project, salesforce, ids, monkeypatch, bulk_from
):
    monkeypatch.setattr("scoring.crm.salesforce.sink.BULK_FROM", bulk_from)
    theirs = {e: salesforce.state.stores["Lead"][e]["Industry"] for e in ids}
    scores = scores_of(ids)
    result = emit(project, DAY_1, scores)
    assert result.to_json() == {
        "sent": len(ids), "unchanged": 0, "rejected": 0, "skipped": 0, "retry": 0, "cleared": 0,
    }  # fmt: skip
    check_all(salesforce, scores)
    assert held(salesforce, ids[0])["score_updated_on"] == "2026-05-27"
    assert theirs == {e: salesforce.state.stores["Lead"][e]["Industry"] for e in ids}
    assert bool(salesforce.jobs) is (bulk_from == 50)
    assert emit(project, DAY_1, scores).unchanged == len(ids)
    # A lead that has no score any more is emptied, texts and picklists too.
    assert emit(project, DAY_2, scores[:-60]).cleared == 60
    found = held(salesforce, ids[-1])
    assert found.pop("tire_kicker") is False
    assert set(found.values()) == {None}


def test_what_the_administrator_has_to_create_is_said_before_the_first_write(tmp_path, salesforce):
    ids = populate(salesforce, 5, 0)
    project = Project(project_over(tmp_path / "q", salesforce, emit=EMIT))
    with pytest.raises(ConfigError) as raised:
        emit(project, DAY_1, scores_of(ids))
    text = str(raised.value)
    assert 'Lead: New → Number(3, 0), label "Lead score", name ls_score' in text
    assert "Percent(5, 2)" in text
    assert "Long Text Area" in text
    assert "waiting_for_us = Waiting for our answer" in text
    assert "Set History Tracking" in text
    assert salesforce.writes == []
    plan = emit(project, DAY_1, scores_of(ids), dry_run=True).plan
    assert len(plan.create) == len(COLUMNS)
    assert salesforce.writes == []


@pytest.mark.parametrize(
    ("name", "change", "says"),
    [
        ("ls_score__c", {"type": "string"}, "Number"),
        ("ls_score__c", {"precision": 2}, "Number"),
        ("ls_probability__c", {"type": "double"}, "Percent"),
        ("ls_why__c", {"length": 100}, "100 characters"),
        ("ls_why__c", {"type": "string"}, "Long Text"),
        ("ls_grade__c", {"updateable": False}, "permission"),
        ("ls_attention__c", {"picklistValues": []}, "waiting_for_us"),
    ],
)
def test_a_field_that_changed_is_noticed_before_the_first_write(
    project, salesforce, ids, name, change, says
):
    salesforce.state.fields["Lead"][name] |= change
    with pytest.raises(ConfigError, match=says):
        emit(project, DAY_1, scores_of(ids))
    assert salesforce.writes == []


def test_success_false_inside_an_answer_of_200_is_read_record_by_record(project, salesforce, ids):
    bad = set(ids[3:200:40])
    salesforce.refuses = lambda each, _: "FIELD_CUSTOM_VALIDATION_EXCEPTION" if each in bad else ""
    scores = scores_of(ids)
    with pytest.raises(PartlyRejected) as raised:
        emit(project, DAY_1, scores)
    result = raised.value.result
    assert (result.sent, result.rejected) == (len(ids) - len(bad), len(bad))
    assert result.codes == {"FIELD_CUSTOM_VALIDATION_EXCEPTION": len(bad)}
    check_all(salesforce, scores, skip=bad)
    salesforce.refuses = lambda *_: ""
    assert emit(project, DAY_2, scores).sent == len(bad)


def test_a_record_that_spoils_a_whole_call_is_isolated(project, salesforce, ids):
    salesforce.spoils = {ids[7], ids[333]}
    scores = scores_of(ids)
    with pytest.raises(PartlyRejected) as raised:
        emit(project, DAY_1, scores)
    assert raised.value.result.codes == {"JSON_PARSER_ERROR": 2}
    check_all(salesforce, scores, skip=salesforce.spoils)


@pytest.mark.parametrize("bulk_from", [BULK_FROM, 50])
def test_a_locked_row_is_tried_again(project, salesforce, ids, monkeypatch, bulk_from):
    monkeypatch.setattr("scoring.crm.salesforce.sink.BULK_FROM", bulk_from)
    salesforce.locks = {ids[1]: 1, ids[2]: 2, ids[3]: 99}
    scores = scores_of(ids)
    with pytest.raises(PartlyRejected) as raised:
        emit(project, DAY_1, scores)
    assert raised.value.result.codes == {"UNABLE_TO_LOCK_ROW": 1}
    check_all(salesforce, scores, skip={ids[3]})
    salesforce.locks = {}
    assert emit(project, DAY_2, scores).sent == 1


def test_deleted_merged_and_converted_leads_are_skipped_and_said(project, salesforce, ids):
    salesforce.state.delete("Lead", ids[0])
    salesforce.state.merge(ids[2], ids[1])
    salesforce.state.convert(ids[3])
    unknown = [*ids[:5], "00Q000000009999EAA", "00123", "x'; --"]
    result = emit(project, DAY_1, scores_of(unknown))
    assert (result.sent, result.skipped) == (2, 6)
    assert result.codes == {"no_such_record": 5, "converted": 1}


def test_bulk_records_that_were_not_looked_at_wait(project, salesforce, ids, monkeypatch):
    monkeypatch.setattr("scoring.crm.salesforce.sink.BULK_FROM", 50)
    salesforce.loses = 100
    scores = scores_of(ids)
    with pytest.raises(TryLater) as raised:
        emit(project, DAY_1, scores)
    # Four tries, each of which leaves a hundred open, until fewer than a job takes are left.
    assert raised.value.result.sent + raised.value.result.retry == len(ids)
    assert raised.value.result.retry > 0
    salesforce.loses = 0
    emit(project, DAY_1, scores)
    check_all(salesforce, scores)


@pytest.mark.parametrize("bulk_from", [BULK_FROM, 50])
def test_thirty_per_cent_of_the_calls_fail(project, salesforce, ids, monkeypatch, bulk_from):
    monkeypatch.setattr("scoring.crm.salesforce.sink.BULK_FROM", bulk_from)
    salesforce.faults.share = 0.3
    scores = scores_of(ids)
    for n in range(20):
        try:
            result = emit(project, DAY_1 + timedelta(days=n), scores)
        except TryLater:
            continue
        break
    assert result.sent + result.unchanged == len(ids)
    check_all(salesforce, scores)


def test_the_daily_limit_carries_over_by_value(project, salesforce, ids):
    scores = scores_of(ids)
    salesforce.daily, salesforce.used = 400, 315  # 320 of them are ours: what is left is five
    result = emit(project, DAY_1, scores)
    assert result.waits == "budget"
    assert 0 < result.sent < len(ids)
    assert result.sent + result.retry == len(ids)
    urgent = {e for e, a in zip(ids, scores["attention"], strict=True) if a != "none"}
    sent = set(salesforce.writes)
    assert sent <= urgent or urgent <= sent
    salesforce.daily, salesforce.used = 10_000, 0
    assert emit(project, DAY_2, scores).unchanged == result.sent
    check_all(salesforce, scores)


def test_the_estimate_counts_what_is_called(project, salesforce, ids):
    scores = scores_of(ids)
    plan = emit(project, DAY_1, scores, dry_run=True).plan
    before = salesforce.calls
    emit(project, DAY_1, scores)
    # Signing in is none; the organisation's ID and describe come beside it.
    assert salesforce.calls - before <= plan.estimate.calls + 3
    assert salesforce.calls - before >= plan.estimate.calls


def test_a_dry_run_only_reads(project, salesforce, ids):
    salesforce.requests.clear()
    assert emit(project, DAY_1, scores_of(ids), dry_run=True).sent == len(ids)
    assert {request.method for request in salesforce.requests} == {"GET"}


def test_undo_and_clear(project, salesforce, ids):
    emit(project, DAY_1, scores_of(ids))
    before = {e: held(salesforce, e) for e in ids}
    moved = scores_of(ids)
    moved["score"] = 7
    emit(project, DAY_2, moved)
    result = undo(project, "conversion", DAY_2, now=DAY_2)
    assert result.rejected == result.skipped == result.waiting == 0
    assert {e: held(salesforce, e) for e in ids} == before
    assert clear(project, "conversion", DAY_2, now=DAY_2).cleared == len(ids)
    assert all(held(salesforce, e)["score"] is None for e in ids)


def test_sellers_answers_are_read_and_never_written(project, salesforce, ids):
    salesforce.state.change("Lead", ids[5], {"ls_score_feedback__c": "too_high"})
    salesforce.state.change("Lead", ids[6], {"ls_score_feedback__c": "other"})
    emit(project, DAY_1, scores_of(ids))
    assert salesforce.state.stores["Lead"][ids[5]]["ls_score_feedback__c"] == "too_high"
    sink = SalesforceSink(project.sources["crm"], project.settings.emit, project.root)
    fields = fields_of(project, "conversion")
    sink.ensure_fields(fields)
    field = next(f for f in fields if f.theirs)
    found = [(a.lead_id, a.value) for a in sink.answers(field)]
    sink.close()
    assert found == [(ids[5], "too_high")]


def test_a_redirect_gets_no_token(project, salesforce, ids):
    there = Response(302, headers={"Location": "http://169.254.169.254/latest"})
    salesforce.before = lambda _: there
    with pytest.raises(ConfigError, match="redirect"):
        emit(project, DAY_1, scores_of(ids))


def test_an_address_of_a_metadata_service_is_refused(tmp_path, salesforce):
    root = project_over(tmp_path / "q", salesforce)
    toml = root / "data" / "sources.toml"
    toml.write_text(toml.read_text().replace(salesforce.address, "http://169.254.169.254"))
    with pytest.raises(ConfigError, match="refused"):
        emit(Project(root), DAY_1, scores_of(["00Q000000000001EAA"]))
    assert salesforce.calls == 0


def test_a_stop_in_the_middle_leaves_nothing_unknown(project, salesforce, ids):
    """The connection ends after the call was done: the next run finds out."""
    calls = []

    def cut(request: Request) -> Response | None:
        if request.method == "PATCH":
            calls.append(request)
            salesforce.answer(request)
            return Response(0)
        return None

    salesforce.before = cut
    scores = scores_of(ids[:150])
    with pytest.raises(TryLater) as raised:
        emit(project, DAY_1, scores)
    assert raised.value.result.retry == 150
    salesforce.before = lambda _: None
    assert emit(project, DAY_1, scores).sent == 150
    check_all(salesforce, scores)


def test_a_crm_that_is_one_of_several_sources(project, salesforce, ids):
    """IDs carry their source's name; the other source's leads are not this CRM's."""
    toml = project.root / "data" / "sources.toml"
    toml.write_text(toml.read_text() + '[sources.web]\npath = "web"\ntables.leads = "leads.csv"\n')
    scores = scores_of(
        [*(f"crm:{each}" for each in ids[:40]), *(f"web:{each}" for each in ids[:3])]
    )
    project = Project(project.root)
    result = emit(project, DAY_1, scores)
    assert (result.sent, result.skipped) == (40, 3)
    assert result.codes == {"other_source": 3}
    own = scores[:40].assign(lead_id=ids[:40])
    check_all(salesforce, own)
    assert undo(project, "conversion", DAY_1, now=DAY_1).restored == 40
    assert held(salesforce, ids[0])["score"] is None
