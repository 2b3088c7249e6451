"""Golden leads: cases that sales and data people have settled, which every champion must get right.

`models/<question>/golden.csv` has a row per case: lead_id, as_of, and either `grade` (one, or
several with `|` between them) or `above` (another lead that must have the lower probability at the
same moment), or both.
"""

import csv
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from zoneinfo import ZoneInfo

from scoring.build.partition import LeadScope
from scoring.build.run import build_scoring
from scoring.clock import parse_moment
from scoring.errors import ConfigError
from scoring.project import Project
from scoring.score import scale
from scoring.store.publish import scratch
from scoring.train.artefact import Artefact

FILE = "golden.csv"
COLUMNS = ("lead_id", "as_of", "grade", "above")
LETTERS = scale.GRADES


@dataclass(frozen=True)
class Case:
    """One settled case; `grades` is empty or `above` is "" where nothing is said of it."""

    line: int
    lead_id: str
    as_of: datetime
    grades: tuple[str, ...]
    above: str

    def leads(self) -> tuple[str, ...]:
        return (self.lead_id, self.above) if self.above else (self.lead_id,)


@dataclass(frozen=True)
class Verdict:
    """How a model does on the cases.

    failed       a sentence for each case that it gets wrong
    not_scored   a sentence for each case whose lead was not open then: it shows nothing
    """

    cases: int
    failed: tuple[str, ...]
    not_scored: tuple[str, ...]

    def to_json(self) -> dict[str, object]:
        return {
            "cases": self.cases,
            "failed": list(self.failed),
            "not_scored": list(self.not_scored),
        }

    def lines(self) -> Iterator[str]:
        if not self.cases:
            return
        right = self.cases - len(self.failed) - len(self.not_scored)
        yield f"golden leads: {right} of {self.cases} as settled"
        yield from (f"  {sentence}" for sentence in (*self.failed, *self.not_scored))


def read_cases(project: Project, question: str) -> list[Case]:
    """The cases of a question; none where the file is absent. Raises ConfigError with the line."""
    path = project.root / "models" / question / FILE
    if not path.exists():
        return []
    with path.open(encoding="utf-8-sig", newline="") as file:
        reader = csv.DictReader(file)
        missing = [c for c in COLUMNS[:2] if c not in (reader.fieldnames or ())]
        unknown = [c for c in reader.fieldnames or () if c not in COLUMNS]
        if missing or unknown:
            what = f"lacks `{missing[0]}`" if missing else f"has an unknown column `{unknown[0]}`"
            raise ConfigError(
                f"models/{question}/{FILE} {what}.", f"Its columns are {', '.join(COLUMNS)}."
            )
        return [_case(row, n, question, project.settings.zone) for n, row in enumerate(reader, 2)]


def _case(row: dict[str, str | None], line: int, question: str, zone: ZoneInfo) -> Case:
    where = f"models/{question}/{FILE}:{line}"
    said = {name: (row.get(name) or "").strip() for name in COLUMNS}
    if not said["lead_id"] or not said["as_of"]:
        raise ConfigError(f"{where}: a case must have a lead_id and an as_of.")
    grades = tuple(g.strip().upper() for g in said["grade"].split("|") if g.strip())
    if bad := [g for g in grades if g not in LETTERS]:
        raise ConfigError(
            f"{where}: `grade` must be of {', '.join(LETTERS)}. Got a {len(bad[0])}-letter text.",
            "Several are written as A|B.",
        )
    if not grades and not said["above"]:
        raise ConfigError(f"{where}: a case must say a grade, or which lead it stands above.")
    return Case(line, said["lead_id"], parse_moment(said["as_of"], zone), grades, said["above"])


def judge(project: Project, question: str, cases: Sequence[Case], model: Artefact) -> Verdict:
    """What `model` says of the cases, on what was known at their moments."""
    failed, silent = [], []
    said: dict[tuple[datetime, str], tuple[float, str]] = {}
    for at in sorted({case.as_of for case in cases}):
        leads = sorted({lead for case in cases if case.as_of == at for lead in case.leads()})
        for lead, probability, grade in _scored(project, question, model, at, leads):
            said[at, lead] = probability, grade
    for case in cases:
        absent = [lead for lead in case.leads() if (case.as_of, lead) not in said]
        on = f"{case.as_of.date()} (line {case.line})"
        if absent:
            silent.append(f"lead {absent[0]} was not open on {on}")
            continue
        probability, grade = said[case.as_of, case.lead_id]
        if case.grades and grade not in case.grades:
            failed.append(
                f"lead {case.lead_id} has grade {grade} on {on}, settled is {'|'.join(case.grades)}"
            )
        elif case.above and probability <= said[case.as_of, case.above][0]:
            failed.append(f"lead {case.lead_id} does not stand above {case.above} on {on}")
    return Verdict(len(cases), tuple(failed), tuple(silent))


def _scored(
    project: Project, question: str, model: Artefact, at: datetime, leads: Sequence[str]
) -> list[tuple[str, float, str]]:
    with scratch(project.tmp, "golden") as folder:
        frame = build_scoring(
            project,
            question,
            model.settings,
            model.features,
            at,
            scope=LeadScope(tuple(leads)),
            parent=folder,
        ).frame()
    if not len(frame):
        return []
    probability = model.model.predict_proba(model.joined(frame)[list(model.names)])[:, 1]
    grades = model.cuts.grade(scale.score(probability, model.reference))
    return list(zip(frame["lead_id"], probability.tolist(), grades, strict=True))
