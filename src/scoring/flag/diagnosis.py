"""What `doctor` says of the flag: what it promises, and how many buyers are missing if nothing."""

from datetime import datetime
from typing import TYPE_CHECKING, Literal

from scoring.engine.buyers import buyers
from scoring.flag.bound import buyers_needed
from scoring.flag.nights import cohort_of
from scoring.flag.price import price, promise
from scoring.project import Project

if TYPE_CHECKING:
    from scoring.check.tables import Tables
    from scoring.flag.model import Flag

Said = tuple[Literal["ok", "advice"], str, str]


def flag_findings(
    project: Project, question: str, tables: "Tables", flag: "Flag | None", as_of: datetime
) -> list[Said]:
    """(level, what was found, what to do) of a question's flag; none where it has none.

    flag   the champion's, None without one
    """
    settings = project.flag
    if settings.question != question:
        return []
    if settings.mode == "off":
        return [("ok", "switched off", "")]
    if flag is not None and flag.threshold is not None:
        found = " ".join(filter(None, [price(flag.facts), promise(flag.facts)]))
        return [("ok" if flag.facts["promised"] else "advice", found, "")]
    asked = project.model(question)
    data_end = min(tables.data_end, as_of)
    with project.connect() as connection:
        known = buyers(connection, tables, asked.question.outcome, data_end)
    have = cohort_of(known, data_end, asked.learner.seed).buyers
    needed = buyers_needed(settings.share, settings.confidence)
    if have < needed:
        return [
            (
                "advice",
                f"no flags: of the half that is kept apart for testing, {have:,} buyers are known "
                f"long enough, and {needed:,} are needed; {needed - have:,} are missing",
                'Wait for more sales, load more history, or set mode = "advisory" in '
                "models/tire_kicker/model.toml.",
            )
        ]
    if flag is None:
        return [
            (
                "advice",
                f"no flags yet: the champion has none; {have:,} buyers could test one",
                "Train again: `scoring run retrain`.",
            )
        ]
    return [("advice", promise(flag.facts), "Look at which signs fire on buyers: docs/flags.md.")]
