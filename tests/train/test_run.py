"""A training run: what is registered, what is promoted, what stays."""

import json

import mlflow
import numpy as np
import pandas as pd
import pytest
from train_kit import END, MODEL, retrain

from scoring.errors import NoUsableModel
from scoring.project import Project
from scoring.score.run import score
from scoring.train import tracking
from scoring.train.backtest import backtest
from scoring.train.run import train

MEASURES = {
    *("n", "positives", "auc", "pr_auc", "log_loss", "brier", "ece", "ece_floor", "lift_at_10"),
}


def _set_model(project: Project, text: str) -> None:
    (project.root / "models" / "conversion" / "model.toml").write_text(text)


def test_first_champion_and_what_mlflow_holds(fresh: Project):
    said = retrain(fresh)
    assert said["promoted"], said["why"]
    assert (said["candidate"], said["champion"], said["leaks"]) == ("1", "1", [])
    assert set(said["validation"]) == MEASURES

    registered, champion = tracking.champion(fresh, "conversion")
    run = mlflow.MlflowClient(tracking.uri(fresh)).get_run(registered.run_id)
    assert run.info.status == "FINISHED"
    assert run.data.metrics["validation_auc"] == pytest.approx(said["validation"]["auc"])
    assert run.data.params["data_fingerprint"] == champion.facts["data_fingerprint"]
    assert run.data.params["question_horizon_days"] == "60"
    names = {a.path for a in mlflow.MlflowClient().list_artifacts(registered.run_id)}
    assert {"calibration.png", "lift.png", "features.json", "decision.json"} <= names

    lead_ids = set(pd.read_parquet(fresh.root / "source" / "leads.parquet")["lead_id"])
    logged = mlflow.artifacts.load_text(f"runs:/{registered.run_id}/features.json")
    assert not any(lead in logged for lead in lead_ids)


def test_the_logged_model_says_what_the_champion_says(fresh: Project, monkeypatch):
    retrain(fresh)
    _, champion = tracking.champion(fresh, "conversion")
    rows = fresh.training_table().tail(50)[list(champion.names)]
    mlflow.set_tracking_uri(tracking.uri(fresh))
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)  # where MLflow writes it
    loaded = mlflow.pyfunc.load_model("models:/company-conversion@champion")
    np.testing.assert_array_equal(loaded.predict(rows), champion.model.predict_proba(rows)[:, 1])
    assert {c.type.name for c in loaded.metadata.signature.inputs} <= {"double", "string"}


def test_training_again_gives_the_record_and_registers_nothing(fresh: Project):
    first = train(fresh, "conversion", END)
    again = train(fresh, "conversion", END)
    assert again.reused
    assert not first.reused
    assert again.candidate == first.candidate
    assert {**again.to_json(), "reused": False} == first.to_json()


def test_same_data_gives_the_same_files(fresh: Project, company: Project, tmp_path):
    import shutil

    shutil.copytree(company.root, tmp_path / "elsewhere")
    other = Project(tmp_path / "elsewhere")
    retrain(fresh)
    retrain(other)
    marks = [tracking.champion(p, "conversion")[0].fingerprint for p in (fresh, other)]
    assert marks[0] == marks[1]


def test_another_recipe_that_is_not_better_stays_a_candidate(fresh: Project):
    retrain(fresh)
    _set_model(fresh, MODEL.replace('"engagement", "effort", "stages"', '"effort", "stages"'))
    said = retrain(fresh)
    assert not said["promoted"]
    assert "not better than the" in said["why"]
    assert (said["candidate"], said["champion"]) == ("2", "1")
    assert tracking.champion(fresh, "conversion")[0].version == "1"


def test_a_recipe_with_more_features_is_compared_with_the_champions_own(fresh: Project):
    _set_model(fresh, MODEL.replace('"engagement", "effort", "stages"', '"effort", "stages"'))
    assert retrain(fresh)["promoted"]
    _set_model(fresh, MODEL)
    assert "champion" in retrain(fresh)["why"]


def test_other_words_for_a_feature_are_no_other_recipe(fresh: Project):
    retrain(fresh)
    theme = fresh.root / "features" / "stages.py"
    theme.write_text(theme.read_text().replace("now in stage {value}", "stands at {value}"))
    said = retrain(fresh)
    assert said["candidate"] == "2"
    assert said["promoted"]
    assert "champion" not in said["why"]


def test_editing_a_feature_file_does_not_change_tonights_scores(fresh: Project):
    retrain(fresh)
    score(fresh, "conversion", END)
    before = fresh.scores()
    (fresh.root / "features" / "engagement.py").write_text(
        "from scoring import interactions\n"
        'touches_ever = interactions("call").count().says("{n} call", "{n} calls")\n'
    )
    score(fresh, "conversion", END)
    pd.testing.assert_frame_equal(fresh.scores(), before)


@pytest.mark.parametrize("kept", ["lost", "won"])
def test_a_single_class_is_refused_and_says_what_was_found(fresh: Project, kept: str):
    path = fresh.root / "source" / "outcomes.parquet"
    outcomes = pd.read_parquet(path)
    if kept == "lost":
        outcomes = outcomes[outcomes["outcome"] != "won"]
    else:
        _set_model(fresh, MODEL.replace("[snapshots]", 'label = "at_decision"\n[snapshots]'))
        outcomes["outcome"] = "won"
    outcomes.to_parquet(path)
    from scoring.check.run import check
    from scoring.clock import Moment
    from scoring.ingest.run import ingest

    config = fresh.root / "scoring.toml"
    config.write_text(config.read_text() + "[limits]\nvanished_share = 1.0\n")
    project = Project(fresh.root)
    moment = Moment(as_of=END, now=END)
    ingest(project, moment)
    check(project, moment)
    with pytest.raises(NoUsableModel, match="Not enough"):
        train(project, "conversion", END)
    assert tracking.registered(project, "conversion", tracking.CHAMPION) is None


def test_a_damaged_model_file_is_refused_before_it_is_loaded(fresh: Project):
    retrain(fresh)
    found = tracking.registered(fresh, "conversion", tracking.CHAMPION)
    folder = tracking.models_folder(fresh, "conversion") / found.fingerprint[:20]
    for name in ("recipe.json", "lightgbm.txt"):
        path = folder / name
        whole = path.read_bytes()
        path.write_bytes(whole.replace(b"0", b"1", 1))
        with pytest.raises(NoUsableModel, match="hash"):
            tracking.champion(fresh, "conversion")
        path.write_bytes(whole)
    tracking.champion(fresh, "conversion")


def test_a_store_without_its_copy_fetches_the_files_from_mlflow(fresh: Project):
    import shutil

    retrain(fresh)
    before = tracking.champion(fresh, "conversion")[0]
    shutil.rmtree(tracking.models_folder(fresh, "conversion"))
    after, champion = tracking.champion(fresh, "conversion")
    assert after == before
    assert champion.names


def test_a_run_that_was_left_open_is_closed_by_the_next_training(fresh: Project):
    retrain(fresh)
    client = mlflow.MlflowClient(tracking.uri(fresh))
    experiment = client.get_experiment_by_name("company-conversion")
    orphan = client.create_run(experiment.experiment_id)
    _set_model(fresh, MODEL.replace('"engagement", "effort", "stages"', '"engagement"'))
    retrain(fresh)
    assert client.get_run(orphan.info.run_id).info.status == "KILLED"


def test_backtest_answers_with_the_whole_contract(fresh: Project):
    said = backtest(fresh, "conversion", END, origins=2)
    json.dumps(said)
    told = {"question", "horizon_days", "pooled", "origins", "baselines"}
    assert set(said) == told | {"reliability", "segments", "leaks"}
    assert set(said["pooled"]) == MEASURES
    assert set(said["baselines"]) == {"prevalence", "hand_rule", "naive_bayes", "logistic"}
    for name, measured in said["baselines"].items():
        assert set(measured) == MEASURES, name
        assert measured["n"] == said["pooled"]["n"]
    assert len(said["origins"]) == 2
    assert sum(o["n"] for o in said["origins"]) == said["pooled"]["n"]
    first, second = said["origins"]
    assert first["from"] < first["to"] <= second["from"] < second["to"]
    assert first["trained_on"] < second["trained_on"]
    assert said["pooled"]["log_loss"] < said["baselines"]["prevalence"]["log_loss"]


def test_backtest_from_a_date_tests_every_row_from_it_on(fresh: Project):
    from datetime import UTC, datetime

    start = datetime(2026, 5, 1, tzinfo=UTC)
    said = backtest(fresh, "conversion", END, test_from=start, origins=1)
    table = fresh.training_table()
    assert said["pooled"]["n"] == int((table["as_of"] >= start).sum())
