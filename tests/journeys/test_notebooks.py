"""The project's notebooks run from top to bottom on a project that has scores."""

import nbformat
import pytest
from kit import Journey
from nbclient import NotebookClient


def test_every_notebook_runs_and_changes_nothing(
    sample: Journey, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    notebooks = sorted((sample.root / "notebooks").glob("*.ipynb"))
    before = {p: p.read_bytes() for p in (sample.root / "out").rglob("*") if p.is_file()}

    assert notebooks
    for path in notebooks:
        notebook = nbformat.read(path, as_version=4)
        NotebookClient(
            notebook, timeout=120, resources={"metadata": {"path": str(path.parent)}}
        ).execute()
        shown = [o for cell in notebook.cells for o in cell.get("outputs", [])]
        assert shown, f"{path.name} shows nothing"

    assert {p: p.read_bytes() for p in before} == before
