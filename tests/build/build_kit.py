"""Small histories as the engine sees them, without the steps before `build`; and real projects."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
from twin import Row, World

from scoring.build.columns import Column
from scoring.build.declare import Declaration
from scoring.build.featureset import FeatureSet
from scoring.build.load import Named
from scoring.build.partition import LeadScope, Rows, write_partition
from scoring.build.unfold import unfold
from scoring.build.vocabulary import Vocabulary
from scoring.check.run import check
from scoring.check.tables import Tables
from scoring.clock import Moment
from scoring.config import QuestionSection, SnapshotsSection
from scoring.engine.connection import connect
from scoring.engine.landed import Landed
from scoring.ingest.run import ingest
from scoring.project import Project

LANDED = datetime(2030, 1, 1)
TIME = pa.timestamp("us")
COMMON = [
    ("lead_key", pa.int32()),
    ("seq", pa.int64()),
    ("known_at", TIME),
    ("first_landed", TIME),
    ("gone_landed", TIME),
    ("inherited", pa.bool_()),
]


def named(**declarations: Declaration) -> list[Named]:
    return [Named(name, "test", d) for name, d in declarations.items()]


def words(
    types: Iterable[str] = (),
    *,
    stages: Iterable[str] = (),
    directions: Mapping[str, Iterable[str]] | None = None,
    properties: Mapping[str, str] | None = None,
    attributes: Mapping[str, str] | None = None,
    leads: int = 1000,
) -> Vocabulary:
    """A vocabulary in which every name is frequent."""
    return Vocabulary(
        types={
            "interactions": dict.fromkeys(types, leads),
            "stage_changes": dict.fromkeys(stages, leads),
        },
        directions={k: frozenset(v) for k, v in (directions or {}).items()},
        properties=dict(properties or {}),
        holders={k: leads for k, v in (properties or {}).items() if v in ("number", "text")},
        attributes=dict(attributes or {}),
    )


def columns(vocabulary: Vocabulary, **declarations: Declaration) -> list[Column]:
    return unfold(named(**declarations), vocabulary)


class Memory:
    """A world as one partition of canonical tables in an engine's memory."""

    def __init__(self, connection: Any, world: World, properties: Mapping[str, Any]) -> None:
        self.connection = connection
        self.world = world
        self.keys = {lead: key for key, lead in enumerate(sorted(x.lead_id for x in world.leads))}
        found = sorted({(r.what, r.direction) for r in world.interactions}, key=str)
        self.manifest = {
            "kinds": [{"id": n, "type": t, "direction": d} for n, (t, d) in enumerate(found)]
        }
        kinds = {pair: n for n, pair in enumerate(found)}
        self._leads()
        self._table(
            "interactions",
            world.interactions,
            [
                ("occurred_at", TIME),
                ("type", pa.string()),
                ("kind_id", pa.uint16()),
                ("local_day", pa.int32()),
                *properties.items(),
            ],
            lambda r: {
                "occurred_at": r.at,
                "type": r.what,
                "kind_id": kinds[r.what, r.direction],
                "local_day": (
                    r.at.replace(tzinfo=UTC).astimezone(world.zone).date() - date(1970, 1, 1)
                ).days,
                **r.values,
            },
        )
        self._table(
            "stage_changes",
            world.stages,
            [("changed_at", TIME), ("stage", pa.string())],
            lambda r: {"changed_at": r.at, "stage": r.what},
        )
        self._table(
            "outcomes",
            world.outcomes,
            [("decided_at", TIME), ("outcome", pa.string())],
            lambda r: {"decided_at": r.at, "outcome": r.what},
        )
        self._table(
            "lead_changes",
            world.changes,
            [
                ("changed_at", TIME),
                ("field", pa.string()),
                ("value", pa.string()),
                ("origin", pa.string()),
            ],
            lambda r: {"changed_at": r.at, "field": r.what, "origin": r.origin, **r.values},
        )

    def scan(self, name: str, _partition: int | None = None) -> str:
        return name if name != "leads" else "leads_table"

    def columns(self, name: str) -> dict[str, str]:
        rows = self.connection.execute(f"DESCRIBE {self.scan(name)}").fetchall()
        return {row[0]: row[1] for row in rows}

    def _leads(self) -> None:
        world = self.world
        kinds = [
            ("lead_key", pa.int32()), ("lead_id", pa.string()), ("created_at", TIME),
            ("merged_at", TIME), ("deleted_at", TIME), ("root_lead_key", pa.int32()),
            ("group_id", pa.string()), ("first_landed", TIME), ("held", pa.bool_()),
        ]  # fmt: skip
        extra: dict[str, Any] = {}
        for lead in world.leads:
            for name, value in lead.values.items():
                kind = {datetime: TIME, float: pa.float64(), bool: pa.bool_()}.get(type(value))
                if value is not None or name not in extra:
                    extra[name] = kind or (TIME if name.endswith("_at") else pa.string())
        rows = [
            {
                "lead_key": self.keys[lead.lead_id],
                "lead_id": lead.lead_id,
                "created_at": lead.created_at,
                "merged_at": lead.merged_at,
                "deleted_at": lead.deleted_at,
                "root_lead_key": self.keys[world.root(lead.lead_id)],
                "group_id": world.lead(world.root(lead.lead_id)).person_id
                or world.root(lead.lead_id),
                "first_landed": lead.first_landed,
                "held": lead.held,
                **{name: lead.values.get(name) for name in extra},
            }
            for lead in world.leads
        ]
        self._register("leads_table", [*kinds, *extra.items()], rows)

    def _table(self, name: str, rows: Sequence[Row], own: list, describe: Any) -> None:
        found = []
        for lead in self.world.leads:
            # `history` leaves vanished rows out; here they are there and marked.
            live = self.world.history(rows, lead.lead_id)
            gone = [(r.known_at, r, False) for r in rows if r.gone and r.lead_id == lead.lead_id]
            for known_at, row, inherited in live + gone:
                found.append(
                    (
                        self.keys[lead.lead_id],
                        row.at,
                        (row.row_id, row.known_at, str(row.values.get("value"))),
                        {
                            "lead_key": self.keys[lead.lead_id],
                            "known_at": known_at,
                            "first_landed": LANDED,
                            "gone_landed": LANDED if row.gone else None,
                            "inherited": inherited,
                            **describe(row),
                        },
                    )
                )
        found.sort(key=lambda f: f[:3])
        listed = [{**f[3], "seq": n} for n, f in enumerate(found)]
        self._register(name, [*COMMON, *own], listed)

    def _register(self, name: str, kinds: list, rows: list[dict[str, Any]]) -> None:
        table = pa.Table.from_pylist(rows, schema=pa.schema(kinds))
        self.connection.register("handed", table)
        self.connection.execute(f"CREATE TABLE {name} AS SELECT * FROM handed")
        self.connection.unregister("handed")


def build(
    tmp: Path,
    world: World,
    features: Sequence[Column],
    *,
    snapshots: SnapshotsSection,
    until: datetime,
    question: QuestionSection | None = None,
    labels: bool = True,
    rhythm: Sequence[datetime] = (),
    properties: Mapping[str, Any] | None = None,
    attributes: Mapping[str, str] | None = None,
    at_creation: Iterable[str] = (),
    tracked: Iterable[str] = (),
    where: str = "",
    since: datetime | None = None,
) -> list[dict[str, Any]]:
    """The rows that the engine makes of a world; times as naive UTC."""
    chosen = FeatureSet(
        tuple(features), dict(attributes or {}), frozenset(at_creation), frozenset(tracked)
    )
    rows = Rows(
        question=question or QuestionSection(),
        snapshots=snapshots,
        where=where,
        until=until.replace(tzinfo=UTC),
        rhythm=tuple(at.replace(tzinfo=UTC) for at in rhythm),
        labels=labels,
        landed=Landed(),
        scope=LeadScope(),
        since=since.replace(tzinfo=UTC) if since else None,
    )
    with connect(tmp) as connection:
        tables = Memory(connection, world, properties or {})
        path = tmp / "part.parquet"
        write_partition(connection, tables, 0, chosen, rows, path)  # type: ignore[arg-type]
    return pq.read_table(path).to_pylist()


# --- real projects ------------------------------------------------------------------------------

FEATURES = """
from scoring import each_attribute, feature, interactions, lead_age, stage_changes

n = interactions().count(last_days=[7, 30]).says("{n} in {days} days")
ever = interactions().count().says("{n} ever")
value = interactions().sum("value", last_days=[30]).says("{value}")
latest = interactions().last("value").says("{value}")
days = interactions().active_days(last_days=[30]).says("{n}")
first = interactions().first_on().says("{date}")
newest = interactions().last_on().says("{date}")
gap = interactions().gap_mean().says("{n}")
kinds = interactions().distinct("type").says("{n}")
stage = stage_changes().last("stage").says("{value}")
moves = stage_changes().count().says("{n}")
age = lead_age().says("old")
rate = (feature("n_7d") / feature("n_30d")).says("{value}")
attributes = each_attribute().says("{name}: {value}")
"""
MODEL = """
[question]
horizon_days = 30
[snapshots]
at_age_days = [1, 7, 14, 30, 60]
[features]
known_at_creation = ["industry"]
"""


class Site:
    """A project over Parquet files, with features and a question of its own."""

    def __init__(self, root: Path, *, zone: str = "UTC", model: str = MODEL) -> None:
        self.root = root
        self.zone = zone
        (root / "data").mkdir(parents=True)
        (root / "exports").mkdir()
        (root / "features").mkdir()
        (root / "models" / "conversion").mkdir(parents=True)
        (root / "scoring.toml").write_text(f'[project]\nname = "t"\ntime_zone = "{zone}"\n')
        self.model(model)
        self.theme("all", FEATURES)

    def model(self, text: str) -> None:
        (self.root / "models" / "conversion" / "model.toml").write_text(text)

    def theme(self, name: str, text: str) -> None:
        (self.root / "features" / f"{name}.py").write_text(text)

    def deliver(self, **tables: pd.DataFrame | list[dict[str, Any]]) -> None:
        """Replace the exports of the named tables."""
        for name, rows in tables.items():
            frame = rows if isinstance(rows, pd.DataFrame) else pd.DataFrame(rows)
            frame.to_parquet(self.root / "exports" / f"{name}.parquet", index=False)
        files = sorted(self.root.glob("exports/*.parquet"))
        listed = "\n".join(f'{f.stem} = "{f.name}"' for f in files)
        (self.root / "data" / "sources.toml").write_text(
            f'[sources.crm]\npath = "exports"\n[sources.crm.tables]\n{listed}\n'
        )

    def check(self, as_of: datetime) -> Tables:
        moment = Moment(as_of=as_of.replace(tzinfo=UTC), now=as_of.replace(tzinfo=UTC))
        ingest(self.project, moment)
        check(self.project, moment)
        return Tables.open(self.project)

    @property
    def project(self) -> Project:
        return Project(self.root)


def tables_of(world: World) -> dict[str, pd.DataFrame]:
    """A world as the tables that a source would deliver."""

    def frame(rows: list[dict[str, Any]], times: Sequence[str]) -> pd.DataFrame:
        found = pd.DataFrame(rows)
        for name in times:
            if name in found:
                found[name] = pd.to_datetime(found[name]).astype("datetime64[us]")
        return found

    leads = [
        {
            "lead_id": x.lead_id, "created_at": x.created_at, "merged_into": x.merged_into,
            "merged_at": x.merged_at, "deleted_at": x.deleted_at, "person_id": x.person_id,
            **x.values,
        }
        for x in world.leads
    ]  # fmt: skip
    made = {"leads": frame(leads, ["created_at", "merged_at", "deleted_at"])}
    shapes = {
        "interactions": (world.interactions, "occurred_at", "type"),
        "stage_changes": (world.stages, "changed_at", "stage"),
        "outcomes": (world.outcomes, "decided_at", "outcome"),
        "lead_changes": (world.changes, "changed_at", "field"),
    }
    for name, (rows, time, what) in shapes.items():
        listed = [
            {"lead_id": r.lead_id, time: r.at, "recorded_at": r.recorded_at, what: r.what}
            | ({"interaction_id": r.row_id, "direction": r.direction} if time[0] == "o" else {})
            | r.values
            for r in rows
        ]
        if listed:
            made[name] = frame(listed, [time, "recorded_at"])
    return made
