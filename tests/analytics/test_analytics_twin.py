"""Every pipeline table against its slow twin, on random small histories."""

import math
from pathlib import Path
from typing import Any

import pytest
from analytics_kit import Case, asked, made, random_case, scored_open
from analytics_twin import Twin

from scoring.engine.analytics_sales import completeness_sql
from scoring.engine.connection import connect

FIELDS = {"industry": "text", "size": "number", "cost": "number"}
PRESENT = ["amount", "industry", "owner_id", "person_id", "size", "source"]


def same(got: Any, expected: Any) -> bool:
    if isinstance(got, float) and isinstance(expected, float | int):
        return math.isclose(got, expected, rel_tol=1e-9, abs_tol=1e-9)
    return bool(got == expected)


def compare(name: str, got: list[dict[str, Any]], expected: list[dict[str, Any]]) -> None:
    assert len(got) == len(expected), (name, got, expected)
    for one, other in zip(got, expected, strict=True):
        assert one.keys() == other.keys(), name
        wrong = {c: (one[c], other[c]) for c in one if not same(one[c], other[c])}
        assert not wrong, (name, one, wrong)


@pytest.mark.parametrize("seed", range(12))
def test_every_table_equals_its_twin(tmp_path: Path, seed: int) -> None:
    about = asked(fields=FIELDS)
    case: Case = random_case(seed)
    case = scored_open(case, Twin(case, about).states)
    twin = Twin(case, about)
    got = made(tmp_path, case, about)
    for name in (
        "stages", "dwell", "bottlenecks", "velocity", "touches", "sources", "channels", "cards",
        "deals", "effort", "effort_types", "feedback_sellers", "feedback_segments",
        "feedback_outcomes",
    ):  # fmt: skip
        compare(name, got[name], getattr(twin, name)())
    compare("completeness", got["completeness"], twin.completeness(PRESENT))
    assert [r["lead_id"] for r in got["unworked"]] == twin.best(lambda s: not s.ours())
    assert [r["lead_id"] for r in got["silent"]] == twin.best(lambda s: not s.theirs())


def test_where_no_field_of_the_card_is_filled_the_table_is_empty(tmp_path: Path) -> None:
    with connect(tmp_path) as connection:
        found = connection.sql(completeness_sql(asked(fields=FIELDS), [])).to_arrow_table()
    groups = ("open", "won", "ended")
    assert found.column_names == ["field", *(n for g in groups for n in (g, f"{g}_filled"))]
    assert found.num_rows == 0
