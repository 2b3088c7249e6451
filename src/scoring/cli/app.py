"""The commands of `scoring`, and what a failure looks like."""

import os
import signal
import sys
import traceback
from types import FrameType

import typer

from scoring.cli import look, start, steps
from scoring.errors import ScoringError

app = typer.Typer(
    name="scoring",
    help="Predictive lead scoring: ingest → check → build → train → score → emit.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
start.add_to(app)
steps.add_to(app)
look.add_to(app)


def run() -> None:
    """Run one command. Expected failures print a sentence, never a traceback."""
    signal.signal(signal.SIGTERM, _terminated)
    try:
        app()
    except ScoringError as error:
        typer.echo(f"Error: {error.message}", err=True)
        if error.hint:
            typer.echo(error.hint, err=True)
        sys.exit(error.exit_code)
    except KeyboardInterrupt:
        sys.exit(130)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(0)
    except Exception as error:
        _bug(error)
        sys.exit(1)


def _terminated(number: int, frame: FrameType | None) -> None:  # noqa: ARG001 - the interface of signal
    sys.exit(143)


def _bug(error: Exception) -> None:
    """A fault of the program: where it was, without the values that its message may hold."""
    if os.environ.get("SCORING_DEBUG"):
        traceback.print_exception(error)
        return
    typer.echo(f"Error: a fault in lead-scoring itself ({type(error).__name__}).", err=True)
    for place in traceback.extract_tb(error.__traceback__)[-5:]:
        typer.echo(f"  {place.filename}:{place.lineno} in {place.name}", err=True)
    typer.echo(
        "Nothing was half-written. With SCORING_DEBUG=1 the same command shows the whole message, "
        "which may hold values of your data.",
        err=True,
    )
