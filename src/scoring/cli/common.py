"""What every command shares: its options, one moment, one lock, one way to print."""

import json
import logging
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Annotated, Any

import typer

from scoring.clock import Moment, moment
from scoring.project import Project

log = logging.getLogger(__name__)

ProjectOption = Annotated[
    Path, typer.Option("--project", help="The project's folder.", show_default="here")
]
QuestionOption = Annotated[
    str, typer.Option("--question", help="Which question: a folder of models/.")
]
AsOfOption = Annotated[
    str | None,
    typer.Option(
        "--as-of",
        help="The moment to speak of: 2026-11-23, or with a time and offset. "
        "Without it: the last midnight in the project's time zone.",
        show_default=False,
    ),
]
JsonOption = Annotated[
    bool, typer.Option("--json", help="One JSON object on stdout, and nothing else there.")
]


@dataclass(frozen=True)
class Command:
    """One call of a command: the project, the moment, and how to answer."""

    project: Project
    question: str
    at: Moment
    as_json: bool

    @property
    def as_of(self) -> datetime:
        return self.at.as_of

    def answer(self, value: dict[str, Any], lines: Callable[[], Iterator[str]]) -> None:
        """Print the JSON object, or the lines for a person."""
        if self.as_json:
            print_json(value)
        else:
            for line in lines():
                typer.echo(line)


def command(project: Path, as_of: str | None, as_json: bool, question: str = "") -> Command:
    """Read the clock once and open the project."""
    set_logging()
    opened = Project(project)
    now = datetime.now(UTC)
    at = moment(as_of, opened.settings.zone, now)
    if at.as_of > now + timedelta(days=1):
        log.warning("%s is not here yet: once it is emitted, nights before it send nothing", as_of)
    if question:
        opened.require_question(question)
    return Command(opened, question, at, as_json)


def print_json(value: dict[str, Any]) -> None:
    typer.echo(json.dumps(value, ensure_ascii=False, default=str))


def set_logging() -> None:
    """Progress and warnings go to stderr, one line each."""
    logging.basicConfig(level=logging.WARNING, format="%(message)s", stream=sys.stderr, force=True)
    logging.getLogger("scoring").setLevel(logging.INFO)


@contextmanager
def run_record(call: Command, name: str) -> Iterator[Any]:
    """Hold the project's lock and keep a run record while the block works."""
    from scoring.store.publish import remove_drafts
    from scoring.store.runs import recorded

    with (
        call.project.locked(f"scoring {name}"),
        recorded(call.project.store / "runs", name, call.as_of, call.at.now) as run,
    ):
        remove_drafts(call.project.tmp)
        yield run
