"""What the journeys share: the command line in a subprocess, real histories, projects over them."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

CHECKOUT = Path(__file__).resolve().parents[2]
SCORING = Path(sys.executable).with_name("scoring")

# One thread: two cores often run two journeys.
ENVIRONMENT = {"OMP_NUM_THREADS": "1"}


@dataclass(frozen=True)
class Answer:
    """What one call of the command line came to."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> dict[str, Any]:
        """Standard output as the one JSON object that it has to be."""
        value = json.loads(self.out)
        assert isinstance(value, dict), f"one JSON object was expected, got {type(value).__name__}"
        return value


def scoring(
    *arguments: object,
    cwd: Path | None = None,
    code: int = 0,
    command: Path = SCORING,
    env: dict[str, str] | None = None,
) -> Answer:
    """Run `scoring ARGUMENTS…` and demand the exit code."""
    done = subprocess.run(
        [str(command), *map(str, arguments)],
        cwd=cwd,
        env={**os.environ, **ENVIRONMENT, **(env or {})},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=900,
        check=False,
    )
    said = f"scoring {' '.join(map(str, arguments))}\n{done.stdout[-2000:]}\n{done.stderr[-4000:]}"
    assert done.returncode == code, f"exit {done.returncode}, not {code}: {said}"
    assert "Traceback" not in done.stderr, said
    return Answer(done.returncode, done.stdout, done.stderr)


@dataclass(frozen=True)
class Journey:
    """One project's folder and the command line in it."""

    root: Path
    command: Path = SCORING

    def __call__(self, *arguments: object, code: int = 0, **more: Any) -> Answer:
        return scoring(*arguments, cwd=self.root, code=code, command=self.command, **more)

    def json(self, *arguments: object, code: int = 0) -> dict[str, Any]:
        return self(*arguments, "--json", code=code).json


def real_data(name: str) -> Path:
    """The folder of one real history; without it the test is skipped, and says why.

    `LEAD_SCORING_DATA` names the folder that holds the histories; else it is looked for next to
    the checkout, in `shared/data`.
    """
    said = os.environ.get("LEAD_SCORING_DATA")
    folder = Path(said) if said else CHECKOUT.parent / "shared" / "data"
    if not (folder / name / "leads.parquet").is_file():
        pytest.skip(
            f"The real history {name} is not in {folder}. Set LEAD_SCORING_DATA to its folder."
        )
    return folder / name


def question(
    root: Path, name: str, at: list[str], *, label: str, exclude: Sequence[str] = ()
) -> None:
    """Write models/NAME/model.toml: one question at timestamps of the leads."""
    folder = root / "models" / name
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "model.toml").write_text(
        f"""[question]
outcome = "won"
horizon_days = 1
gap_days = 0
label = "{label}"

[snapshots]
at = {json.dumps(at)}
close_after_days = 1000

[features]
known_at_creation = ["*"]
exclude = {json.dumps(list(exclude))}
""",
        encoding="utf-8",
    )


# A B presentation starts on 1 February, a J presentation on 1 October of the year in its name.
PRESENTATION_MOMENTS = """SELECT * EXCLUDE (starts_at),
    starts_at + INTERVAL 14 DAY AS day14,
    starts_at + INTERVAL 28 DAY AS day28,
    starts_at + INTERVAL 56 DAY AS day56
FROM (
    SELECT *, make_timestamp(
        CAST(code_presentation[1:4] AS BIGINT),
        CASE code_presentation[5] WHEN 'B' THEN 2 ELSE 10 END, 1, 0, 0, 0.0) AS starts_at
    FROM leads
)
"""

MOMENTS = ("day14", "day28", "day56")

# An assessment's share of the final mark is the course's design and not what a student does; the
# next presentation may be designed otherwise (one module of 2014J sets its first weight to 0).
COURSE_DESIGN = ("*_weight", "*_weight_30d")


def oulad_project(root: Path, data: Path) -> Journey:
    """A project over a history of courses: three moments, one question each and one over all."""
    scoring("init", root, "--from", data, "--known-at-creation", "*")
    staging = root / "data" / "staging" / "crm"
    staging.mkdir(parents=True, exist_ok=True)
    (staging / "leads.sql").write_text(PRESENTATION_MOMENTS, encoding="utf-8")
    for moment in MOMENTS:
        question(root, moment, [moment], label="at_decision", exclude=COURSE_DESIGN)
    question(root, "moments", list(MOMENTS), label="at_decision", exclude=COURSE_DESIGN)
    return Journey(root)


def bank_project(root: Path, data: Path) -> Journey:
    """A project over the bank's calls: will the call of `called_at` be the one that sells?"""
    scoring("init", root, "--from", data, "--known-at-creation", "*")
    question(root, "conversion", ["called_at"], label="within_horizon")
    return Journey(root)


def counts_add_up(tables: dict[str, dict[str, int]]) -> None:
    """Every row that came in is accounted for, in every table."""
    assert tables
    for name, n in tables.items():
        parts = n["accepted"] + n["unchanged"] + n["superseded"] + n["quarantined"]
        assert n["rows_in"] == parts, f"{name}: {n}"


def copy_of_checkout(target: Path) -> Path:
    """The files that git knows or would add, as they are now; nothing that was made from them."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=CHECKOUT,
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    for name in filter(None, listed.split("\0")):
        source = CHECKOUT / name
        if source.is_file():
            copied = target / name
            copied.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(source, copied)
    return target
