"""What the fault tests share: a project over CSV exports, its command line, and its state."""

import csv
import hashlib
import json
import os
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

SCORING = Path(sys.executable).with_name("scoring")
NIGHT, NEXT_NIGHT = "2026-11-01", "2026-11-02"

# Stands in the data wherever a test spoils a value: nothing that is printed may hold it.
PRIVATE = "private-7f3a2c"

# A run that stops may leave batches here that no manifest names; the next run removes them.
LEFT_OVER = ".scoring/landing/crm/"

Row = dict[str, str]


@dataclass(frozen=True)
class Answer:
    """One call of the command line."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> dict[str, Any]:
        value = json.loads(self.out)
        assert isinstance(value, dict)
        return value

    @property
    def sentence(self) -> str:
        """The error, with what to do about it."""
        found = self.err.split("Error: ", 1)
        assert len(found) == 2, f"one error was expected: {self.err}"
        return found[1]


def environment(more: dict[str, str] | None = None) -> dict[str, str]:
    own = {k: v for k, v in os.environ.items() if not k.startswith(("MLFLOW_", "SCORING_"))}
    return {**own, "OMP_NUM_THREADS": "1", **(more or {})}


def scoring(*arguments: object, code: int = 0, env: dict[str, str] | None = None) -> Answer:
    """Run `scoring ARGUMENTS…`; whatever it meets, it prints neither a traceback nor data."""
    done = subprocess.run(
        [str(SCORING), *map(str, arguments)],
        env=environment(env),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    said = f"scoring {' '.join(map(str, arguments))}\n{done.stdout[-2000:]}\n{done.stderr[-4000:]}"
    assert done.returncode == code, f"exit {done.returncode}, not {code}: {said}"
    assert "Traceback" not in done.stderr, said
    assert PRIVATE not in done.stdout + done.stderr, said
    return Answer(done.returncode, done.stdout, done.stderr)


@dataclass(frozen=True)
class Site:
    """A project in `root/project` over the exports in `root/crm`."""

    root: Path

    @property
    def project(self) -> Path:
        return self.root / "project"

    @property
    def crm(self) -> Path:
        return self.root / "crm"

    def __call__(
        self,
        *arguments: object,
        night: str | None = NEXT_NIGHT,
        code: int = 0,
        env: dict[str, str] | None = None,
    ) -> Answer:
        dated = ("--as-of", night) if night else ()
        return scoring(*arguments, "--project", self.project, *dated, code=code, env=env)

    def refuses(
        self,
        *arguments: object,
        code: int,
        says: Sequence[str],
        night: str | None = NEXT_NIGHT,
        env: dict[str, str] | None = None,
    ) -> Answer:
        """The command ends with `code` and one error that says all of `says`; nothing changed."""
        before = self.published()
        answer = self(*arguments, "--json", night=night, code=code, env=env)
        assert answer.out == "", f"stdout of a refused command: {answer.out}"
        for part in says:
            assert part in answer.sentence, f"{part!r} is not in: {answer.err}"
        errors = [line for line in answer.err.splitlines() if line.startswith("Error: ")]
        assert len(errors) == 1, answer.err
        after = self.published()
        unnamed = {name for name in after if name.startswith(LEFT_OVER) and name not in before}
        assert {name: after[name] for name in after if name not in unnamed} == before
        return answer

    def published(self) -> dict[str, str]:
        """Path → hash of every file that anybody reads: manifests, truth, scores, out/."""
        kept = ("landing", "tables", "scores", "models")
        files = [p for name in kept for p in (self.project / ".scoring" / name).rglob("*")]
        files += (self.project / "out").rglob("*")
        files.append(self.project / ".scoring" / "ledger.db")
        return {
            path.relative_to(self.project).as_posix(): _digest(path)
            for path in sorted(files)
            if path.is_file()
        }

    # --- the exports and the settings -------------------------------------------------------

    def rows(self, table: str) -> list[Row]:
        with (self.crm / f"{table}.csv").open(encoding="utf-8", newline="") as handle:
            return list(csv.DictReader(handle))

    def write(self, table: str, rows: list[Row], columns: Sequence[str] | None = None) -> None:
        columns = columns or list(dict.fromkeys(name for row in rows for name in row))
        with (self.crm / f"{table}.csv").open("w", encoding="utf-8", newline="") as handle:
            writer = csv.DictWriter(handle, columns, restval="")
            writer.writeheader()
            writer.writerows(rows)

    def edit(self, table: str, change: Callable[[list[Row]], list[Row]]) -> None:
        columns = list(self.rows(table)[0])
        rows = change(self.rows(table))
        self.write(table, rows, list(dict.fromkeys([*columns, *(n for r in rows for n in r)])))

    def settings(self, file: str, old: str, new: str) -> None:
        path = self.project / file
        text = path.read_text(encoding="utf-8")
        assert old in text, f"{old!r} is not in {file}"
        path.write_text(text.replace(old, new, 1), encoding="utf-8")

    def append(self, file: str, text: str) -> None:
        with (self.project / file).open("a", encoding="utf-8") as handle:
            handle.write(text)

    # --- what came of it --------------------------------------------------------------------

    def manifest(self) -> dict[str, Any]:
        text = (self.project / ".scoring" / "tables" / "manifest.json").read_text(encoding="utf-8")
        return dict(json.loads(text))


def _digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()
