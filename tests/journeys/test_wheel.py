"""The wheel alone: built from a copy of the sources, installed where nothing else is."""

import os
import subprocess
import sys
import venv
import zipfile
from pathlib import Path

import pandas as pd
import pytest
from kit import CHECKOUT, Journey, copy_of_checkout, scoring

pytestmark = pytest.mark.slow

TEMPLATE = ("scoring.toml", "features", "models", "pipelines", "notebooks")


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Built from a copy: the checkout stays as it is."""
    folder = tmp_path_factory.mktemp("wheel")
    sources = copy_of_checkout(folder / "sources")
    _python(sys.executable, "-m", "build", "--wheel", "--outdir", folder / "dist", cwd=sources)
    (built,) = (folder / "dist").glob("*.whl")
    return built


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The `scoring` of an environment that holds the wheel and its locked dependencies only."""
    home = tmp_path_factory.mktemp("installed") / "venv"
    venv.create(home, with_pip=True)
    python = home / "bin" / "python"
    lock = CHECKOUT / "requirements.lock"
    _python(python, "-m", "pip", "install", "--quiet", "-c", lock, wheel)
    return home / "bin" / "scoring"


def test_the_wheel_holds_the_engine_its_words_and_the_template(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        names = set(archive.namelist())
        for path in _template_files():
            inside = f"scoring/template/{path.relative_to(CHECKOUT)}"
            assert archive.read(inside) == path.read_bytes(), inside

    words = (CHECKOUT / "src" / "scoring" / "words" / "locale").rglob("*.po")
    assert {str(path.relative_to(CHECKOUT / "src")) for path in words} <= names
    tops = {name.split("/")[0] for name in names}
    assert len(tops) == 2  # scoring and its .dist-info: no `features`, no `models`, no `tests`
    assert "scoring" in tops


def test_two_commands_pass_with_the_wheel_alone(installed: Path, tmp_path: Path) -> None:
    environment = {"PYTHONPATH": "", "PYTHONSAFEPATH": "1"}
    where = _python(installed.with_name("python"), "-c", "import scoring; print(scoring.__file__)")
    assert Path(where.strip()).is_relative_to(installed.parents[1])

    scoring("init", "x", "--sample", cwd=tmp_path, command=installed, env=environment)
    journey = Journey(tmp_path / "x", installed)
    journey("run", "retrain", env=environment)
    journey("run", "nightly", env=environment)

    scores = pd.read_parquet(journey.root / "out" / "scores.parquet")
    assert len(scores) > 100
    assert (journey.root / "out" / "scores.csv").is_file()


def _template_files() -> list[Path]:
    found = [CHECKOUT / "scoring.toml"]
    for name in TEMPLATE[1:]:
        patterns = ("*.py", "*.sql", "*.toml", "*.ipynb")
        found += [path for pattern in patterns for path in (CHECKOUT / name).rglob(pattern)]
    assert len(found) > 5
    return [path for path in found if ".ipynb_checkpoints" not in path.parts]


def _python(python: object, *arguments: object, cwd: Path | None = None) -> str:
    environment = {k: v for k, v in os.environ.items() if not k.startswith("PYTHON")}
    done = subprocess.run(
        [str(python), *map(str, arguments)],
        cwd=cwd or Path(str(python)).parent,
        env=environment,
        capture_output=True,
        text=True,
        timeout=900,
        check=False,
    )
    assert done.returncode == 0, f"{arguments}\n{done.stdout[-2000:]}\n{done.stderr[-4000:]}"
    return done.stdout
