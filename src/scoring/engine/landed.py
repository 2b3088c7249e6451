"""Which rows of the landing count: the live ones, or those of a past moment."""

from dataclasses import dataclass
from datetime import UTC, datetime

from scoring.engine.connection import literal


@dataclass(frozen=True)
class Landed:
    """The state of the landing that a build sees.

    through   None: everything that is live now. A moment (SQL timestamp text, UTC): what had
              landed by then and was not yet replaced, for rebuilding a score that was issued.
    """

    through: str | None = None

    @staticmethod
    def of(moment: datetime | None) -> "Landed":
        """The state at an aware moment; None: today's."""
        if moment is None:
            return Landed()
        return Landed(moment.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S.%f"))

    def condition(self, alias: str) -> str:
        if self.through is None:
            return f"{alias}.gone_landed IS NULL"
        moment = f"TIMESTAMP {literal(self.through)}"
        return (
            f"{alias}.first_landed <= {moment} "
            f"AND ({alias}.gone_landed IS NULL OR {alias}.gone_landed > {moment})"
        )
