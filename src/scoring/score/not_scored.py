"""Why a lead has no score as of a moment, in one sentence."""

from datetime import UTC, datetime

from scoring.check.tables import Tables
from scoring.config import ModelToml
from scoring.engine.connection import Connection, identifier, literal, scalar
from scoring.engine.landed import Landed
from scoring.engine.snapshots import activity_sql, decisions_sql, leads_sql, silence_sql
from scoring.project import Project


def partition_of_key(tables: Tables, lead_key: int) -> int:
    """The partition that holds a lead, from the ranges of the manifest."""
    return next(n for n, (first, last) in enumerate(tables.ranges) if first <= lead_key <= last)


def landed_sql(through: datetime | None) -> Landed:
    if through is None:
        return Landed()
    return Landed(through.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S.%f"))


def why_not(
    project: Project,
    lead: str,
    settings: ModelToml,
    as_of: datetime,
    *,
    since: datetime | None,
    through: datetime | None,
) -> str:
    """The reason, as the tables of today tell it.

    settings   the question as the model of that run was asked
    since      the run before, for questions asked at a timestamp of the lead
    through    what had landed by then counts; None: what is live now
    """
    tables = Tables.open(project)
    with project.connect() as connection:
        found = connection.execute(
            "SELECT lead_key, created_at, first_landed, merged_into, root_lead_id, held"
            f" FROM {tables.scan('leads')} WHERE lead_id = {literal(lead)}"
        ).fetchone()
        if found is None:
            return "The tables have no lead with this ID."
        key, created, landed, into, root, held = found
        at = as_of.astimezone(UTC).replace(tzinfo=None)
        if created > at:
            return f"It was created on {_shown(project, created)}, after that moment."
        if through is not None and landed > through.astimezone(UTC).replace(tzinfo=None):
            return f"Its row landed on {_shown(project, landed)}, after the scores were made."
        if held:
            return "An outcome of it is in quarantine: until that is settled it is not scored."
        part = partition_of_key(tables, key)
        known = leads_sql(
            tables.scan("leads", part),
            tables.scan("lead_changes", part),
            landed_sql(through),
            f"lead_id = {literal(lead)}",
        )
        merged, deleted = connection.execute(
            f"SELECT merged_at, deleted_at FROM ({known})"
        ).fetchone() or (None, None)
        if into is not None and merged is not None and merged < at:
            further = f", which was merged on into {root}" if root not in (into, lead) else ""
            return f"It was merged into {into} on {_shown(project, merged)}{further}."
        if deleted is not None and deleted < at:
            return f"It was deleted on {_shown(project, deleted)}."
        closed = _closed(connection, tables, key, settings, at, landed_sql(through))
        if closed:
            outcome, moment = closed
            return (
                f'It was closed on {_shown(project, moment)} with the outcome "{outcome}".'
                if outcome
                else f"It was closed on {_shown(project, moment)}, after "
                f"{settings.snapshots.close_after_days} days without any event."
            )
        if settings.snapshots.at:
            columns = ", ".join(identifier(c) for c in settings.snapshots.at)
            moments = connection.execute(
                f"SELECT {columns} FROM {tables.scan('leads')} WHERE lead_id = {literal(lead)}"
            ).fetchone()
            after = since.astimezone(UTC).replace(tzinfo=None) if since else None
            if not any(m and m <= at and (after is None or m > after) for m in moments or ()):
                asked = " or ".join(settings.snapshots.at)
                return f"The question is asked at {asked}, which was not due between two runs."
    if settings.population.where:
        return f"It was outside the question's population ({settings.population.where})."
    return "It was open then; `scoring score` of that date would score it now."


def _closed(
    connection: Connection,
    tables: Tables,
    key: int,
    settings: ModelToml,
    at: datetime,
    landed: Landed,
) -> tuple[str | None, datetime] | None:
    """The outcome that closed the lead, or None for silence, and when; None while it is open."""
    part = partition_of_key(tables, key)
    decided = connection.execute(
        "SELECT outcome, greatest(decided_at, known_at) AS closed_at FROM"
        f" ({decisions_sql(tables.scan('outcomes', part), landed)})"
        f" WHERE lead_key = {key} AND outcome <> 'recycled' ORDER BY closed_at, outcome LIMIT 1"
    ).fetchone()
    if decided and decided[1] < at:
        return decided
    activity = activity_sql(
        tables.scan("interactions", part), tables.scan("stage_changes", part), landed
    )
    connection.execute(
        f"CREATE TEMP TABLE leads AS SELECT * FROM {tables.scan('leads', part)}"
        f" WHERE lead_key = {key}"
    )
    connection.execute(
        f"CREATE TEMP VIEW activity AS SELECT * FROM ({activity}) WHERE lead_key = {key}"
    )
    silence = silence_sql(settings.snapshots.close_after_days)
    silent = scalar(connection, f"SELECT silent_at FROM ({silence})")
    return (None, silent) if silent is not None and silent < at else None


def _shown(project: Project, moment: datetime) -> str:
    """A naive UTC moment as a local day."""
    return moment.replace(tzinfo=UTC).astimezone(project.settings.zone).date().isoformat()
