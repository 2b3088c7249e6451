"""Columns that know the outcome, filled the way it happens in CRMs: all found, nothing else."""

import numpy as np
import pytest
from leak_kit import (
    AT_ONCE,
    KNOWN,
    history,
    last_minute_call,
    project_over,
    searched,
    signed_amount,
)

from scoring.build.featureset import project_features
from scoring.errors import ConfigError
from scoring.train.leak_search import Searched, without

DECLARED = [*KNOWN, "tags", "sales_cycle", "contract_no", "lost_to", "owner_id"]


@pytest.fixture(scope="module")
def spoiled(tmp_path_factory):
    """A project with every leak that one landing can show, and what was found in it."""
    root = tmp_path_factory.mktemp("spoiled")
    tables = history(root, seed=11)
    rng = np.random.default_rng(11)
    for plant in AT_ONCE:
        plant(tables, rng)
    project = project_over(root / "project", tables, known=DECLARED)
    return project, searched(project)


def _named(found: Searched) -> set[str]:
    return {leak.column for leak in found.leaks}


@pytest.mark.parametrize("leaking", AT_ONCE.values())
def test_every_planted_leak_is_found(spoiled, leaking):
    assert any(leaking in name for name in _named(spoiled[1]))


def test_nothing_else_is_named(spoiled):
    others = {n for n in _named(spoiled[1]) if not any(v in n for v in AT_ONCE.values())}
    assert others == set()


def test_each_says_by_which_evidence(spoiled):
    reasons = {leak.column: leak.reason for leak in spoiled[1].leaks}
    assert reasons["approval"] == "changes"
    assert reasons["contract_no"] == reasons["lost_to"] == "missingness"
    assert reasons["sales_cycle"] in ("missingness", "timing")
    assert reasons["owner_id"] == "separation"
    assert reasons["count_ever_credit_check"] == "certainty"
    for leak in spoiled[1].leaks:
        assert leak.value >= leak.limit
        assert leak.excluded
        assert "leads" in leak.evidence


def test_all_windows_of_a_leaking_event_are_left_out(spoiled):
    columns = [c.name for c in _built(spoiled[0]).columns if c.name.endswith("credit_check")]
    columns += [c.name for c in _built(spoiled[0]).columns if "credit_check_" in c.name]
    assert len(columns) >= 4
    assert set(columns) <= _named(spoiled[1])


def _built(project):
    return project_features(project, project.model("conversion"))


def test_leaks_are_left_out_with_the_reason_and_whatever_is_made_of_them(spoiled):
    project, found = spoiled
    features = _built(project)
    clean = without(features, found.leaks)
    assert not _named(found) & {c.name for c in clean.all}
    assert "knows the outcome" in clean.left_out["contract_no"]
    kept = {c.name for c in clean.columns}
    assert all(set(c.inputs) <= kept | {x.name for x in clean.learned} for c in clean.all)


def test_allowed_leaks_stay_and_are_reported(spoiled):
    project, found = spoiled
    path = project.root / "models" / "conversion" / "model.toml"
    before = path.read_text()
    try:
        path.write_text(before + 'allow_leaks = ["tags", "*credit_check*"]\n')
        again = searched(project)
        path.write_text(before + 'allow_leaks = ["tgas"]\n')
        with pytest.raises(ConfigError, match=r"`tgas`.*tags"):
            searched(project)
    finally:
        path.write_text(before)
    assert _named(again) == _named(found)
    allowed = {leak.column for leak in again.leaks if not leak.excluded}
    assert "tags" in allowed
    assert {c for c in _named(found) if "credit_check" in c} == allowed - {"tags"}
    assert not allowed & {leak.column for leak in again.unsettled}


@pytest.mark.slow
def test_an_amount_that_is_written_over_when_the_deal_is_signed(tmp_path):
    tables = history(tmp_path, seed=12, leads=1_500, prevalence=0.3)
    signed_amount(tables, np.random.default_rng(12))
    known = [*KNOWN, "amount"]
    twice = searched(project_over(tmp_path / "twice", tables, known=known, nights=2))
    assert [(leak.column, leak.reason) for leak in twice.leaks] == [("amount", "changes")]


@pytest.mark.slow
def test_strength_that_is_gone_a_day_earlier(tmp_path):
    tables = history(tmp_path, seed=13, prevalence=0.3)
    last_minute_call(tables, np.random.default_rng(13))
    at_review = '[snapshots]\nat = ["review_at"]\nclose_after_days = 1000\n'
    found = searched(project_over(tmp_path / "project", tables, known=KNOWN, model=at_review))
    reasons = {leak.column: leak.reason for leak in found.leaks}
    assert reasons["count_ever_deal_call"] == "collapse"
    assert all("deal_call" in name for name in reasons)


def test_without_any_history_of_fields_it_says_so(tmp_path):
    tables = history(tmp_path, seed=14, leads=400)
    del tables["lead_changes"]
    found = searched(project_over(tmp_path / "project", tables, known=KNOWN))
    assert not found.leaks
    assert "history" in found.not_testable["changes"]
