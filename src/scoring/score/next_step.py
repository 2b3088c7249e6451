"""What to do next with a lead: the first row of the team's table whose conditions all hold.

The table is `models/<question>/next_step.toml`; a question without one advises nothing. A row may
say with `stay` when a lead that has its step already keeps it: a looser condition than `when`, so
that an advice does not come and go with a number at its edge. What stands above it still wins.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import numpy as np
import pandas as pd
from pydantic import AfterValidator

from scoring.config import Days, Settings, load
from scoring.errors import ConfigError, nearest
from scoring.score.conditions import FLAG, NUMBER, TEXT, Condition, Name, name_of, parse
from scoring.score.scale import GRADES, TEMPERATURES

FILE = "next_step.toml"
NONE = "none"
# Steps that a seller takes, in person; the others need nobody's time today.
WORK = (
    "call_now",
    "answer_customer",
    "ask_for_decision_maker",
    "ask_question",
    "offer_pilot",
    "offer_references",
    "offer_payment_plan",
    "verify_contact",
)
STEPS = (*WORK, "nurture", "recycle", "disqualify", NONE)
TIRE_KICKER = ("low_engagement", "busy_without_progress", "outside_profile")
ATTENTION = (NONE, *TIRE_KICKER, "waiting_for_us", "not_worked", "not_assessed")
TREND, CAUSE = ("rising", "steady", "falling"), ("data", "model", "calibration")
CAME_BACK = ("acted", "date")

# What conditions may name beside the project's features; docs/score.md says what each is.
NAMES: dict[str, Name] = {
    "score": Name(NUMBER),
    "probability": Name(NUMBER),
    "grade": Name(TEXT, GRADES),
    "temperature": Name(TEXT, TEMPERATURES),
    "trend": Name(TEXT, TREND),
    "trend_cause": Name(TEXT, CAUSE),
    "trend_28d": Name(TEXT, TREND),
    "trend_28d_cause": Name(TEXT, CAUSE),
    "attention": Name(TEXT, ATTENTION),
    "tire_kicker": Name(FLAG),
    "resting": Name(FLAG),
    "came_back": Name(TEXT, CAME_BACK),
    "exploring": Name(FLAG),
    "ask_about": Name(TEXT),
    "ask_effect": Name(NUMBER),
    "lead_age_days": Name(NUMBER),
    "days_since_inbound": Name(NUMBER),
    "days_since_outbound": Name(NUMBER),
    "days_since_meeting": Name(NUMBER),
    "days_since_act": Name(NUMBER),
    "inbound_90d": Name(NUMBER),
    "outbound_90d": Name(NUMBER),
    "touches": Name(NUMBER),
    "stage": Name(TEXT),
    "stages_left": Name(NUMBER),
    "days_in_stage": Name(NUMBER),
}
# Fields that a seller asks for to qualify a lead (BANT, MEDDIC), as patterns of attributes.
QUALIFICATION = (
    *("*budget*", "*authority*", "*decision*", "*need*", "*pain*", "*timeline*", "*timing*"),
    *("*metric*", "*economic_buyer*", "*criteria*", "*champion*", "*competitor*", "*interest*"),
    *("*company_size*", "*employees*", "*industry*", "*role*"),
)


def _step(name: str) -> str:
    if name not in STEPS:
        raise ValueError(f"must be one of {', '.join(STEPS)}.{nearest(name, STEPS)}")
    return name


class StepRow(Settings):
    """One row: the step, when a lead gets it, and when one that has it keeps it.

    when    all of these hold; none: always
    stay    all of these hold, looser than `when`; none: the step is kept by `when` alone
    first   its leads stand at the top of their owner's day
    """

    step: Annotated[str, AfterValidator(_step)]
    when: tuple[str, ...] = ()
    stay: tuple[str, ...] = ()
    first: bool = False


class NextStepToml(Settings):
    """The table, first row first.

    recycle_after_days   from a refusal "not now" (or from our own proposal) to the new try
    questions            patterns of the attributes that `ask_question` may ask for
    """

    recycle_after_days: Days = 90
    questions: tuple[str, ...] = QUALIFICATION
    steps: tuple[StepRow, ...]


@dataclass(frozen=True)
class Row:
    """A row of the table, parsed."""

    step: str
    when: tuple[Condition, ...]
    stay: tuple[Condition, ...]
    first: bool

    def text(self, conditions: Sequence[Condition]) -> str:
        return " and ".join(c.text.strip() for c in conditions) or "always"


@dataclass(frozen=True)
class Steps:
    """The table with its conditions parsed against the names that there are."""

    settings: NextStepToml
    rows: tuple[Row, ...]

    @property
    def names(self) -> set[str]:
        """Every name that a condition speaks of."""
        return {c.name for row in self.rows for c in (*row.when, *row.stay)}

    def choose(self, values: Mapping[str, pd.Series], before: pd.Series) -> pd.DataFrame:
        """`next_step`, `next_step_because` (the condition that fired) and `first` of each lead.

        values   (n,) by name: numbers, flags as 0 and 1, texts
        before   (n,) the step that each lead had on the last run, missing where none
        """
        n = len(before)
        step = np.full(n, NONE, dtype=object)
        because = np.full(n, "", dtype=object)
        first = np.zeros(n, dtype=bool)
        undecided = np.ones(n, dtype=bool)
        for row in self.rows:
            enters = _all(row.when, values, n)
            has = (before == row.step).fillna(False).to_numpy(dtype=bool)
            stays = has & _all(row.stay, values, n) if row.stay else np.zeros(n, dtype=bool)
            for fires, conditions in ((enters, row.when), (stays & ~enters, row.stay)):
                taken = undecided & fires
                step[taken], because[taken] = row.step, row.text(conditions)
                first[taken] = row.first
            undecided &= ~(enters | stays)
        columns = {"next_step": step, "next_step_because": because, "first": first}
        return pd.DataFrame(columns, index=before.index)


def _all(conditions: Sequence[Condition], values: Mapping[str, pd.Series], n: int) -> np.ndarray:
    holds = np.ones(n, dtype=bool)
    for condition in conditions:
        holds &= condition.holds(values)
    return holds


def settings_of(root: Path, question: str) -> NextStepToml | None:
    """The table as it is written, or None where the question has none. Raises ConfigError."""
    path = root / "models" / question / FILE
    return load(path, NextStepToml) if path.exists() else None


def parsed(settings: NextStepToml, features: Mapping[str, Name]) -> Steps:
    """The table over NAMES and the project's `features`; of equal names the one of NAMES counts.

    Raises ConfigError for a condition that is none, and for a row that no lead can reach.
    """
    names = {**features, **NAMES}
    rows: list[Row] = []
    for number, row in enumerate(settings.steps, 1):
        where = f"{FILE}, row {number} ({row.step})"
        if rows and not rows[-1].when:
            raise ConfigError(
                f"{where}: the row before holds for every lead, so this one is never reached.",
                "A row without `when` must be the last one.",
            )
        when, stay = (
            tuple(parse(text, names, where) for text in texts) for texts in (row.when, row.stay)
        )
        rows.append(Row(row.step, when, stay, row.first))
    return Steps(settings, tuple(rows))


def mentioned(settings: NextStepToml) -> set[str]:
    """What conditions speak of beside NAMES: it must be features of the project."""
    texts = [text for row in settings.steps for text in (*row.when, *row.stay)]
    return {name for name in map(name_of, texts) if name} - NAMES.keys()
