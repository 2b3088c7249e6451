"""Every operator equals its slow twin on random histories: ties, late records, merges, machines."""

from datetime import datetime, timedelta
from unittest import mock
from zoneinfo import ZoneInfo

import twin
from build_kit import columns
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from operator_kit import OLD_STAGES, STAGES, START, TYPES, VOCABULARY, equal, values
from twin import DAY, Lead, Row, World

from scoring.build import past
from scoring.build.columns import LEAD_OPS
from scoring.build.declare import contacts, interactions, lead_changes, stage_changes
from scoring.build.operators import OPERATORS

ours, theirs = interactions(direction="outbound"), interactions(direction="inbound")
long_ = interactions().where("minutes", at_least=10)
COLUMNS = columns(
    VOCABULARY,
    # conditions
    long=long_.count(last_days=[7, 30]),
    between=interactions("ask", "meet").where("minutes", at_least=-3, at_most=10).count(),
    happy=theirs.where("mood", is_in=["good", "x"]).where("ok", is_in=[True]).last_on(),
    few=interactions().where("minutes", is_in=[0, 10.5]).where("due", is_in=["soon"]).gap_mean(),
    long_days=long_.active_days(last_days=[5]),
    human=interactions().not_by_machine().count(last_days=[7]),
    human_long=long_.not_by_machine().trend(last_days=[14]),
    human_share=interactions().share(part=interactions().not_by_machine(), last_days=[5]),
    human_last=interactions().not_by_machine().last("mood"),
    human_reply=theirs.not_by_machine().followed_share(ours.not_by_machine(), within_days=3),
    evening=interactions().share(part=interactions().where("local_hour", at_least=18)),
    share_long=interactions("ask").share(part=long_, last_days=[5]),
    listed=interactions().where("mood", listed="cheerful").count(last_days=[5]),
    listed_also=theirs.where("mood", listed="cheerful", or_missing=True).last_on(),
    short_or_none=interactions().where("minutes", at_most=1, or_missing=True).count(),
    ok_or_none=interactions().where("ok", is_in=[True], or_missing=True).distinct("mood"),
    share_of=long_.share(type=["ask", "meet"], last_days=[5]),
    # how often
    n=interactions().count(last_days=[1, 5]),
    trend=theirs.trend(last_days=[7]),
    fresh=interactions().decayed(half_life_days=[1, 7, 30]),
    fresh_long=long_.decayed(half_life_days=[7]),
    burst=interactions().busiest(within_days=3, last_days=[5]),
    burst_ever=theirs.busiest(within_days=1),
    burst_share=interactions().busiest_share(within_days=7),
    # what the rows say
    total=interactions().sum("minutes", last_days=[5]),
    average=interactions().mean("minutes"),
    largest=theirs.max("minutes", last_days=[5]),
    smallest=interactions().min("minutes", last_days=[5]),
    smallest_ever=interactions().where("mood", is_in=["bad"]).min("minutes"),
    oldest=interactions().first("minutes"),
    oldest_mood=theirs.first("mood"),
    newest_mood=interactions("ask").last("mood"),
    cheerful=interactions("ask", "reply").last_listed("mood", "cheerful"),
    person=interactions().last_listed("due", "talk"),
    same_mood=interactions().repeated("mood", last_days=[30]),
    same_minutes=theirs.repeated("minutes"),
    same_type=interactions().repeated("type"),
    began=interactions().first("type"),
    spoke=interactions("ask", "reply").last("direction"),
    directions=interactions().distinct("direction"),
    people=long_.distinct("contact_id", last_days=[5]),
    kinds=interactions().distinct("type"),
    moods=interactions().changes("mood", last_days=[5]),
    moods_back=interactions().returns("mood"),
    up=interactions("ask").rises("minutes", last_days=[5]),
    down=interactions().falls("minutes"),
    booked=interactions().ahead("due"),
    booked_number=interactions("meet").ahead("due_day"),
    unkept=interactions().missed("due", done=interactions("meet")),
    unkept_lately=interactions("ask").missed("due_day", done=ours, last_days=[5]),
    # when
    first=interactions("ask").first_on(),
    last=long_.last_on(),
    gap=long_.gap_mean(),
    gap_two=theirs.gap_last(),
    gap_longest=interactions("ask", "meet").gap_longest(),
    # what came after what
    answered=interactions("ask").followed_by(interactions("reply"), within_days=2),
    answered_lately=interactions().followed_by(theirs, within_days=7, last_days=[5]),
    answered_share=ours.followed_share(theirs, within_days=3, last_days=[5]),
    again=interactions("ask").followed_share(interactions("ask", "meet"), within_days=10),
    in_vain=interactions("ask").unfollowed(interactions("reply"), within_days=2),
    in_vain_lately=ours.unfollowed(theirs, within_days=3, last_days=[30]),
    too_early=interactions("meet", "ask").unprepared(interactions("reply", "ask")),
    too_early_lately=theirs.unprepared(ours, last_days=[5]),
    our_time=theirs.response_mean(by=ours, last_days=[5]),
    their_time=ours.response_median(by=theirs),
    long_time=interactions().response_mean(by=long_),
    last_time=theirs.response_last(by=ours),
    median_lately=theirs.response_median(by=ours, last_days=[5]),
    waits=theirs.waiting_since(by=ours),
    waits_any=interactions().waiting_since(by=interactions("reply")),
    # the pipeline
    reach=stage_changes().furthest(),
    reach_of=stage_changes("talks", "new").furthest(),
    back=stage_changes().backward(last_days=[5]),
    back_ever=stage_changes().backward(),
    back_to=stage_changes("new").backward(),
    over=stage_changes().skipped(),
    over_lately=stage_changes().skipped(last_days=[5]),
    dwell=stage_changes().each_type().dwell(),
    dwell_two=stage_changes("new", "talks").dwell(),
    present=stage_changes().entered_on(),
    present_offer=stage_changes("offer").entered_on(),
    first_stage=stage_changes().first("stage"),
    # fields and people
    changed=lead_changes("close_on").count(last_days=[5]),
    values=lead_changes("close_on", "budget").distinct("value"),
    truly_changed=lead_changes().changes("value", last_days=[5]),
    contradicted=lead_changes().returns("value"),
    postponed=lead_changes("close_on").rises("number"),
    brought_forward=lead_changes().falls("number", last_days=[5]),
    latest_field=lead_changes().last("field"),
    joined=contacts("decider").first_on(),
    roles=contacts().distinct("role"),
    seniors=contacts().where("seniority", is_in=["high"]).count(),
)  # fmt: skip

# Half of them on whole days around the change of the pipeline: distances meet windows exactly.
steps = st.one_of(st.integers(34, 46).map(lambda day: 4 * day), st.integers(0, 4 * 80))
nudges = st.sampled_from([0, 0, 0, -1, 1])


def moment(step: int, nudge: int = 0) -> datetime:
    """On a coarse grid, so that events, records and snapshots meet to the microsecond."""
    return START + step * timedelta(hours=6) + nudge * timedelta(microseconds=1)


moments = st.builds(moment, steps, nudges)
delays = st.sampled_from([None, None, timedelta(0), timedelta(hours=6), 3 * DAY, 40 * DAY])
LEADS = ("00123", "NA", "a'b", "Ä")
DAYS = [(START + n * DAY).date().isoformat() for n in (0, 10, 40, 79, 120)]


@st.composite
def tables(draw: st.DrawFn, leads: list[str], whats: tuple[str, ...], most: int) -> list[Row]:
    """Rows with all properties of any stream: those that a stream has are read."""
    rows = []
    for n in range(draw(st.integers(0, most))):
        at, delay = draw(moments), draw(delays)
        due = draw(st.sampled_from([None, "soon", *DAYS]))
        number = draw(st.sampled_from([None, -7.25, 0.0, 0.1, 10.0, 10.5, 123456.789012]))
        rows.append(
            Row(
                draw(st.sampled_from(leads)),
                at,
                draw(st.sampled_from(whats)),
                None if delay is None else at + delay,
                draw(st.sampled_from(["inbound", "outbound", None])),
                f"{n * 7919 % 1000:03d}",
                {
                    "minutes": number,
                    "mood": draw(st.sampled_from([None, "good", "bad", ""])),
                    "ok": draw(st.sampled_from([None, True, False])),
                    "contact_id": draw(st.sampled_from([None, "c1", "C1"])),
                    "due": due,
                    "due_day": draw(st.sampled_from([None, 20_513.0, 20_530.5, 20_700.0])),
                    "value": None if number is None else str(number),
                    "number": number,
                    "seniority": draw(st.sampled_from([None, "high", "low"])),
                },
                gone=draw(st.integers(0, 9)) == 0,
                machine_from=draw(st.one_of(st.none(), st.none(), moments)),
            )
        )
    return rows


@st.composite
def worlds(draw: st.DrawFn) -> World:
    chosen = draw(st.lists(st.sampled_from(LEADS), min_size=1, max_size=3, unique=True))
    leads = [Lead(x, START) for x in chosen]
    for n in range(len(leads) - 1):  # chains and fans
        if draw(st.booleans()):
            into = leads[draw(st.integers(n + 1, len(leads) - 1))].lead_id
            leads[n] = Lead(leads[n].lead_id, START, into, draw(moments))
    zone = ZoneInfo(draw(st.sampled_from(["UTC", "Europe/Helsinki", "America/St_Johns"])))
    hours = [(r, twin.local(r.at, zone).hour) for r in draw(tables(chosen, TYPES, 16))]
    return World(
        tuple(leads),
        tuple(Row(**{**vars(r), "values": {**r.values, "local_hour": hour}}) for r, hour in hours),
        tuple(draw(tables(chosen, (*STAGES, "lost touch"), 8))),
        changes=tuple(draw(tables(chosen, ("budget", "close_on"), 8))),
        contacts=tuple(draw(tables(chosen, ("decider", "user"), 4))),
        zone=zone,
    )


@settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    worlds(),
    st.lists(moments, min_size=1, max_size=4),
    st.sampled_from([1, 7, past.ROWS_PER_BLOCK]),
)
def test_every_operator_equals_its_twin(world: World, as_ofs: list[datetime], block: int) -> None:
    snapshots = [(lead.lead_id, at) for lead in world.leads for at in sorted(set(as_ofs))]
    with mock.patch.object(past, "ROWS_PER_BLOCK", block):
        made = values(world, COLUMNS, snapshots)
    for (lead_id, as_of), got in zip(snapshots, made, strict=True):
        for column in COLUMNS:
            expected = twin.feature(world, column, lead_id, as_of, got)
            assert equal(column, got[column.name], expected), (
                column.name, lead_id, as_of, got[column.name], expected
            )  # fmt: skip


def test_every_operator_is_compared() -> None:
    assert {c.op for c in COLUMNS} == set(OPERATORS)
    assert not set(OPERATORS) & set(LEAD_OPS)
    assert set(OLD_STAGES) < set(STAGES)
