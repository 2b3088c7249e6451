"""What `init` found and wrote, for a person and as JSON.

Headers, file names, counts and the words of outcome and direction columns only; no row's values.
"""

import shlex
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from scoring.init.headers import LANGUAGES, OPEN_ENDED, REQUIRED
from scoring.init.names import knows_outcome
from scoring.init.proposal import Part, Proposal
from scoring.init.staging import GIVES


@dataclass(frozen=True)
class Ability:
    can: list[str]
    cannot: list[str]


@dataclass
class InitReport:
    """The outcome of `init`.

    tables      canonical table → {"files", "rows", "as_is", "columns", "left_out"}
    guesses     what a person should confirm; `questions`: what only a person can answer
    attention   columns that may identify persons or know the outcome
    """

    project: Path
    source: str
    tables: dict[str, dict[str, Any]] = field(default_factory=dict)
    attributes: list[str] = field(default_factory=list)
    known_at_creation: list[str] = field(default_factory=list)
    guesses: list[str] = field(default_factory=list)
    questions: list[str] = field(default_factory=list)
    missing: list[str] = field(default_factory=list)
    attention: list[str] = field(default_factory=list)
    unused: dict[str, str] = field(default_factory=dict)
    can: list[str] = field(default_factory=list)
    cannot: list[str] = field(default_factory=list)

    @property
    def next_commands(self) -> list[str]:
        enter = f"cd {shlex.quote(str(self.project))}"
        return [enter, "scoring run retrain", "scoring run nightly"]

    def to_json(self) -> dict[str, Any]:
        plain = {key: value for key, value in vars(self).items() if key != "project"}
        return {"project": str(self.project), **plain, "next": self.next_commands}

    def lines(self) -> list[str]:
        """The report as text, the next commands last."""
        lines = [f"New project {self.project} over {self.source}.", ""]
        for table, said in self.tables.items():
            lines += _table_lines(table, said)
        sections = {
            "Questions that only you can answer": self.questions,
            "Guessed, please confirm": self.guesses,
            "Missing": self.missing,
            "Look at these columns": self.attention,
            "Files that are not used": [f"{file}: {why}." for file, why in self.unused.items()],
            "This project can": self.can,
            "This project cannot": self.cannot,
        }
        for title, entries in sections.items():
            if entries:
                lines += [f"{title}:", *(f"  - {entry}" for entry in entries), ""]
        if self.attributes:
            lines += [_known_line(self.attributes, self.known_at_creation), ""]
        return [*lines, "Next:", *(f"  {command}" for command in self.next_commands)]


def _table_lines(table: str, said: dict[str, Any]) -> list[str]:
    files = ", ".join(said["files"])
    rows = f"{said['rows']:,}" if said["rows_exact"] else f"about {said['rows']:,}"
    if said["as_is"]:
        return [f"{table}: {files}, {rows} rows, canonical as it is.", ""]
    lines = [f"{table}: from {files}, {rows} rows; see {said['staging']}"]
    for column in said["columns"]:
        because = f" ({column['because']})" if column["because"] else ""
        shown = f'"{column["header"]}"' if column["header"] else "-"
        shown += f" of {column['file']}" if len(said["files"]) > 1 else ""
        lines.append(f"  {column['confidence']:<8} {column['column']:<18} {shown}{because}")
    return [*lines, ""]


def _known_line(attributes: list[str], declared: list[str]) -> str:
    if declared:
        shown = "all" if declared == ["*"] else ", ".join(declared)
        return f"Known at creation: {shown}."
    return (
        f"Attributes of leads: {', '.join(attributes)}. None is declared known at creation, so "
        "none is used in training until its history exists. Which were there from the start? "
        "Set known_at_creation under [features] in models/conversion/model.toml."
    )


def report_on(
    proposal: Proposal, project: Path, source: str, declared: list[str], staging: dict[str, str]
) -> InitReport:
    """staging: canonical table → path of its SQL in the project, for those that have one."""
    report = InitReport(project, source, known_at_creation=declared)
    report.attributes = proposal.attributes()
    report.unused = dict(proposal.unused)
    report.questions = list(proposal.questions)
    for table, parts in proposal.parts.items():
        report.tables[table] = _table(parts, staging.get(table))
        for part in parts:
            _add_part(report, part)
    for raw in proposal.readings.values():
        report.guesses += [g for g in raw.guesses if g not in report.guesses]
        report.questions += [q for q in raw.questions if q not in report.questions]
    _add_zone(report, proposal)
    ability = abilities(proposal, declared)
    report.can, report.cannot = ability.can, ability.cannot
    return report


def _table(parts: list[Part], staging: str | None) -> dict[str, Any]:
    exact = all(part.profile.rows_exact for part in parts)
    rows = sum(part.profile.rows for part in parts)
    columns = [
        {
            "file": part.profile.pattern,
            "column": found.column,
            "header": found.header,
            "confidence": found.confidence,
            "because": found.because,
        }
        for part in parts
        for found in part.matches.values()
        if found.header is not None or found.column in part.lacks
    ]
    return {
        "files": [part.profile.pattern for part in parts],
        "rows": rows,
        "rows_exact": exact,
        "as_is": staging is None,
        "staging": staging,
        "columns": columns,
        "left_out": {h: why for part in parts for h, why in part.left_out.items()},
    }


def _add_part(report: InitReport, part: Part) -> None:
    file = part.profile.pattern
    for found in part.matches.values():
        if found.confidence == "guessed" and not part.identity:
            report.guesses.append(f'{file}: "{found.header}" is {found.column}: {found.because}.')
        gives = GIVES.get(f"{part.table}.{found.column}")
        if found.header is None and gives:
            line = f"{part.table}.{found.column}: {gives}."
            if line not in report.missing:
                report.missing.append(line)
    if part.type_word:
        report.guesses.append(f'{file}: every row has the type "{part.type_word}", by its name.')
    for column in part.lacks:
        report.questions.append(
            f"{file}: which column is {column}? It is required in {part.table}."
        )
    for column, unknown in part.unknown.items():
        shown = ", ".join(f'"{value}"' for value in unknown)
        if column == "outcome" and part.of_leads:
            report.guesses.append(f"{file}: leads with the status {shown} are taken as open.")
        else:
            report.questions.append(
                f"{file}: what do these words of {column} mean: {shown}? Complete the CASE in "
                f"the staging SQL of {part.table}; until then such rows go to quarantine."
            )
    for header, why in part.left_out.items():
        report.attention.append(f'{file}: "{header}" is left out: {why}.')
    text = part.header("text") if part.table == "interactions" else None
    if text is not None and not part.identity:
        report.attention.append(
            f'{file}: "{text}" is passed on as text and may name persons; take it out of the '
            "staging SQL if it must not be stored."
        )
    if part.table in OPEN_ENDED:
        for header, name in part.extra.items():
            for what in _watch(part, header):
                report.attention.append(f'{file}: "{header}" ({name}) {what}.')


def _watch(part: Part, header: str) -> list[str]:
    column = part.profile.columns[header]
    found = []
    if column.personal:
        found.append(f"looks like {column.personal}; the score needs none: take it out if it is so")
    elif column.free_text:
        found.append("is free text, different in nearly every row")
    if part.table == "leads" and knows_outcome(header):
        found.append("may be filled or changed when the sale is decided")
    return found


def _add_zone(report: InitReport, proposal: Proposal) -> None:
    texts = [part for part in proposal.all_parts() if not part.profile.parquet]
    if proposal.time_zone_guess and texts:
        report.guesses.append(
            f"times without an offset are read in {proposal.time_zone}: {proposal.time_zone_guess} "
            "(time_zone in data/sources.toml and scoring.toml)."
        )
    if proposal.language not in ("", "en"):
        report.guesses.append(f"the headers are read as {LANGUAGES[proposal.language]}.")


def abilities(proposal: Proposal, declared: list[str]) -> Ability:
    """What a project over these tables can do, and what it cannot, each with the reason."""
    have = {
        table for table, parts in proposal.parts.items() if all(not part.lacks for part in parts)
    }
    can = ["check the tables, list the features and show readiness (`scoring doctor`)"]
    cannot = []
    if "leads" not in have:
        parts = proposal.parts.get("leads", [])
        lacking = ", ".join(parts[0].lacks if parts else REQUIRED["leads"])
        return Ability(can, [f"train or score: no column of leads gives {lacking}"])
    if "outcomes" not in have:
        cannot.append(
            "train: there are no outcomes (which leads were won or lost, and when); without a "
            "model there are no scores"
        )
    if "interactions" not in have:
        known = "those declared known at creation" if declared else "and none is declared yet"
        cannot.append(
            "see engagement or effort: there are no interactions (which lead, when, what type); "
            f"only attributes of leads are left, {known}"
        )
    if "outcomes" in have and ("interactions" in have or declared):
        can.append("train, backtest, score and explain")
    elif "outcomes" in have:
        cannot.append(
            "train: nothing is left to learn from until known_at_creation names attributes"
        )
    if "stage_changes" not in have:
        cannot.append("use stages: no stage_changes (lead, when, stage) tell the way through them")
    if "contacts" not in have:
        cannot.append("see whether a decision maker takes part: no contacts (contact, lead, role)")
    if "lead_changes" not in have:
        cannot.append(
            "use attributes as they stood in the past, other than those known at creation: no "
            "lead_changes; nightly runs build this history from now on"
        )
    return Ability(can, cannot)
