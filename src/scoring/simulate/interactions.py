"""What is seen of a journey: mail, calls, meetings, visits, trials, proposals.

Every event depends on the lead's kind and on its states up to the event, never on what comes later;
so the chain's chance of winning stays the exact one, whatever a learner reads from the events.
"""

from __future__ import annotations

import numpy as np

from scoring.simulate import kinds
from scoring.simulate.calendar import DAY, Floats, Ints
from scoring.simulate.chain import RESTING, stage_of
from scoring.simulate.journeys import FAR, stage_entries
from scoring.simulate.kinds import Stream
from scoring.simulate.leads import SOURCE_GROUP, Codes, Flags
from scoring.simulate.log import MOVED_BY, NONE, Column
from scoring.simulate.scene import INBOUND, OUTBOUND, Scene

_US, _CUSTOMER = MOVED_BY.index("us"), MOVED_BY.index("customer")
_OUR_FADING = 30.0  # clock days: within a stay sellers try less and less
_MATERIALS = 24
_SECOND = 1_000_000
_WEB = ("page_view", "content_downloaded", "chat_message", "webinar_attended")


def draw_interactions(scene: Scene, volume: float) -> dict[str, Column]:
    """All interactions in [created, end) of the scene's leads, unsorted, as columns of `Log`.

    `volume` multiplies how often everything happens that is not tied to a change of stage.
    """
    for stream in kinds.STREAMS:
        lead, at = _times(scene, stream, volume)
        if stream.type == "email_sent":
            _emails(scene, lead, at)
        elif stream.type == "call":
            _calls(scene, lead, at)
        elif stream.type == "meeting_booked":
            _meetings(scene, lead, at)
        elif stream.type == "trial_started":
            _trials(scene, lead, at)
        else:
            _plain(scene, stream.type, lead, at)
    _beginnings(scene)
    _milestones(scene)
    _waiting(scene)
    _after_the_decision(scene)
    return scene.log.columns()


def _times(scene: Scene, stream: Stream, volume: float) -> tuple[Codes, Ints]:
    """When a stream's events happen: Poisson in each stay, denser at its beginning."""
    rng, leads, stays = scene.rng, scene.leads, scene.journeys
    clock = scene.work if stream.ours else scene.awake
    lead, stage = stays.lead, stage_of(stays.state)
    waiting = (stays.state % 2 == 1) & (stays.state != RESTING)
    rate = volume * np.array(stream.rate)[stage]
    rate = rate * np.array(stream.by_kind)[leads.kind[lead]]
    if stream.ours:
        alone = waiting | (leads.unworked[lead] & (stage == 0))
        rate = rate * scene.effort(lead) * ~alone
    else:
        rate = rate * leads.activity[lead] * np.where(waiting, 0.3, 1.0)
    if stream.type in _WEB:
        rate = rate * leads.trend[lead]
    if stream.type == "meeting_booked":
        rate = rate * ~(leads.unworked[lead] & (stage == 0)) * ~waiting
    start = clock.read(stays.entered)
    until = np.minimum(stays.left, scene.end)
    length = np.maximum(clock.read(until) - start, 0)
    fading = np.full(len(lead), _OUR_FADING) if stream.ours else kinds.FADES[leads.kind[lead]]
    reached = -np.expm1(-length / fading)
    count = rng.poisson(rate * fading * reached)
    stay = np.repeat(np.arange(len(count)), count)
    passed = -fading[stay] * np.log1p(-rng.random(len(stay)) * reached[stay])
    at = np.maximum(clock.when(start[stay] + passed), stays.entered[stay])
    return lead[stay], at


def _plain(scene: Scene, type_: str, lead: Codes, at: Ints) -> None:
    if type_ == "note":
        scene.add(type_, lead, at)
    elif type_ == "page_view":
        pages = scene.rng.geometric(0.35, len(lead))
        scene.add(type_, lead, at, direction=INBOUND, pages=pages)
    elif type_ in ("content_downloaded", "webinar_attended"):
        material = scene.rng.integers(0, _MATERIALS, len(lead))
        scene.add(type_, lead, at, direction=INBOUND, material=material)
    else:
        scene.add(type_, lead, at, direction=INBOUND)


def _emails(scene: Scene, lead: Codes, at: Ints, material: Codes | None = None) -> None:
    """Emails by us, and what becomes of them: opened, clicked, answered, or read by a scanner."""
    rng = scene.rng
    if material is None:
        shown = rng.random(len(lead)) < 0.4
        material = np.where(shown, rng.integers(0, _MATERIALS, len(lead)), NONE)
    scene.add("email_sent", lead, at, direction=OUTBOUND, material=material)

    def later(chosen: Flags, median_hours: float) -> Ints:
        hours = rng.lognormal(np.log(median_hours), 1.1, int(chosen.sum()))
        return scene.awake.later(at[chosen] + 30 * _SECOND, hours / 24)

    opened = scene.chance(lead, kinds.OPENS)
    opened_at = np.full(len(lead), FAR)
    opened_at[opened] = later(opened, 4)
    scene.add("email_opened", lead[opened], opened_at[opened], direction=INBOUND)
    clicked = opened & (material != NONE) & scene.chance(lead, kinds.CLICKS)
    pause = rng.integers(20, 240, int(clicked.sum())) * _SECOND
    scene.add(
        "email_clicked", lead[clicked], opened_at[clicked] + pause,
        direction=INBOUND, material=material[clicked],
    )  # fmt: skip
    replied = scene.chance(lead, kinds.REPLIES)
    scene.add("email_received", lead[replied], later(replied, 9), direction=INBOUND)

    # A mail scanner opens the mail and follows every link within seconds of its delivery.
    scanned = scene.leads.scanner[lead]
    seen = at[scanned] + rng.integers(1_000_000, 6_000_000, int(scanned.sum()))
    scene.add("email_opened", lead[scanned], seen, direction=INBOUND)
    links = scanned & (material != NONE)
    for _ in range(2):
        click = at[links] + rng.integers(2_000_000, 15_000_000, int(links.sum()))
        scene.add("email_clicked", lead[links], click, direction=INBOUND, material=material[links])


def _calls(scene: Scene, lead: Codes, at: Ints) -> None:
    rng = scene.rng
    inbound = scene.chance(lead, kinds.INBOUND_CALL)
    answered = inbound | (rng.random(len(lead)) < 0.6)
    mean = np.where(answered, kinds.CALL_SECONDS[scene.leads.kind[lead]], 15)
    duration = np.maximum(rng.gamma(1.5, mean / 1.5), 3).astype(np.int64)
    scene.add("call", lead, at, direction=np.where(inbound, INBOUND, OUTBOUND), duration_s=duration)


def _meetings(scene: Scene, lead: Codes, at: Ints, moves: int = 0) -> None:
    """Meetings booked, then held, moved (and perhaps held later) or cancelled."""
    rng = scene.rng
    planned = scene.work.later(at, 1 + rng.exponential(5.0, len(lead)))
    more = (at >= scene.decision_maker_from[lead]).astype(np.int64)
    invited = 1 + more + rng.poisson(0.5 + 0.5 * more)
    if moves == 0:
        scene.add(
            "meeting_booked", lead, at,
            direction=np.where(rng.random(len(lead)) < 0.55, OUTBOUND, INBOUND),
            invited=invited, next_step=planned // DAY,
        )  # fmt: skip
    # Many calendars are hard to bring together: that is nobody's fault.
    held = scene.chance(lead, kinds.HELD) & (rng.random(len(lead)) > 0.03 * (invited - 1))
    _held(scene, lead[held], planned[held], invited[held])
    lead, planned, invited = lead[~held], planned[~held], invited[~held]
    by_us = scene.chance(lead, kinds.MOVED_BY_US)
    moved_by = np.where(by_us, _US, _CUSTOMER)
    direction = np.where(by_us, OUTBOUND, INBOUND)
    notice = rng.integers(1, 30, len(lead)) * 3_600 * _SECOND
    told = np.maximum(planned - notice, (at[~held] + planned) // 2)
    again = rng.random(len(lead)) < (0.7 if moves < 2 else 0.0)
    for type_, which in (("meeting_rescheduled", again), ("meeting_cancelled", ~again)):
        scene.add(
            type_, lead[which], told[which], direction=direction[which],
            moved_by=moved_by[which], invited=invited[which],
        )  # fmt: skip
    if again.any():
        open_still = again & (told < scene.closed[lead])
        _meetings(scene, lead[open_still], told[open_still], moves + 1)


def _held(scene: Scene, lead: Codes, at: Ints, invited: Codes) -> None:
    rng = scene.rng
    days = rng.integers(2, 21, len(lead))
    agreed = scene.chance(lead, kinds.NEXT_STEP)
    scene.add(
        "meeting_held", lead, at, direction=OUTBOUND, invited=invited,
        duration_s=rng.integers(4, 16, len(lead)) * 450,
        next_step=np.where(agreed, at // DAY + days, NONE),
    )  # fmt: skip


def _trials(scene: Scene, lead: Codes, at: Ints) -> None:
    rng = scene.rng
    scene.add("trial_started", lead, at, direction=INBOUND)
    uses = rng.poisson(kinds.TRIAL_USES[scene.leads.kind[lead]])
    user, since = np.repeat(lead, uses), np.repeat(at, uses)
    used = scene.awake.later(since, rng.exponential(7.0, len(user)))
    duration = rng.gamma(2, 400, len(user)).astype(np.int64)
    scene.add("trial_used", user, used, direction=INBOUND, duration_s=duration)


def _beginnings(scene: Scene) -> None:
    """How a lead came in: a form for nets, our first call for spears, a referral's note."""
    leads, everyone = scene.leads, np.arange(len(scene.leads.kind))
    group = SOURCE_GROUP[leads.source]
    nets = everyone[group == 1]
    scene.add("form_submitted", nets, leads.created[nets], direction=INBOUND)
    spears = everyone[group == 2]
    _calls(scene, spears, scene.work.later(leads.created[spears], np.full(len(spears), 0.05)))
    seeds = everyone[group == 0]
    scene.add("note", seeds, leads.created[seeds])


def _milestones(scene: Scene) -> None:
    """Encounters that come with a stage: the first talk, the meeting, the proposal, the price."""
    rng, stays = scene.rng, scene.journeys
    entered = stage_entries(stays)
    lead, stage, at = stays.lead[entered], stage_of(stays.state[entered]), stays.entered[entered]

    def some(of_stage: int, by_chance: Floats | float) -> tuple[Codes, Ints]:
        chosen = (stage == of_stage) & (rng.random(len(lead)) < by_chance)
        return lead[chosen], at[chosen]

    _calls(scene, *some(2, 0.6))
    met, met_at = some(3, 0.75)
    _held(scene, met, met_at, 1 + rng.poisson(0.6, len(met)))
    offered, offered_at = some(4, 1.0)
    scene.add("proposal_sent", offered, offered_at, direction=OUTBOUND)
    opens = rng.poisson(kinds.PROPOSAL_OPENS[scene.leads.kind[offered]])
    reader, since = np.repeat(offered, opens), np.repeat(offered_at, opens)
    read_at = scene.awake.later(since + 60 * _SECOND, rng.exponential(4.0, len(reader)))
    scene.add("proposal_opened", reader, read_at, direction=INBOUND)
    asked, asked_at = some(5, 0.4)
    scene.add("price_question", asked, asked_at, direction=INBOUND)


def _waiting(scene: Scene) -> None:
    """A question that we leave unanswered begins a wait; our late answer ends it."""
    stays = scene.journeys
    waits = (stays.state % 2 == 1) & (stays.state != RESTING)
    before = stays.before
    begins = waits & (before % 2 == 0) & (before != RESTING)
    scene.add("email_received", stays.lead[begins], stays.entered[begins], direction=INBOUND)
    ends = ~waits & (before % 2 == 1) & (before >= 0) & (stays.state != RESTING)
    lead, at = stays.lead[ends], stays.entered[ends]
    scene.add("email_sent", lead, at, direction=OUTBOUND)


def _after_the_decision(scene: Scene) -> None:
    """A farewell with some losses, a few contacts with new customers; all after the decision."""
    rng, journeys = scene.rng, scene.journeys
    decided = np.flatnonzero(journeys.decided < scene.end)
    lost = decided[~journeys.won[decided] & (rng.random(len(decided)) < 0.3)]
    farewell = journeys.decided[lost] + rng.integers(60, 7_200, len(lost)) * _SECOND
    scene.add("email_sent", lost, farewell, late=True, direction=OUTBOUND)
    won = np.repeat(decided[journeys.won[decided]], 2)
    for type_, direction in (("email_sent", OUTBOUND), ("call", INBOUND)):
        at = scene.work.later(journeys.decided[won], 0.1 + rng.exponential(12.0, len(won)))
        shown = rng.random(len(won)) < 0.5
        scene.add(type_, won[shown], at[shown], late=True, direction=direction)
