"""The audit finds nothing in a sound build, and every way of looking ahead in a broken one."""

import re
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from fixture_project import (
    END,
    FIRST_RUN,
    LATER,
    NIGHTS,
    copy_of,
    deliver,
    new_project,
    troubled_history,
)

from scoring.build import partition, past, reduce
from scoring.check.tables import Tables
from scoring.clock import stamp
from scoring.config import ModelToml, PopulationSection
from scoring.engine import attributes
from scoring.engine.arrays import DAY, Events
from scoring.errors import NoUsableModel
from scoring.project import Project
from scoring.score.audit import ROW, audit
from scoring.score.run import scores_folder
from scoring.score.sample import draw_training

LAST = NIGHTS[-1]


def test_training_rows_and_issued_scores_come_out_the_same(scored: Project) -> None:
    result = audit(scored, "conversion", END, sample=80)
    assert result.differences == []
    assert sum(result.snapshots.values()) == 80
    assert result.snapshots["scores"] > 5
    assert result.compared == sum(n * result.features[k] for k, n in result.snapshots.items())
    assert result.until - result.since > timedelta(days=300)
    assert "saw the future" in list(result.lines())[-1]


def test_a_history_full_of_temptations_comes_out_the_same(troubled: Project) -> None:
    tables = Tables.open(troubled)
    changes = pd.concat(pd.read_parquet(f) for f in tables.files("lead_changes"))
    assert {("landing", False), ("landing", True), ("source", True)} <= set(
        zip(changes["origin"], changes["inherited"], strict=True)
    )
    result = audit(troubled, "conversion", LAST, sample=1000)
    assert result.differences == []
    assert result.snapshots["training"] > 100


def test_nothing_is_left_behind_and_nothing_is_touched(troubled: Project) -> None:
    def files() -> set[Path]:
        return {p for p in troubled.store.rglob("*") if "duckdb" not in p.parts}

    before = files()
    audit(troubled, "conversion", LAST, sample=2)
    assert files() == before


def test_the_same_seed_draws_the_same_sample_spread_over_time(
    troubled: Project, tmp_path: Path
) -> None:
    drawn = [
        draw_training(troubled, "conversion", LAST, 12, seed, tmp_path / str(number)).part.rows
        for number, seed in enumerate((1, 1, 2))
    ]
    keys = ["lead_id", "as_of"]
    assert drawn[0].equals(drawn[1])
    assert not drawn[0][keys].equals(drawn[2][keys])
    assert (pd.cut(drawn[0]["as_of"], 4).value_counts() > 0).all()


Seen = tuple[Events, np.ndarray]


@pytest.mark.parametrize(
    ("mutation", "blamed"),
    [
        pytest.param(lambda events, at: (events, at + 1), "touches_7d", id="at as_of"),
        pytest.param(
            lambda events, at: (replace(events, known=events.time), at),
            "touches_30d",
            id="recorded later",
        ),
        pytest.param(lambda events, at: (events, at + DAY), "last_touch", id="a day ahead"),
    ],
)
def test_a_past_that_reaches_too_far_is_found(
    troubled: Project,
    monkeypatch: Any,
    mutation: Callable[[Events, np.ndarray], Seen],
    blamed: str,
) -> None:
    def broken(events: Events, lead_key: np.ndarray, as_of: np.ndarray) -> Iterator[past.Past]:
        events, as_of = mutation(events, as_of)
        return past.blocks(events, lead_key, as_of)

    monkeypatch.setattr(reduce, "blocks", broken)
    result = audit(troubled, "conversion", LAST, sample=60)
    assert blamed in {d.feature for d in result.differences}
    told = result.to_json()["differences"]
    assert len(told) == len(result.differences)
    assert "are not what they must be" in list(result.lines())[1]


@pytest.mark.parametrize("step", [-1, 1])
def test_a_window_that_is_a_day_off_is_found(
    troubled: Project, monkeypatch: Any, step: int
) -> None:
    """The same fault stands in the copy; planted rows tell."""
    real = partition.reduce_stream

    def off(stream: Any, events: Any, columns: Any, *rest: Any) -> Any:
        moved = [c if c.days is None else replace(c, days=c.days + step) for c in columns]
        return real(stream, events, moved, *rest)

    monkeypatch.setattr(partition, "reduce_stream", off)
    result = audit(troubled, "conversion", LAST, sample=20)
    blamed = {d.feature: d.cause for d in result.differences}
    assert set(blamed) >= {"touches_7d", "touches_30d", "touches_90d"}
    assert {d.snapshots for d in result.differences} == {"probes"}
    edge = "at the start of" if step < 0 else "a microsecond before"
    assert f"planted {edge} the last 7 days" in blamed["touches_7d"]


def test_a_merged_leads_history_that_counts_from_the_start_is_found(
    troubled: Project, tmp_path: Path
) -> None:
    project = copy_of(troubled, tmp_path / "copy")
    for path in Tables.open(project).files("interactions"):
        rows = pd.read_parquet(path)
        then = rows["recorded_at"].fillna(rows["occurred_at"])
        rows["known_at"] = rows["known_at"].where(~rows["inherited"], then)
        rows.to_parquet(path, index=False)
    result = audit(project, "conversion", LAST, sample=1000)
    assert result.differences
    assert "of a lead that was merged in later" in result.differences[0].cause


def test_the_row_that_was_seen_is_named(troubled: Project, monkeypatch: Any) -> None:
    def broken(events: Events, lead_key: np.ndarray, as_of: np.ndarray) -> Iterator[past.Past]:
        return past.blocks(events, lead_key, as_of + DAY)

    monkeypatch.setattr(reduce, "blocks", broken)
    result = audit(troubled, "conversion", LAST, sample=60)
    first = next(d for d in result.differences if d.cause)
    assert first.snapshots != "probes"
    found = re.fullmatch(r"it saw: (\w+) row '(\w+)' of ([\d\-:. ]+)(, recorded .*)?", first.cause)
    assert found is not None
    at = pd.Timestamp(found.group(3), tz="UTC")
    assert first.as_of <= at < first.as_of + timedelta(days=1) or found.group(4)
    assert any(first.cause in line for line in result.lines())


def test_an_attribute_of_today_is_found(troubled: Project, monkeypatch: Any) -> None:
    """Also where it decides who is in the population."""
    real = type(troubled).model

    def todays(name: str, kind: str, *_: bool) -> str:
        return f"CAST(l.{name} AS {'VARCHAR' if kind == 'text' else 'DOUBLE'})"

    def narrowed(project: Project, question: str) -> ModelToml:
        return real(project, question).model_copy(
            update={"population": PopulationSection(where="seats > 0")}
        )

    monkeypatch.setattr(attributes, "_value", todays)
    monkeypatch.setattr(type(troubled), "model", narrowed)
    result = audit(troubled, "conversion", LAST, sample=60)
    assert {d.feature for d in result.differences} == {"budget", "industry", "seats", "vip", ROW}


def test_an_issued_probability_that_is_not_the_models_is_found(
    scored: Project, tmp_path: Path
) -> None:
    project = copy_of(scored, tmp_path / "copy")
    path = scores_folder(project, "conversion") / stamp(END) / "scores.parquet"
    rows = pd.read_parquet(path)
    rows["probability"] += 1e-6
    rows.to_parquet(path, index=False)
    result = audit(project, "conversion", END, sample=10)
    assert {d.feature for d in result.differences} == {"probability"}
    assert len(result.differences) == result.snapshots["scores"]


def test_only_scores_of_the_runs_until_as_of_are_drawn(scored: Project) -> None:
    result = audit(scored, "conversion", FIRST_RUN, sample=10)
    assert result.until <= FIRST_RUN
    assert result.differences == []


def test_what_landed_later_is_no_difference_and_what_is_barred_now_is_counted(
    later: Project,
) -> None:
    result = audit(later, "conversion", LATER, sample=500)
    assert result.differences == []
    assert result.not_rebuilt == 1
    assert any("cannot be rebuilt" in line for line in result.lines())


def test_without_any_snapshot_it_says_so(tmp_path: Path) -> None:
    night = troubled_history()[0]
    project = new_project(tmp_path, list(night), ages=(300,))
    deliver(project, night, NIGHTS[0])
    with pytest.raises(NoUsableModel, match="no snapshot"):
        audit(project, "conversion", NIGHTS[0], sample=5)
