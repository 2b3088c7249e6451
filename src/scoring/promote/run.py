"""The change of champion: by the gates after a training, by hand, and back again."""

import logging
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from scoring.errors import ConfigError, Held, NoUsableModel
from scoring.project import Project
from scoring.promote.golden import Verdict, judge, read_cases
from scoring.promote.impact import Impact, preview
from scoring.train import tracking
from scoring.train.artefact import Artefact
from scoring.train.tracking import CANDIDATE, CHAMPION, Registered

log = logging.getLogger(__name__)

SHORTEST_REASON = 10


@dataclass(frozen=True)
class Offer:
    """What became of a version that was offered for promotion.

    champion   the version that scores now, or None
    why        what the gates said, a golden lead that is wrong, or somebody's written reason
    impact     None where there was no other champion to compare with
    """

    version: str
    champion: str | None
    promoted: bool
    why: str
    golden: Verdict
    impact: Impact | None

    def to_json(self) -> dict[str, Any]:
        return {
            "champion": self.champion,
            "promoted": self.promoted,
            "why": self.why,
            "golden": self.golden.to_json(),
            "impact": self.impact.to_json() if self.impact else None,
        }

    def lines(self) -> Iterator[str]:
        yield from self.golden.lines()
        if self.impact:
            yield from self.impact.lines()
        standing = "is the champion" if self.promoted else "is a candidate only"
        yield f"version {self.version} {standing}: {self.why}"


def offer(project: Project, question: str, as_of: datetime) -> Offer:
    """Promote the newest candidate if its gates let it through and every golden lead is right.

    Shows first what the change would do. A candidate that is the champion already is left alone.
    """
    coming = _coming(project, question, None)
    standing = tracking.registered(project, question, CHAMPION)
    if standing is not None and standing.version == coming[0].version:
        nothing = Verdict(0, (), ())
        return Offer(standing.version, standing.version, True, coming[0].why, nothing, None)
    golden, impact = _looked_at(project, question, as_of, coming)
    why = _against(coming[0], golden)
    if why is None:
        why = coming[0].why
        tracking.set_champion(project, question, coming[0].version, why, as_of)
        return Offer(coming[0].version, coming[0].version, True, why, golden, impact)
    champion = standing.version if standing else None
    return Offer(coming[0].version, champion, False, why, golden, impact)


def promote(
    project: Project,
    question: str,
    as_of: datetime,
    *,
    version: str | None = None,
    override: str | None = None,
    only_look: bool = False,
) -> Offer:
    """Make a version the champion by hand; without `version` the newest candidate.

    override    somebody's written reason to pass the gates and the golden leads; it is logged
    only_look   show what would change, and change nothing

    Raises Held where the gates or a golden lead stand against it and nobody gives a reason.
    """
    if override is not None and len(override.strip()) < SHORTEST_REASON:
        raise ConfigError(
            f"A reason must have at least {SHORTEST_REASON} letters: "
            "it is read by whoever asks later why this model scores."
        )
    coming = _coming(project, question, version)
    standing = tracking.registered(project, question, CHAMPION)
    golden, impact = _looked_at(project, question, as_of, coming)
    against = _against(coming[0], golden)
    why = coming[0].why
    if against is not None and override is None and not only_look:
        raise Held(
            f"Version {coming[0].version} is not promoted: {against}.",
            'Train again, or promote it with a written reason: --override "…".',
        )
    if override is not None:
        why = f"by hand: {override.strip()}" + (f" (against: {against})" if against else "")
    elif against is not None:
        why = against
    if only_look:
        return Offer(
            coming[0].version, standing.version if standing else None, False, why, golden, impact
        )
    tracking.set_champion(project, question, coming[0].version, why, as_of)
    return Offer(coming[0].version, coming[0].version, True, why, golden, impact)


@dataclass(frozen=True)
class RolledBack:
    """The version that scored until now, and the one before it, which scores again."""

    was: str
    champion: str

    def to_json(self) -> dict[str, Any]:
        return {"was": self.was, "champion": self.champion}

    def lines(self) -> Iterator[str]:
        yield f"version {self.champion} is the champion again, instead of {self.was}"
        yield "the next `scoring score` uses it; `scoring emit` then sends what that changes"


def rollback(project: Project, question: str, as_of: datetime, *, why: str = "") -> RolledBack:
    """Give the champion's place back to the version that had it before.

    Only files and their hashes are looked at, so that it takes no longer than the start of MLflow.
    Raises NoUsableModel where there is none before, or its files are damaged.
    """
    standing = tracking.registered(project, question, CHAMPION)
    before = tracking.champion_before(project, question)
    if standing is None or before is None:
        raise NoUsableModel(
            f'The question "{question}" had no champion before the present one.',
            "Promote another version: `scoring promote --version N`.",
        )
    tracking.load(project, question, before.version, before.fingerprint)
    tracking.roll_back(project, question, why.strip() or "rolled back", as_of)
    return RolledBack(standing.version, before.version)


def _coming(project: Project, question: str, version: str | None) -> tuple[Registered, Artefact]:
    if version is None:
        found = tracking.registered(project, question, CANDIDATE)
    else:
        found = tracking.version(project, question, version)
    if found is None:
        raise NoUsableModel(
            f"There is no version {version} of the question."
            if version
            else f'There is no candidate for the question "{question}" yet.',
            "`scoring train` makes one.",
        )
    return found, tracking.load(project, question, found.version, found.fingerprint)


def _looked_at(
    project: Project, question: str, as_of: datetime, coming: tuple[Registered, Artefact]
) -> tuple[Verdict, Impact | None]:
    golden = judge(project, question, read_cases(project, question), coming[1])
    if tracking.registered(project, question, CHAMPION) is None:
        return golden, None
    standing = tracking.champion(project, question)
    if standing[0].version == coming[0].version:
        return golden, None
    return golden, preview(project, question, as_of, standing, coming)


def _against(coming: Registered, golden: Verdict) -> str | None:
    """What stands against a promotion; None where nothing does."""
    if not coming.passed:
        return coming.why
    return golden.failed[0] if golden.failed else None
