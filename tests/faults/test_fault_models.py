"""Too little to learn from, nothing to score, damaged models, an MLflow that is away."""

import socket

import pandas as pd
import pytest
from fault_kit import NIGHT, Site


@pytest.mark.parametrize("left", ["none", pytest.param("few", marks=pytest.mark.slow), "all"])
def test_too_little_to_learn_from(site: Site, left):
    def outcomes(rows):
        won = [row for row in rows if row["outcome"] == "won"]
        if left == "all":
            return won
        return [row for row in rows if row not in won] + (won[:5] if left == "few" else [])

    kept = {row["lead_id"] for row in outcomes(site.rows("outcomes"))}
    site.edit("outcomes", outcomes)
    site.settings("scoring.toml", "vanished_share = 0.5", "vanished_share = 1.0")
    if left == "all":
        site.edit("leads", lambda rows: [row for row in rows if row["lead_id"] in kept])
        site.settings("models/conversion/model.toml", '"within_horizon"', '"at_decision"')
    site("ingest")
    site("check")
    says = ["Not enough to train on", "10 conversions", "the present champion goes on"]
    site.refuses("train", code=7, says=says)
    if left == "none":
        assert site("score", "--json").json["model_version"] == "1"


def test_no_leads_to_score(site: Site):
    before = site.published()
    site.settings("models/conversion/model.toml", "close_after_days = 365", "close_after_days = 1")
    # The champion keeps the question it was trained with: closed leads come from the history.
    last = {"outcome": "lost", "decided_at": "2026-10-31 12:00:00"}
    leads = site.rows("leads")
    site.edit("outcomes", lambda rows: rows + [{"lead_id": r["lead_id"], **last} for r in leads])
    steps = site("run", "nightly", "--json").json["steps"]
    assert steps["score"]["scored"] == 0
    assert (steps["emit"]["sent"], steps["emit"]["cleared"]) == (0, 0)
    after = site.published()
    assert {k: v for k, v in after.items() if k.startswith("out/emit")} == {
        k: v for k, v in before.items() if k.startswith("out/emit")
    }


def test_a_column_that_went_empty_and_a_category_never_seen(site: Site):
    site.edit("leads", lambda rows: [{**row, "tier": ""} for row in rows])
    assert site("run", "nightly", "--json").json["steps"]["score"]["scored"] > 0
    site.edit("leads", lambda rows: [{**row, "tier": "never seen"} for row in rows])
    answer = site("run", "nightly", "--json", night="2026-11-03").json
    assert answer["steps"]["score"]["scored"] > 0
    scores = pd.read_parquet(site.project / "out" / "scores.parquet")
    assert scores["probability"].between(0, 1).all()


@pytest.mark.parametrize(
    "file",
    [
        "lightgbm.txt",
        pytest.param("model.json", marks=pytest.mark.slow),
        "recipe.json",
        pytest.param("hashes.json", marks=pytest.mark.slow),
    ],
)
def test_a_damaged_or_missing_model_file(site: Site, file):
    (folder,) = (site.project / ".scoring" / "models" / "conversion").iterdir()
    path = folder / file
    if not path.exists():
        pytest.skip(f"this model needs no {file}")
    whole = path.read_bytes()
    path.write_bytes(whole[:-2] + b"x\n")
    site.refuses("score", code=7, says=[file if file not in ("recipe.json", "hashes.json")
                                        else "do not match the hash"])  # fmt: skip
    path.unlink()
    site.refuses("score", code=7, says=[file])
    path.write_bytes(whole)
    site("score")


def test_a_tracking_server_that_is_away(site: Site):
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        address = f"http://user:private-7f3a2c@127.0.0.1:{unused.getsockname()[1]}"
    env = {"MLFLOW_TRACKING_URI": address, "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "1"}
    answer = site.refuses("score", code=75, says=["MLflow", "MLFLOW_TRACKING_URI"], env=env)
    assert len(answer.sentence) < 600


def test_a_tracking_address_that_is_none(site: Site):
    env = {"MLFLOW_TRACKING_URI": "nonsense://x"}
    answer = site("score", "--json", night=NIGHT, code=2, env=env)
    assert "MLFLOW_TRACKING_URI" in answer.sentence
