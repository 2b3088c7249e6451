"""Everything behind one issued score, rebuilt from the raw events as they had landed then.

The run's record names the model and what had landed; exactly that model is applied to features
that are built anew. If the outcome is the issued probability, the score says what it said for the
reasons shown here.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, tzinfo
from typing import TYPE_CHECKING, Any

import numpy as np

from scoring.build.partition import LeadScope
from scoring.build.run import build_scoring
from scoring.clock import stamp
from scoring.errors import ConfigError
from scoring.project import Project
from scoring.score.not_scored import why_not
from scoring.score.run import list_runs, read_run, read_scores, scores_folder
from scoring.score.seen import Events, events_of
from scoring.score.worklist import EXPLORATION
from scoring.store.publish import scratch
from scoring.train import tracking
from scoring.train.artefact import Artefact

if TYPE_CHECKING:
    import pandas as pd

SAME = 1e-9
TOP_FEATURES, NEWEST_EVENTS = 12, 15
SHOWN = (
    "score",
    "probability",
    "probability_low",
    "probability_high",
    "grade",
    "temperature",
    "trend",
    "trend_cause",
    "score_7d_ago",
    "trend_28d",
    "trend_28d_cause",
    "score_28d_ago",
    "attention",
    "next_step",
    "next_step_because",
    "next_step_text",
    "ask_about",
    "recycle_on",
    "work_on",
    "work_because",
    "rank",
    "horizon_days",
)


@dataclass(frozen=True)
class FeatureValue:
    """A feature of the lead: its value (None is missing), its sentence (empty where nothing can be
    said) and what it added to the log-odds."""

    name: str
    value: float | str | None
    sentence: str
    contribution: float


@dataclass(frozen=True)
class Explained:
    """One score and all that it came from.

    run        logical date of the score run; as_of: the lead's own, which is earlier where the
               question is asked at a timestamp of the lead
    issued     columns of the score row
    rebuilt    the probability made again; None where the lead counts as closed by what came since,
               and `not_rebuilt` says why
    base       log-odds before any feature; features: the strongest first
    not_since  why newer runs have no score of the lead; empty where this is the newest run
    """

    lead_id: str
    question: str
    run: datetime
    as_of: datetime
    model_version: str
    issued: dict[str, Any]
    why: list[str]
    rebuilt: float | None
    not_rebuilt: str
    base: float | None
    features: list[FeatureValue]
    events: Events
    not_since: str
    zone: tzinfo

    @property
    def equal(self) -> bool:
        """The rebuilt probability is the issued one."""
        return self.rebuilt is not None and abs(self.rebuilt - self.issued["probability"]) <= SAME

    def to_json(self) -> dict[str, Any]:
        return {
            "lead_id": self.lead_id,
            "question": self.question,
            "run": self.run.isoformat(),
            "as_of": self.as_of.isoformat(),
            "model_version": self.model_version,
            **self.issued,
            "why": self.why,
            "rebuilt_probability": self.rebuilt,
            "equal": self.equal,
            "not_rebuilt": self.not_rebuilt or None,
            "not_scored_since": self.not_since or None,
            "base_log_odds": self.base,
            "features": [vars(f) for f in self.features],
            "events": self.events.to_json(),
        }

    def lines(self) -> Iterator[str]:
        issued = self.issued
        yield (
            f"Lead {self.lead_id} as of {_local(self.as_of, self.zone)}, by version "
            f'{self.model_version} of the question "{self.question}"'
        )
        yield (
            f"  score {issued['score']}  grade {issued['grade']}  probability "
            f"{issued['probability']:.4f}{self._bounds()}  attention {issued['attention']}"
        )
        yield from (f"  {line}" for line in self.why)
        yield from (f"  {line}" for line in self._advice())
        if self.not_since:
            yield f"Not scored since. {self.not_since}"
        yield ""
        yield self._verdict()
        if self.base is not None:
            yield ""
            yield from self._feature_lines()
        yield ""
        yield from self.events.lines(self.zone, NEWEST_EVENTS)

    def _advice(self) -> Iterator[str]:
        """The trend with what moved it, the next step with its condition, and when to work."""
        said = self.issued
        for span, trend, cause, before in (
            ("7 days", "trend", "trend_cause", "score_7d_ago"),
            ("28 days", "trend_28d", "trend_28d_cause", "score_28d_ago"),
        ):
            if said[trend]:
                moved = f", moved by the {said[cause]}" if said[cause] else ""
                yield f"{said[trend]} over {span}: the score was {said[before]}{moved}"
        if said["next_step"]:
            about = f" about {said['ask_about']}" if said["ask_about"] else ""
            when = f" (on {said['recycle_on']})" if said["recycle_on"] else ""
            because = f", because {said['next_step_because']}" if said["next_step_because"] else ""
            yield f"next step {said['next_step']}{about}{when}{because}"
        if said["work_on"]:
            lot = " (drawn by lot)" if said["work_because"] == EXPLORATION else ""
            yield f"to be worked on {said['work_on']}{lot}"

    def _bounds(self) -> str:
        low, high = self.issued["probability_low"], self.issued["probability_high"]
        if low is None or high is None:
            return " (not enough data to say how sure)"
        return f" ({low:.4f} to {high:.4f})"

    def _verdict(self) -> str:
        if self.rebuilt is None:
            return f"Cannot be rebuilt from what the tables say today. {self.not_rebuilt}"
        if self.equal:
            return f"Rebuilt from the raw events: the same probability, {self.rebuilt:.10f}."
        issued = self.issued["probability"]
        return (
            f"Rebuilt from the raw events: {self.rebuilt:.10f}, but {issued:.10f} was issued. "
            "What the score was made of has changed since."
        )

    def _feature_lines(self) -> Iterator[str]:
        rest = sum(f.contribution for f in self.features[TOP_FEATURES:])
        total = (self.base or 0) + sum(f.contribution for f in self.features)
        yield f"Log-odds {total:+.3f}: {self.base:+.3f} for any lead, and"
        for f in self.features[:TOP_FEATURES]:
            value = f"{f.value:.6g}" if isinstance(f.value, float) else (f.value or "–")
            yield f"  {f.contribution:+.3f}  {f.name} = {value}   {f.sentence}".rstrip()
        if len(self.features) > TOP_FEATURES:
            more = len(self.features) - TOP_FEATURES
            yield f"  {rest:+.3f}  {more} more features (--json lists all)"


def explain(project: Project, question: str, lead: str, as_of: datetime | None) -> Explained:
    """The newest issued score of a lead, or that of the run `as_of`, and everything behind it.

    Writes nothing but a temporary folder, so it needs no lock. Raises ConfigError, with the reason
    as far as the tables tell it, where the lead has no such score.
    """
    run, row = _issued(project, question, lead, as_of)
    record = _record(project, question, run)
    model = tracking.load(project, question, record["model_version"], record["fingerprint"])
    since, through = _moment(record["since"]), _moment(record["landed_through"])
    with scratch(project.tmp, "explain") as folder:
        frame = build_scoring(
            project,
            question,
            model.settings,
            model.features,
            run,
            since=since,
            landed_through=through,
            scope=LeadScope((lead,)),
            parent=folder,
        ).frame()
    seen_until = row["as_of"].to_pydatetime().astimezone(UTC)
    frame = model.joined(frame[frame["as_of"] == seen_until.replace(tzinfo=None)])
    rebuilt, not_rebuilt, features = None, "", []
    if len(frame):
        rebuilt = float(model.model.predict_proba(frame[list(model.names)])[0, 1])
        features = _features(project, model, frame)
    else:
        not_rebuilt = why_not(project, lead, model.settings, run, since=since, through=through)
    newest = list_runs(project, question)[-1]
    return Explained(
        lead_id=lead,
        question=question,
        run=run,
        as_of=seen_until,
        model_version=record["model_version"],
        issued={name: _plain(row.get(name)) for name in SHOWN},
        why=str(row["why"]).splitlines() if _plain(row["why"]) else [],
        rebuilt=rebuilt,
        not_rebuilt=not_rebuilt,
        base=float(model.model.base_) if len(frame) else None,
        features=features,
        events=events_of(project, lead, seen_until, through),
        not_since=_why_not_in(project, question, lead, newest)
        if newest > run and not as_of
        else "",
        zone=project.settings.zone,
    )


def _issued(
    project: Project, question: str, lead: str, as_of: datetime | None
) -> "tuple[datetime, pd.Series]":
    """The run and the row of the lead's newest score, or of that in the run `as_of`."""
    import pandas as pd

    runs = list_runs(project, question)
    if not runs or (as_of is not None and as_of not in runs):
        read_scores(project, question, as_of)  # says which runs there are
    for run in reversed(runs) if as_of is None else [as_of]:
        path = scores_folder(project, question) / stamp(run) / "scores.parquet"
        rows = pd.read_parquet(path, filters=[("lead_id", "==", lead)])
        if len(rows):
            return run, rows.sort_values("as_of").iloc[-1]
    at = as_of or runs[-1]
    when = f"as of {_local(at, project.settings.zone)}" if as_of else "in any run"
    raise ConfigError(
        f'The lead {lead} has no score {when} for the question "{question}".',
        _why_not_in(project, question, lead, at),
    )


def _why_not_in(project: Project, question: str, lead: str, run: datetime) -> str:
    record = _record(project, question, run)
    model = tracking.load(project, question, record["model_version"], record["fingerprint"])
    return why_not(
        project,
        lead,
        model.settings,
        run,
        since=_moment(record["since"]),
        through=_moment(record["landed_through"]),
    )


def _record(project: Project, question: str, run: datetime) -> dict[str, Any]:
    record = read_run(project, question, run)
    if record is None:
        raise ConfigError(
            f"The score run of {run.isoformat()} has no record in the store.",
            "Run `scoring score` for that date again.",
        )
    return record


def _features(project: Project, model: Artefact, frame: "pd.DataFrame") -> list[FeatureValue]:
    """Every feature of the model for one row, the strongest first, equal ones by name."""
    from scoring.score.sentences import Sentences
    from scoring.words import translator

    settings = project.settings
    columns = [c for c in model.features.all if c.name in model.names]
    texts = translator(settings.project.language, project.root / "locale")
    sentences = Sentences(columns, settings.project.language, settings.zone, texts)
    at = frame["as_of"].dt.tz_localize("UTC").dt.as_unit("us")
    parts = model.model.contributions(frame[list(model.names)]).iloc[0]
    found = []
    for column in columns:
        values = frame[column.name]
        said = ""
        if sentences.sayable(column.name, values)[0]:
            said = str(sentences.say(column.name, values, at)[0][0])
        value = _plain(values.iloc[0])
        found.append(FeatureValue(column.name, value, said, float(parts[column.name])))
    return sorted(found, key=lambda f: (-abs(f.contribution), f.name))


def _moment(text: str | None) -> datetime | None:
    return datetime.fromisoformat(text) if text else None


def _plain(value: Any) -> Any:
    """A cell as JSON carries it: whole numbers as int, days as text, missing as None."""
    import pandas as pd

    if pd.isna(value):
        return None
    if isinstance(value, pd.Timestamp):
        return value.date().isoformat()
    if isinstance(value, np.generic):
        return value.item()
    return value


def _local(at: datetime, zone: tzinfo) -> str:
    return f"{at.astimezone(zone):%Y-%m-%d %H:%M}"
