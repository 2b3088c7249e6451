"""The way of each lead through the states of the chain, in calendar time.

A journey is a sequence of *stays*; it ends when the lead is won or lost. Journeys are drawn to the
end even where that lies after the history's: only what happened before is shown, and the rest is
the truth about open leads.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from scoring.simulate.calendar import Clock, Ints
from scoring.simulate.chain import RESTING, WON, chain, stage_of, state
from scoring.simulate.leads import Codes, Flags, Leads

FAR = np.int64(2**62)  # beyond the calendar


@dataclass(frozen=True)
class Journeys:
    """Stays of all leads of a chunk, sorted by lead and time; times in UTC microseconds.

    `lead`, `state`, `entered`, `left` have one entry per stay, `left == FAR` where it lies beyond
    the calendar; `won` and `decided` one per lead.
    """

    lead: Codes
    state: Codes
    entered: Ints
    left: Ints
    won: Flags
    decided: Ints

    @property
    def first(self) -> Flags:
        """Which stays are the first of their lead."""
        return np.concatenate([[True], self.lead[1:] != self.lead[:-1]])

    @property
    def before(self) -> Codes:
        """The state before each stay; -1 for the first."""
        return np.where(self.first, -1, np.concatenate([[-1], self.state[:-1]]))

    def state_at(self, lead: Codes, moment: Ints) -> Codes:
        """The state of `lead` at `moment`, which must lie between creation and decision."""
        # One sorted key of lead and millisecond finds the stay that is under way.
        origin = int(self.entered.min())
        key = (self.lead << 42) + (self.entered - origin) // 1000
        asked = (lead << 42) + (moment - origin) // 1000
        return self.state[np.searchsorted(key, asked, side="right") - 1]


def draw_journeys(rng: np.random.Generator, leads: Leads, work: Clock) -> Journeys:
    """Draws every lead's journey on the sellers' clock."""
    generator = chain().generator
    totals = -np.diagonal(generator, axis1=1, axis2=2)
    active = np.arange(len(leads.kind))
    now = work.read(leads.created)
    at = np.full(len(active), state(0))
    at_calendar = leads.created
    won = np.zeros(len(active), dtype=bool)
    decided = np.full(len(active), FAR)
    stays: list[tuple[Codes, Codes, Ints, Ints]] = []
    while len(active):
        classes = leads.classes[active]
        now = now + rng.exponential(1.0, len(active)) / totals[classes, at]
        rates = np.maximum(generator[classes, at], 0)
        cumulated = np.cumsum(rates, axis=1)
        to = (cumulated < (rng.random(len(active)) * cumulated[:, -1])[:, None]).sum(axis=1)
        inside = now < work.reading[-1]
        left = np.where(inside, np.maximum(work.when(now), at_calendar + 1), FAR)
        stays.append((active, at, at_calendar, left))
        over = to >= WON
        won[active[over]] = to[over] == WON
        decided[active[over]] = left[over]
        go = ~over
        active, now, at, at_calendar = active[go], now[go], to[go], left[go]
    lead, states, entered, until = (np.concatenate([stay[i] for stay in stays]) for i in range(4))
    seen = entered < FAR
    lead, states, entered, until = lead[seen], states[seen], entered[seen], until[seen]
    order = np.lexsort((entered, lead))
    return Journeys(lead[order], states[order], entered[order], until[order], won, decided)


def stage_entries(journeys: Journeys) -> Flags:
    """Which stays begin a stage (also a return from rest), rather than change within one."""
    before = journeys.before
    new = (before < 0) | (stage_of(before) != stage_of(journeys.state))
    return new & (journeys.state != RESTING)
