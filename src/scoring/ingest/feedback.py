"""Sellers' answers, from a field of theirs in the table that scores are written to.

    collect(project, moment)      what changed in the field since the last look, as a drop
    with_answers(sources, root)   the sources with the table `feedback`, once there was an answer

A CRM's reader brings the field's history by itself. A database knows only what stands in the
column now, so an answer counts from the moment when it was first seen there.

    .scoring/feedback/<moment>.parquet         lead_id, given_at, recorded_at, verdict
    .scoring/feedback/seen.json                lead_id → what stood there at the last look
"""

import io
import logging
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

from scoring.clock import Moment, stamp
from scoring.config import Source, TableFiles
from scoring.crm.sinks import open_sink
from scoring.errors import TryLater
from scoring.store.publish import read_json, write_bytes, write_json

if TYPE_CHECKING:
    from scoring.project import Project

log = logging.getLogger(__name__)

TABLE = "feedback"
FOLDER = ".scoring/feedback"
FILES = f"{FOLDER}/*.parquet"


def with_answers(sources: dict[str, Source], root: Path) -> dict[str, Source]:
    """Nothing is added where a source has the table itself, or where leads of several sources
    would have to be told apart."""
    if len(sources) != 1 or not any((root / FOLDER).glob("*.parquet")):
        return sources
    ((name, source),) = sources.items()
    if source.is_crm or TABLE in source.tables:
        return sources
    table = TableFiles(file=FILES, mode="append")
    return {name: source.model_copy(update={"tables": {**source.tables, TABLE: table}})}


def folder_of(source: Source, table: TableFiles) -> Source:
    """The source as `find` is to take it: the drops lie in the store, not below its path."""
    return source.model_copy(update={"path": "."}) if table.file == FILES else source


def collect(project: "Project", moment: Moment) -> int:
    """Look at the field and write down what changed; returns how many answers are new.

    A database that is away is no reason to read nothing else: the next night looks again.
    """
    if project.settings.emit.sink != "sql":
        return 0
    from scoring.emit.fields import FEEDBACK, fields_of

    asked = [q for q in project.questions() if FEEDBACK in _columns(project, q)]
    if not asked:
        return 0
    question = "conversion" if "conversion" in asked else asked[0]
    field = next(f for f in fields_of(project, question) if f.theirs)
    try:
        with closing(open_sink(project, question, moment.as_of)) as sink:
            if sink.ensure_fields([field]).missing:
                return 0
            answers = {a.lead_id: a for a in sink.answers(field)}
    except TryLater as error:
        log.warning("sellers' answers were not read: %s", error.message)
        return 0
    folder = project.root / FOLDER
    seen = read_json(folder / "seen.json") or {}
    new = [a for lead, a in sorted(answers.items()) if seen.get(lead) != a.value]
    if new:
        import pandas as pd

        given = [a.changed_at or moment.now for a in new]
        rows = pd.DataFrame(
            {
                "lead_id": [a.lead_id for a in new],
                "given_at": pd.to_datetime(given, utc=True).astype("datetime64[us, UTC]"),
                "recorded_at": pd.to_datetime(given, utc=True).astype("datetime64[us, UTC]"),
                "verdict": [a.value for a in new],
            }
        )
        content = io.BytesIO()
        rows.to_parquet(content, index=False)
        write_bytes(folder / f"{stamp(moment.now)}.parquet", content.getvalue())
    now = {lead: a.value for lead, a in answers.items()}
    if now != seen:
        write_json(folder / "seen.json", now)
    return len(new)


def _columns(project: "Project", question: str) -> tuple[str, ...]:
    return project.settings.emit.of_question(question).columns
