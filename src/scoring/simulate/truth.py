"""What really is: the kind of each lead, and its exact chance of being won within the horizon."""

from __future__ import annotations

import numpy as np

from scoring.simulate import kinds
from scoring.simulate.calendar import DAY
from scoring.simulate.chain import RESTING, chain, stage_of
from scoring.simulate.journeys import FAR
from scoring.simulate.names import Names
from scoring.simulate.records import Duplicates
from scoring.simulate.scene import Scene
from scoring.simulate.tables import Writer, flags, numbers, times, words

AGES_IN_DAYS = (1, 3, 7, 14, 30, 60, 90, 180, 365)
_STAGES = (*kinds.STAGES, "resting")
_BUSY_AND_LOW = tuple(sorted({name for name in kinds.WEAK_INTENT if name}))
_WEAK_INTENT = np.array([_BUSY_AND_LOW.index(n) if n else -1 for n in kinds.WEAK_INTENT])


def write_truth(
    truths: Writer, scene: Scene, duplicates: Duplicates, horizon_days: int, names: Names
) -> None:
    """Writes the truth about one chunk; a duplicate shares the truth of its original."""
    leads, journeys = scene.leads, scene.journeys
    originals = len(leads.kind)
    waits = (journeys.state % 2 == 1) & (journeys.state != RESTING) & (journeys.entered < scene.end)
    waited = np.zeros(originals, dtype=bool)
    waited[journeys.lead[waits]] = True
    everyone = np.arange(originals + len(duplicates.of))
    like = np.concatenate([np.arange(originals), duplicates.of])
    kind = leads.kind[like]
    decided = journeys.decided[like]
    truths.write("leads", {
        "lead_id": names.lead(everyone), "kind": words(kind, kinds.KIND_NAMES),
        "is_tire_kicker": flags(_WEAK_INTENT[kind] >= 0),
        "weak_intent": words(_WEAK_INTENT[kind], _BUSY_AND_LOW),
        "unworked": flags(leads.unworked[like]), "ever_left_waiting": flags(waited[like]),
        "would_buy": flags(journeys.won[like]),
        "decided_at": times(np.where(decided == FAR, 0, decided), missing=decided == FAR),
        "survivor_id": names.lead(like),
    })  # fmt: skip

    at_age = leads.created[:, None] + np.array(AGES_IN_DAYS) * DAY
    as_of = np.concatenate([at_age, np.full((originals, 1), scene.end)], axis=1)
    # The lead is open at as_of: decided at or after it (an event at as_of is not in the past).
    due = (as_of <= scene.end) & (as_of <= journeys.decided[:, None])
    due[:, :-1] &= at_age < scene.end  # the end is there once
    lead, column = np.nonzero(due)
    moment = as_of[lead, column]
    # The state just before as_of, as a change at as_of is not in the past either.
    state = journeys.state_at(lead, moment - 1_000)
    ahead = scene.work.read(moment + horizon_days * DAY) - scene.work.read(moment)
    resting = state == RESTING
    truths.write("probabilities", {
        "lead_id": names.lead(lead), "as_of": times(moment),
        "stage": words(stage_of(state), _STAGES),
        "decision_maker_joined": flags(~resting & (state // 2 % 2 == 1)),
        "waiting_for_us": flags(~resting & (state % 2 == 1)),
        "probability": numbers(chain().chance_within(leads.classes[lead], state, ahead), "F"),
    })  # fmt: skip
