"""The commands of `scoring`, and what a failure looks like."""

import errno
import os
import sys
import traceback

import typer

from scoring.cli import look, models, start, steps
from scoring.errors import ConfigError, ScoringError, TryLater
from scoring.stop import stop_on_signals

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
models.add_to(app)
look.add_to(app)


def run() -> None:
    """Run one command. Expected failures print a sentence, never a traceback."""
    stop_on_signals()
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
    except OSError as error:
        sys.exit(_of_the_system(error))
    except Exception as error:
        _bug(error)
        sys.exit(1)


def _of_the_system(error: OSError) -> int:
    """A full disk or a file that may not be used is nobody's bug; anything else is one."""
    what = f"{error.filename or 'A file'}"
    if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
        typer.echo("Error: The disk is full; what was published before stands.", err=True)
        typer.echo("Free some space and run the same command again.", err=True)
        return TryLater.exit_code
    if error.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
        typer.echo(f"Error: {what} cannot be used: {error.strerror}.", err=True)
        typer.echo("Run the command as the user who owns the project.", err=True)
        return ConfigError.exit_code
    _bug(error)
    return ScoringError.exit_code


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
