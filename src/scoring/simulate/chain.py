"""The Markov chain that a lead's state follows, and the exact chance of winning from each state.

A state is (stage, has a decision maker joined, is the customer waiting for us), or resting ("not
now"), or won, or lost. Rates per clock day depend on the lead's *class*: its kind, pace, headwind
(everything that makes losses likelier), the neglect of its seller, and whether anybody works it.
Classes are few, so that the probabilities are tables and not simulations.

The chance of a sale within t clock days is computed by uniformisation (A. Jensen, 1953): with
P = I + Q/rate and N ~ Poisson(rate * t), it is the mean over N of the N-step chance.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt

from scoring.simulate.calendar import Floats
from scoring.simulate.kinds import KINDS, N_KINDS, N_STAGES

Index = npt.NDArray[np.int64]

PACES = np.exp(np.array([-0.8, -0.4, 0.0, 0.4, 0.8]))
HEADWINDS = np.exp(np.linspace(-1.6, 1.6, 9))
NEGLECTS = np.array([0.005, 0.012, 0.030])  # per day: the seller leaves the customer waiting
WORKED, UNWORKED = 0, 1
SHAPE = (N_KINDS, len(PACES), len(HEADWINDS), len(NEGLECTS), 2)

RESTING = N_STAGES * 4
WON = RESTING + 1
LOST = RESTING + 2
N_STATES = LOST + 1

_ANSWERED = 1 / 15  # per day: the seller wakes up
_RETURNS, _FORGOTTEN = 1 / 170, 1 / 260  # per day: how a rest ends
_STEP = 5.0
_HORIZON_GRID = np.arange(45.0, 136.0, _STEP)  # clock days; 90 calendar days are 60 to 115


def state(stage: int, decision_maker: bool = False, waiting: bool = False) -> int:
    """The number of an open state."""
    return stage * 4 + 2 * int(decision_maker) + int(waiting)


def stage_of(states: npt.NDArray[Any]) -> Index:
    """Stage 0..5 of open states; `N_STAGES` while resting; meaningless for won and lost."""
    return np.asarray(states, dtype=np.int64) // 4


@dataclass(frozen=True)
class Chain:
    """All classes at once: generators (class, from, to), and chances of winning."""

    generator: Floats
    ever: Floats
    within: Floats

    def chance_within(self, classes: Index, states: Index, days: Floats) -> Floats:
        """Probability of being won within `days` (45 to 135) clock days, by class and state."""
        # The table is smooth and its step small: linear interpolation errs by less than 0.002.
        place = np.clip((days - _HORIZON_GRID[0]) / _STEP, 0, len(_HORIZON_GRID) - 1.001)
        low = place.astype(np.int64)
        share = place - low
        return np.asarray(
            (1 - share) * self.within[classes, states, low]
            + share * self.within[classes, states, low + 1]
        )


@lru_cache(maxsize=1)
def chain() -> Chain:
    """The chain; built once per process (about a second)."""
    generator = _generator()
    return Chain(generator, _ever(generator), _within(generator))


def _generator() -> Floats:
    classes = int(np.prod(SHAPE))
    kind, pace, headwind, neglect, unworked = np.unravel_index(np.arange(classes), SHAPE)
    days = np.array([k.days for k in KINDS])[kind]
    advance = np.array([k.advance for k in KINDS])[kind]
    recycle, joins, back = (
        np.array([getattr(k, name) for k in KINDS])[kind] for name in ("recycle", "joins", "back")
    )
    speed = PACES[pace]
    q = np.zeros((classes, N_STATES, N_STATES))
    for stage in range(N_STAGES):
        for joined in (False, True):
            for waiting in (False, True):
                here = state(stage, joined, waiting)
                up = speed * advance[:, stage] / days[:, stage]
                down = speed * HEADWINDS[headwind] * (1 - advance[:, stage]) / days[:, stage]
                if joined:
                    up, down = up * 1.4, down * 0.6
                if waiting:
                    up, down = up * 0.25, down * 1.8
                if stage == 0:
                    up = np.where(unworked == UNWORKED, up * 0.02, up)
                    down = np.where(unworked == UNWORKED, down * 0.15, down)
                last = stage == N_STAGES - 1
                q[:, here, WON if last else state(stage + 1, joined, waiting)] += up
                not_now = recycle if stage > 0 else 0 * recycle
                q[:, here, RESTING] += down * not_now
                q[:, here, LOST] += down * (1 - not_now)
                if stage >= 3:
                    q[:, here, state(stage - 1, joined, waiting)] += back
                if stage >= 2 and not joined:
                    q[:, here, state(stage, True, waiting)] += joins * speed
                if stage >= 1:
                    if waiting:
                        q[:, here, state(stage, joined, False)] += _ANSWERED
                    else:
                        q[:, here, state(stage, joined, True)] += NEGLECTS[neglect]
    q[:, RESTING, state(1)] = _RETURNS * (1 - 0.7 * (recycle < 0.1))
    q[:, RESTING, LOST] = _FORGOTTEN
    diagonal = np.arange(N_STATES)
    q[:, diagonal, diagonal] = -q.sum(axis=2)
    return q


def _ever(q: Floats) -> Floats:
    """Chance of ever winning (class, state): what the generator leaves in balance."""
    inner = q[:, :WON, :WON]
    ever = np.zeros(q.shape[:2])
    ever[:, :WON] = np.linalg.solve(-inner, q[:, :WON, WON, None])[..., 0]
    ever[:, WON] = 1.0
    return ever


def _within(q: Floats) -> Floats:
    """Chance of winning within each grid time (class, state, time), by uniformisation."""
    rate = -q[:, np.arange(N_STATES), np.arange(N_STATES)].min(axis=1)
    step = np.eye(N_STATES) + q / rate[:, None, None]
    expected = rate[:, None] * _HORIZON_GRID
    won = np.zeros((*q.shape[:2], 1))
    won[:, WON] = 1.0
    weight = np.exp(-expected)
    done = weight.copy()
    total = weight[:, None, :] * won
    # A class with a slow clock is done early; nine standard deviations leave less than 1e-9.
    for n in range(1, int(expected.max() + 9 * np.sqrt(expected.max()) + 20)):
        won = step @ won
        weight = weight * expected / n
        done += weight
        total += weight[:, None, :] * won
    return np.asarray(total + (1 - done)[:, None, :] * won)
