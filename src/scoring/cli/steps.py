"""The steps of the flow, one command each, and `run`, which does several."""

from collections.abc import Iterator
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

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
from scoring.cli.deliver import do_emit, emit


class Dialect(StrEnum):
    snowflake = "snowflake"
    bigquery = "bigquery"


def add_to(app: typer.Typer) -> None:
    for function in (ingest, check, build, train, score):
        app.command(rich_help_panel="Steps")(function)
    app.command(rich_help_panel="Steps")(emit)
    app.command("run", rich_help_panel="Steps")(run_pipeline)


def ingest(
    project: ProjectOption = Path(), as_of: AsOfOption = None, json: JsonOption = False
) -> None:
    """Read the sources into the append-only landing."""
    _single("ingest", command(project, as_of, json))


def check(
    project: ProjectOption = Path(), as_of: AsOfOption = None, json: JsonOption = False
) -> None:
    """Turn the landing into the canonical tables; bad rows go to quarantine."""
    _single("check", command(project, as_of, json))


def build(
    project: ProjectOption = Path(),
    question: QuestionOption = "conversion",
    as_of: AsOfOption = None,
    sql: Annotated[
        Dialect | None,
        typer.Option("--sql", help="Only show its SQL, as that warehouse writes it."),
    ] = None,
    json: JsonOption = False,
) -> None:
    """Make the labelled snapshots and their features."""
    call = command(project, as_of, json, question)
    if sql is None:
        _single("build", call)
        return
    from scoring.build.shown import shown_sql

    with call.project.locked("scoring build --sql"):
        statements = list(shown_sql(call.project, question, call.as_of, sql.value))
    shown = {"dialect": sql.value, "statements": statements}
    call.answer(shown, lambda: (f"{statement};\n" for statement in statements))


def train(
    project: ProjectOption = Path(),
    question: QuestionOption = "conversion",
    as_of: AsOfOption = None,
    json: JsonOption = False,
) -> None:
    """Fit, validate on later rows, register a candidate, promote it if the gates allow."""
    _single("train", command(project, as_of, json, question))


def score(
    project: ProjectOption = Path(),
    question: QuestionOption = "conversion",
    as_of: AsOfOption = None,
    json: JsonOption = False,
) -> None:
    """Apply the champion to the leads that are open."""
    _single("score", command(project, as_of, json, question))


def run_pipeline(
    pipeline: Annotated[str, typer.Argument(help="A file of pipelines/: nightly, retrain, …")],
    project: ProjectOption = Path(),
    question: QuestionOption = "conversion",
    as_of: AsOfOption = None,
    json: JsonOption = False,
) -> None:
    """Do the steps of pipelines/PIPELINE.toml; a stopped run goes on when it is run again."""
    call = command(project, as_of, json, question)
    steps = call.project.pipeline(pipeline).steps
    results: dict[str, Any] = {}
    with run_record(call, pipeline) as run:
        for step in steps:
            with run.step(step) as entry:
                result, lines = DO[step](call)
                entry["result"] = results[step] = result
            if not json:
                for line in lines:
                    typer.echo(f"{step:<7} {line}")
    if json:
        call.answer(
            {"pipeline": pipeline, "as_of": call.as_of.isoformat(), "steps": results},
            lambda: iter(()),
        )


def _single(step: str, call: Command) -> None:
    with run_record(call, step) as run, run.step(step) as entry:
        result, lines = DO[step](call)
        entry["result"] = result
    call.answer(result, lambda: iter(lines))


Answer = tuple[dict[str, Any], list[str]]


def do_ingest(call: Command) -> Answer:
    from scoring.ingest.run import ingest

    landed = ingest(call.project, call.at)
    result = landed.to_json()
    lines = list(_counts(result)) or ["nothing to read"]
    for name, counts in landed.tables.items():
        if counts.gone:
            lines.append(f"{name}: {counts.gone:,} rows of before are not delivered any more")
    return result, lines


def do_check(call: Command) -> Answer:
    from scoring.check.run import check

    checked = check(call.project, call.at)
    result = checked.to_json()
    lines = list(_counts(result))
    for table, reasons in checked.quarantine.items():
        lines += [f"quarantine, {table}: {n:,} × {why}" for why, n in sorted(reasons.items())]
    lines += [f"{NOTES[name]}: {n:,}" for name, n in checked.notes.items() if n]
    return result, lines


# What `check` counts beside the rows: nothing is wrong, but somebody may want to know.
NOTES = {
    "in_dst_gap": "local times that a clock change skipped",
    "ambiguous": "local times that a clock change repeated",
    "interactions_before_creation": "interactions before their lead was created",
    "merged_into_unknown": "leads merged into one that is not there",
    "unknown_stages": "stage changes with a stage that scoring.toml does not name",
}


def do_build(call: Command) -> Answer:
    from scoring.build.machine import removed_lines
    from scoring.build.run import build_training

    built = build_training(call.project, call.question, call.as_of)
    result = {
        "rows": built.rows,
        "columns": len(built.features.columns),
        "reused": built.reused,
        "machine": {name: list(rows) for name, rows in built.machine.items()},
        "left_out": dict(built.features.left_out),
    }
    lines = [f"{built.rows:,} labelled snapshots, {len(built.features.columns)} columns"]
    lines += [f"left out: {name} ({why})" for name, why in built.features.left_out.items()]
    lines += removed_lines(built.machine)
    return result, lines


def do_train(call: Command) -> Answer:
    from scoring.flag.price import flag_lines
    from scoring.promote.run import offer
    from scoring.train.effects import effect_lines
    from scoring.train.groups import group_lines
    from scoring.train.run import train

    trained = train(call.project, call.question, call.as_of)
    offered = offer(call.project, call.question, call.as_of)
    result = trained.to_json() | offered.to_json()
    m, plain = trained.validation, trained.baselines
    lines = [
        f"learned from {trained.rows:,} snapshots with {trained.conversions:,} conversions, "
        f"{trained.features} features",
        f"on the {m['n']:,} newest: AUC {m['auc']:.3f}, lift of the best tenth "
        f"{m['lift_at_10']:.1f}, log loss {m['log_loss']:.3f} "
        f"(prevalence {plain['prevalence']['log_loss']:.3f}, "
        f"logistic regression {plain['logistic']['log_loss']:.3f})",
        *(f"{x['column']} knows the outcome: {x['evidence']}" for x in trained.leaks),
        *effect_lines(trained.changes),
        *group_lines(trained.groups),
        *flag_lines(trained.flag),
        *offered.lines(),
    ]
    return result, lines


def do_score(call: Command) -> Answer:
    from scoring.score.run import score

    scored = score(call.project, call.question, call.as_of)
    lines = [
        f"{scored.rows:,} open leads scored by model version {scored.model_version}",
        f"look at {scored.out.with_suffix('.csv')}"
        if scored.out.parent == call.project.out
        else f"newer scores exist; these are in {scored.out}",
    ]
    return scored.to_json(), lines


def _counts(result: dict[str, Any]) -> Iterator[str]:
    for table, counts in result.items():
        parts = ", ".join(f"{n:,} {what}" for what, n in counts.items() if n and what != "rows_in")
        if parts:
            yield f"{table}: {counts['rows_in']:,} rows ({parts})"


DO = {
    "ingest": do_ingest,
    "check": do_check,
    "build": do_build,
    "train": do_train,
    "score": do_score,
    "emit": do_emit,
}
