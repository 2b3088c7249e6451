"""What a flagged lead's `why` says of the end of the flag."""

from scoring.words.labels import N_

ENDS_IF = N_("flag ends if this changes: {reason}")
ENDS_WITH_A_STEP = N_("flag ends when they take a step: a meeting, an answer, a next stage")
ENDS_WITH_THE_CHANCE = N_("flag ends when the chance to win them rises")
