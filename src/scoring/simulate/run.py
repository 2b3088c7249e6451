"""All chunks of a simulated sales organisation, written as canonical tables, and the truth beside.

Chunks of leads are drawn one after the other from seeds of their own, so memory does not grow with
the number of leads, the work grows in proportion, and the same arguments give the same bytes.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import numpy as np

from scoring.errors import ConfigError
from scoring.simulate.calendar import DAY, Clock, clocks, micros
from scoring.simulate.chunk import write_chunk, write_feedback
from scoring.simulate.interactions import draw_interactions
from scoring.simulate.journeys import draw_journeys
from scoring.simulate.leads import Sellers, draw_leads, draw_sellers, share_of_buyers
from scoring.simulate.scene import Scene
from scoring.simulate.tables import CANONICAL, FEEDBACK, LEAK, TRUTH, Writer

CHUNK = 20_000  # leads, or fewer where they have so many events that memory would grow
CHUNK_EVENTS = 1_000_000
HORIZON_DAYS = 90
SHARE_OF_DUPLICATES = 0.025
_BEYOND = 120 * DAY  # the calendar goes on after the end, for the chances of the open leads
_PILOT = 4_000


@dataclass(frozen=True)
class _Organisation:
    """What all chunks share; times in UTC microseconds."""

    sellers: Sellers
    work: Clock
    awake: Clock
    start: int
    end: int
    buyers: float
    drift: float

    def scene(self, rng: np.random.Generator, leads: int) -> Scene:
        drawn = draw_leads(
            rng, leads, self.sellers, (self.start, self.end), self.awake, self.buyers, self.drift
        )
        journeys = draw_journeys(rng, drawn, self.work)
        return Scene(rng, drawn, journeys, self.sellers, self.work, self.awake, self.end)


def simulate(
    out_dir: Path,
    *,
    leads: int,
    end: datetime,
    seed: int,
    years: float = 2.0,
    prevalence: float = 0.12,
    events_per_lead: float = 40.0,
    drift: float = 0.0,
    leak: float = 0.0,
    feedback: float = 0.0,
    truth_dir: Path | None = None,
) -> dict[str, int]:
    """Writes the history of a simulated sales organisation and, apart from it, the truth.

    `out_dir` gets leads, interactions, participants, stage_changes, lead_changes, contacts and
    outcomes as Parquet files (zstd; naive timestamps that mean UTC, microseconds). `truth_dir`
    (default: the folder `truth` beside `out_dir`) gets leads (kind, would it ever buy) and
    probabilities (the exact chance of being won within 90 days, given kind and state, at ages of
    1 to 365 days and at the end of history). Existing files of these names are replaced.

    Args:
        leads: rows in the table of leads, duplicates (2.5 %) included.
        end: tz-aware moment at which history ends (exclusive), leads still being open then.
        seed: everything is drawn from it.
        years: leads are created evenly (but for weekdays and seasons) over so many years.
        prevalence: share of leads that would ever be won; those open at the end included.
        events_per_lead: mean number of interactions per lead, about.
        drift: change from first to last day of the log-odds of meeting a buyer, and of the log of
            everybody's activity on the web.
        leak: share of won leads whose attribute `contract_no` is filled after the sale; the
            attribute exists only if this is above 0.
        feedback: share of leads that a seller judges; the table exists only if this is above 0.

    Returns:
        Rows per canonical table.

    Raises:
        ConfigError: an argument is outside its range, or `prevalence` cannot be reached.
    """
    _check(leads, end, years, prevalence, events_per_lead, leak, feedback)
    until = micros(end)
    start = until - int(years * 365.25 * DAY)
    work, awake = clocks(start, until + HORIZON_DAYS * DAY + _BEYOND)
    root = np.random.SeedSequence(seed)
    sellers = draw_sellers(np.random.default_rng(root.spawn(1)[0]), leads)
    buyers, highest = share_of_buyers(prevalence, sellers, (start, until), awake, drift)
    if prevalence > highest:
        raise ConfigError(
            f"`prevalence` of a simulation must be at most {highest:.2f}, which is reached when "
            f"every lead means to buy. Got {prevalence} instead."
        )
    organisation = _Organisation(sellers, work, awake, start, until, buyers, drift)
    volume = _volume(organisation, events_per_lead / (1 - SHARE_OF_DUPLICATES))

    canonical = {name: dict(columns) for name, columns in CANONICAL.items()}
    if leak > 0:
        canonical["leads"][LEAK] = "S"
    if feedback > 0:
        canonical["feedback"] = FEEDBACK
    truth = truth_dir if truth_dir is not None else out_dir.parent / "truth"
    with Writer(out_dir, canonical) as tables, Writer(truth, TRUTH) as truths:
        chunk = max(min(CHUNK, int(CHUNK_EVENTS / events_per_lead)), 100)
        for first in range(0, leads, chunk):
            rows = min(chunk, leads - first)
            # Small last chunks have duplicates too, in proportion over all chunks.
            duplicates = int((first + rows) * SHARE_OF_DUPLICATES) - int(
                first * SHARE_OF_DUPLICATES
            )
            rng = np.random.default_rng(root.spawn(1)[0])
            scene = organisation.scene(rng, rows - duplicates)
            events = draw_interactions(scene, volume)
            write_chunk(tables, truths, scene, events, first, duplicates, leak, HORIZON_DAYS)
            if feedback > 0:
                write_feedback(tables, scene, (seed, first), feedback, first)
    return dict(tables.counts)


def _volume(organisation: _Organisation, events_per_lead: float) -> float:
    """How busy everybody must be for so many events per lead, found on a fixed pilot."""

    def events(volume: float) -> int:
        scene = organisation.scene(np.random.default_rng(4_000), _PILOT)
        return len(draw_interactions(scene, volume)["at"])

    fixed = events(0.0)
    return max((events_per_lead * _PILOT - fixed) / (events(1.0) - fixed), 0.0)


def _check(
    leads: int,
    end: datetime,
    years: float,
    prevalence: float,
    events_per_lead: float,
    leak: float,
    feedback: float,
) -> None:
    def require(holds: bool, what: str, got: object) -> None:
        if not holds:
            raise ConfigError(f"{what}. Got {got!r} instead.")

    require(end.tzinfo is not None, "`end` of a simulation must have a time zone", "none")
    require(leads >= 1, "`leads` of a simulation must be at least 1", leads)
    require(0.1 <= years <= 20, "`years` of a simulation must be between 0.1 and 20", years)
    require(0 < prevalence < 1, "`prevalence` of a simulation must be above 0 and below 1",
            prevalence)  # fmt: skip
    require(events_per_lead > 0, "`events_per_lead` of a simulation must be above 0",
            events_per_lead)  # fmt: skip
    require(0 <= leak <= 1, "`leak` of a simulation must be between 0 and 1", leak)
    require(0 <= feedback <= 1, "`feedback` of a simulation must be between 0 and 1", feedback)
