"""Run records: what was run for which logical date, and how each step ended.

One JSON file a run, `runs/<logical date>-<name>.json`; running the same date again replaces it.
Records hold counts and sentences, no data.
"""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

from scoring.clock import stamp
from scoring.errors import ScoringError
from scoring.store.publish import read_json, write_json

RUNNING, DONE, FAILED, KILLED = "running", "done", "failed", "killed"


@dataclass
class Run:
    """A run while it goes on; every change is on the disk at once."""

    path: Path
    name: str
    as_of: datetime
    started: datetime
    state: str = RUNNING
    steps: list[dict[str, Any]] = field(default_factory=list)
    why: str = ""
    exit_code: int | None = None

    def save(self) -> None:
        write_json(
            self.path,
            {
                "name": self.name,
                "as_of": self.as_of.isoformat(),
                "started": self.started.isoformat(),
                "state": self.state,
                "steps": self.steps,
                "why": self.why,
                "exit_code": self.exit_code,
            },
        )

    @contextmanager
    def step(self, name: str) -> Iterator[dict[str, Any]]:
        """Record one step; the block fills in `result`."""
        entry: dict[str, Any] = {"step": name, "state": RUNNING, "result": None}
        self.steps.append(entry)
        self.save()
        began = time.monotonic()
        try:
            yield entry
            entry["state"] = DONE
        except BaseException:
            entry["state"] = FAILED
            raise
        finally:
            entry["seconds"] = round(time.monotonic() - began, 1)
            self.save()


@contextmanager
def recorded(folder: Path, name: str, as_of: datetime, started: datetime) -> Iterator[Run]:
    """A run record that says how the block ended, whatever happens to it."""
    run = Run(folder / f"{stamp(as_of)}-{name}.json", name, as_of, started)
    run.save()
    try:
        yield run
        run.state, run.exit_code = DONE, 0
    except ScoringError as error:
        run.state, run.exit_code, run.why = FAILED, error.exit_code, str(error)
        raise
    except (KeyboardInterrupt, SystemExit) as error:
        code = 130 if isinstance(error, KeyboardInterrupt) else error.code
        run.state, run.why = FAILED, "stopped by a signal"
        run.exit_code = code if isinstance(code, int) else 1
        raise
    except BaseException as error:
        run.state, run.exit_code, run.why = FAILED, 1, type(error).__name__
        raise
    finally:
        run.save()


def last_runs(folder: Path, *, running: bool, most: int = 10) -> list[dict[str, Any]]:
    """The newest runs by the time they started, newest first.

    running   whether a process holds the project's lock: without one, a run that says so was
              killed before it could say how it ended
    """
    records = [read_json(path) for path in folder.glob("*.json")]
    for record in records:
        if record["state"] == RUNNING and not running:
            record["state"], record["why"] = KILLED, "killed before it ended; run it again"
    return sorted(records, key=lambda r: r["started"], reverse=True)[:most]
