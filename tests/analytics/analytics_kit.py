"""Small histories for the pipeline tables: random worlds, and the tables that the engine makes."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
from build_kit import Memory
from twin import DAY, Lead, Row, World

from scoring.build.columns import StageOrder
from scoring.engine import analytics, analytics_sales, analytics_scores, analytics_stages
from scoring.engine.analytics_asked import Asked
from scoring.engine.connection import connect
from scoring.engine.landed import Landed

START = datetime(2026, 1, 1)
AS_OF = START + 200 * DAY
STAGES = ("new", "talks", "offer")
KIND_OF = {"friend": "word_of_mouth", "web": "inbound", "cold": "outbound"}
PROPERTIES = {"duration_s": pa.float64()}
SCORES = {
    "lead_id": "str", "score": "Int64", "probability": "float64", "probability_low": "Float64",
    "probability_high": "Float64", "grade": "str", "attention": "str", "tire_kicker": "bool",
}  # fmt: skip


@dataclass(frozen=True)
class Case:
    """A world, the verdicts of its sellers, and what was said of its leads on some nights."""

    world: World
    verdicts: tuple[Row, ...] = ()
    tonight: tuple[dict[str, Any], ...] = ()
    earlier: tuple[dict[str, Any], ...] = ()  # lead_id, as_of, probability, grade
    spend: tuple[tuple[str, datetime, datetime, float], ...] = ()


def asked(**more: Any) -> Asked:
    settings: dict[str, Any] = {
        "as_of": AS_OF.replace(tzinfo=UTC),
        "since": (AS_OF - 120 * DAY).replace(tzinfo=UTC),
        "zone": "Europe/Helsinki",
        "won": "won",
        "close_after_days": 60,
        "orders": (StageOrder(STAGES),),
        "fields": {"industry": "text", "size": "number"},
        "tracked": frozenset({"amount"}),
        "source_kinds": KIND_OF,
        "duration": ("duration_s", 1.0),
        "minutes": {"email": 5.0},
        "landed": Landed(),
    }
    return Asked(**{**settings, **more})


def made(tmp: Path, case: Case, about: Asked, names: Sequence[str] = ()) -> dict[str, pd.DataFrame]:
    """Table → its rows as Python values, None where missing."""
    with connect(tmp) as connection:
        tables = Memory(connection, case.world, PROPERTIES)
        tables._table(
            "feedback",
            case.verdicts,
            [("given_at", pa.timestamp("us")), ("given_by", pa.string()), ("verdict", pa.string())],
            lambda r: {"given_at": r.at, "given_by": r.values.get("by"), "verdict": r.what},
        )
        analytics.make_base(connection, tables, about)  # type: ignore[arg-type]
        periods = [
            (source, _micros(first), _micros(until), amount)
            for source, first, until, amount in case.spend
        ]
        analytics_sales.make_spend(connection, periods)
        tonight = pd.DataFrame(list(case.tonight), columns=list(SCORES)).astype(SCORES)
        analytics_scores.make_tonight(connection, tonight)
        analytics_scores.make_verdicts(connection, tables, about)  # type: ignore[arg-type]
        files = []
        listed = pd.DataFrame(
            list(case.earlier), columns=["lead_id", "as_of", "grade", "probability"]
        )
        for night, rows in listed.groupby("as_of"):
            path = tmp / f"{night:%Y%m%d}.parquet"
            rows.assign(as_of=rows["as_of"].dt.tz_localize("UTC")).to_parquet(path)
            files.append(path)
        analytics_scores.make_said(connection, files)
        present = ["industry", "size", "source", "amount", "owner_id", "person_id"]
        queries = {
            "stages": analytics_stages.stages_sql(about),
            "dwell": analytics_stages.dwell_sql(about),
            "velocity": analytics_stages.velocity_sql(about),
            "bottlenecks": analytics_stages.bottlenecks_sql(about),
            "touches": analytics_sales.touches_sql(about),
            "sources": analytics_sales.sources_sql(about),
            "channels": analytics_sales.channels_sql(about),
            "completeness": analytics_sales.completeness_sql(about, present),
            "cards": analytics_sales.cards_sql(about),
            "deals": analytics_sales.deals_sql(about),
            "effort": analytics_sales.effort_sql(),
            "effort_types": analytics_sales.effort_types_sql(),
            "unworked": analytics_scores.unworked_sql(about),
            "silent": analytics_scores.silent_sql(about, directions_known=True),
            "feedback_sellers": analytics_scores.feedback_sellers_sql(),
            "feedback_segments": analytics_scores.feedback_segments_sql(),
            "feedback_outcomes": analytics_scores.feedback_outcomes_sql(),
        }
        return {
            name: connection.sql(query).to_arrow_table().to_pylist()  # type: ignore[misc]
            for name, query in queries.items()
            if not names or name in names
        }


def _micros(at: datetime) -> int:
    return (at - datetime(1970, 1, 1)) // timedelta(microseconds=1)


def a_lead(lead_id: str, day: float = 0.0, **more: Any) -> Lead:
    """A lead created `day` days after START; fields of the card in `more`."""
    card = {
        "source": None, "owner_id": None, "amount": None, "person_id": None, "company_id": None,
        "expected_close_on": None, "industry": None, "size": None, "cost": None,
    }  # fmt: skip
    own = {name: more.pop(name) for name in list(more) if name in card}
    values = {**card, **own}
    return Lead(lead_id, START + day * DAY, person_id=values["person_id"], values=values, **more)


def on(lead_id: str, day: float, what: str, known: float | None = None, **more: Any) -> Row:
    recorded = None if known is None else START + known * DAY
    return Row(lead_id, START + day * DAY, what, recorded, **more)


def random_case(seed: int, leads: int = 40) -> Case:
    """A world with everything in it: merges, late records, deletions, silence, fields that came to
    be known, sales, verdicts and scores."""
    rng = np.random.default_rng(seed)

    def some(values: Sequence[Any], p: Sequence[float] | None = None) -> Any:
        return values[int(rng.choice(len(values), p=p))]

    def late(at: float) -> float | None:
        return some([None, at + float(rng.integers(0, 3)), at + 30.0], [0.7, 0.25, 0.05])

    found: list[Lead] = []
    rows: dict[str, list[Row]] = {
        n: [] for n in ("interactions", "stages", "outcomes", "changes", "verdicts")
    }
    tonight, earlier = [], []
    for n in range(leads):
        # A thousandth of a day apart, so that merged histories have no rows of the same moment.
        name, day = f"L{n:02d}", float(rng.integers(0, 200)) + n / 1000
        into = f"L{n + 1:02d}" if n + 1 < leads and rng.random() < 0.1 else None
        found.append(
            a_lead(
                name,
                day,
                merged_into=into,
                merged_at=START + (day + 40) * DAY if into else None,
                deleted_at=START + (day + 25) * DAY if rng.random() < 0.06 else None,
                held=bool(rng.random() < 0.03),
                source=some(["friend", "web", "cold", "odd", None]),
                industry=some(["x", "", None]),
                size=some([10.0, None]),
                person_id=some([f"P{n}", "P0", None], [0.8, 0.1, 0.1]),
                owner_id=some(["U1", "U2", None]),
                cost=some([100.0, None]),
            )
        )
        at, stage = day, 0
        for _ in range(int(rng.integers(0, 5))):
            rows["stages"].append(on(name, at, some([*STAGES, STAGES[min(stage, 2)], "lunch"]),
                                     late(at)))  # fmt: skip
            at, stage = at + float(rng.integers(1, 60)) / 4, stage + 1
        for _ in range(int(rng.integers(0, 9))):
            at = day + float(rng.integers(0, 200)) / 4
            kind = some(["email", "call", "page", "note"])
            side = {"page": "inbound", "note": None}.get(kind, some(["inbound", "outbound"]))
            rows["interactions"].append(
                on(name, at, kind, late(at), direction=side, row_id=f"{name}-{at}-{rng.random()}",
                   values={"duration_s": some([600.0, 90.5, None])})
            )  # fmt: skip
        if rng.random() < 0.7:
            at = day + float(rng.integers(4, 240)) / 4
            what = some(["won", "lost", "disqualified", "recycled"], [0.5, 0.3, 0.1, 0.1])
            rows["outcomes"].append(on(name, at, what, late(at)))
        for value in ("1000", "2500.5")[: int(rng.integers(0, 3))]:
            at = day + float(rng.integers(0, 120)) / 4
            rows["changes"].append(on(name, at, "amount", late(at), values={"value": value}))
        if rng.random() < 0.6:
            at = day + float(rng.integers(0, 160)) / 4
            verdict = some(["agree", "too_high", "too_low", "not_a_tire_kicker"])
            rows["verdicts"].append(
                on(name, at, verdict, late(at), values={"by": some(["U1", "U2", None])})
            )
        tonight.append(
            {
                "lead_id": name, "score": int(rng.integers(0, 100)),
                "probability": float(rng.random()), "probability_low": None,
                "probability_high": None, "grade": some(["A", "A", "B"]),
                "attention": some(["none", "low_engagement"]), "tire_kicker": False,
            }
        )  # fmt: skip
        earlier += [
            {
                "lead_id": name, "as_of": START + night * DAY, "grade": some(["A", "B"]),
                "probability": float(rng.random()),
            }
            for night in (60, 120, 180)
        ]  # fmt: skip
    world = World(
        tuple(found),
        tuple(rows["interactions"]),
        _once(rows["stages"]),
        _once(rows["outcomes"]),
        _once(rows["changes"]),
    )
    spend = (
        ("web", START + 90 * DAY, START + 120 * DAY, 500.0),
        ("web", START + 150 * DAY, START + 160 * DAY, 250.25),
        ("cold", START + 190 * DAY, START + 210 * DAY, 80.0),
        ("radio", START + 100 * DAY, START + 110 * DAY, 70.0),
    )
    return Case(world, tuple(rows["verdicts"]), tuple(tonight), tuple(earlier), spend)


def _once(rows: list[Row]) -> tuple[Row, ...]:
    """Keys are unique in the canonical tables."""
    return tuple({(r.lead_id, r.at, r.what): r for r in rows}.values())


def scored_open(case: Case, states: Mapping[str, Any]) -> Case:
    """Only leads that are open tonight have a score tonight."""
    open_now = {lead for lead, state in states.items() if state.ended_at is None}
    tonight = tuple(row for row in case.tonight if row["lead_id"] in open_now)
    return Case(case.world, case.verdicts, tonight, case.earlier, case.spend)
