"""The project's folder: what goes into it, and that it appears whole or not at all."""

from datetime import UTC, datetime

import init_exports as exports
import pytest

from scoring.errors import ConfigError
from scoring.init import write
from scoring.init.write import init_from, init_sample
from scoring.project import Project


def make(tmp_path, folder, target="project"):
    return init_from(
        tmp_path / target,
        folder,
        template=exports.template(tmp_path / "template"),
        known_at_creation=None,
        name=None,
        time_zone=None,
        ask=None,
    )


def everything(folder):
    return {p.relative_to(folder).as_posix() for p in folder.rglob("*") if p.is_file()}


def test_only_what_belongs_to_a_project_is_copied(tmp_path):
    make(tmp_path, exports.german(tmp_path / "exports"))
    assert everything(tmp_path / "project") == {
        ".gitignore",
        "scoring.toml",
        "data/sources.toml",
        "data/staging/crm/leads.sql",
        "data/staging/crm/outcomes.sql",
        "features/activity.py",
        "models/conversion/model.toml",
        "pipelines/nightly.toml",
    }


def test_an_empty_target_is_filled_and_a_filled_one_is_refused(tmp_path):
    folder = exports.german(tmp_path / "exports")
    (tmp_path / "project").mkdir()
    report = make(tmp_path, folder)
    assert report.lines()[-3:] == [
        f"  cd {tmp_path / 'project'}",
        "  scoring run retrain",
        "  scoring run nightly",
    ]
    before = everything(tmp_path)
    with pytest.raises(ConfigError, match="is not empty"):
        make(tmp_path, folder)
    assert everything(tmp_path) == before


def test_a_failure_leaves_nothing_behind(tmp_path, monkeypatch):
    folder = exports.german(tmp_path / "exports")
    exports.template(tmp_path / "template")
    before = sorted(tmp_path.iterdir())

    def fail(*_):
        raise RuntimeError

    monkeypatch.setattr(write, "_write_staging", fail)
    with pytest.raises(RuntimeError):
        make(tmp_path, folder)
    assert sorted(tmp_path.iterdir()) == before


@pytest.mark.parametrize("case", ["missing", "file", "empty", "workbook", "unlike"])
def test_a_folder_without_tables_is_one_sentence(tmp_path, case):
    folder = tmp_path / "exports"
    if case == "file":
        folder.write_text("x")
    elif case != "missing":
        folder.mkdir()
    if case == "workbook":
        (folder / "leads.xlsx").write_bytes(b"PK\x03\x04")
    if case == "unlike":
        exports.write_csv(folder / "weather.csv", ["station", "rain"], [["a", "1"], ["a", "2"]])
    with pytest.raises(ConfigError) as caught:
        make(tmp_path, folder)
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "project").exists()


@pytest.mark.slow
def test_the_sample_is_canonical_and_its_truth_stands_apart(tmp_path):
    report = init_sample(
        tmp_path / "my shop",
        template=exports.template(tmp_path / "template"),
        end=datetime(2026, 11, 1, tzinfo=UTC),
        seed=7,
    )
    project = Project(tmp_path / "my shop")
    assert project.sources["crm"].path == "data/sample"
    assert all(said["as_is"] for said in report.tables.values())
    assert report.tables["leads"]["rows"] == 3_000
    assert (project.root / "data" / "sample_truth").is_dir()
    assert report.next_commands[0].startswith("cd '")
    assert project.settings.project.name == "my-shop"


@pytest.mark.parametrize(("stage", "kept"), [("demo", True), ("Tarjous", False)])
def test_the_templates_stages_stay_only_where_they_are_the_companys(tmp_path, stage, kept):
    folder = tmp_path / "exports"
    exports.write_csv(folder / "leads.csv", ["lead_id", "created_at"], [["a", "2026-01-01"]])
    header = ["lead_id", "changed_at", "stage"]
    exports.write_csv(folder / "stage_changes.csv", header, [["a", "2026-01-02", stage]])
    report = make(tmp_path, folder)
    order = Project(tmp_path / "project").settings.stages.order
    assert order == (("demo", "offer") if kept else ())
    assert any("[stages]" in question for question in report.questions) is not kept
