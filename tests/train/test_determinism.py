"""Where a project lies and how its rows arrive do not reach the bytes of its model."""

import shutil
from pathlib import Path

from train_kit import END

from scoring.project import Project
from scoring.train import tracking
from scoring.train.run import train

PAYLOAD = ("model.json", "lightgbm.txt", "lightgbm_random_trees.txt", "hashes.json")


def payload(project: Project) -> dict[str, bytes]:
    """The estimator's files of the only model that was trained."""
    (folder,) = (f for f in tracking.models_folder(project, "conversion").iterdir() if f.is_dir())
    return {name: (folder / name).read_bytes() for name in PAYLOAD}


def test_a_moved_project_trains_the_same_bytes(fresh: Project, tmp_path: Path):
    shutil.copytree(fresh.root, tmp_path / "elsewhere" / "renamed folder")
    moved = Project(tmp_path / "elsewhere" / "renamed folder")
    train(fresh, "conversion", END)
    train(moved, "conversion", END)
    assert payload(moved) == payload(fresh)
    for content in payload(moved).values():
        assert str(tmp_path).encode() not in content
