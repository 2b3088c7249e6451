"""Columns that know the outcome: named with their evidence, left out, and promotion refused."""

import pytest
from fault_kit import Row, Site

pytestmark = pytest.mark.slow

PLANTED = ("tags", "status", "closing_day")
MODEL = "models/conversion/model.toml"


def _filled_at_closing(site: Site) -> None:
    """What sellers and rules of the CRM write when a lead is closed; a date among it."""
    ends = {row["lead_id"]: row for row in site.rows("outcomes") if row["outcome"] != "recycled"}

    def leads(rows: list[Row]) -> list[Row]:
        return [row | _closing(ends.get(row["lead_id"])) for row in rows]

    site.edit("leads", leads)


def _closing(end: Row | None) -> Row:
    if end is None:
        return {"tags": "", "status": "working", "closing_day": "", "closed_on": ""}
    won = end["outcome"] == "won"
    day = end["decided_at"][:10]
    return {
        "tags": "customer" if won else "",
        "status": "closed won" if won else "closed lost",
        "closing_day": day.replace("-", ""),
        "closed_on": day,
    }


def test_planted_columns_are_named_and_nothing_is_promoted_until_somebody_decides(fresh: Site):
    _filled_at_closing(fresh)
    fresh("ingest")
    fresh("check")
    trained = fresh("train", "--json").json
    leaks = {leak["column"]: leak for leak in trained["leaks"]}
    assert set(leaks) == set(PLANTED)
    for leak in leaks.values():
        assert {"column", "reason", "value", "limit", "excluded", "evidence"} == set(leak)
        assert leak["excluded"]
        assert leak["value"] >= leak["limit"]
        assert "leads" in leak["evidence"]
    assert not trained["promoted"]
    assert trained["champion"] is None
    for name in PLANTED:
        assert f"`{name}`" in trained["why"]
        assert "knows the outcome" in trained["left_out"][name]
    assert "point in time" in trained["left_out"]["closed_on"]
    assert trained["validation"]["auc"] < 0.95

    shown = fresh("audit", "--leakage", "--json", code=3)
    assert shown.json["leaks"] == trained["leaks"]
    assert "allow_leaks" in shown.sentence
    for_people = fresh("audit", "--leakage", code=3).out
    assert all(name in for_people for name in PLANTED)
    fresh("score", code=7)

    listed = ", ".join(f'"{name}"' for name in PLANTED)
    fresh.settings(MODEL, "exclude = []", f"exclude = [{listed}]")
    settled = fresh("train", "--json").json
    assert settled["leaks"] == []
    assert settled["promoted"], settled["why"]
    assert fresh("audit", "--leakage", "--json").json["leaks"] == []


def test_an_allowed_column_stays_and_a_name_that_is_no_column_is_refused(fresh: Site):
    _filled_at_closing(fresh)
    fresh("ingest")
    fresh("check")
    fresh.settings(MODEL, "allow_leaks = []", 'allow_leaks = ["tagz"]')
    fresh.refuses("train", code=2, says=["allow_leaks", "`tagz`", "tags"])
    fresh.settings(MODEL, '"tagz"', '"tags", "status", "closing_day"')
    trained = fresh("train", "--json").json
    assert {leak["column"] for leak in trained["leaks"]} == set(PLANTED)
    assert not any(leak["excluded"] for leak in trained["leaks"])
    assert trained["promoted"], trained["why"]
