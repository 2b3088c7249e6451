"""The kinds of leads: how fast they move, how often they are lost on the way, what they do.

Each row of a table below belongs to one stage, or to one kind in the order of `KINDS`. The numbers
are not estimates of any company; they are set so that each kind shows the signs that sales people
know it by, with enough overlap that no single sign gives a kind away.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

STAGES = (
    "prospecting",
    "qualification",
    "first_contact",
    "needs_assessment",
    "proposal",
    "negotiation",
)
N_STAGES = len(STAGES)


@dataclass(frozen=True)
class Kind:
    """One kind of lead.

    `days` is the mean stay per stage in days and `advance` the probability that the stay ends with
    the next stage (after the last: with the sale) and not with a loss, both for an average lead.
    `recycle` is the share of losses that are only "not now"; `joins` the rate per day at which a
    decision maker joins from the first contact on; `back` the rate of falling back a stage.
    """

    name: str
    days: tuple[float, ...]
    advance: tuple[float, ...]
    recycle: float
    joins: float
    back: float
    weak_intent: str | None = None


BUYERS = ("buyer_fast", "buyer_steady", "buyer_slow")
_BUSY = "busy_without_progress"
_LOW = "low_engagement"

# fmt: off
KINDS = (
    Kind("buyer_fast", (1.5, 2, 3, 6, 8, 6),
         (.95, .93, .93, .90, .84, .86), .15, .050, .002),
    Kind("buyer_steady", (3, 4, 7, 12, 15, 13),
         (.94, .91, .91, .88, .82, .84), .20, .032, .004),
    Kind("buyer_slow", (5, 9, 15, 24, 28, 24),
         (.93, .89, .89, .86, .80, .82), .30, .018, .006),
    Kind("hesitant", (4, 6, 9, 18, 35, 45),
         (.92, .82, .78, .68, .42, .36), .40, .010, .012, _BUSY),
    Kind("no_budget", (3, 6, 9, 16, 25, 25),
         (.92, .75, .65, .50, .32, .26), .35, .007, .008, _BUSY),
    Kind("student", (3, 8, 15, 25, 25, 25),
         (.80, .50, .35, .28, .20, .15), .03, .002, .008, _BUSY),
    Kind("competitor", (3, 8, 14, 20, 20, 20),
         (.80, .55, .40, .30, .15, .10), .02, .002, .008, _BUSY),
    Kind("chatterer", (3, 6, 11, 26, 32, 32),
         (.92, .78, .70, .50, .32, .26), .15, .006, .010, _BUSY),
    Kind("quiet", (6, 20, 32, 35, 30, 30),
         (.75, .42, .36, .36, .42, .42), .20, .003, .006, _LOW),
)
# fmt: on
KIND_NAMES = tuple(kind.name for kind in KINDS)
N_KINDS = len(KINDS)
IS_BUYER = np.array([name in BUYERS for name in KIND_NAMES])
WEAK_INTENT = tuple(kind.weak_intent for kind in KINDS)

# Shares among the buyers and among the rest; how many are buyers follows from the prevalence.
SHARE_OF_BUYERS = np.array([0.30, 0.45, 0.25, 0, 0, 0, 0, 0, 0])
SHARE_OF_OTHERS = np.array([0, 0, 0, 0.14, 0.17, 0.10, 0.04, 0.13, 0.42])


@dataclass(frozen=True)
class Stream:
    """Something that happens again and again while a lead is in a stage.

    `rate` is per day in each stage and, last, while the lead rests after "not now"; `by_kind`
    multiplies it. `ours` means that we act (in working hours, and not while the customer waits).
    """

    type: str
    ours: bool
    rate: tuple[float, ...]
    by_kind: tuple[float, ...]


# fmt: off
STREAMS = (
    Stream("email_sent", True, (.25, .25, .22, .18, .16, .20, .02),
           (1.2, 1.0, .80, 1.0, 1.0, .90, .80, 1.0, .80)),
    Stream("call", True, (.12, .12, .12, .08, .07, .09, .005),
           (1.1, 1.0, .85, 1.0, .90, .60, .50, 1.7, .70)),
    Stream("note", True, (.03, .03, .04, .05, .05, .05, .003),
           (1.0, 1.0, 1.0, 1.1, 1.0, .80, .80, 1.2, .80)),
    Stream("email_received", False, (.05, .10, .14, .14, .12, .14, .004),
           (1.4, 1.0, .65, 1.1, 1.1, .90, .80, 1.7, .18)),
    Stream("chat_message", False, (.05, .06, .05, .04, .03, .03, .003),
           (1.0, .80, .65, 1.0, 1.3, 1.5, 1.2, 2.0, .20)),
    Stream("page_view", False, (.35, .30, .25, .20, .20, .20, .03),
           (1.4, 1.0, .80, 1.1, 1.2, 1.6, 2.2, .80, .35)),
    Stream("content_downloaded", False, (.08, .06, .05, .03, .02, .01, .01),
           (.80, .80, .80, 1.1, 1.2, 3.2, 2.0, .80, .40)),
    Stream("webinar_attended", False, (.012, .012, .010, .008, .004, .002, .004),
           (.80, 1.0, 1.0, 1.2, 1.3, 2.4, 1.0, 1.2, .40)),
    Stream("price_question", False, (.010, .020, .030, .040, .050, .060, .0),
           (1.3, 1.0, .80, 1.1, 1.7, .40, 1.8, 1.2, .10)),
    Stream("discount_request", False, (.004, .006, .010, .015, .030, .040, .0),
           (.25, .25, .30, 1.6, 5.0, .90, .80, 2.0, .10)),
    Stream("trial_started", False, (.0, .010, .015, .020, .010, .005, .0),
           (1.2, 1.0, .80, 1.2, 1.5, 1.5, 1.6, .60, .10)),
    Stream("meeting_booked", False, (.005, .045, .085, .080, .060, .070, .001),
           (1.3, 1.0, .75, .95, .70, .25, .25, 1.2, .15)),
)
# What follows from one event, by kind.
OPENS = np.array([.62, .58, .50, .52, .50, .45, .40, .50, .22])
CLICKS = np.array([.30, .26, .22, .24, .26, .35, .40, .18, .15])
REPLIES = np.array([.34, .28, .20, .22, .22, .16, .10, .34, .04])
HELD = np.array([.88, .86, .83, .58, .58, .50, .50, .62, .45])
MOVED_BY_US = np.array([.55, .50, .45, .15, .20, .15, .15, .15, .20])  # of those not held
NEXT_STEP = np.array([.80, .75, .65, .45, .45, .25, .25, .35, .25])
PROPOSAL_OPENS = np.array([2.6, 2.2, 1.8, 2.4, 1.6, .8, 1.2, 1.0, .4])
TRIAL_USES = np.array([6.0, 5.0, 4.0, 3.0, 3.5, 1.5, 2.0, 1.0, .5])
CALL_SECONDS = np.array([420, 480, 480, 600, 420, 360, 300, 1300, 150])
INBOUND_CALL = np.array([.30, .25, .20, .25, .22, .15, .15, .45, .05])
FADES = np.array([60, 60, 60, 35, 30, 18, 15, 40, 20])  # days: a stay's interest wears off
POSTPONES = np.array([.010, .012, .020, .050, .035, .030, .015, .035, .020])  # a day, close date
# fmt: on
