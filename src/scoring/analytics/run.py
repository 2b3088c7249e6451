"""The pipeline tables of a logical date: made after its scores, stored beside them, shown in out/.

.scoring/analytics/<question>/<logical date>/<table>.parquet
out/analytics/<table>.parquet, .csv       the latest; out/analytics-<question> for other questions
"""

import logging
from datetime import UTC, date, datetime, timedelta
from fnmatch import fnmatchcase
from pathlib import Path
from typing import TYPE_CHECKING

from scoring.analytics.catalogue import TABLES
from scoring.check.tables import Tables
from scoring.clock import stamp
from scoring.config import AnalyticsSection
from scoring.engine.reading import normal
from scoring.errors import ConfigError, nearest
from scoring.project import Project
from scoring.store.publish import new_folder, write_bytes

if TYPE_CHECKING:
    import pandas as pd

    from scoring.engine.analytics_asked import Asked
    from scoring.engine.connection import Connection

log = logging.getLogger(__name__)

SECONDS = {"seconds": 1.0, "minutes": 60.0, "hours": 3600.0}
KINDS = ("word_of_mouth", "outbound", "inbound")  # in the order in which their patterns are tried
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def tables_folder(project: Project, question: str, as_of: datetime) -> Path:
    return project.store / "analytics" / question / stamp(as_of)


def analyse(project: Project, question: str, as_of: datetime, *, newest: bool) -> None:
    """Make every table of `catalogue.TABLES` for a logical date that was scored.

    newest   no later date was scored: the tables also go to out/
    Making a date again gives the same tables. A question about an event has none: they are about
    sales.
    """
    if project.model(question).question.event:
        return
    made = make_tables(project, question, as_of)
    with new_folder(tables_folder(project, question, as_of), project.tmp) as draft:
        for name, table in made.items():
            table.to_parquet(draft / f"{name}.parquet", index=False)
    if newest:
        _publish(project, question, made)


def read_table(
    project: Project, name: str, as_of: datetime | None, question: str
) -> "pd.DataFrame":
    """A stored table. Raises ConfigError for a name or a date that there is not."""
    import pandas as pd

    if name not in TABLES:
        raise ConfigError(
            f'There is no table "{name}" of analytics.{nearest(name, TABLES)}',
            f"Tables: {', '.join(TABLES)}.",
        )
    folder = project.store / "analytics" / question
    dates = sorted(path.name for path in folder.glob("*Z") if path.is_dir())
    if not dates:
        raise ConfigError(
            f'There are no tables of analytics for the question "{question}" yet.',
            "`scoring score` makes them, for questions about an outcome.",
        )
    path = folder / (stamp(as_of) if as_of else dates[-1]) / f"{name}.parquet"
    if not path.exists():
        raise ConfigError(
            f"There are no tables of analytics for {as_of.isoformat() if as_of else dates[-1]}.",
            f"There are for {dates[0]} to {dates[-1]}: `scoring score` makes them.",
        )
    return pd.read_parquet(path)


def make_tables(project: Project, question: str, as_of: datetime) -> "dict[str, pd.DataFrame]":
    """Table → its rows, typed, with times as naive UTC; nothing is published."""
    from scoring.analytics.forecast import forecast
    from scoring.engine import analytics, analytics_sales, analytics_scores, analytics_stages
    from scoring.engine.vocabulary import filled
    from scoring.score.run import directions_known, list_runs, read_scores, scores_folder

    tables = Tables.open(project)
    runs = [at for at in list_runs(project, question) if at < as_of]
    scores = read_scores(project, question, as_of)
    with project.connect() as connection:
        asked = _asked(connection, project, tables, question, as_of)
        card = {*analytics.IDENTITIES, *analytics.DESCRIBING, "expected_close_on", *asked.fields}
        present = filled(connection, tables, sorted(card))
        analytics.make_base(connection, tables, asked)
        analytics_sales.make_spend(connection, _periods(project, asked))
        analytics_scores.make_tonight(connection, scores)
        analytics_scores.make_verdicts(connection, tables, asked)
        needed = _runs_before(runs, analytics_scores.verdict_times(connection))
        folder = scores_folder(project, question)
        files = [folder / stamp(at) / "scores.parquet" for at in needed]
        analytics_scores.make_said(connection, files)
        queries = {
            "stages": analytics_stages.stages_sql(asked),
            "dwell": analytics_stages.dwell_sql(asked),
            "velocity": analytics_stages.velocity_sql(asked),
            "bottlenecks": analytics_stages.bottlenecks_sql(asked),
            "touches": analytics_sales.touches_sql(asked),
            "sources": analytics_sales.sources_sql(asked),
            "channels": analytics_sales.channels_sql(asked),
            "completeness": analytics_sales.completeness_sql(asked, present),
            "cards": analytics_sales.cards_sql(asked),
            "unworked": analytics_scores.unworked_sql(asked),
            "silent": analytics_scores.silent_sql(asked, directions_known=directions_known(tables)),
            "deals": analytics_sales.deals_sql(asked),
            "effort": analytics_sales.effort_sql(),
            "effort_types": analytics_sales.effort_types_sql(),
            "feedback_sellers": analytics_scores.feedback_sellers_sql(),
            "feedback_segments": analytics_scores.feedback_segments_sql(),
            "feedback_outcomes": analytics_scores.feedback_outcomes_sql(),
        }
        made = {name: _rows(connection, query) for name, query in queries.items()}
        made["forecast"] = forecast(
            _rows(connection, analytics_scores.open_amounts_sql()), made["deals"]
        )
    return {name: made[name] for name in TABLES}


def _asked(
    connection: "Connection", project: Project, tables: Tables, question: str, as_of: datetime
) -> "Asked":
    from scoring.engine.analytics_asked import Asked
    from scoring.engine.landed import Landed
    from scoring.engine.vocabulary import tracked_fields
    from scoring.score.run import read_run

    settings, model = project.settings.analytics, project.model(question)
    run = read_run(project, question, as_of)
    through = None
    if run is not None:
        landed = datetime.fromisoformat(run["landed_through"]).astimezone(UTC)
        through = landed.strftime("%Y-%m-%d %H:%M:%S.%f")
    attributes = tables.manifest["attributes"]
    duration = None
    if tables.manifest["properties"].get(settings.duration) == "number":
        duration = (settings.duration, SECONDS[settings.unit])
    return Asked(
        as_of=as_of,
        since=as_of - timedelta(days=settings.days),
        zone=project.settings.project.time_zone,
        won=model.question.outcome,
        close_after_days=model.snapshots.close_after_days,
        orders=project.settings.stage_orders,
        fields={name: kind for name, kind in attributes.items() if kind != "timestamp"},
        tracked=frozenset(tracked_fields(connection, tables)["source"]),
        source_kinds=source_kinds(settings, _sources(connection, tables)),
        duration=duration,
        minutes=settings.minutes,
        landed=Landed(through),
    )


def source_kinds(settings: AnalyticsSection, sources: list[str]) -> dict[str, str]:
    """Source → word_of_mouth, outbound or inbound, those that fit a pattern of one."""
    patterns = {kind: [p.strip().lower() for p in getattr(settings, kind)] for kind in KINDS}
    found = {}
    for source in sources:
        plain = normal(source)
        for kind in KINDS:
            if any(fnmatchcase(plain, pattern) for pattern in patterns[kind]):
                found[source] = kind
                break
    return found


def _sources(connection: "Connection", tables: Tables) -> list[str]:
    """Every source that a lead has or had."""
    from scoring.engine.analytics import sources_ever_sql

    return [name for (name,) in connection.execute(sources_ever_sql(tables)).fetchall()]


def _periods(project: Project, asked: "Asked") -> list[tuple[str, int, int, float]]:
    """What was spent in the periods that reach into the one looked at, up to the logical date."""
    zone, found = project.settings.zone, []

    def midnight(day: date) -> datetime:
        return datetime(day.year, day.month, day.day, tzinfo=zone)

    for spend in project.settings.analytics.spend:
        first, until = midnight(spend.first_day), midnight(spend.last_day + timedelta(days=1))
        if first >= asked.as_of or until <= asked.since:
            continue
        passed = min(1.0, (asked.as_of - first) / (until - first))
        micros = [(at - EPOCH) // timedelta(microseconds=1) for at in (first, until)]
        found.append((spend.source, micros[0], micros[1], spend.amount * passed))
    return found


def _runs_before(runs: list[datetime], verdicts: list[int]) -> list[datetime]:
    """The score runs that stood when verdicts (microseconds since 1970) were given."""
    from bisect import bisect_right

    at = [(run - EPOCH) // timedelta(microseconds=1) for run in runs]
    places = {bisect_right(at, given) - 1 for given in verdicts}
    return [runs[place] for place in sorted(places) if place >= 0]


def _rows(connection: "Connection", query: str) -> "pd.DataFrame":
    import pandas as pd
    import pyarrow as pa

    whole = {pa.int32(): pd.Int64Dtype(), pa.int64(): pd.Int64Dtype()}
    return connection.sql(query).to_arrow_table().to_pandas(types_mapper=whole.get)


def _publish(project: Project, question: str, made: "dict[str, pd.DataFrame]") -> None:
    from scoring.spreadsheet import csv_bytes

    folder = project.out / ("analytics" if question == "conversion" else f"analytics-{question}")
    for name, table in made.items():
        write_bytes(folder / f"{name}.parquet", table.to_parquet(index=False))
        write_bytes(folder / f"{name}.csv", csv_bytes(table))
    log.info("pipeline tables are in %s", folder)
