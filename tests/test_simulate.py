"""The simulated sales organisation: its tables keep their rules, and its truth is true."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy.linalg import expm

from scoring.errors import ConfigError
from scoring.simulate import kinds, simulate
from scoring.simulate.calendar import DAY, clocks, micros
from scoring.simulate.chain import LOST, N_STATES, RESTING, WON, chain
from scoring.simulate.tables import identifiers

END = datetime(2026, 11, 1, tzinfo=UTC)
AT_END = pd.Timestamp(END).tz_localize(None)


@dataclass
class World:
    counts: dict[str, int]
    tables: dict[str, pd.DataFrame]
    truth: pd.DataFrame
    chances: pd.DataFrame

    def __getitem__(self, name: str) -> pd.DataFrame:
        return self.tables[name]


def load(folder: Path, **arguments: object) -> World:
    settings = {"leads": 4_000, "end": END, "seed": 5} | arguments
    counts = simulate(folder / "tables", **settings)  # type: ignore[arg-type]
    return World(
        counts,
        {name: pd.read_parquet(folder / "tables" / f"{name}.parquet") for name in counts},
        pd.read_parquet(folder / "truth" / "leads.parquet"),
        pd.read_parquet(folder / "truth" / "probabilities.parquet"),
    )


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> World:
    return load(tmp_path_factory.mktemp("world"), leak=0.8)


def digests(folder: Path) -> dict[str, str]:
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*.parquet"))
    }


# --- the files


def test_same_seed_gives_the_same_bytes_and_another_seed_others(tmp_path: Path) -> None:
    for name, seed in (("a", 1), ("b", 1), ("c", 2)):
        simulate(tmp_path / name / "tables", leads=300, end=END, seed=seed)
    first, again, other = (digests(tmp_path / name) for name in "abc")
    assert first == again
    assert first.keys() == other.keys()
    assert all(first[name] != other[name] for name in first)
    assert not list(tmp_path.rglob("*.part"))


def test_chunks_make_one_history(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("scoring.simulate.run.CHUNK", 150)
    world = load(tmp_path, leads=400)
    assert world.counts["leads"] == len(world["leads"]) == len(world.truth) == 400
    assert world["leads"].lead_id.is_unique
    assert world["interactions"].interaction_id.is_unique
    assert world["contacts"].contact_id.is_unique
    assert set(world["interactions"].lead_id) <= set(world["leads"].lead_id)


def test_size_and_prevalence_are_near_the_parameters(world: World) -> None:
    leads = world["leads"]
    assert len(leads) == 4_000
    assert len(world["interactions"]) / 4_000 == pytest.approx(40, rel=0.15)
    own = world.truth[world.truth.survivor_id == world.truth.lead_id]
    error = np.sqrt(0.12 * 0.88 / len(own))
    assert own.would_buy.mean() == pytest.approx(0.12, abs=4 * error)
    assert leads.created_at.min() >= AT_END - timedelta(days=2 * 365.25 + 1)


@pytest.mark.parametrize(("prevalence", "events"), [(0.03, 15.0), (0.4, 80.0)])
def test_other_sizes(tmp_path: Path, prevalence: float, events: float) -> None:
    world = load(tmp_path, leads=2_000, prevalence=prevalence, events_per_lead=events)
    assert world.truth.would_buy.mean() == pytest.approx(prevalence, abs=0.05 * prevalence + 0.03)
    assert len(world["interactions"]) / 2_000 == pytest.approx(events, rel=0.2)


def test_drift_moves_the_share_of_buyers(tmp_path: Path) -> None:
    world = load(tmp_path, drift=2.0)
    leads = world["leads"].merge(world.truth, on="lead_id").sort_values("created_at")
    buyer = leads.kind.isin(kinds.BUYERS).to_numpy()
    early, late = buyer[:1_300].mean(), buyer[-1_300:].mean()
    assert np.log(late / (1 - late)) - np.log(early / (1 - early)) == pytest.approx(4 / 3, abs=0.5)


@pytest.mark.parametrize(
    ("wrong", "named"),
    [
        ({"leads": 0}, "leads"),
        ({"end": datetime(2026, 11, 1)}, "end"),
        ({"years": 0.0}, "years"),
        ({"prevalence": 1.2}, "prevalence"),
        ({"prevalence": 0.9}, "prevalence"),
        ({"events_per_lead": -1.0}, "events_per_lead"),
        ({"leak": 2.0}, "leak"),
    ],
)
def test_arguments_out_of_range_are_refused_before_anything_is_written(
    tmp_path: Path, wrong: dict[str, object], named: str
) -> None:
    arguments = {"leads": 100, "end": END, "seed": 1} | wrong
    with pytest.raises(ConfigError, match=f"`{named}`"):
        simulate(tmp_path / "tables", **arguments)  # type: ignore[arg-type]
    assert not list(tmp_path.iterdir())


# --- the rules of the tables


def test_nothing_happens_before_the_lead_or_after_the_end(world: World) -> None:
    created = world["leads"].set_index("lead_id").created_at
    for name, at in (
        ("interactions", "occurred_at"),
        ("stage_changes", "changed_at"),
        ("lead_changes", "changed_at"),
        ("contacts", "joined_at"),
        ("outcomes", "decided_at"),
    ):
        rows = world[name]
        assert (rows[at] >= rows.lead_id.map(created)).all(), name
        assert (rows.recorded_at >= rows[at]).all(), name
        assert (rows.recorded_at < AT_END).all(), name
    assert (world["leads"].updated_at < AT_END).all()


def test_some_events_are_recorded_days_late(world: World) -> None:
    events = world["interactions"]
    late = events.recorded_at - events.occurred_at > timedelta(days=1)
    by_seller = events.type.isin(["call", "note"]) | events.type.str.startswith("meeting_")
    assert 0.005 < late[by_seller].mean() < 0.25
    assert not late[~by_seller].any()


def test_decided_leads_have_one_closing_outcome_and_open_ones_none(world: World) -> None:
    outcomes = world["outcomes"]
    closing = outcomes[outcomes.outcome.isin(["won", "lost", "disqualified"])]
    assert closing.lead_id.is_unique
    truth = world.truth[world.truth.survivor_id == world.truth.lead_id].set_index("lead_id")
    decided = truth.index[truth.decided_at < AT_END]
    assert set(closing.lead_id) == set(decided)
    won = set(closing.lead_id[closing.outcome == "won"])
    assert won == set(decided[truth.would_buy[decided]])
    assert set(outcomes.lead_id[outcomes.outcome == "churned"]) <= won
    assert outcomes.reason.notna().all()
    assert (outcomes.outcome == "recycled").sum() > 100


def test_events_after_the_decision_are_few_and_do_not_tell_which_leads_were_won(
    world: World,
) -> None:
    closing = world["outcomes"].query("outcome in ['won', 'lost', 'disqualified']")
    events = world["interactions"].merge(closing[["lead_id", "decided_at"]], on="lead_id")
    after = events[events.occurred_at >= events.decided_at]
    assert set(after.type) == {"email_sent", "call"}
    assert 0 < len(after) < 0.02 * len(events)


def test_references_hold(world: World) -> None:
    contacts = set(world["contacts"].contact_id)
    events, participants = world["interactions"], world["participants"]
    assert set(events.contact_id.dropna()) <= contacts
    assert set(participants.contact_id) <= contacts
    assert set(participants.interaction_id) <= set(events.interaction_id)
    joined = events.merge(world["contacts"], on="contact_id")
    assert (joined.occurred_at >= joined.joined_at).all()


def test_merges_are_consistent(world: World) -> None:
    leads = world["leads"].set_index("lead_id")
    absorbed = leads[leads.merged_into.notna()]
    assert len(absorbed) == 100
    survivor = leads.loc[absorbed.merged_into]
    assert survivor.merged_into.isna().all()
    assert (survivor.person_id.to_numpy() == absorbed.person_id.to_numpy()).all()
    assert (survivor.created_at.to_numpy() < absorbed.created_at.to_numpy()).all()
    assert (absorbed.merged_at > absorbed.created_at).all()
    assert (absorbed.merged_at < AT_END).all()
    assert leads.merged_at.notna().equals(leads.merged_into.notna())
    for name, at in (("interactions", "occurred_at"), ("stage_changes", "changed_at")):
        theirs = world[name].merge(absorbed.reset_index()[["lead_id", "merged_at"]], on="lead_id")
        assert (theirs[at] < theirs.merged_at).all()
    assert world["interactions"].lead_id.isin(absorbed.index).any()
    assert not world["outcomes"].lead_id.isin(absorbed.index).any()


def test_the_leaking_column_is_filled_only_for_won_leads_after_the_sale(
    world: World, tmp_path: Path
) -> None:
    leads = world["leads"]
    won = world["outcomes"].query("outcome == 'won'").set_index("lead_id").decided_at
    filled = set(leads.lead_id[leads.contract_no.notna()])
    assert filled <= set(won.index)
    assert len(filled) / len(won) == pytest.approx(0.8, abs=0.1)
    history = world["lead_changes"].query("field == 'contract_no'")
    assert set(history.lead_id) == filled
    assert (history.changed_at > history.lead_id.map(won)).all()

    without = load(tmp_path, leads=200)
    assert "contract_no" not in without["leads"]
    assert "contract_no" not in set(without["lead_changes"].field)


def test_lead_rows_show_the_last_value_of_the_field_history(world: World) -> None:
    leads = world["leads"].set_index("lead_id")
    history = world["lead_changes"].sort_values("changed_at", kind="stable")
    for field in ("budget_known", "timeline", "expected_close_on", "amount", "owner_id"):
        last = history[history.field == field].groupby("lead_id").value.last()
        shown = leads.loc[last.index, field]
        if field == "amount":
            assert np.allclose(shown, last.astype(float))
        else:
            assert (shown.astype(str).to_numpy() == last.to_numpy()).all(), field
        own = leads[leads.merged_into.isna()]
        assert own[field].notna().sum() == len(last), field


def test_identifiers_are_one_to_one_and_keep_no_order() -> None:
    numbers = np.arange(50_000)
    for bits in (32, 48):
        names = pd.Series(identifiers("L", numbers, bits).to_pylist())
        assert names.is_unique
        assert abs(names.rank().corr(pd.Series(numbers))) < 0.05
    assert identifiers("L", np.array([-1, 3]), 32).to_pylist()[0] is None


# --- the truth


def drawn(world: World) -> pd.DataFrame:
    rows = world.chances.merge(world.truth, on="lead_id")
    window = rows.decided_at - rows.as_of
    rows["won"] = rows.would_buy & (window >= timedelta(0)) & (window < timedelta(days=90))
    rows["created_at"] = rows.lead_id.map(world["leads"].set_index("lead_id").created_at)
    rows["age"] = (rows.as_of - rows.created_at) / timedelta(days=1)
    return rows


@pytest.mark.parametrize("age", [1, 14, 60, 180, "end"])
def test_true_probabilities_are_calibrated(world: World, age: int | str) -> None:
    rows = drawn(world)
    rows = rows[rows.as_of == AT_END] if age == "end" else rows[np.isclose(rows.age, age)]
    assert rows.lead_id.is_unique  # so the outcomes are independent
    bins = pd.cut(rows.probability, [-1, 0.01, 0.05, 0.2, 0.5, 0.8, 1.0])
    for _, group in rows.groupby(bins, observed=True):
        variance = (group.probability * (1 - group.probability)).sum()
        # Four standard deviations, and one conversion for bins with hardly any.
        assert abs(group.won.sum() - group.probability.sum()) <= 4 * np.sqrt(variance) + 1


def test_true_probabilities_are_of_open_leads_before_the_end(world: World) -> None:
    rows = drawn(world)
    assert rows.probability.between(0, 1).all()
    assert (rows.as_of <= AT_END).all()
    assert not (rows.decided_at < rows.as_of).any()
    assert not rows.duplicated(["lead_id", "as_of"]).any()
    at_end = rows[rows.as_of == AT_END]
    open_leads = world.truth.query("lead_id == survivor_id and not decided_at < @AT_END")
    assert set(at_end.lead_id) == set(open_leads.lead_id)


def test_the_table_of_chances_equals_the_matrix_exponential() -> None:
    model = chain()
    rng = np.random.default_rng(3)
    for class_ in rng.integers(0, len(model.generator), 20):
        days = rng.uniform(50, 130)
        exact = expm(model.generator[class_] * days)[:, WON]
        states = np.arange(N_STATES)
        table = model.chance_within(np.full(N_STATES, class_), states, np.full(N_STATES, days))
        assert np.abs(table - exact).max() < 0.002
        assert (table <= model.ever[class_] + 1e-9).all()
    assert (model.ever[:, WON] == 1).all()
    assert (model.ever[:, LOST] == 0).all()
    assert (model.ever[:, RESTING] < 0.9).all()


def test_the_clocks_run_in_working_hours_and_seasons() -> None:
    start, end = micros(datetime(2025, 1, 1, tzinfo=UTC)), micros(END)
    work, awake = clocks(start, end)
    readings = np.random.default_rng(0).uniform(0, work.reading[-1], 20_000)
    local = pd.to_datetime(work.when(readings), unit="us", utc=True).tz_convert("Europe/Helsinki")
    assert ((local.hour >= 8) & (local.hour < 17) & (local.day_of_week < 5)).mean() > 0.99
    months = pd.Series(local.month).value_counts()
    assert months[7] < 0.6 * months[5]
    assert np.allclose(work.read(work.when(readings)), readings, atol=1e-6)
    assert (np.diff(awake.reading) > 0).all()
    assert awake.reading[-1] == pytest.approx((end - start) / DAY, abs=0.1)


# --- the kinds


@pytest.fixture(scope="module")
def behaviour(world: World) -> pd.DataFrame:
    """What each lead's history counts up to, beside its kind."""
    events = world["interactions"]
    survivor = world.truth.set_index("lead_id").survivor_id
    events = events.assign(lead_id=events.lead_id.map(survivor))
    counts = events.groupby(["lead_id", "type"]).size().unstack(fill_value=0)
    moved = events[events.moved_by == "customer"].groupby("lead_id").size()
    own = world.truth[world.truth.lead_id == world.truth.survivor_id].set_index("lead_id")
    table = own.join(counts).fillna(dict.fromkeys(counts.columns, 0))
    table["moved_by_customer"] = moved.reindex(table.index, fill_value=0)
    table["call_s"] = events[events.type == "call"].groupby("lead_id").duration_s.mean()
    table["stages"] = world["stage_changes"].groupby("lead_id").stage.nunique()
    table["inbound"] = events[events.direction == "inbound"].groupby("lead_id").size()
    table["postponed"] = (
        world["lead_changes"].query("field == 'expected_close_on'").groupby("lead_id").size()
    )
    return table.fillna({"inbound": 0})


def test_each_kind_shows_its_signs(behaviour: pd.DataFrame) -> None:
    mean = behaviour.select_dtypes("number").groupby(behaviour.kind).mean()
    steady = mean.loc["buyer_steady"]
    assert mean.content_downloaded["student"] > 1.5 * steady.content_downloaded
    assert mean.discount_request["no_budget"] > 3 * steady.discount_request
    assert mean.call_s["chatterer"] > 1.7 * steady.call_s
    assert mean.moved_by_customer["hesitant"] > 1.5 * steady.moved_by_customer
    assert mean.postponed["no_budget"] > steady.postponed
    assert (mean.inbound["quiet"] < 0.5 * mean.inbound.drop("quiet")).all()
    assert mean.page_view["competitor"] > steady.page_view
    ends = behaviour.decided_at.notna() & behaviour.would_buy
    assert (behaviour.stages[ends & (behaviour.decided_at < AT_END)] == 6).all()


def test_tire_kickers_are_busy_and_do_not_progress(behaviour: pd.DataFrame) -> None:
    buyer = behaviour.kind.isin(kinds.BUYERS)
    busy = behaviour.weak_intent == "busy_without_progress"
    assert behaviour.inbound[busy].median() > 0.5 * behaviour.inbound[buyer].median()
    assert behaviour.stages[busy].mean() < behaviour.stages[buyer].mean() - 1
    assert behaviour.would_buy[busy].mean() < 0.1 < 0.4 < behaviour.would_buy[buyer].mean()
    assert (behaviour.is_tire_kicker == ~buyer).all()
    # Some do buy: a flag is advice, never a deletion.
    assert behaviour.would_buy[busy].sum() > 0


def test_paces_differ(world: World) -> None:
    created = world["leads"].set_index("lead_id").created_at
    won = world.truth[world.truth.would_buy & (world.truth.decided_at < AT_END)]
    days = (won.decided_at - won.lead_id.map(created)).groupby(won.kind).median()
    assert days["buyer_fast"] < days["buyer_steady"] < days["buyer_slow"]


def test_what_moves_the_true_probability(world: World) -> None:
    """What a learner must be able to find: which histories go with a high chance."""
    rows = world.chances[world.chances.stage != "resting"]
    events = rows[["lead_id", "as_of"]].merge(world["interactions"], on="lead_id")
    events = events[(events.occurred_at < events.as_of) & (events.recorded_at < events.as_of)]
    key = [events.lead_id, events.as_of]

    def count(chosen: pd.Series) -> pd.Series:
        return chosen.groupby(key).sum()

    seen = pd.DataFrame(
        {
            "held": count(events.type == "meeting_held"),
            "discounts": count(events.type == "discount_request"),
            "moved": count(events.moved_by == "customer"),
            "downloads": count(events.type == "content_downloaded"),
            "inbound_30d": count(
                (events.direction == "inbound")
                & (events.as_of - events.occurred_at < timedelta(days=30))
            ),
        }
    )
    rows = rows.set_index(["lead_id", "as_of"]).join(seen).fillna(dict.fromkeys(seen, 0))
    chance = rows.probability
    assert (
        chance[rows.decision_maker_joined].mean() > 2 * chance[~rows.decision_maker_joined].mean()
    )
    assert chance[rows.held > 0].mean() > 2 * chance[rows.held == 0].mean()
    by_stage = chance.groupby(rows.stage).mean()[list(kinds.STAGES)]
    assert by_stage.is_monotonic_increasing
    late = rows[rows.stage.isin(["needs_assessment", "proposal", "negotiation"])]
    assert (
        late.probability[late.discounts > 1].mean()
        < 0.7 * late.probability[late.discounts == 0].mean()
    )
    assert late.probability[late.moved > 1].mean() < 0.7 * late.probability[late.moved == 0].mean()
    assert (
        late.probability[late.inbound_30d > 3].mean()
        > late.probability[late.inbound_30d == 0].mean()
    )
    unmet = rows[rows.held == 0]
    assert (
        unmet.probability[unmet.downloads > 2].mean()
        < unmet.probability[unmet.downloads == 0].mean()
    )


def test_nobody_has_tried_the_unworked_leads(world: World) -> None:
    unworked = world.chances.merge(world.truth.query("unworked"), on="lead_id")
    new = unworked[unworked.stage == "prospecting"]
    assert (new.as_of == AT_END).sum() > 10
    events = new[["lead_id", "as_of"]].merge(world["interactions"], on="lead_id")
    ours = events[(events.occurred_at < events.as_of) & (events.direction == "outbound")]
    assert ours.empty


def test_waiting_customers_spoke_last(world: World) -> None:
    waiting = world.chances[world.chances.waiting_for_us]
    assert (waiting.as_of == AT_END).sum() > 5
    talk = ("email_sent", "email_received", "call", "chat_message", "meeting_held")
    spoken = world["interactions"][world["interactions"].type.isin(talk)]
    events = waiting[["lead_id", "as_of"]].merge(spoken, on="lead_id")
    events = events[events.occurred_at < events.as_of].sort_values("occurred_at", kind="stable")
    last = events.groupby(["lead_id", "as_of"]).direction.last()
    assert (last == "inbound").mean() > 0.85


def test_mail_scanners_click_within_seconds(world: World) -> None:
    events = world["interactions"]
    sent = events.loc[events.type == "email_sent", ["lead_id", "occurred_at"]].assign(
        sent_at=lambda rows: rows.occurred_at
    )
    clicks = events[events.type == "email_clicked"]
    nearest = pd.merge_asof(
        clicks.sort_values("occurred_at"), sent.sort_values("occurred_at"),
        on="occurred_at", by="lead_id",
    )  # fmt: skip
    quick = nearest.occurred_at - nearest.sent_at < timedelta(seconds=15)
    assert 0.2 < quick.mean() < 0.8
    assert nearest[quick].lead_id.nunique() < 0.12 * len(world["leads"])


# --- verdicts


def test_verdicts_change_no_other_table(tmp_path: Path) -> None:
    for name, share in (("with", 0.5), ("without", 0.0)):
        simulate(tmp_path / name / "tables", leads=300, end=END, seed=3, feedback=share)
    told, silent = (digests(tmp_path / name) for name in ("with", "without"))
    assert told.keys() - silent.keys() == {"tables/feedback.parquet"}
    assert {name: told[name] for name in silent} == silent


def test_sellers_judge_open_leads_of_theirs_and_are_more_often_right(tmp_path: Path) -> None:
    world = load(tmp_path, feedback=0.5)
    told = world["feedback"].merge(world["leads"], on="lead_id").merge(world.truth, on="lead_id")
    assert 0.3 * 4_000 < len(told) < 0.5 * 4_000
    assert told["lead_id"].is_unique
    assert (told["given_by"] == told["owner_id"]).mean() > 0.99
    assert (told["given_at"] >= told["created_at"]).all()
    assert not (told["given_at"] >= told["decided_at"]).any()
    assert (told["recorded_at"] < AT_END).all()
    assert (told["recorded_at"] > told["given_at"]).all()
    right = told["would_buy"].groupby(told["verdict"]).mean()
    assert right["too_low"] > right["agree"] > right["too_high"]
    assert set(told["verdict"]) == {"agree", "too_high", "too_low", "not_a_tire_kicker"}
