"""A full disk, a read-only project, a project that moved."""

import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from fault_kit import Site


def _mount(*arguments: str) -> bool:
    return subprocess.run(["mount", *arguments], capture_output=True, check=False).returncode == 0


@pytest.fixture
def small(trained: Site, tmp_path: Path) -> Iterator[Site]:
    """The trained project on a file system of its own, with a few hundred KiB to spare."""
    place = tmp_path / "small"
    place.mkdir()
    size = sum(p.stat().st_size + 8192 for p in trained.root.rglob("*")) + (8 << 20)
    if os.geteuid() != 0 or not _mount("-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(place)):
        pytest.skip("a file system of its own needs the right to mount one")
    try:
        shutil.copytree(trained.root, place / "site")
        yield Site(place / "site")
    finally:
        subprocess.run(["umount", "-l", str(place)], check=True)


def fill(site: Site, leave: int) -> Path:
    """Fill the file system up to `leave` bytes."""
    filler = site.root / "filler"
    free = shutil.disk_usage(site.root).free - leave
    with filler.open("wb") as handle:
        for _ in range(max(free, 0) // 4096):
            handle.write(b"\0" * 4096)
    return filler


@pytest.mark.parametrize("leave", [0, pytest.param(40_000, marks=pytest.mark.slow), 400_000])
def test_a_full_disk(small: Site, leave):
    small.edit("leads", lambda rows: [{**row, "tier": "other"} for row in rows])
    small.edit(
        "interactions", lambda rows: [{**row, "text": f"n{i}"} for i, row in enumerate(rows)]
    )
    before = small.published()
    filler = fill(small, leave)
    answer = small("run", "nightly", "--json", code=75)
    assert "disk is full" in answer.sentence
    assert "run the same command again" in answer.sentence
    assert answer.out == ""
    after = small.published()
    gone = [name for name in before if name not in after and name.startswith("out/")]
    assert not gone
    assert {k: v for k, v in after.items() if k.startswith("out/")} == {
        k: v for k, v in before.items() if k.startswith("out/")
    }
    filler.unlink()
    small("run", "nightly")


def test_a_disk_that_fills_up_while_training(small: Site):
    small.settings("models/conversion/model.toml", "seed = 7", "seed = 8")
    filler = fill(small, 150_000)
    before = small.published()
    answer = small("train", "--json", code=75)
    assert "disk is full" in answer.sentence
    assert small.published() == before
    filler.unlink()
    small("score", night="2026-11-01")


def test_a_read_only_project(small: Site):
    place = str(small.root.parent)
    assert _mount("-o", "remount,ro", place)
    try:
        answer = small("run", "nightly", "--json", code=2)
        assert str(small.project) in answer.sentence
        assert "Read-only file system" in answer.sentence
        assert answer.out == ""
        assert small("status", "--json", night=None).json["runs"]
    finally:
        assert _mount("-o", "remount,rw", place)


def test_a_project_that_moved_goes_on(site: Site, trained: Site, tmp_path: Path):
    """The store was copied from where it was made: nothing of it may still point there."""
    before = sorted(trained.root.rglob("*"))
    new = Site(tmp_path / "elsewhere" / "site")
    new.root.parent.mkdir()
    shutil.move(site.root, new.root)
    new("run", "nightly")
    new.settings("models/conversion/model.toml", "seed = 7", "seed = 8")
    assert new("run", "retrain", "--json").json["steps"]["train"]["candidate"] == "2"
    assert not site.root.exists()
    assert sorted(trained.root.rglob("*")) == before
    new("run", "nightly")
