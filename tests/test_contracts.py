"""The declaration has two readers, pandera and the engine: they must find the same rows bad."""

from datetime import UTC, datetime, timedelta

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.pandas import column, data_frames, range_indexes

from scoring import contracts
from scoring.engine.connection import connect
from scoring.without_pyspark import pandera as pa

LATEST = datetime(2026, 6, 1, tzinfo=UTC)

TIMES = [
    None,
    datetime(1, 1, 1, tzinfo=UTC),
    contracts.EPOCH,
    contracts.EARLIEST - timedelta(microseconds=1),
    contracts.EARLIEST,
    datetime(2025, 1, 1, tzinfo=UTC),
    LATEST + timedelta(days=1),
    LATEST + timedelta(days=1, microseconds=1),
    datetime(2100, 12, 31, tzinfo=UTC),
    datetime(2101, 1, 1, tzinfo=UTC),
    datetime(9999, 12, 31, tzinfo=UTC),
]
NUMBERS = [None, 0.0, -1e12, 1e12, 999_999_999_999.0, float("inf"), float("-inf")]
TEXTS = [None, "", "won", "Won", "inbound", "agree", "NA", "null", "x'y"]
FLAGS = [None, True, False]
VALUES = {"timestamp": TIMES, "number": NUMBERS, "text": TEXTS, "flag": FLAGS}


def bad_by_pandera(schema: pa.DataFrameSchema, frame: pd.DataFrame) -> set[tuple[int, str]]:
    """The slow twin: pandera's own verdict, as (row, column). Keys are judged elsewhere."""
    unkeyed = pa.DataFrameSchema(schema.columns)
    try:
        unkeyed.validate(frame, lazy=True)
    except pa.errors.SchemaErrors as error:
        cases = error.failure_cases
        return {(int(i), c) for i, c in zip(cases["index"], cases["column"], strict=True)}
    return set()


def bad_by_sql(schema: pa.DataFrameSchema, frame: pd.DataFrame, tmp) -> set[tuple[int, str]]:
    naive = frame.copy()
    for name in frame:
        if isinstance(frame[name].dtype, pd.DatetimeTZDtype):
            naive[name] = frame[name].dt.tz_localize(None)
    found = set()
    with connect(tmp) as connection:
        connection.register("handed_over", naive.reset_index(names="row"))
        for rule in contracts.row_rules(schema):
            rows = connection.execute(f"SELECT row FROM handed_over WHERE {rule.bad}").fetchall()
            found |= {(int(row), rule.column) for (row,) in rows}
    return found


def frames(schema: pa.DataFrameSchema) -> st.SearchStrategy[pd.DataFrame]:
    columns = [
        column(name, elements=st.sampled_from(VALUES[c.metadata["kind"]]), dtype=object)
        for name, c in schema.columns.items()
    ]
    return data_frames(columns, index=range_indexes(max_size=12)).map(
        lambda frame: frame.astype({n: c.dtype.type for n, c in schema.columns.items()})
    )


@pytest.mark.parametrize("table", contracts.TABLES)
@settings(max_examples=15, deadline=None)
@given(data=st.data())
def test_sql_finds_the_rows_that_pandera_finds(table, data, tmp_path_factory):
    schema = contracts.schemas(LATEST)[table]
    if schema.metadata["extras"]:
        extras = {k: contracts.extra_column(k) for k in ("number", "flag", "timestamp", "text")}
        schema = schema.add_columns(extras)
    frame = data.draw(frames(schema))
    tmp = tmp_path_factory.getbasetemp() / "contracts"
    assert bad_by_sql(schema, frame, tmp) == bad_by_pandera(schema, frame)


def test_a_check_without_sql_form_is_a_fault_of_the_program():
    schema = pa.DataFrameSchema({"a": pa.Column(str, pa.Check.str_length(1))})
    with pytest.raises(contracts.ScoringError, match="no SQL form"):
        contracts.row_rules(schema)


def test_every_check_says_its_reason_in_words():
    for schema in contracts.schemas(LATEST).values():
        for rule in contracts.row_rules(schema):
            assert rule.reason.startswith(rule.column + " ")
            assert "(" not in rule.reason


def test_required_columns_are_those_of_the_design():
    schemas = contracts.schemas(LATEST)
    required = {t: [n for n, c in s.columns.items() if c.required] for t, s in schemas.items()}
    assert required["leads"] == ["lead_id", "created_at"]
    assert required["interactions"] == ["lead_id", "occurred_at", "type"]
    assert required["outcomes"] == ["lead_id", "outcome", "decided_at"]
    assert schemas["outcomes"].unique == ["lead_id", "decided_at", "outcome"]
