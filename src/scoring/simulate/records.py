"""The smaller histories of a chunk: stages, outcomes, contacts, fields, duplicates and merges.

All times are UTC microseconds; a row that was recorded after the history's end is not in it.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from scoring.simulate import kinds
from scoring.simulate.calendar import DAY, HOUR, Floats, Ints
from scoring.simulate.chain import RESTING, stage_of
from scoring.simulate.journeys import stage_entries
from scoring.simulate.leads import Codes, Flags
from scoring.simulate.log import NONE
from scoring.simulate.scene import Scene

OUTCOMES = ("won", "lost", "disqualified", "recycled", "churned")
REASONS = ("signed", "chose_competitor", "price", "no_decision", "no_budget", "no_need",
           "no_answer", "outside_profile", "not_now", "ended_contract")  # fmt: skip
_WON, _LOST, _DISQUALIFIED, _RECYCLED, _CHURNED = range(5)

# Why leads are lost, by kind (columns: REASONS[1:8]), as sellers write it down.
# fmt: off
_WHY = np.array([
    [.34, .22, .14, .08, .08, .08, .06],
    [.32, .22, .16, .08, .08, .08, .06],
    [.26, .18, .24, .10, .08, .08, .06],
    [.14, .16, .42, .08, .08, .08, .04],
    [.06, .20, .10, .46, .06, .08, .04],
    [.02, .06, .08, .16, .34, .14, .20],
    [.02, .04, .08, .04, .38, .16, .28],
    [.08, .10, .36, .14, .20, .06, .06],
    [.03, .04, .10, .06, .20, .51, .06],
])
# fmt: on
_DISQUALIFYING = np.array([False, False, False, False, True, True, False, True, False, False])

FIELDS = ("budget_known", "timeline", "amount", "expected_close_on", "owner_id")
BUDGET = ("yes", "no")
TIMELINE = ("this_quarter", "this_year", "later")
_HAS_BUDGET = np.array([.86, .80, .72, .55, .12, .10, .40, .40, .30])  # fmt: skip
_TIMELINE = np.array([[.6, .3, .1], [.38, .44, .18], [.14, .5, .36], [.12, .38, .5],
                      [.1, .35, .55], [.15, .25, .6], [.2, .3, .5], [.12, .33, .55],
                      [.1, .3, .6]])  # fmt: skip


@dataclass(frozen=True)
class Decisions:
    """Rows of `outcomes`: lead, code of OUTCOMES, when, recorded when, code of REASONS."""

    lead: Codes
    outcome: Codes
    at: Ints
    recorded: Ints
    reason: Codes


def lateness(scene: Scene, lead: Codes) -> Ints:
    """How long sellers take to record something: hours mostly, days now and then."""
    rng = scene.rng
    hours = np.append(scene.sellers.late, 4.0)[scene.leads.owner[lead]]
    delay = rng.exponential(hours) * HOUR
    forgotten = rng.random(len(lead)) < 0.03
    delay[forgotten] += rng.exponential(6.0, int(forgotten.sum())) * DAY
    return delay.astype(np.int64)


def stage_changes(scene: Scene) -> tuple[Codes, Codes, Ints, Ints]:
    """Lead, stage, when, recorded when: of every stage entered before the end."""
    stays = scene.journeys
    chosen = stage_entries(stays) & (stays.entered < scene.end)
    lead, at = stays.lead[chosen], stays.entered[chosen]
    recorded = at + np.where(stays.before[chosen] < 0, 0, lateness(scene, lead) // 4)
    known = recorded < scene.end
    stage = stage_of(stays.state[chosen])
    return lead[known], stage[known], at[known], recorded[known]


def decisions(scene: Scene) -> Decisions:
    """Every outcome; recycled leads stay open and may have several."""
    rng, leads, journeys = scene.rng, scene.leads, scene.journeys
    closed = np.flatnonzero(journeys.decided < scene.end)
    won = journeys.won[closed]
    draw = rng.random(len(closed))
    cumulated = np.cumsum(_WHY, axis=1)[leads.kind[closed]]
    reason = 1 + np.minimum((cumulated < draw[:, None]).sum(axis=1), 6)
    reason = np.where(won, 0, reason)
    outcome = np.where(won, _WON, np.where(_DISQUALIFYING[reason], _DISQUALIFIED, _LOST))
    rests = (journeys.state == RESTING) & (journeys.entered < scene.end)
    resting = journeys.lead[rests]
    # A few customers leave again within two years: won is not kept.
    leaving = closed[won & (rng.random(len(closed)) < 0.12)]
    left_at = journeys.decided[leaving] + (rng.uniform(60, 730, len(leaving)) * DAY).astype(int)
    lead = np.concatenate([closed, resting, leaving])
    at = np.concatenate([journeys.decided[closed], journeys.entered[rests], left_at])
    delay = rng.exponential(2 * HOUR, len(lead)).astype(np.int64)
    codes = np.concatenate(
        [outcome, np.full(len(resting), _RECYCLED), np.full(len(leaving), _CHURNED)]
    )
    reason = np.concatenate(
        [reason, np.full(len(resting), REASONS.index("not_now")),
         np.full(len(leaving), REASONS.index("ended_contract"))]
    )  # fmt: skip
    # The decision itself is always known at the end; only what follows it may come too late.
    recorded = np.where(at < scene.end, np.minimum(at + delay, scene.end - 1), at + delay)
    known = recorded < scene.end
    order = np.flatnonzero(known)[np.lexsort((at[known], lead[known]))]
    return Decisions(lead[order], codes[order], at[order], recorded[order], reason[order])


@dataclass(frozen=True)
class Changes:
    """Rows of `lead_changes`; `value` is a code of the field's words, a number, or a date."""

    lead: Codes
    field: Codes
    at: Ints
    recorded: Ints
    value: Floats

    def current(self, field: str, leads: int) -> Floats:
        """What each lead's field holds at the end of history; NaN where it was never filled."""
        value = np.full(leads, np.nan)
        chosen = self.field == FIELDS.index(field)
        value[self.lead[chosen]] = self.value[chosen]  # in order of time: the last one stays
        return value


def field_changes(scene: Scene) -> Changes:
    """Budget, timeline, amount, expected close date and owner, as they came to be known."""
    rng, leads = scene.rng, scene.leads
    rows: list[tuple[Codes, str, Ints, Floats]] = []
    everyone = np.arange(len(leads.kind))
    owned = everyone[leads.owner >= 0]
    rows.append((owned, "owner_id", leads.created[owned], leads.owner[owned].astype(float)))

    qualified, since = _first(scene, 1)
    kind = leads.kind[qualified]
    asked = rng.random(len(qualified)) < np.where(kinds.IS_BUYER[kind], 0.8, 0.55)
    budget = rng.random(len(qualified)) > _HAS_BUDGET[kind]
    later = scene.work.later(since, rng.exponential(2.0, len(qualified)))
    rows.append((qualified[asked], "budget_known", later[asked], budget[asked].astype(float)))
    told = rng.random(len(qualified)) < np.where(kinds.IS_BUYER[kind], 0.85, 0.5)
    cumulated = np.cumsum(_TIMELINE, axis=1)[kind]
    when = np.minimum((cumulated < rng.random(len(kind))[:, None]).sum(axis=1), 2).astype(float)
    rows.append((qualified[told], "timeline", later[told], when[told]))

    rough = rng.random(len(qualified)) < 0.6
    guess = np.round(leads.amount * rng.lognormal(0, 0.3, len(leads.amount)), -3) + 1_000
    rows.append((qualified[rough], "amount", later[rough], guess[qualified[rough]]))
    offered, offered_at = _first(scene, 4)
    rows.append((offered, "amount", offered_at, leads.amount[offered]))

    # The expected close date: set at first contact, then moved by those in no hurry.
    contacted, contacted_at = _first(scene, 2)
    close_on = contacted_at // DAY + rng.integers(30, 90, len(contacted))
    until = np.minimum(scene.closed[contacted], contacted_at + 300 * DAY)
    days = np.maximum(until - contacted_at, 0) / DAY
    moves = rng.poisson(kinds.POSTPONES[leads.kind[contacted]] * days)
    mover = np.repeat(np.arange(len(contacted)), moves)
    moved_at = contacted_at[mover] + (rng.random(len(mover)) * days[mover] * DAY).astype(np.int64)
    moved_to = np.maximum(close_on[mover], moved_at // DAY) + rng.integers(14, 75, len(mover))
    rows.append((contacted, "expected_close_on", contacted_at, close_on.astype(float)))
    rows.append((contacted[mover], "expected_close_on", moved_at, moved_to.astype(float)))

    lead = np.concatenate([row[0] for row in rows])
    field = np.concatenate([np.full(len(row[0]), FIELDS.index(row[1])) for row in rows])
    at = np.concatenate([row[2] for row in rows])
    value = np.concatenate([row[3] for row in rows])
    recorded = at + (rng.random(len(at)) < 0.2) * rng.exponential(3 * HOUR, len(at)).astype(int)
    known = (at < scene.closed[lead]) & (recorded < scene.end)
    order = np.flatnonzero(known)[np.lexsort((at[known], lead[known]))]
    return Changes(lead[order], field[order], at[order], recorded[order], value[order])


def _first(scene: Scene, stage: int) -> tuple[Codes, Ints]:
    """Leads that entered a stage before the end, and when they first did."""
    stays = scene.journeys
    entered = np.flatnonzero((stage_of(stays.state) == stage) & (stays.entered < scene.end))
    lead, place = np.unique(stays.lead[entered], return_index=True)
    return lead, stays.entered[entered][place]


@dataclass(frozen=True)
class Duplicates:
    """Leads that were entered twice: of which lead, from when, and merged into it when."""

    of: Codes
    created: Ints
    merged: Ints


def draw_duplicates(scene: Scene, n: int) -> Duplicates:
    """`n` duplicates of different leads, each made and merged while its lead was open."""
    rng = scene.rng
    created, closed = scene.leads.created, scene.closed
    lasting = np.flatnonzero(closed - created > DAY)
    of = rng.choice(lasting, min(n, len(lasting)), replace=False)
    room = np.minimum(closed[of] - created[of], 120 * DAY)
    made = created[of] + (room * rng.uniform(0.05, 0.6, len(of))).astype(np.int64)
    left = room - (made - created[of])
    merged = made + (left * rng.uniform(0.2, 0.9, len(of))).astype(np.int64)
    return Duplicates(of, made, merged)


def lead_of_events(rng: np.random.Generator, lead: Codes, at: Ints, duplicates: Duplicates,
                   originals: int) -> Codes:  # fmt: skip
    """Which record each event was written under: half of them under the duplicate, until merged.

    Duplicates are numbered from `originals` on.
    """
    if not len(duplicates.of):
        return lead
    number = np.full(originals, NONE)
    number[duplicates.of] = np.arange(len(duplicates.of))
    which = number[lead]
    double = which != NONE
    made, merged = duplicates.created[which], duplicates.merged[which]
    under: Flags = double & (at >= made) & (at < merged) & (rng.random(len(lead)) < 0.5)
    return np.where(under, originals + which, lead)


def decision_maker_joins(scene: Scene) -> tuple[Codes, Ints, Ints]:
    """Leads whose (first) decision maker joined before the end, when, and recorded when."""
    lead = np.flatnonzero(scene.decision_maker_from < scene.end)
    at = scene.decision_maker_from[lead]
    return lead, at, np.minimum(at + lateness(scene, lead) // 4, scene.end - 1)
