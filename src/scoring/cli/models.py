"""Commands that change which model scores."""

from pathlib import Path
from typing import Annotated

import typer

from scoring.cli.common import (
    AsOfOption,
    JsonOption,
    ProjectOption,
    QuestionOption,
    command,
    run_record,
)
from scoring.cli.deliver import undo


def add_to(app: typer.Typer) -> None:
    for function in (promote, rollback, undo):
        app.command(rich_help_panel="Models")(function)


def promote(
    project: ProjectOption = Path(),
    question: QuestionOption = "conversion",
    as_of: AsOfOption = None,
    version: Annotated[
        str | None,
        typer.Option("--version", help="Which version.", show_default="the newest candidate"),
    ] = None,
    override: Annotated[
        str | None,
        typer.Option("--override", help="A written reason to pass the gates; it is logged."),
    ] = None,
    preview: Annotated[
        bool, typer.Option("--preview", help="Show what would change; change nothing.")
    ] = False,
    json: JsonOption = False,
) -> None:
    """Make a version the champion, after showing what that changes for sellers."""
    from scoring.promote.run import promote as run

    call = command(project, as_of, json, question)
    with run_record(call, "promote"):
        offer = run(
            call.project,
            question,
            call.as_of,
            version=version,
            override=override,
            only_look=preview,
        )
    call.answer({"candidate": offer.version, **offer.to_json()}, offer.lines)


def rollback(
    project: ProjectOption = Path(),
    question: QuestionOption = "conversion",
    as_of: AsOfOption = None,
    why: Annotated[str, typer.Option("--why", help="A reason; it is logged.")] = "",
    json: JsonOption = False,
) -> None:
    """Give the champion's place back to the version that had it before."""
    from scoring.promote.run import rollback as run

    call = command(project, as_of, json, question)
    with run_record(call, "rollback"):
        back = run(call.project, question, call.as_of, why=why)
    call.answer(back.to_json(), back.lines)
