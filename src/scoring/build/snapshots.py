"""Who is looked at, as of when, and what became of them: a partition's leads and snapshots."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa

from scoring.build.rows import Rows
from scoring.config import SnapshotsSection
from scoring.engine.attributes import attributes_sql
from scoring.engine.connection import BinderError, Connection, ValueFault, columns_of
from scoring.engine.labels import (
    asked_events_sql,
    closings_sql,
    labels_sql,
    settling_sql,
    speaking_sql,
)
from scoring.engine.population import checked_where
from scoring.engine.snapshots import (
    activity_sql,
    candidates_sql,
    decisions_sql,
    leads_sql,
    moment,
    open_sql,
    seen_sql,
    silence_sql,
)
from scoring.errors import ConfigError, nearest

if TYPE_CHECKING:
    from scoring.build.featureset import FeatureSet
    from scoring.check.tables import Tables
    from scoring.engine.arrays import Events


@dataclass(frozen=True)
class Survivors:
    """What labels need to know of leads of other partitions: of those that others were merged into.

    Read once for all partitions, so that the work grows in proportion to the leads.

    outcomes   as `decisions_sql` gives them
    held       root_key of the leads of which any outcome is in quarantine
    events     as `asked_events_sql` gives them; None where the question asks for an outcome
    """

    outcomes: pa.Table
    held: pa.Table
    events: pa.Table | None


def read_survivors(connection: Connection, tables: "Tables", rows: Rows) -> Survivors:
    leads, landed, events = tables.scan("leads"), rows.landed, None
    if rows.question.event:
        _known_types(tables, rows.question.event)
        merged = (
            f"(SELECT lead_key, root_lead_key FROM {leads} WHERE root_lead_key IN"
            f" (SELECT root_lead_key FROM {leads} WHERE root_lead_key <> lead_key))"
        )
        interactions = tables.scan("interactions")
        events = connection.sql(
            asked_events_sql(interactions, merged, rows.question.event, landed)
        ).to_arrow_table()
    return Survivors(
        outcomes=connection.sql(
            f"SELECT * FROM ({decisions_sql(tables.scan('outcomes'), landed)}) WHERE lead_key IN"
            f" (SELECT root_lead_key FROM {leads} WHERE root_lead_key <> lead_key)"
        ).to_arrow_table(),
        held=connection.sql(
            f"SELECT DISTINCT root_lead_key AS root_key FROM {leads} WHERE held"
        ).to_arrow_table(),
        events=events,
    )


def make_leads(connection: Connection, tables: "Tables", partition: int, rows: Rows) -> None:
    """Temporary table `leads`: those of the partition and the scope."""
    leads, changes = (tables.scan(name, partition) for name in ("leads", "lead_changes"))
    query = leads_sql(leads, changes, rows.landed, rows.scope.condition())
    connection.execute(f"CREATE TEMP TABLE leads AS {query}")


def make_snapshots(
    connection: Connection,
    tables: "Tables",
    partition: int,
    features: "FeatureSet",
    rows: Rows,
    interactions: "Events | None",
    survivors: Survivors | None,
) -> None:
    """Temporary tables `snapshots`, `attributes` and, for training, `labels`, of `leads`.

    interactions   of the leads, where they have been read already
    survivors      where rows are labelled
    """
    _at_columns(tables, rows.snapshots)
    landed = rows.landed

    def make(name: str, query: str) -> None:
        connection.execute(f"CREATE TEMP TABLE {name} AS {query}")

    lead_changes = tables.scan("lead_changes", partition)
    outcomes = decisions_sql(tables.scan("outcomes", partition), landed)
    if survivors is not None:
        connection.register("survivors", survivors.outcomes)
        outcomes += (
            " UNION ALL SELECT * FROM survivors WHERE lead_key NOT IN"
            f" (SELECT lead_key FROM {tables.scan('leads', partition)})"
        )
    make("outcome_rows", outcomes)
    make("decisions", "SELECT * FROM outcome_rows WHERE lead_key IN (SELECT lead_key FROM leads)")
    _make_activity(connection, tables, partition, rows, interactions)
    make("silence", silence_sql(rows.snapshots.close_after_days))
    if rows.labels or rows.snapshots.at:
        candidates = candidates_sql(rows.snapshots, until=rows.until, rhythm=list(rows.rhythm))
    else:
        candidates = f"SELECT lead_key, {moment(rows.until)} AS as_of FROM leads"
    if rows.since and rows.snapshots.at:
        candidates += f" AND as_of > {moment(rows.since)}"
    if rows.days_earlier:
        earlier = f"as_of - to_days({rows.days_earlier})"
        candidates = f"SELECT lead_key, {earlier} AS as_of FROM ({candidates})"
    decided = "decided_at" if rows.labels else "greatest(decided_at, known_at)"
    opened = open_sql(candidates, decided=decided)
    if not rows.labels:
        # A lead has one score: of several moments since the last run the newest counts.
        opened = f"SELECT lead_key, max(as_of) AS as_of FROM ({opened}) GROUP BY lead_key"
    make(
        "snapshots",
        "SELECT row_number() OVER (ORDER BY o.lead_key, o.as_of)::INTEGER AS snap_id,"
        " o.lead_key, o.as_of, l.root_lead_key AS root_key"
        f" FROM ({opened}) o"
        " JOIN leads l ON l.lead_key = o.lead_key",
    )
    if rows.labels:
        assert survivors is not None
        connection.register("held_roots", survivors.held)
        make("all_decisions", speaking_sql())
        if survivors.events is not None:
            connection.register("survivors_events", survivors.events)
            own = asked_events_sql(
                tables.scan("interactions", partition), "leads", rows.question.event, landed
            )
            make("asked_events", f"{own} UNION ALL SELECT * FROM survivors_events")
        make("labels", labels_sql(rows.question, data_end=rows.until))
        make("closings", closings_sql(rows.question, data_end=rows.until))
        if rows.question.label == "at_decision":
            make("settling", settling_sql(data_end=rows.until))
        connection.execute(
            "DELETE FROM snapshots WHERE snap_id NOT IN (SELECT snap_id FROM labels)"
        )
    make(
        "attributes",
        attributes_sql(
            features.attributes,
            known_at_creation=features.known_at_creation,
            tracked=features.tracked,
            lead_changes=lead_changes,
            landed=landed,
        ),
    )
    if rows.where:
        where = checked_where(rows.where, columns_of(connection, "attributes"))
        try:
            connection.execute(
                "DELETE FROM snapshots WHERE snap_id NOT IN"
                f" (SELECT snap_id FROM attributes WHERE ({where}))"
            )
        except (*ValueFault, BinderError):
            raise ConfigError(
                "model.toml: `population.where` compares an attribute with a value of another "
                "kind.",
                "Numbers and flags (1, 0) stand without quotes, texts in single ones.",
            ) from None


def _make_activity(
    connection: Connection,
    tables: "Tables",
    partition: int,
    rows: Rows,
    interactions: "Events | None",
) -> None:
    """View `activity`, as `activity_sql` describes it, as far as `silence_sql` looks at it.

    Interactions that have been read are not read again, and of most leads their last one will do:
    only where a history is longer than `close_after_days` every row counts.
    """
    scans = [tables.scan(name, partition) for name in ("interactions", "stage_changes")]
    query = activity_sql(scans[0], scans[1], rows.landed)
    if interactions is not None:
        moves = seen_sql(scans[1], "changed_at", rows.landed)
        query = f"SELECT * FROM last_seen UNION ALL {moves}"
        lead_key = interactions.lead_key
        seen_at = np.maximum(interactions.time, interactions.known)
        starts = np.flatnonzero(np.diff(lead_key, prepend=-1))
        newest = np.maximum.reduceat(seen_at, starts) if len(starts) else seen_at
        connection.register("last_seen", _seen(lead_key[starts], newest))
        long = connection.sql(
            f"SELECT DISTINCT a.lead_key FROM ({query}) a JOIN leads l ON l.lead_key = a.lead_key"
            f" WHERE a.seen_at > l.created_at + INTERVAL {rows.snapshots.close_after_days} DAY"
        ).to_arrow_table()
        chosen = np.isin(lead_key[starts], long.column("lead_key").to_numpy())
        own = np.flatnonzero(np.repeat(chosen, np.diff(starts, append=len(lead_key))))
        connection.register("long_seen", _seen(lead_key[own], seen_at[own]))
        query += " UNION ALL SELECT * FROM long_seen"
    connection.execute(
        f"CREATE TEMP VIEW activity AS SELECT * FROM ({query})"
        " WHERE lead_key IN (SELECT lead_key FROM leads)"
    )


def _seen(lead_key: np.ndarray, seen_at: np.ndarray) -> pa.Table:
    return pa.table({"lead_key": lead_key, "seen_at": seen_at.view("datetime64[us]")})


def _known_types(tables: "Tables", event: Sequence[str]) -> None:
    """Every type of `[question] event` must be one of the history's."""
    types = sorted({kind["type"] for kind in tables.manifest["kinds"]})
    for name in event:
        if name not in types:
            raise ConfigError(
                f"model.toml: `question.event` names `{name}`, which is not a type of the "
                f"interactions.{nearest(name, types)}",
                "`scoring features` lists what is counted; data/staging/<source>/interactions.sql "
                "may give types other names.",
            )


def _at_columns(tables: "Tables", snapshots: SnapshotsSection) -> None:
    """Every column of `[snapshots] at` must be a timestamp of leads."""
    columns = tables.columns("leads")
    times = [name for name, kind in columns.items() if kind == "TIMESTAMP"]
    for name in snapshots.at:
        if name not in times:
            raise ConfigError(
                f"model.toml: `snapshots.at` names `{name}`, which is not a timestamp of the "
                f"leads.{nearest(name, times)}",
                "Derive it in data/staging/<source>/leads.sql and run `scoring check` again.",
            )
