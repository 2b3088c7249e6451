"""Writing a new project: the template's files, with the proposal or the sample in them.

Everything is written into a folder beside the target, which gets its name in the last step: a run
that fails or is killed leaves no half-made project.
"""

import json
import os
import re
import shutil
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

from scoring.config import ModelToml, ScoringToml, SourcesToml, load
from scoring.errors import ConfigError, nearest
from scoring.init.folder import profiles_of
from scoring.init.proposal import Proposal
from scoring.init.propose import propose
from scoring.init.questions import encounters
from scoring.init.report import InitReport, report_on
from scoring.init.staging import SOURCE, sources_toml, staging_sql
from scoring.store.publish import no_space_is_later

TEMPLATE = ("scoring.toml", "features", "models", "pipelines", "notebooks")
MODEL = Path("models") / "conversion" / "model.toml"
MEETING = Path("models") / "meeting" / "model.toml"
GITIGNORE = ".scoring/\nout/\ndata/sample/\ndata/sample_truth/\n"
SAMPLE_LEADS = 3_000
STAGES_QUESTION = (
    "In which order do the stages of your pipeline follow each other? Write them into `order` "
    "under [stages] in scoring.toml, as the CRM names them; until then every stage is unknown."
)

Ask = Callable[[str, list[str]], list[str]]


def init_from(
    target: Path,
    folder: Path,
    *,
    template: Path,
    known_at_creation: tuple[str, ...] | None,
    name: str | None,
    time_zone: str | None,
    ask: Ask | None,
) -> InitReport:
    """A new project in `target` over the CSV and Parquet files of `folder`.

    template            the folder that holds the project template
    known_at_creation   attributes that were there from the start, ("*",) for all; None: ask
    name                of the project; None: the target folder's
    time_zone           of timestamps without an offset; None: proposed
    ask                 (question, options) → the chosen options; None where there is no terminal

    Raises ConfigError, with nothing written, if the target is not empty, the folder has nothing
    readable, or an attribute is not known.
    """
    refuse_filled(target)
    proposal = propose(profiles_of(folder), time_zone)
    if not proposal.parts:
        raise ConfigError(
            f"No file in {folder} looks like one of the canonical tables.",
            "Name the files after them (leads, interactions, outcomes), or see docs/init.md.",
        )
    known = declared(proposal.attributes(), known_at_creation, ask)
    with new_project(target, template) as draft:
        set_project(draft, name or target.resolve().name, proposal.time_zone)
        _set_meetings(draft, proposal)
        set_known(draft, known)
        proposal.questions += _set_stages(draft, proposal)
        write_text(
            draft / "data" / "sources.toml", sources_toml(proposal, _leads_to(target, folder))
        )
        staging = _write_staging(draft, proposal)
        check_settings(draft)
    return report_on(proposal, target, str(folder), known, staging)


def init_sample(target: Path, *, template: Path, end: datetime, seed: int) -> InitReport:
    """A new project in `target` over a simulated sales organisation whose history ends at `end`.

    end: aware; seed: the same gives the same files. The truth stands in data/sample_truth, apart
    from the tables. Raises ConfigError, with nothing written, if the target is not empty.
    """
    from scoring.simulate import simulate

    refuse_filled(target)
    with new_project(target, template) as draft:
        sample = draft / "data" / "sample"
        simulate(
            sample,
            leads=SAMPLE_LEADS,
            end=end,
            seed=seed,
            truth_dir=draft / "data" / "sample_truth",
        )
        proposal = propose(profiles_of(sample), "UTC")
        set_project(draft, target.resolve().name, None)
        write_text(draft / "data" / "sources.toml", sources_toml(proposal, "data/sample"))
        staging = _write_staging(draft, proposal)
        known = list(check_settings(draft).features.known_at_creation)
    until = end.astimezone(UTC).isoformat(timespec="minutes")
    source = f"a simulated sales organisation, seed {seed}, until {until}"
    return report_on(proposal, target, source, known, staging)


def refuse_filled(target: Path) -> None:
    if target.exists() and (not target.is_dir() or any(target.iterdir())):
        raise ConfigError(
            f"{target} is not empty.", "Name a folder that does not exist yet, or an empty one."
        )


@contextmanager
def new_project(target: Path, template: Path) -> Iterator[Path]:
    target = target.resolve()
    draft = target.parent / f".{target.name}.{uuid.uuid4().hex[:8]}"
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        draft.mkdir()
    except OSError as error:
        raise ConfigError(
            f"{target.parent} cannot be written to: {error.strerror}.", "Choose another folder."
        ) from None
    try:
        with no_space_is_later():
            _copy_template(template, draft)
            yield draft
        if target.exists():
            target.rmdir()  # it was found empty; filled in the meantime, this refuses
        draft.rename(target)
    finally:
        shutil.rmtree(draft, ignore_errors=True)


def _copy_template(template: Path, draft: Path) -> None:
    ignore = shutil.ignore_patterns("__pycache__", ".*", "*.pyc")
    for name in TEMPLATE:
        path = template / name
        if path.is_dir():
            shutil.copytree(path, draft / name, ignore=ignore)
        elif path.exists():
            shutil.copy2(path, draft / name)
    (draft / "data" / "staging").mkdir(parents=True)
    write_text(draft / ".gitignore", GITIGNORE)


def set_project(draft: Path, name: str, time_zone: str | None) -> None:
    plain = re.sub(r"[^a-z0-9_-]+", "-", name.lower()).strip("-_")[:63] or "leads"
    set_line(draft / "scoring.toml", "name", json.dumps(plain))
    if time_zone is not None:
        set_line(draft / "scoring.toml", "time_zone", json.dumps(time_zone))


def _set_stages(draft: Path, proposal: Proposal) -> list[str]:
    """Take out the template's stages unless they are the company's; (question,) if it has some."""
    path = draft / "scoring.toml"
    stages = {
        value
        for part in proposal.parts.get("stage_changes", [])
        for value in part.profile.columns[part.header("stage") or ""].values
    }
    if stages and stages <= set(load(path, ScoringToml).stages.order):
        return []
    set_line(path, "order", "[]")
    return [STAGES_QUESTION] if stages else []


def _set_meetings(draft: Path, proposal: Proposal) -> None:
    """The question about meetings asks for the types that there are; without any it goes."""
    path = draft / MEETING
    found = encounters(proposal)
    if not path.exists():
        return
    if found:
        set_line(path, "event", json.dumps(found, ensure_ascii=False))
    else:
        shutil.rmtree(path.parent)


def set_known(draft: Path, declared: list[str]) -> None:
    for path in (draft / MODEL, draft / MEETING):
        if path.exists():
            set_line(path, "known_at_creation", json.dumps(declared, ensure_ascii=False))


def set_line(path: Path, key: str, value: str) -> None:
    """Replace the value of one key of a TOML file and keep everything else, comments too."""
    text = path.read_text(encoding="utf-8")
    pattern = rf"(?m)^({key}\s*=\s*)(\[[^\]]*\]|\"[^\"\n]*\")"
    changed, count = re.subn(pattern, lambda found: found[1] + value, text, count=1)
    if not count:
        raise ConfigError(f"The template's {path.name} has no line `{key} = …`.")
    write_text(path, changed)


def declared(attributes: list[str], said: tuple[str, ...] | None, ask: Ask | None) -> list[str]:
    """The attributes declared known at creation: as the option says, else as the person answers."""
    if said is None:
        if ask is None or not attributes:
            return []
        question = (
            "Which of these were filled when the lead was created, and never after? Only what was "
            "there from the start may be used as it stands now."
        )
        said = tuple(ask(question, attributes))
    if "*" in said:
        return ["*"]
    for name in said:
        if name not in attributes:
            raise ConfigError(
                f'"{name}" of --known-at-creation is not an attribute of leads.'
                f"{nearest(name, attributes)}",
                f"The attributes are {', '.join(attributes) or 'none'}.",
            )
    return list(dict.fromkeys(said))


def _leads_to(target: Path, folder: Path) -> str:
    """The folder as seen from the project: relative where both stand side by side."""
    home, tables = target.resolve(), folder.resolve()
    if tables.is_relative_to(home.parent):
        return Path(os.path.relpath(tables, home)).as_posix()
    return tables.as_posix()


def _write_staging(draft: Path, proposal: Proposal) -> dict[str, str]:
    written = {}
    for table, parts in proposal.parts.items():
        sql = staging_sql(table, parts, proposal.readings)
        if sql is not None:
            path = Path("data") / "staging" / SOURCE / f"{table}.sql"
            (draft / path).parent.mkdir(parents=True, exist_ok=True)
            write_text(draft / path, sql)
            written[table] = path.as_posix()
    return written


def check_settings(draft: Path) -> ModelToml:
    """Every file that was written loads; otherwise the project does not appear."""
    load(draft / "scoring.toml", ScoringToml)
    load(draft / "data" / "sources.toml", SourcesToml)
    if (draft / MEETING).exists():
        load(draft / MEETING, ModelToml)
    return load(draft / MODEL, ModelToml)


def write_text(path: Path, text: str) -> None:
    path.write_text(text, encoding="utf-8", newline="\n")
