"""Short phrases as a CRM shows them; each belongs to one type of interaction."""

from __future__ import annotations

import numpy as np

from scoring.simulate import kinds
from scoring.simulate.calendar import Floats
from scoring.simulate.leads import Codes
from scoring.simulate.log import NONE

# Per type: phrases that anybody uses, that go with a purchase, and that go without one.
_ANY, _KEEN, _COOL = "any", "keen", "cool"
_BY_TYPE = {
    "email_received": (
        (_ANY, "Thank you, we will come back to this."),
        (_ANY, "Could you send some more details?"),
        (_KEEN, "What happens next?"),
        (_KEEN, "Can we start next month?"),
        (_COOL, "Just collecting information for now."),
        (_COOL, "There is no budget for this year."),
    ),
    "chat_message": (
        (_ANY, "Does it work with our systems?"),
        (_KEEN, "Where do we pay?"),
        (_COOL, "Is there a free plan?"),
    ),
    "call": (
        (_ANY, "Went through the questions."),
        (_KEEN, "Agreed on the next step."),
        (_COOL, "No clear need."),
    ),
    "meeting_held": (
        (_ANY, "Presented the product."),
        (_KEEN, "Positive feedback, needs a proposal."),
        (_COOL, "Those who decide were not there."),
    ),
    "note": (
        (_ANY, "Follow up."),
        (_KEEN, "Internal approval is under way."),
        (_COOL, "Not a priority for them now."),
    ),
    "price_question": ((_ANY, "What would it cost for us?"),),
    "discount_request": ((_ANY, "Can you do it for less?"),),
}
PHRASES = tuple(text for lines in _BY_TYPE.values() for _, text in lines)
_SHARE = 0.3  # of the interactions of these types that carry a text


def phrases(rng: np.random.Generator, type_: str, kind: Codes) -> Codes:
    """Codes into `PHRASES` for interactions of `type_` with leads of `kind`; mostly null."""
    lines = _BY_TYPE.get(type_)
    if lines is None:
        return np.full(len(kind), NONE)
    first = PHRASES.index(lines[0][1])
    tone = np.array([tone for tone, _ in lines])
    buyer = _choose(rng, np.where(tone == _KEEN, 1.6, np.where(tone == _COOL, 0.6, 2.0)), len(kind))
    other = _choose(rng, np.where(tone == _KEEN, 0.6, np.where(tone == _COOL, 1.4, 2.0)), len(kind))
    said = np.where(kinds.IS_BUYER[kind], buyer, other) + first
    return np.where(rng.random(len(kind)) < _SHARE, said, NONE)


def _choose(rng: np.random.Generator, weight: Floats, n: int) -> Codes:
    return rng.choice(len(weight), n, p=weight / weight.sum())
