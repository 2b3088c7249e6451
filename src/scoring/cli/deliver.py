"""Commands that write into the CRM: `emit`, and `undo`, which puts back what a run replaced."""

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from scoring.cli.common import (
    AsOfOption,
    Command,
    JsonOption,
    ProjectOption,
    QuestionOption,
    command,
    run_record,
)

if TYPE_CHECKING:
    from scoring.emit.result import EmitResult

Answer = tuple[dict[str, Any], list[str]]

# Why records were skipped, or wait, as people read it.
CODES = {
    "older_date": "skipped: scores of a later date were delivered before",
    "paused": "skipped: `emit.pause` is true",
    "shadow": 'skipped: `emit.mode` is "shadow"',
    "outside_pilot": "skipped: outside the pilot",
    "no_such_record": "skipped: the CRM has no such record",
    "converted": "skipped: converted in the CRM, where it cannot be edited any more",
    "other_source": "skipped: a lead of another source",
    "changed_since": "left alone: changed in the CRM since",
    "delivered_since": "left alone: a later run wrote to it",
}
WAITS = {
    "budget": "tonight's limit is used up; the next night goes on, the most valuable first",
    "latest": "the time of `emit.latest` has come; the next night goes on",
}


def emit(
    project: ProjectOption = Path(),
    question: QuestionOption = "conversion",
    as_of: AsOfOption = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Show what would be written, and write nothing.")
    ] = False,
    apply_fields: Annotated[
        bool, typer.Option("--apply-fields", help="Create our columns where they are missing.")
    ] = False,
    clear: Annotated[
        bool, typer.Option("--clear", help="Take all our values out of the CRM.")
    ] = False,
    json: JsonOption = False,
) -> None:
    """Write what changed into the CRM, every record accounted for."""
    call = command(project, as_of, json, question)
    from scoring.emit.result import SomeRejected, Unfinished

    if dry_run:
        do = do_clear if clear else do_emit
        result, lines = do(call, dry_run=True)
        call.answer(result, lambda: iter(lines))
        return
    try:
        with run_record(call, "emit") as run, run.step("emit") as entry:
            result, lines = do_clear(call) if clear else do_emit(call, apply_fields=apply_fields)
            entry["result"] = result
    except (SomeRejected, Unfinished) as error:
        call.answer(error.result.to_json(), lambda: iter(()))
        raise
    call.answer(result, lambda: iter(lines))


def undo(
    run: Annotated[str, typer.Argument(help="The run's logical date, as `scoring status` has it.")],
    project: ProjectOption = Path(),
    question: QuestionOption = "conversion",
    json: JsonOption = False,
) -> None:
    """Put back what stood in the CRM before a run; records that changed since stay as they are."""
    from scoring.clock import parse_moment
    from scoring.emit.result import UndoRejected, UndoUnfinished
    from scoring.emit.undo import undo as put_back

    call = command(project, None, json, question)
    at = parse_moment(run, call.project.settings.zone)
    try:
        with run_record(call, "undo") as record, record.step("undo") as entry:
            result = put_back(call.project, question, at, now=call.at.now)
            entry["result"] = result.to_json()
    except (UndoRejected, UndoUnfinished) as error:
        call.answer(error.result.to_json(), lambda: iter(()))
        raise

    def lines() -> Iterator[str]:
        yield _counted(result.to_json()) or "nothing to put back"
        for code, n in sorted(result.codes.items()):
            yield f"{n:,} × {CODES.get(code, code)}"

    call.answer(result.to_json(), lines)


def do_emit(call: Command, *, dry_run: bool = False, apply_fields: bool = False) -> Answer:
    from scoring.emit.run import emit
    from scoring.score.run import read_scores

    scores = read_scores(call.project, call.question, call.as_of)
    result = emit(
        call.project,
        call.question,
        call.as_of,
        scores,
        now=call.at.now,
        dry_run=dry_run,
        apply_fields=apply_fields,
    )
    answer: dict[str, Any] = result.to_json()
    if dry_run and result.plan:
        answer["estimate"] = result.plan.estimate.to_json()
    return answer, list(_emit_lines(result, dry_run))


def do_clear(call: Command, *, dry_run: bool = False) -> Answer:
    from scoring.emit.run import clear

    result = clear(call.project, call.question, call.as_of, now=call.at.now, dry_run=dry_run)
    lines = list(_emit_lines(result, dry_run))
    if call.project.settings.emit.mode != "shadow":
        lines.append('the next `emit` writes them again; `emit.mode = "shadow"` keeps them out')
    return result.to_json(), lines


def _emit_lines(result: "EmitResult", dry_run: bool) -> Iterator[str]:
    counted = _counted(result.to_json())
    yield f"{'would be: ' if dry_run else ''}{counted or 'nothing to send'}"
    for code, n in sorted(result.codes.items()):
        yield f"{n:,} × {CODES.get(code, code)}"
    if result.waits:
        yield WAITS[result.waits]
    if result.plan is None or not dry_run:
        return
    if result.plan.estimate.records:
        yield result.plan.estimate.line()
    for step in result.plan.steps:
        yield f"missing in the CRM: {step}"
    for row in result.plan.rows:
        yield (
            f"{row['lead_id']}: score {_was(row['score_before'])}{row['score']}, "
            f"attention {_was(row['attention_before'])}{row['attention']}"
        )


def _counted(result: dict[str, int]) -> str:
    return ", ".join(f"{n:,} {what}" for what, n in result.items() if n)


def _was(before: Any) -> str:
    return "" if before is None else f"{before} → "
