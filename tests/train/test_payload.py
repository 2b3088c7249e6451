"""A model survives its files exactly, and a file that changed is never loaded."""

import hashlib
import json

import numpy as np
import pandas as pd
import pytest
from threadpoolctl import threadpool_limits

from scoring.errors import NoUsableModel
from scoring.train import trees
from scoring.train.model import ConversionModel

FILES = {"model.json", "lightgbm.txt", "lightgbm_random_trees.txt", "hashes.json"}


def leads(n=400, seed=3):
    rng = np.random.default_rng(seed)
    X = pd.DataFrame(
        {
            "meetings": rng.poisson(2, n).astype(float),
            "days_silent": np.where(rng.random(n) < 0.2, np.nan, rng.exponential(30, n)),
            'Quelle {"ä"}': rng.choice(["Messe", "web, form", 'a "b"', "日本"], n),
            "has_budget": rng.random(n) < 0.3,
            "unused": np.nan,
        }
    )
    margin = X["meetings"] * 0.6 + X["has_budget"] * 1.0 - 3
    y = (rng.random(n) < 1 / (1 + np.exp(-margin))).astype(int)
    time = pd.Series(pd.date_range("2026-01-01", periods=n, freq="6h", tz="UTC"))
    groups = pd.Series([f"p{i // 2}" for i in range(n)])
    return X, y, time, groups


def contents(directory):
    return {path.name: path.read_bytes() for path in directory.iterdir()}


@pytest.fixture(scope="module")
def fitted():
    X, y, time, groups = leads()
    return ConversionModel().fit(X, y, time=time, groups=groups)


@pytest.fixture
def written(fitted, tmp_path):
    fitted.to_payload(tmp_path)
    return tmp_path


def test_round_trip_is_exact(fitted, written):
    X, *_ = leads(seed=4)
    read = ConversionModel.from_payload(written)
    np.testing.assert_array_equal(read.predict_proba(X), fitted.predict_proba(X))
    pd.testing.assert_frame_equal(read.contributions(X), fitted.contributions(X), check_exact=True)
    assert read.base_ == fitted.base_
    assert read.get_params() == fitted.get_params()
    assert list(read.feature_names_in_) == list(X.columns)
    assert read.classes_.tolist() == [0, 1]
    assert read.summary_ == fitted.summary_


def test_writing_what_was_read_gives_the_same_bytes(written, tmp_path):
    again = tmp_path / "deeper" / "again"
    before = contents(written)
    ConversionModel.from_payload(written).to_payload(again)
    assert contents(again) == before


def test_the_files_are_native_text_with_recorded_hashes(fitted, written):
    assert {path.name for path in written.iterdir()} == FILES
    recorded = json.loads((written / "hashes.json").read_text())
    assert (
        recorded
        == fitted.to_payload(written)
        == {
            name: hashlib.sha256((written / name).read_bytes()).hexdigest()
            for name in FILES - {"hashes.json"}
        }
    )
    assert json.loads((written / "model.json").read_text())["format_version"] == 2


@pytest.mark.parametrize("name", sorted(FILES - {"hashes.json"}))
def test_a_flipped_byte_is_refused(written, name):
    content = bytearray((written / name).read_bytes())
    content[len(content) // 2] ^= 1
    (written / name).write_bytes(bytes(content))
    with pytest.raises(NoUsableModel, match=f"{name} does not match its recorded hash"):
        ConversionModel.from_payload(written)


@pytest.mark.parametrize("name", sorted(FILES))
def test_an_absent_file_is_named(written, name):
    (written / name).unlink()
    with pytest.raises(NoUsableModel, match=f"{name} is missing"):
        ConversionModel.from_payload(written)


@pytest.mark.parametrize("content", ["", "[]", "{", "{}"])
def test_a_broken_record_of_hashes_is_refused(written, content):
    (written / "hashes.json").write_text(content)
    with pytest.raises(NoUsableModel):
        ConversionModel.from_payload(written)


def test_another_format_version_is_refused(written):
    state = json.loads((written / "model.json").read_text()) | {"format_version": 3}
    (written / "model.json").write_text(json.dumps(state))
    hashes = json.loads((written / "hashes.json").read_text())
    hashes["model.json"] = hashlib.sha256((written / "model.json").read_bytes()).hexdigest()
    (written / "hashes.json").write_text(json.dumps(hashes))
    with pytest.raises(NoUsableModel, match="format 3 cannot be read"):
        ConversionModel.from_payload(written)


def test_bytes_do_not_depend_on_the_number_of_threads(tmp_path, monkeypatch):
    monkeypatch.setattr(trees, "CELLS_FOR_THREADS", 0)
    X, y, time, groups = leads(n=1500)
    for threads in (1, 2):
        with threadpool_limits(limits=threads):
            model = ConversionModel().fit(X, y, time=time, groups=groups)
        model.to_payload(tmp_path / str(threads))
    assert contents(tmp_path / "1") == contents(tmp_path / "2")


@pytest.mark.parametrize("known", ["time and groups", "time", "nothing"])
def test_bytes_do_not_depend_on_the_order_of_rows(tmp_path, known):
    X, y, time, groups = leads()
    # Some rows are equal in everything, others in all but the label.
    X.iloc[10:20] = X.iloc[0:10].to_numpy()
    y[10:15] = y[0:5]
    given = {"time and groups": {"time": time, "groups": groups}, "time": {"time": time}}
    options = given.get(known, {})
    ConversionModel().fit(X, y, **options).to_payload(tmp_path / "first")
    order = np.random.default_rng(1).permutation(len(X))
    shuffled = {name: values.iloc[order] for name, values in options.items()}
    ConversionModel().fit(X.iloc[order], y[order], **shuffled).to_payload(tmp_path / "second")
    assert contents(tmp_path / "first") == contents(tmp_path / "second")


def test_the_seed_matters(fitted, tmp_path):
    X, y, time, groups = leads()
    fitted.to_payload(tmp_path / "7")
    ConversionModel(seed=8).fit(X, y, time=time, groups=groups).to_payload(tmp_path / "8")
    assert contents(tmp_path / "7")["lightgbm.txt"] != contents(tmp_path / "8")["lightgbm.txt"]
