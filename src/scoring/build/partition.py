"""One partition of leads → snapshots, labels and features → one Parquet file."""

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from scoring.build.reduce import reduce_stream
from scoring.config import QuestionSection, SnapshotsSection
from scoring.engine.attributes import attributes_sql
from scoring.engine.connection import (
    BinderError,
    Connection,
    ValueFault,
    columns_of,
    copy_to_parquet,
    identifier,
    literal,
)
from scoring.engine.events import read_stream
from scoring.engine.labels import labels_sql, settling_sql, speaking_sql
from scoring.engine.landed import Landed
from scoring.engine.population import checked_where
from scoring.engine.snapshots import (
    activity_sql,
    age_days,
    candidates_sql,
    decisions_sql,
    leads_sql,
    moment,
    open_sql,
    silence_sql,
)
from scoring.errors import ConfigError, nearest

if TYPE_CHECKING:
    from scoring.build.featureset import FeatureSet
    from scoring.check.tables import Tables


@dataclass(frozen=True)
class LeadScope:
    """Which leads to build: all of them, or a few (for `explain` and `audit`)."""

    lead_ids: tuple[str, ...] | None = None

    def condition(self) -> str:
        if self.lead_ids is None:
            return "true"
        listed = ", ".join(literal(lead) for lead in self.lead_ids) or "NULL"
        return f"lead_id IN ({listed})"


@dataclass(frozen=True)
class Rows:
    """Which rows a build makes.

    until    training: the data's end, labels known by then. Scoring: as_of
    since    scoring at timestamps of the lead: after this moment
    rhythm   the midnights of `every_days`
    labels   training rows: candidates of the question, with labels. Otherwise one row per lead
             that is open as of `until`
    """

    question: QuestionSection
    snapshots: SnapshotsSection
    where: str
    until: datetime
    rhythm: tuple[datetime, ...]
    labels: bool
    landed: Landed
    scope: LeadScope
    since: datetime | None = None

    def to_json(self) -> dict[str, Any]:
        return {
            "question": self.question.model_dump(mode="json"),
            "snapshots": self.snapshots.model_dump(mode="json"),
            "where": self.where,
            "until": self.until.isoformat(),
            "since": self.since.isoformat() if self.since and self.snapshots.at else None,
            "labels": self.labels,
            "landed": self.landed.through,
            "scope": self.scope.lead_ids,
        }


def write_partition(
    connection: Connection,
    tables: "Tables",
    partition: int,
    features: "FeatureSet",
    rows: Rows,
    path: Path,
) -> int:
    """Build the rows of one partition into `path`, ordered by lead and as_of; returns how many."""
    _snapshots(connection, tables, partition, features, rows)
    connection.register(
        "events", _event_columns(connection, tables, partition, features, rows.landed)
    )
    labels = ", y.label, y.matured_at, y.label_known_at" if rows.labels else ""
    made = []
    for column in features.columns:
        name = identifier(column.name)
        if column.op == "attribute":
            made.append(f"a.{identifier(column.of or '')} AS {name}")
        elif column.op == "age":
            made.append(f"{age_days('l.created_at')} AS {name}")
        elif column.stream != "columns":
            made.append(f"e.{name}")
    ratios = "".join(
        f", {identifier(c.inputs[0])} / nullif({identifier(c.inputs[1])}, 0)"
        f" AS {identifier(c.name)}"
        for c in features.columns
        if c.op == "ratio"
    )
    query = f"""
SELECT *{ratios} FROM (
    SELECT l.lead_key, l.lead_id, s.as_of, s.root_key, l.group_id{labels}, {", ".join(made)}
    FROM snapshots s
    JOIN leads l ON l.lead_key = s.lead_key
    JOIN attributes a ON a.snap_id = s.snap_id
    JOIN events e ON e.snap_id = s.snap_id
    {"JOIN labels y ON y.snap_id = s.snap_id" if rows.labels else ""}
) ORDER BY lead_key, as_of"""
    return copy_to_parquet(connection, query, path)


def read_settling(connection: Connection, rows: Rows) -> list[tuple[str, int, int]]:
    """(day, labelled, undecided) of the partition just built; empty unless `at_decision`."""
    if not rows.labels or rows.question.label != "at_decision":
        return []
    found = connection.execute("SELECT day, labelled, undecided FROM settling ORDER BY day")
    return [(str(day), int(known), int(not_yet)) for day, known, not_yet in found.fetchall()]


def _event_columns(
    connection: Connection,
    tables: "Tables",
    partition: int,
    features: "FeatureSet",
    landed: Landed,
) -> pa.Table:
    """snap_id and every column that reads the history."""
    snapshots = connection.sql(
        "SELECT snap_id, lead_key, epoch_us(as_of) AS as_of FROM snapshots ORDER BY snap_id"
    ).to_arrow_table()
    made: dict[str, Any] = {"snap_id": snapshots.column("snap_id")}
    for name in ("interactions", "stage_changes"):
        columns = [c for c in features.columns if c.stream == name]
        if not columns:
            continue
        properties = {c.of for c in columns if c.of}
        if any(c.op == "active_days" for c in columns):
            properties.add("local_day")
        stream, events = read_stream(connection, tables, name, partition, properties, landed)
        found = reduce_stream(
            stream,
            events,
            columns,
            snapshots.column("lead_key").to_numpy(),
            snapshots.column("as_of").to_numpy(),
        )
        for column in columns:
            text = column.kind == "category"
            kind = pa.string() if text else pa.float64()
            made[column.name] = pa.array(found.get(column.name, []), kind, from_pandas=True)
    return pa.table(made)


def _snapshots(
    connection: Connection,
    tables: "Tables",
    partition: int,
    features: "FeatureSet",
    rows: Rows,
) -> None:
    """Temporary tables `leads`, `snapshots`, `attributes` and, for training, `labels`."""
    _at_columns(tables, rows.snapshots)
    landed = rows.landed
    interactions = tables.scan("interactions", partition)
    changes = tables.scan("stage_changes", partition)

    def make(name: str, query: str) -> None:
        connection.execute(f"CREATE TEMP TABLE {name} AS {query}")

    lead_changes = tables.scan("lead_changes", partition)
    make(
        "leads",
        leads_sql(tables.scan("leads", partition), lead_changes, landed, rows.scope.condition()),
    )
    make("outcome_rows", decisions_sql(tables.scan("outcomes"), landed))
    make("decisions", "SELECT * FROM outcome_rows WHERE lead_key IN (SELECT lead_key FROM leads)")
    connection.execute(
        "CREATE TEMP VIEW activity AS SELECT * FROM "
        f"({activity_sql(interactions, changes, landed)})"
        " WHERE lead_key IN (SELECT lead_key FROM leads)"
    )
    make("silence", silence_sql(rows.snapshots.close_after_days))
    if rows.labels or rows.snapshots.at:
        candidates = candidates_sql(rows.snapshots, until=rows.until, rhythm=list(rows.rhythm))
    else:
        candidates = f"SELECT lead_key, {moment(rows.until)} AS as_of FROM leads"
    if rows.since and rows.snapshots.at:
        candidates += f" AND as_of > {moment(rows.since)}"
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
        held = f"SELECT root_lead_key AS root_key FROM {tables.scan('leads')} WHERE held"
        make("held_roots", held)
        make("all_decisions", speaking_sql())
        make("labels", labels_sql(rows.question, data_end=rows.until))
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
