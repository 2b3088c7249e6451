"""What sellers say of the scores that they read: their verdicts, right more often than wrong.

A verdict follows from the lead's kind and from who judges, never from what comes later, so the true
probability (given kind and state) stays the true one.
"""

from __future__ import annotations

import numpy as np

from scoring.simulate import kinds
from scoring.simulate.calendar import DAY, Ints
from scoring.simulate.leads import Codes
from scoring.simulate.scene import Scene

VERDICTS = ("agree", "too_high", "too_low", "not_a_tire_kicker")
# By what a seller takes the lead for, columns as VERDICTS.
_SAYS_OF_BUYERS = np.array([0.50, 0.05, 0.32, 0.13])
_SAYS_OF_OTHERS = np.array([0.56, 0.35, 0.05, 0.04])
_SEES = (0.65, 0.90)  # of ten leads a seller takes six to nine for what they are
_LATEST = 150 * DAY
_SECOND = 1_000_000


def draw_verdicts(
    scene: Scene, seed: tuple[int, ...], share: float
) -> tuple[Codes, Ints, Ints, Codes]:
    """Lead, when, recorded when (UTC microseconds) and code of VERDICTS: one verdict for a `share`
    of the leads that have a seller and were open for a day, at a working hour while they are open.

    Drawn from seeds of their own: the other tables are the same with verdicts and without.
    """
    rng = np.random.default_rng(seed)
    leads, closed = scene.leads, scene.closed
    owned = np.flatnonzero((leads.owner >= 0) & (closed - leads.created > DAY))
    lead = owned[rng.random(len(owned)) < share]
    created, room = leads.created[lead], np.minimum(closed[lead] - leads.created[lead], _LATEST)
    at = scene.work.later(
        created + (room * rng.uniform(0.1, 0.95, len(lead))).astype(np.int64),
        rng.exponential(0.1, len(lead)),
    )
    known = at + rng.integers(1, 90, len(lead)) * _SECOND
    sharp = np.random.default_rng((seed[0], len(VERDICTS))).uniform(*_SEES, leads.owner.max() + 1)
    buyer = kinds.IS_BUYER[leads.kind[lead]]
    takes_for_buyer = np.where(rng.random(len(lead)) < sharp[leads.owner[lead]], buyer, ~buyer)
    says = np.where(takes_for_buyer[:, None], _SAYS_OF_BUYERS, _SAYS_OF_OTHERS).cumsum(axis=1)
    verdict = np.minimum((says < rng.random(len(lead))[:, None]).sum(axis=1), len(VERDICTS) - 1)
    told = (at < closed[lead]) & (known < scene.end)
    return lead[told], at[told], known[told], verdict[told]
