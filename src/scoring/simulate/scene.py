"""A chunk's leads, journeys and clocks in one place, with the log that gets filled from them."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from scoring.simulate.calendar import Clock, Floats, Ints
from scoring.simulate.chain import RESTING
from scoring.simulate.journeys import FAR, Journeys
from scoring.simulate.leads import Codes, Flags, Leads, Sellers
from scoring.simulate.log import Column, Log
from scoring.simulate.phrases import phrases

INBOUND, OUTBOUND = 0, 1


@dataclass
class Scene:
    """Everything that the events of a chunk depend on; `end` is where history ends (exclusive)."""

    rng: np.random.Generator
    leads: Leads
    journeys: Journeys
    sellers: Sellers
    work: Clock
    awake: Clock
    end: int
    log: Log = field(default_factory=Log)

    def __post_init__(self) -> None:
        stays = self.journeys
        joined = (stays.state // 2 % 2 == 1) & (stays.state != RESTING)
        self.decision_maker_from = np.full(len(self.leads.kind), FAR)
        np.minimum.at(self.decision_maker_from, stays.lead[joined], stays.entered[joined])
        self.closed = np.minimum(self.journeys.decided, self.end)

    def chance(self, lead: Codes, by_kind: Floats) -> Flags:
        """True with the probability that belongs to each lead's kind."""
        return self.rng.random(len(lead)) < by_kind[self.leads.kind[lead]]

    def effort(self, lead: Codes) -> Floats:
        """How eagerly each lead's seller works; leads without a seller get the average."""
        return np.append(self.sellers.effort, 1.0)[self.leads.owner[lead]]

    def add(
        self, type_: str, lead: Codes, at: Ints, *, late: bool = False, **columns: Column | int
    ) -> None:
        """Logs those events that happen while the lead is open (`late`: also after its decision),
        with the person who took part and perhaps a phrase."""
        keep = at < (self.end if late else self.closed[lead])
        lead, at = lead[keep], at[keep]
        columns = {
            name: value[keep] if isinstance(value, np.ndarray) else value
            for name, value in columns.items()
        }
        if "direction" in columns:
            other = (at >= self.decision_maker_from[lead]) & (self.rng.random(len(lead)) < 0.35)
            columns["contact"] = other.astype(np.int8)
        text = phrases(self.rng, type_, self.leads.kind[lead])
        self.log.add(type_, lead, at, text=text, **columns)
