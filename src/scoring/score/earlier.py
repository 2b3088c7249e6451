"""The score runs before the one that is being made, as far as it compares itself with them."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pandas as pd

# How much older than asked for a run may be: a week of failed nights is not a week ago any more.
LATER_BY = timedelta(days=7)


def of_leads(lead_id: "pd.Series", table: "pd.DataFrame", column: str) -> "pd.Series":
    """A column of another run for these leads, with the index of `lead_id`; missing where that run
    has no such lead. `table` holds every lead once."""
    return table.set_index("lead_id")[column].reindex(lead_id).set_axis(lead_id.index)


@dataclass(frozen=True)
class Run:
    """A published score run: its logical date and the model version that made it."""

    as_of: datetime
    version: str


@dataclass(frozen=True)
class Earlier:
    """runs, oldest first, all before the moment that is scored; `read` gives columns of one of
    them (those that it has). Without any run nothing is known of before."""

    runs: tuple[Run, ...] = ()
    read: "Callable[[datetime, Sequence[str]], pd.DataFrame] | None" = None

    def rows(self, run: Run, columns: Sequence[str]) -> "pd.DataFrame":
        assert self.read is not None
        return self.read(run.as_of, columns)

    @property
    def last(self) -> Run | None:
        return self.runs[-1] if self.runs else None

    def days_before(self, as_of: datetime, days: int) -> Run | None:
        """The newest run that is `days` old or older, and at most LATER_BY older than that."""
        newest = as_of - timedelta(days=days)
        found = [run for run in self.runs if newest - LATER_BY <= run.as_of <= newest]
        return found[-1] if found else None

    def switches(self, since: Run, version: str) -> Iterator[tuple[Run, Run | None]]:
        """Where the model version changed from `since` on: the run before and the run after, None
        for the one that is being made with `version`."""
        runs = [run for run in self.runs if run.as_of >= since.as_of]
        for before, after in zip(runs, [*runs[1:], None], strict=True):
            if before.version != (after.version if after else version):
                yield before, after
