"""A project on disk: its settings, its folders, and DataFrames for people in notebooks.

from scoring import Project
project = Project("my-project")
project.scores()
"""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from scoring import config
from scoring.errors import ConfigError, nearest

if TYPE_CHECKING:
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
    def sources(self) -> dict[str, config.Source]:
        loaded = config.load(self.root / "data" / "sources.toml", config.SourcesToml)
        return loaded.sources

    def questions(self) -> list[str]:
        return sorted(p.parent.name for p in (self.root / "models").glob("*/model.toml"))

    def model(self, question: str) -> config.ModelToml:
        path = self.root / "models" / question / "model.toml"
        if not path.exists():
            known = self.questions()
            raise ConfigError(
                f'The question "{question}" has no models/{question}/model.toml.'
                f"{nearest(question, known)}",
                f"Known questions: {', '.join(known) or 'none'}.",
            )
        return config.load(path, config.ModelToml)

    def pipelines(self) -> list[str]:
        return sorted(p.stem for p in (self.root / "pipelines").glob("*.toml"))

    def pipeline(self, name: str) -> config.PipelineToml:
        path = self.root / "pipelines" / f"{name}.toml"
        if not path.exists():
            known = self.pipelines()
            raise ConfigError(
                f'The pipeline "{name}" has no pipelines/{name}.toml.{nearest(name, known)}',
                f"Known pipelines: {', '.join(known) or 'none'}.",
            )
        return config.load(path, config.PipelineToml)

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
    def connect(
        self, *, time_zone: str = "UTC", threads: int | None = None
    ) -> "Iterator[Connection]":
        from scoring.engine.connection import connect

        with connect(self.tmp, time_zone=time_zone, threads=threads) as connection:
            yield connection

    @contextmanager
    def locked(self, doing: str) -> Iterator[None]:
        from scoring.store.lock import lock

        with lock(self.store / "lock", doing):
            yield
