"""Commands that look: nothing here changes what sellers see."""

from collections.abc import Iterator, Sequence
from itertools import chain
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
)
from scoring.clock import parse_moment

if TYPE_CHECKING:
    from scoring.catalogue import Entry, Missing


def add_to(app: typer.Typer) -> None:
    for function in (backtest, explain, audit, features, status, doctor):
        app.command()(function)


def backtest(
    project: ProjectOption = Path(),
    question: QuestionOption = "conversion",
    as_of: AsOfOption = None,
    test_from: Annotated[
        str | None,
        typer.Option(
            "--test-from", help="Test the rows from this date on.", show_default="the newest 30 %"
        ),
    ] = None,
    origins: Annotated[
        int,
        typer.Option("--origins", min=1, max=60, help="Consecutive blocks, refitted before each."),
    ] = 3,
    json: JsonOption = False,
) -> None:
    """Rolling-origin evaluation: how the model would have done, had it been in use."""
    from scoring.train.backtest import backtest as run

    call = command(project, as_of, json, question)
    start = parse_moment(test_from, call.project.settings.zone) if test_from else None
    with call.project.locked("scoring backtest"):
        result = run(call.project, question, call.as_of, test_from=start, origins=origins)
    call.answer(result, lambda: _backtest_lines(result))


def _backtest_lines(result: dict[str, Any]) -> Iterator[str]:
    yield (
        f"{'':<24}{'rows':>8}{'won':>7}{'AUC':>7}{'log loss':>10}{'Brier':>7}{'ECE':>7}"
        f"{'floor':>7}{'lift':>6}"
    )
    named = [("all tested rows", result["pooled"])]
    named += [(f"{o['from'][:10]} … {o['to'][:10]}", o) for o in result["origins"]]
    named += [(n, m) for n, m in result["baselines"].items()]
    for name, m in named:
        cells = [_cell(m[k], 3) for k in ("auc", "log_loss", "brier", "ece", "ece_floor")]
        yield (
            f"{name:<24}{m['n']:>8,}{m['positives']:>7,}{cells[0]:>7}{cells[1]:>10}"
            f"{cells[2]:>7}{cells[3]:>7}{cells[4]:>7}{_cell(m['lift_at_10'], 1):>6}"
        )
    yield from _segment_lines(result["segments"])


def _segment_lines(segments: list[dict[str, Any]]) -> Iterator[str]:
    """Where the model is good: what it said and what was seen, on each part of the rows."""
    if not segments:
        return
    yield ""
    yield f"{'part of the rows':<40}{'rows':>8}{'won':>7}{'said':>8}{'seen':>8}{'AUC':>7}"
    for part in segments:
        name = f"{part['column']}: {part['value']}"[:39]
        yield (
            f"{name:<40}{part['n']:>8,}{part['positives']:>7,}{part['said']:>8.1%}"
            f"{part['seen']:>8.1%}{_cell(part['auc'], 3):>7}"
        )


def _cell(value: float | None, digits: int) -> str:
    return "–" if value is None else f"{value:.{digits}f}"


def explain(
    lead: Annotated[str, typer.Argument(help="The lead's ID, as the CRM has it.")],
    project: ProjectOption = Path(),
    question: QuestionOption = "conversion",
    as_of: AsOfOption = None,
    json: JsonOption = False,
) -> None:
    """Everything behind one score, rebuilt from the raw events."""
    from scoring.score.explain import explain as run

    call = command(project, as_of, json, question)
    explained = run(call.project, question, lead, call.as_of if as_of else None)
    call.answer(explained.to_json(), explained.lines)


def audit(
    project: ProjectOption = Path(),
    question: QuestionOption = "conversion",
    as_of: AsOfOption = None,
    sample: Annotated[
        int, typer.Option("--sample", min=1, help="How many snapshots to prove.")
    ] = 100,
    leakage: Annotated[
        bool, typer.Option("--leakage", help="Search for columns that know the outcome instead.")
    ] = False,
    json: JsonOption = False,
) -> None:
    """Prove on a sample that no feature saw the future; --leakage: that none knows the outcome."""
    from scoring.errors import Held
    from scoring.score.audit import audit as run

    call = command(project, as_of, json, question)
    if leakage:
        _leakage(call)
        return
    with call.project.locked("scoring audit"):
        result = run(call.project, question, call.as_of, sample=sample)
    call.answer(result.to_json(), result.lines)
    if result.differences:
        raise Held(
            f"{len(result.differences)} features of the sample changed when the future was taken "
            "away.",
            "Do not use these scores; the lines above name the features.",
        )


def _leakage(call: Command) -> None:
    from scoring.errors import Held
    from scoring.train.leak_search import leakage

    with call.project.locked("scoring audit --leakage"):
        searched = leakage(call.project, call.question, call.as_of)
    call.answer({"question": call.question, **searched.to_json()}, searched.lines)
    if searched.unsettled:
        raise Held(
            f"{len(searched.unsettled)} columns know the outcome: no candidate is promoted.",
            "Name them in model.toml: `[features] exclude`, or `allow_leaks` if they are really "
            "known at that moment.",
        )


def features(
    project: ProjectOption = Path(),
    question: QuestionOption = "conversion",
    as_of: AsOfOption = None,
    check: Annotated[
        bool,
        typer.Option("--check", help="What this project cannot compute of its files, and why."),
    ] = False,
    json: JsonOption = False,
) -> None:
    """The catalogue: name, sentence, window, coverage, cost, and who uses it."""
    from scoring.build.machine import removed_lines
    from scoring.build.run import last_removed
    from scoring.catalogue import catalogue, missing

    call = command(project, as_of, json, question)
    if check:
        absent = missing(call.project, question)
        told = {"question": question, "absent": [m.to_json() for m in absent]}
        call.answer(told, lambda: _absent_lines(absent))
        return
    with call.project.locked("scoring features"):
        entries = catalogue(call.project, question, call.as_of)
        silent = [m for m in missing(call.project, question) if m.sign]
    gone = last_removed(call.project, question)
    result: dict[str, Any] = {
        "question": question,
        "features": [e.to_json() for e in entries],
        "machine": {name: list(rows) for name, rows in gone.items()},
        "silent_signs": [m.to_json() for m in silent],
    }
    call.answer(
        result,
        lambda: chain(_feature_lines(entries), _silent_lines(silent), removed_lines(gone)),
    )


def _feature_lines(entries: "Sequence[Entry]") -> Iterator[str]:
    users = sorted({user for e in entries for user in e.used_by})
    marks = {user: chr(ord("a") + i) for i, user in enumerate(users)}
    yield from (f"{mark}  learned by {user}" for user, mark in marks.items())
    theme = ""
    for e in entries:
        if e.theme != theme:
            theme = e.theme
            yield f"{theme}"
        window = f"{e.window} days" if e.window else "ever"
        coverage = "–" if e.coverage is None else f"{e.coverage:.0%}"
        cost = e.cost if e.share is None else f"{e.share:.1%}"
        used = "".join(marks[user] for user in e.used_by)
        said = f"{e.sentence} [{_role(e)}]" if _role(e) else e.sentence
        yield f"  {e.name:<38} {window:>8} {coverage:>5} {cost:>7} {used:<3} {said}".rstrip()


def _role(entry: "Entry") -> str:
    """What a feature means for the flag; empty where it means nothing for it."""
    if entry.sign is None:
        return "lifts a flag" if entry.earnest else ""
    strong = "strong sign" if entry.strong else "sign"
    return f"{strong} of {entry.sign.replace('_', ' ')}"


def _silent_lines(silent: "Sequence[Missing]") -> Iterator[str]:
    if silent:
        yield "signs that this history has no data for; they count for nothing"
    for m in silent:
        yield f"  {m.theme + '.' + m.variable:<34} {m.reason}"


def _absent_lines(absent: "Sequence[Missing]") -> Iterator[str]:
    if not absent:
        yield "Every feature of the files can be computed here."
    for m in absent:
        yield f"{m.theme + '.' + m.variable:<36} {m.reason}"


def status(project: ProjectOption = Path(), json: JsonOption = False) -> None:
    """The last runs, and what is held."""
    from scoring.store.lock import is_held
    from scoring.store.runs import last_runs

    call = command(project, None, json)
    held = is_held(call.project.store / "lock")
    runs = last_runs(call.project.store / "runs", running=held)

    def lines() -> Iterator[str]:
        if not runs:
            yield "Nothing has run yet. Start with `scoring run retrain`."
        for run in runs:
            yield f"{run['started'][:16]}  {run['name']:<9} for {run['as_of'][:16]}  {run['state']}"
            for step in run["steps"]:
                yield f"    {step['step']:<7} {step['state']:<8} {step.get('seconds', '')} s"
            if run["why"]:
                code = "" if run["exit_code"] is None else f"exit {run['exit_code']}: "
                yield f"    {code}{run['why']}"

    call.answer({"runs": runs}, lines)


def doctor(
    project: ProjectOption = Path(),
    question: QuestionOption = "conversion",
    as_of: AsOfOption = None,
    json: JsonOption = False,
) -> None:
    """What is wrong and what to do; how ready the history is for training."""
    from scoring.doctor import diagnose, summary

    call = command(project, as_of, json, question)
    findings = diagnose(call.project, question, call.as_of)
    marks = {"ok": "ok     ", "advice": "advice ", "problem": "PROBLEM"}

    def lines() -> Iterator[str]:
        for f in findings:
            yield f"{marks[f.level]} {f.what:<11} {f.found}"
            if f.do:
                yield f"{'':<19} → {f.do}"

    call.answer(summary(findings), lines)
