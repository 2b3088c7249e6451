"""What is learned from other leads: no lead in its own value, nothing from later."""

import json
from statistics import median

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scoring.build.columns import Column
from scoring.train.fitted import choose
from scoring.train.learned import FEWEST_BUYERS, FEWEST_PEERS, STRENGTH, Learned, fit

START = pd.Timestamp("2026-01-01")


def _column(name: str, op: str, *inputs: str) -> Column:
    return Column(name, name, "peers", "learned", op, inputs=inputs)


PEERS = _column("peers", "peers_rate", "industry")
LIKE = _column("like", "like_won", "industry", "source")
AGAINST = _column("against", "against_won", "dwell", "stage")
AGAINST_ALL = _column("against_all", "against_won", "dwell")
COLUMNS = (PEERS, LIKE, AGAINST, AGAINST_ALL)


def snapshots(leads: int, seed: int) -> pd.DataFrame:
    """Snapshots of leads that open and close over a year; two industries differ a lot."""
    rng = np.random.default_rng(seed)
    rows = []
    for lead in range(leads):
        created, open_days = int(rng.integers(0, 365)), int(rng.integers(1, 90))
        industry = rng.choice(["bakery", "law", "school", None], p=[0.4, 0.3, 0.2, 0.1])
        bought = bool(rng.random() < {"bakery": 0.7, "law": 0.1}.get(industry, 0.3))
        closed = START + pd.Timedelta(days=created + open_days) if rng.random() < 0.9 else pd.NaT
        for age in (0, 5, 20, 60):
            if age <= open_days:
                at = START + pd.Timedelta(days=created + age)
                rows.append(
                    {
                        "lead_id": f"lead-{lead}",
                        "root_key": lead,
                        "as_of": at,
                        "matured_at": at + pd.Timedelta(days=30),
                        "closed_at": closed,
                        "converted": bought and closed is not pd.NaT,
                        "label": int(bought),
                        "industry": industry,
                        "source": rng.choice(["fair", "web"]),
                        "stage": rng.choice(["first", "offer"]),
                        "dwell": float(rng.integers(0, 20)) if rng.random() < 0.9 else np.nan,
                    }
                )
    return pd.DataFrame(rows)


# --- the slow twin, from the English sentences ----------------------------------------------------


def twin(rows: pd.DataFrame, column: Column, asked: pd.DataFrame, moments: list) -> list[float]:
    """Each row of `asked` beside the leads of `rows` that were known to be closed before."""
    end = rows["matured_at"].max()
    values = []
    for (_, row), moment in zip(asked.iterrows(), moments, strict=True):
        before = rows[(rows["closed_at"] < moment) & (rows["closed_at"] < end)]
        if column.op == "against_won":
            values.append(_twin_against(before, column, row))
        elif column.op == "peers_rate":
            values.append(_twin_rate(before, column.inputs[0], row)[0])
        else:
            known = [_twin_rate(before, name, row) for name in column.inputs]
            known = [(rate, everyone) for rate, everyone in known if not np.isnan(rate)]
            values.append(sum(_logit(r) - _logit(e) for r, e in known) if known else np.nan)
    return values


def _logit(p: float) -> float:
    return float(np.log(p / (1 - p))) if 0 < p < 1 else 0.0


def _twin_rate(before: pd.DataFrame, name: str, row: pd.Series) -> tuple[float, float]:
    """Leads, not rows: the newest row of each says its value."""
    leads = before.sort_values("as_of").groupby("root_key").last(skipna=False)
    leads = leads[leads[name].notna()]
    if pd.isna(row[name]) or not len(leads):
        return np.nan, np.nan
    everyone = leads["converted"].mean()
    pairs = both = 0
    for _, peers in leads.groupby(name):
        for i in range(len(peers)):
            for j in range(len(peers)):
                if i != j:
                    pairs += 1
                    both += bool(peers["converted"].iloc[i] and peers["converted"].iloc[j])
    own = leads[leads[name] == row[name]]
    if len(own) < FEWEST_PEERS:
        return everyone, everyone
    correlation = 0.0
    if pairs and 0 < everyone < 1:
        correlation = (both / pairs - everyone**2) / (everyone * (1 - everyone))
    strength = 1 / correlation - 1 if correlation > 0 else np.inf
    strength = min(max(strength, STRENGTH[0]), STRENGTH[1])
    return (own["converted"].sum() + strength * everyone) / (len(own) + strength), everyone


def _twin_against(before: pd.DataFrame, column: Column, row: pd.Series) -> float:
    buyers = before[before["converted"] & before[column.inputs[0]].notna()]
    if len(column.inputs) == 2:
        buyers = buyers[buyers[column.inputs[1]] == row[column.inputs[1]]]
    if buyers["root_key"].nunique() < FEWEST_BUYERS:
        return np.nan
    value, usual = row[column.inputs[0]], median(buyers[column.inputs[0]])
    size = abs(value) + abs(usual)
    return 0.0 if size == 0 else (value - usual) / size


@pytest.mark.parametrize("column", COLUMNS, ids=lambda c: c.name)
def test_training_rows_equal_the_twin_as_of_their_own_moment(column: Column):
    rows = snapshots(60, seed=3)
    _, values = fit(rows, [column])
    expected = twin(rows, column, rows, list(rows["as_of"]))
    np.testing.assert_allclose(values[column.name], expected, rtol=1e-12, atol=1e-12)
    assert 0.2 < values[column.name].notna().mean() < 1


@pytest.mark.parametrize("column", COLUMNS, ids=lambda c: c.name)
def test_new_leads_equal_the_twin_as_of_the_end(column: Column):
    rows, new = snapshots(60, seed=3), snapshots(10, seed=4)
    new.loc[0, "industry"] = "never seen"
    found, _ = fit(rows, [column])
    expected = twin(rows, column, new, [rows["matured_at"].max()] * len(new))
    said = found.values(new)[column.name]
    known = new["industry"] != "never seen"
    np.testing.assert_allclose(said[known], np.array(expected)[known], rtol=1e-12, atol=1e-12)


def test_an_unseen_value_gets_the_rate_of_all_leads():
    rows = snapshots(60, seed=3)
    found, _ = fit(rows, [PEERS])
    said = found.values(rows.head(1).assign(industry="never seen"))["peers"].item()
    end = rows["matured_at"].max()
    leads = rows[(rows["closed_at"] < end) & rows["industry"].notna()].drop_duplicates("root_key")
    assert said == pytest.approx(leads["converted"].mean(), abs=1e-12)


# --- what must not be in it -----------------------------------------------------------------------


@pytest.mark.parametrize("column", COLUMNS, ids=lambda c: c.name)
def test_a_leads_own_outcome_changes_none_of_its_values(column: Column):
    rows = snapshots(60, seed=5)
    _, before = fit(rows, [column])
    others_moved = 0
    for lead in rows["root_key"].unique()[::8]:
        own = (rows["root_key"] == lead).to_numpy()
        turned = rows.assign(
            converted=rows["converted"].where(~own, ~rows["converted"]),
            label=rows["label"].where(~own, 1 - rows["label"]),
        )
        _, after = fit(turned, [column])
        pd.testing.assert_frame_equal(before[own], after[own])
        others_moved += not before[~own].equals(after[~own])
    assert others_moved, "no outcome mattered to anybody: the test would see nothing"


@given(seed=st.integers(0, 10_000), days=st.integers(30, 300))
@settings(max_examples=15, deadline=None)
def test_what_was_closed_later_changes_no_earlier_row(seed: int, days: int):
    rows = snapshots(50, seed)
    moment = START + pd.Timedelta(days=days)
    later = (rows["closed_at"] >= moment).to_numpy()
    turned = rows.assign(converted=rows["converted"].where(~later, ~rows["converted"]))
    _, before = fit(rows, COLUMNS)
    _, after = fit(turned, COLUMNS)
    early = (rows["as_of"] <= moment).to_numpy()
    pd.testing.assert_frame_equal(before[early], after[early])


def test_the_tables_know_nothing_that_was_closed_after_the_training_rows():
    rows = snapshots(80, seed=6)
    end = rows["matured_at"].max()
    open_then = rows["root_key"].isin(rows["root_key"].unique()[:20]).to_numpy()
    rows.loc[open_then, "closed_at"] = end
    found, _ = fit(rows, COLUMNS)
    turned, _ = fit(rows.assign(converted=rows["converted"] ^ open_then), COLUMNS)
    assert found == turned
    gone, _ = fit(rows.assign(closed_at=rows["closed_at"].mask(open_then)), COLUMNS)
    assert found == gone


def test_a_duplicate_of_a_lead_that_was_closed_before_has_no_value():
    rows = snapshots(60, seed=3)
    lead = rows.loc[rows["closed_at"].notna(), "root_key"].iloc[0]
    copy = rows[rows["root_key"] == lead].tail(1)
    copy = copy.assign(
        as_of=copy["closed_at"] + pd.Timedelta(days=1), lead_id="made twice", industry="law"
    )
    with_copy = pd.concat([rows, copy], ignore_index=True)
    found, values = fit(with_copy, COLUMNS)
    assert values.iloc[-1].isna().all()
    alone, own = fit(rows, COLUMNS)
    assert found == alone, "its row does not speak for the lead either"
    pd.testing.assert_frame_equal(values.iloc[:-1], own)


def test_the_order_of_rows_does_not_matter():
    rows = snapshots(60, seed=8)
    shuffled = rows.sample(frac=1, random_state=1)
    found, values = fit(rows, COLUMNS)
    again, moved = fit(shuffled, COLUMNS)
    assert found == again
    pd.testing.assert_frame_equal(moved.loc[rows.index], values)


def test_a_value_of_few_leads_is_not_stored():
    rows = snapshots(60, seed=3)
    rows.loc[rows["root_key"] < FEWEST_PEERS - 1, "industry"] = "A. Person's own shop"
    found, _ = fit(rows, COLUMNS)
    assert "Person" not in json.dumps(found.to_json())
    assert "bakery" in json.dumps(found.to_json())


# --- saved and applied ----------------------------------------------------------------------------


def test_saved_and_loaded_says_the_same():
    rows, new = snapshots(80, seed=9), snapshots(30, seed=10)
    found, _ = fit(rows, COLUMNS)
    again = Learned.from_json(json.loads(json.dumps(found.to_json())))
    assert again == found
    pd.testing.assert_frame_equal(again.values(new), found.values(new))
    pd.testing.assert_frame_equal(again.keep(["like"]).values(new), found.values(new)[["like"]])


def test_joined_adds_the_columns_behind_and_keeps_the_rows():
    rows = snapshots(60, seed=9)
    found, _ = fit(rows, COLUMNS)
    joined = found.joined(rows.tail(7))
    assert list(joined.columns) == [*rows.columns, *(c.name for c in COLUMNS)]
    pd.testing.assert_frame_equal(joined[rows.columns], rows.tail(7))
    assert Learned().joined(rows) is rows


def test_nobody_closed_yet_means_missing_everywhere():
    rows = snapshots(30, seed=9).assign(closed_at=pd.NaT)
    found, values = fit(rows, COLUMNS)
    assert values.isna().all(axis=None)
    assert found.values(rows).isna().all(axis=None)


@pytest.mark.parametrize("bought", [True, False])
def test_where_all_or_none_bought_the_values_are_finite(bought: bool):
    rows = snapshots(60, seed=9).assign(converted=bought)
    found, values = fit(rows, (PEERS, LIKE))
    for said in (values, found.values(rows)):
        assert np.isfinite(said["peers"].dropna()).all()
        assert (said["peers"].dropna() == bought).all()
        assert (said["like"].dropna() == 0).all()


def test_values_of_training_rows_are_spread_like_those_of_new_leads():
    """The reason for the order of time: in training a rate tells no more than it will later."""
    rng = np.random.default_rng(11)
    n = 4_000
    at = START + pd.to_timedelta(np.sort(rng.uniform(0, 365, n)), unit="D")
    rows = pd.DataFrame(
        {
            "lead_id": [f"lead-{i}" for i in range(n)],
            "root_key": np.arange(n),
            "as_of": at,
            "matured_at": at + pd.Timedelta(days=10),
            "closed_at": at + pd.Timedelta(days=10),
            "converted": rng.random(n) < 0.3,
            # Each value belongs to ten leads: a rate over all rows would carry the own label.
            "industry": [f"shop {i}" for i in rng.integers(0, n // 10, n)],
        }
    )
    found, values = fit(rows, [PEERS])
    assert abs(np.corrcoef(values["peers"].fillna(0.3), rows["converted"])[0, 1]) < 0.05
    own = found.values(rows)["peers"]
    assert np.corrcoef(own, rows["converted"])[0, 1] > 0.02, "what is avoided is there to avoid"


def test_choose_keeps_the_tables_of_the_columns_that_stay():
    from scoring.build.featureset import FeatureSet

    rows = snapshots(60, seed=3)
    built = Column("dwell", "dwell", "stages", "stage_changes", "last_on")
    features = FeatureSet((built,), {}, frozenset(), frozenset(), learned=(PEERS, AGAINST))
    chosen = choose(rows.assign(industry=None), features)
    assert chosen.names == ("dwell", "against")
    assert chosen.learned.columns == (AGAINST,)
    assert list(chosen.learned.tables) == ["against"]
