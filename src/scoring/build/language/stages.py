"""The way along the pipeline, by the order of its stages in scoring.toml.

A stage's position is counted from 1 in the order that was valid when the change happened; a stage
that this order does not name has none. A selection names the stages that are counted; the row
before is always the one before in the whole history of stages.
"""

from collections.abc import Iterable

from scoring.build.language.declaration import Declaration
from scoring.build.language.rows import Rows


class Stages(Rows):
    """Operators of stage_changes."""

    def furthest(self) -> Declaration:
        """The largest position that was reached.

        The whole history. No stage with a position: missing. Unit: position, 1 is the first stage;
        {value} in the sentence is the stage's name. Example: `stage_changes().furthest()`.
        """
        return self._of_stages("furthest")

    def backward(self, last_days: Iterable[int] | None = None) -> Declaration:
        """How many changes led to an earlier stage than the one before.

        Changes in [as_of - N days, as_of), or all; both stages must have a position. None: 0.
        Unit: changes. Example: `stage_changes().backward(last_days=[180])`.
        """
        return self._of_stages("backward", last_days)

    def skipped(self, last_days: Iterable[int] | None = None) -> Declaration:
        """How many stages were passed over: from position 1 to 4 it is two.

        Changes in [as_of - N days, as_of), or all; both stages must have a position. None: 0.
        Unit: stages. Example: `stage_changes().skipped()`.
        """
        return self._of_stages("skipped", last_days)

    def dwell(self) -> Declaration:
        """Days spent in the selected stages so far, each from its change to the next change.

        The whole history; the present stage counts up to as_of. Never there: missing. Unit: days;
        it grows every night, so its sentence shows no number.
        Example: `stage_changes().each_type().dwell()`.
        """
        return self._of_stages("dwell")

    def entered_on(self) -> Declaration:
        """Days from entering the present stage to as_of; its repeated rows do not start it anew.

        The whole history. The present stage is not among the selected, or no stage: missing.
        Unit: days; the sentence shows its {date}. Example: `stage_changes().entered_on()`.
        """
        return self._of_stages("entered_on")

    def _of_stages(self, op: str, last_days: Iterable[int] | None = None) -> Declaration:
        self._must_be(op, "stage_changes")
        return self._declare(op, last_days)
