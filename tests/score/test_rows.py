"""The score table: every column, every night, whatever the leads hold."""

from datetime import UTC, datetime
from typing import Any

import numpy as np
import pandas as pd
import pytest
from score_cases import HELSINKI, column

from scoring.score.night import Night, finish
from scoring.score.rows import DTYPES, row_dtypes, score_rows

COLUMNS = (
    column("calls", "count", "{n} call", "{n} calls"),
    column("industry", "attribute", "{name}: {value}", kind="category", label="industry"),
    column("unused", "count", "{n} thing", "{n} things"),
)
AS_OF = datetime(2027, 2, 28, 22, tzinfo=UTC)


def leads(n: int) -> pd.DataFrame:
    return pd.DataFrame(
        {
            "lead_id": pd.Series([f"{i:05d}" for i in range(n)], dtype="str"),
            "as_of": pd.Series([AS_OF.replace(tzinfo=None)] * n, dtype="datetime64[us]"),
            "calls": np.arange(n, dtype=float),
            "industry": pd.Series(["Retail"] * n, dtype=object),
            "unused": np.zeros(n),
            "_last_inbound": np.full(n, 2.0),
            "_last_outbound": np.full(n, np.nan),
            "_inbound_90d": np.ones(n),
            "_outbound_90d": np.zeros(n),
            "_n_interactions": np.ones(n),
        }
    )


def scored(frame: pd.DataFrame, **more: Any) -> pd.DataFrame:
    n = len(frame)
    pulls = pd.DataFrame({"calls": np.full(n, 0.4), "industry": np.full(n, -0.2)})
    settings: dict[str, Any] = {
        "columns": COLUMNS,
        "directions_known": True,
        "language": "en",
        "zone": HELSINKI,
        "as_of": AS_OF,
        "horizon_days": 90,
        "model_version": "3",
    }
    probability = np.linspace(0.1, 0.9, n)
    rows = score_rows(frame, pulls, probability, np.linspace(0, 1, 101), **settings | more)
    assert {name: str(kind) for name, kind in rows.dtypes.items()} == row_dtypes({})
    return finish(rows, Night(AS_OF, HELSINKI, "3"))


@pytest.mark.parametrize("n", [0, 1, 5])
def test_columns_and_types_are_the_same_for_any_number_of_leads(n: int) -> None:
    table = scored(leads(n))
    assert {name: str(dtype) for name, dtype in table.dtypes.items()} == DTYPES
    assert list(table.columns) == list(DTYPES)
    assert len(table) == n
    pd.testing.assert_frame_equal(table, scored(leads(n)))


def test_a_row_says_everything_and_leaves_open_what_nobody_computed() -> None:
    row = scored(leads(3)).iloc[0]
    assert row["lead_id"] == "00002"
    assert (row["rank"], row["score"], row["grade"]) == (1, 90, "A")
    assert row["as_of"] == row["scored_at"] == pd.Timestamp(AS_OF)
    assert row["why"] == "+ 2 calls\n– industry: Retail"
    assert row["attention"] == "waiting_for_us"
    assert row["advisory_attention"] == "none"
    assert (row["tire_kicker"], row["tire_kicker_reasons"]) == (False, "")
    open_columns = ["probability_low", "probability_high", "trend", "trend_28d", "next_step"]
    assert row[[*open_columns, "work_on", "recycle_on", "score_updated_on"]].isna().all()
    assert row["temperature"] == "hot"


def test_a_lead_scored_at_its_own_time_keeps_it() -> None:
    frame = leads(1).assign(as_of=pd.Timestamp("2027-02-28 09:00").as_unit("us"))
    row = scored(frame).iloc[0]
    assert row["as_of"] == pd.Timestamp("2027-02-28 09:00", tz="UTC")
    assert row["scored_at"] == pd.Timestamp(AS_OF)


def test_a_model_without_sentences_scores_without_reasons() -> None:
    row = scored(leads(2), columns=()).iloc[0]
    assert (row["score"], row["why"], row["why_key"]) == (90, "", "")


def test_a_final_decision_has_no_horizon() -> None:
    assert scored(leads(2), horizon_days=None)["horizon_days"].isna().all()


def test_the_table_survives_parquet(tmp_path: Any) -> None:
    table = scored(leads(4))
    table.to_parquet(tmp_path / "scores.parquet", index=False)
    pd.testing.assert_frame_equal(pd.read_parquet(tmp_path / "scores.parquet"), table)


def test_rows_that_do_not_match_are_refused() -> None:
    with pytest.raises(ValueError, match="same rows"):
        score_rows(
            leads(2), pd.DataFrame({"calls": [0.1]}), np.array([0.5, 0.5]), np.array([0.5]),
            columns=COLUMNS, directions_known=True, language="en", zone=HELSINKI, as_of=AS_OF,
            horizon_days=90, model_version="3",
        )  # fmt: skip
