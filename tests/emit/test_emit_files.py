"""Changed records as CSV and Parquet."""

import csv
from datetime import date

import pyarrow.parquet as pq
import pytest
from emit_kit import DAY_1, DAY_2, emit, score_run, write_toml
from hypothesis import given
from hypothesis import strategies as st

from scoring.crm.files import neutralised

FOLDER = "out/emit/conversion"


@pytest.fixture
def here(tmp_path):
    return write_toml(tmp_path, 'columns = ["score", "next_step", "why", "score_updated_on"]')


def read(project, stamp):
    path = project.root / FOLDER / f"{stamp}.csv"
    with path.open(newline="", encoding="utf-8") as handle:
        text = list(csv.DictReader(handle))
    return pq.read_table(path.with_suffix(".parquet")).to_pylist(), text


def test_only_changed_records_and_cleared_ones(here):
    scores = score_run(5)
    assert emit(here, "conversion", DAY_1, scores).sent == 5
    scores.loc[2, "score"] = 100
    result = emit(here, "conversion", DAY_2, scores[:4])
    assert (result.sent, result.unchanged, result.cleared) == (1, 3, 1)
    typed, text = read(here, "20261121T220000Z")
    assert typed == [
        {"lead_id": "L00004", "cleared": True}
        | dict.fromkeys(("score", "next_step", "why", "score_updated_on")),
        {
            "lead_id": "L00002",
            "score": 100,
            "next_step": None,
            "why": "+ opened 2 emails\n− no meeting",
            "score_updated_on": date(2026, 11, 22),
            "cleared": False,
        },
    ]
    assert [row["cleared"] for row in text] == ["true", "false"]
    assert text[0] == {"lead_id": "L00004", "cleared": "true"} | dict.fromkeys(
        ("score", "next_step", "why", "score_updated_on"), ""
    )


def test_same_date_again_leaves_the_files_and_adds_what_changed(here):
    scores = score_run(3)
    emit(here, "conversion", DAY_1, scores)
    files = sorted((here.root / FOLDER).iterdir())
    assert len(files) == 2
    before = [f.read_bytes() for f in files]
    assert emit(here, "conversion", DAY_1, scores).unchanged == 3
    assert [f.read_bytes() for f in files] == before
    scores.loc[1, "score"] = 5
    emit(here, "conversion", DAY_1, scores)
    typed, _ = read(here, "20261120T220000Z")
    assert {row["lead_id"]: row["score"] for row in typed} == {
        "L00000": 0,
        "L00001": 5,
        "L00002": 74,
    }
    assert sorted((here.root / FOLDER).iterdir()) == files


def test_a_dry_run_makes_no_file(here):
    assert emit(here, "conversion", DAY_1, score_run(3), dry_run=True).sent == 3
    assert not (here.root / "out").exists()


def test_spreadsheet_formulas_are_defused_in_csv_and_exact_in_parquet(here):
    ids = ["=cmd|' /C calc'!A0", "-5", "00123", "90071992547409931234567"]
    scores = score_run(4).assign(lead_id=ids)
    scores["why"] = ["@SUM(A1)", "\t=1+1", "-2 emails", "-2"]
    emit(here, "conversion", DAY_1, scores)
    typed, text = read(here, "20261120T220000Z")
    assert {r["lead_id"]: r["why"] for r in typed} == dict(zip(ids, scores["why"], strict=True))
    assert {r["lead_id"]: r["why"] for r in text} == {
        "'=cmd|' /C calc'!A0": "'@SUM(A1)",
        "-5": "'\t=1+1",
        "00123": "'-2 emails",
        "90071992547409931234567": "-2",
    }


@given(st.text())
def test_no_cell_starts_a_formula(text):
    cell = neutralised(text)
    if cell != text:
        assert cell == "'" + text
    if cell.startswith(("=", "+", "-", "@", "\t", "\r")):
        assert cell[0] in "+-"
        float(cell.replace(",", "."))
