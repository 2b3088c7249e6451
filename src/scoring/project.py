"""A project on disk: its settings, its folders, and DataFrames for people in notebooks.

from scoring import Project
project = Project("my-project")
project.scores()
"""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from scoring import config
from scoring.clock import parse_moment
from scoring.errors import ConfigError, NoUsableModel, nearest
from scoring.flag.settings import FOLDER, FlagSection, load_flag

if TYPE_CHECKING:
    import pandas as pd

    from scoring.engine.connection import Connection


class Project:
    """The folder that holds `scoring.toml`. Nothing is read before it is asked for."""

    def __init__(self, root: str | Path = ".") -> None:
        self.root = Path(root).resolve()

    def __repr__(self) -> str:
        return f"Project({str(self.root)!r})"

    # --- settings ---------------------------------------------------------------------------

    @cached_property
    def settings(self) -> config.ScoringToml:
        return config.load(self.root / "scoring.toml", config.ScoringToml)

    @cached_property
    def _sources(self) -> dict[str, config.Source]:
        return config.load(self.root / "data" / "sources.toml", config.SourcesToml).sources

    @property
    def sources(self) -> dict[str, config.Source]:
        """As data/sources.toml has them, and sellers' answers where some were collected."""
        from scoring.ingest.feedback import with_answers

        return with_answers(self._sources, self.root)

    def questions(self) -> list[str]:
        """The folders of models/ with a question; the flag's settings are none."""
        found = {p.parent.name for p in (self.root / "models").glob("*/model.toml")}
        return sorted(found - {FOLDER})

    @cached_property
    def flag(self) -> FlagSection:
        """What the flag on leads that will not buy promises (models/tire_kicker/model.toml)."""
        return load_flag(self.root)

    def model(self, question: str) -> config.ModelToml:
        self.require_question(question)
        return config.load(self.root / "models" / question / "model.toml", config.ModelToml)

    def require_question(self, question: str) -> None:
        """Raises ConfigError, with the nearest name there is, for a question that is not known."""
        known = self.questions()
        if question not in known:
            raise ConfigError(
                f'The question "{question}" has no models/{question}/model.toml.'
                f"{nearest(question, known)}",
                f"Known questions: {', '.join(known) or 'none'}.",
            )

    def pipelines(self) -> list[str]:
        return sorted(p.stem for p in (self.root / "pipelines").glob("*.toml"))

    def pipeline(self, name: str) -> config.PipelineToml:
        known = self.pipelines()
        if name not in known:
            raise ConfigError(
                f'The pipeline "{name}" has no pipelines/{name}.toml.{nearest(name, known)}',
                f"Known pipelines: {', '.join(known) or 'none'}.",
            )
        return config.load(self.root / "pipelines" / f"{name}.toml", config.PipelineToml)

    # --- folders ----------------------------------------------------------------------------

    @property
    def store(self) -> Path:
        return self.root / ".scoring"

    @property
    def tmp(self) -> Path:
        return self.store / "tmp"

    @property
    def landing(self) -> Path:
        return self.store / "landing"

    @property
    def tables(self) -> Path:
        return self.store / "tables"

    @property
    def out(self) -> Path:
        return self.root / "out"

    @contextmanager
    def connect(self) -> "Iterator[Connection]":
        from scoring.engine.connection import connect

        with connect(self.tmp) as connection:
            yield connection

    @contextmanager
    def locked(self, doing: str) -> Iterator[None]:
        from scoring.store.lock import lock

        with lock(self.store / "lock", doing):
            yield

    # --- tables for people --------------------------------------------------------------------

    def features(self, as_of: datetime | str, question: str = "conversion") -> "pd.DataFrame":
        """The features of the leads that are open as of a moment, a row per lead.

        as_of   a moment, or text such as `2026-11-23`; without a zone in the project's local time

        Columns: lead_id, as_of (UTC), then the features as the champion was trained with them, or
        as the project's files declare them while there is no champion. Numbers are float64, texts
        str; NaN is not known, a count of nothing is 0. Raises ConfigError before the first
        `scoring check`.
        """
        from scoring.build.featureset import project_features
        from scoring.build.run import build_scoring
        from scoring.train.tracking import champion

        at = self._moment(as_of)
        with self.locked("Project.features"):
            try:
                model = champion(self, question)[1]
                settings, declared = model.settings, model.features
            except NoUsableModel:
                model = None
                settings = self.model(question)
                declared = project_features(self, settings)
            rows = build_scoring(self, question, settings, declared, at).frame()
        names = [column.name for column in declared.columns]
        if model is not None:  # only a model has learned from other leads
            rows = model.joined(rows)
            names += [column.name for column in model.learned.columns]
        return _aware(rows[["lead_id", "as_of", *names]])

    def training_table(
        self, as_of: datetime | str | None = None, question: str = "conversion"
    ) -> "pd.DataFrame":
        """The labelled snapshots of a question, by lead and as_of: what `train` learns from.

        as_of   only labels that were known by then; without it the end of the data

        Columns: lead_id, as_of (UTC), group_id (one value per person, leads that were merged
        included: never split it), label (1 or 0), matured_at (UTC, when the label became known),
        then the features that the project's files declare, as in `features`. Raises ConfigError
        before the first `scoring check`.
        """
        from scoring.build.run import build_training
        from scoring.check.tables import Tables

        at = Tables.open(self).data_end if as_of is None else self._moment(as_of)
        with self.locked("Project.training_table"):
            built = build_training(self, question, at)
            rows = built.frame()
        names = [column.name for column in built.features.columns]
        return _aware(rows[["lead_id", "as_of", "group_id", "label", "matured_at", *names]])

    def scores(
        self, as_of: datetime | str | None = None, question: str = "conversion"
    ) -> "pd.DataFrame":
        """The scores of a logical date, the newest without one, with every column of out/scores.

        Times are UTC. Raises ConfigError where that date was not scored.
        """
        from scoring.score.run import read_scores

        return _aware(read_scores(self, question, None if as_of is None else self._moment(as_of)))

    def analytics(
        self, name: str, as_of: datetime | str | None = None, question: str = "conversion"
    ) -> "pd.DataFrame":
        """A pipeline table of a logical date that was scored, the newest without one.

        name   such as `stages`, `sources`, `forecast`: docs/analytics.md has all of them and what
               their columns mean

        Times are UTC, shares between 0 and 1; missing is not known. Raises ConfigError for a name
        that there is not, and where that date has no tables.
        """
        from scoring.analytics.run import read_table

        at = None if as_of is None else self._moment(as_of)
        return _aware(read_table(self, name, at, question))

    def _moment(self, at: datetime | str) -> datetime:
        return parse_moment(at if isinstance(at, str) else at.isoformat(), self.settings.zone)


def _aware(rows: "pd.DataFrame") -> "pd.DataFrame":
    """Naive timestamps of the store mean UTC; people get them with their zone."""
    naive = rows.select_dtypes("datetime").columns
    return rows.assign(**{name: rows[name].dt.tz_localize(UTC) for name in naive})
