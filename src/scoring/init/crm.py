"""A new project over a CRM: what it asks, and the files that it writes.

Nothing is called: address and token are needed first by `scoring doctor` and `scoring ingest`.
"""

import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from scoring.config import EmitSection
from scoring.crm.readers import READERS, module_of
from scoring.crm.setup import Question, Setup, staging_sql
from scoring.errors import ConfigError, nearest
from scoring.init.write import (
    Ask,
    check_settings,
    declared,
    new_project,
    refuse_filled,
    set_known,
    set_line,
    set_project,
    write_text,
)

SOURCE = "crm"
COLUMNS = (*EmitSection().columns, "score_feedback")

Choose = Callable[[str, Mapping[str, str]], str]


@dataclass
class CrmReport:
    """project, the CRM's title, the answers by question, the files of staging SQL, what to set."""

    project: Path
    title: str
    answers: dict[str, str]
    staging: dict[str, str]
    variables: tuple[str, ...]
    stages: tuple[str, ...]
    attributes: tuple[str, ...]
    known_at_creation: list[str] = field(default_factory=list)

    @property
    def next_commands(self) -> list[str]:
        at = f"--project {self.project}"
        return [
            *(f"export {variable}=…" for variable in self.variables),
            f"scoring doctor {at}",
            f"scoring run retrain {at}",
            f"scoring run nightly {at}",
        ]

    def to_json(self) -> dict[str, Any]:
        plain = {key: value for key, value in vars(self).items() if key != "project"}
        return {"project": str(self.project), **plain, "next": self.next_commands}

    def lines(self) -> list[str]:
        said = [f"New project {self.project} over {self.title}.", ""]
        said += [f"  {name} = {value}" for name, value in self.answers.items()]
        said += [
            "",
            "data/sources.toml names what is read; data/staging/ says what it means.",
            f"Stages, first to last: {', '.join(self.stages) or 'none yet'}. Correct `order` under "
            "[stages] in scoring.toml if yours are others.",
            "Known at creation: "
            f"{', '.join(self.known_at_creation) or 'nothing'} (of {', '.join(self.attributes)}).",
            'Scores stay here until `mode` under [emit] in scoring.toml is "pilot" or "all".',
            "",
            "Next:",
            *(f"  {command}" for command in self.next_commands),
        ]
        return said


def init_crm(
    target: Path,
    kind: str,
    *,
    template: Path,
    given: Mapping[str, str],
    address: str,
    known_at_creation: tuple[str, ...] | None,
    name: str | None,
    time_zone: str | None,
    choose: Choose | None,
    ask: Ask | None,
) -> CrmReport:
    """A new project in `target` over a CRM of the kind.

    given     answers from the command line: question → key
    address   of the CRM; empty: the vendor's own, or the environment's
    choose    (question, key → meaning) → key; None where there is no terminal: the usual answers
    The others are as in `init_from`. Raises ConfigError, with nothing written.
    """
    refuse_filled(target)
    if kind not in READERS:
        raise ConfigError(
            f'"{kind}" is not a CRM that is known.{nearest(kind, READERS)}',
            f"Known: {', '.join(READERS)}; a folder of files goes with --from.",
        )
    setup: Setup = module_of(kind).SETUP
    answers = _answers(setup.questions, given, choose)
    attributes = tuple(setup.attributes(answers))
    known = declared(list(attributes), known_at_creation, ask)
    stages = tuple(setup.stages(answers))
    prefix = kind.upper()
    staging = {}
    with new_project(target, template) as draft:
        set_project(draft, name or target.resolve().name, time_zone)
        set_known(draft, known)
        toml = draft / "scoring.toml"
        set_line(toml, "order", json.dumps(list(stages)))
        _set_emit(toml, kind)
        text = _sources(kind, prefix, address, answers, setup.tables(answers))
        write_text(draft / "data" / "sources.toml", text)
        folder = Path("data") / "staging" / SOURCE
        (draft / folder).mkdir(parents=True)
        for table, file in setup.staging(answers).items():
            write_text(draft / folder / f"{table}.sql", staging_sql(kind, file))
            staging[table] = (folder / f"{table}.sql").as_posix()
        check_settings(draft)
    secrets = [f"{prefix}_{secret.upper()}" for secret in setup.secrets]
    if setup.needs_address and not address:
        secrets.insert(0, f"{prefix}_ADDRESS")
    return CrmReport(
        target, setup.title, answers, staging, tuple(secrets), stages, attributes, known
    )


def _set_emit(path: Path, kind: str) -> None:
    """Scores go into the CRM, once somebody says so; sellers can answer."""
    text, count = re.subn(
        r"(?m)^sink = .*$",
        f'sink = "{kind}"\n'
        'mode = "shadow"                 # "pilot" and "all" write: docs/emit.md\n'
        f"columns = {json.dumps(list(COLUMNS))}",
        path.read_text(encoding="utf-8"),
        count=1,
    )
    if not count:
        raise ConfigError(f"The template's {path.name} has no line `sink = …`.")
    write_text(path, text)


def _answers(
    questions: Sequence[Question], given: Mapping[str, str], choose: Choose | None
) -> dict[str, str]:
    unknown = [name for name in given if name not in {q.name for q in questions}]
    if unknown:
        raise ConfigError(
            f"This CRM has no `{unknown[0]}` to choose.",
            f"It asks for {', '.join(q.name for q in questions) or 'nothing'}.",
        )
    answers = {}
    for question in questions:
        answer = given.get(question.name)
        if answer is None:
            usual = next(iter(question.options))
            answer = choose(question.text, question.options) if choose else usual
        if answer not in question.options:
            raise ConfigError(
                f"`{question.name}` must be one of {', '.join(question.options)}."
                f"{nearest(answer, question.options)}"
            )
        answers[question.name] = answer
    return answers


def _sources(
    kind: str,
    prefix: str,
    address: str,
    answers: Mapping[str, str],
    tables: Mapping[str, Sequence[str]],
) -> str:
    lines = [
        "# What is read of the CRM. [] asks for the usual columns of a table; columns that are",
        '# named come beside them: contacts = ["budget"].',
        "",
        f"[sources.{SOURCE}]",
        f'kind = "{kind}"',
        f'credentials_env = "{prefix}"   # {prefix}_TOKEN and the like, from the environment',
        '# credentials_file = "~/.config/lead-scoring/crm.toml"   # or a file of your own (0600)',
    ]
    if address:
        lines.append(f"address = {json.dumps(address)}")
    lines += ["", f"[sources.{SOURCE}.options]"]
    lines += [f'{name} = "{value}"' for name, value in answers.items()]
    lines += ["", f"[sources.{SOURCE}.tables]"]
    lines += [f"{name} = {json.dumps(list(columns))}" for name, columns in tables.items()]
    return "\n".join(lines) + "\n"
