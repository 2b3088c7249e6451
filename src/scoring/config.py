"""The project's TOML files as typed, immutable settings.

    scoring.toml                name, time zone, language, tracking, stages, emit, limits
    data/sources.toml           where each table comes from
    models/<question>/model.toml  one question: label, snapshots, features, learner, gates
    pipelines/<name>.toml       the ordered steps of a scheduled job

Every key that is not known is refused with the nearest one that is; a missing key has the
default that stands here.
"""

import re
import tomllib
from datetime import date, datetime
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar
from zoneinfo import ZoneInfo, available_timezones

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError, model_validator

from scoring.build.columns import StageOrder
from scoring.engine.reading import DECIDING_ROLES, Reading
from scoring.errors import ConfigError, nearest

IDENTIFIER = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,62}")
PROTECTED = ("gender", "age", "age_band", "disability", "marital")


def _identifier(name: str) -> str:
    if not IDENTIFIER.fullmatch(name):
        raise ValueError("must be a plain name: letters, digits and _, not starting with a digit")
    return name


def _not_empty(tables: dict[str, Any]) -> dict[str, Any]:
    if not tables:
        raise ValueError("must name at least one")
    return tables


def _zone(name: str) -> str:
    if name not in available_timezones():
        raise ValueError(
            f"must be a time zone of the IANA list.{nearest(name, available_timezones())}"
        )
    return name


Identifier = Annotated[str, AfterValidator(_identifier)]
TimeZone = Annotated[str, AfterValidator(_zone)]
Days = Annotated[int, Field(ge=1, le=36_500)]
Share = Annotated[float, Field(ge=0, le=1)]


# What a value is, where the value itself may be a secret.
KINDS = {
    str: "a text",
    int: "a whole number",
    float: "a number",
    bool: "true or false",
    list: "a list",
    dict: "a table",
    date: "a date",
}


class Settings(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class ProjectSection(Settings):
    name: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9_-]{0,62}$")]
    time_zone: TimeZone = "UTC"
    lead_time_zone: str = ""
    language: Literal["en", "fi", "et", "ru"] = "en"
    engine: Literal["duckdb", "spark"] = "duckdb"


class SparkSection(Settings):
    """How `engine = "spark"` reaches Apache Spark; what Spark's own environment (SPARK_HOME,
    SPARK_CONF_DIR) says stands behind it.

    master   empty: `spark.master` of Spark's own configuration, else all cores of this machine
    conf     Spark's own properties, as texts
    """

    master: str = ""
    conf: dict[Annotated[str, Field(pattern=r"^spark\.")], str] = {}


class TrackingSection(Settings):
    """Where MLflow keeps runs. Empty: SQLite in the store. MLFLOW_TRACKING_URI wins over it."""

    uri: str = ""


class Pipeline(Settings):
    """The stages, first to last, as the CRM names them, from a local day on (None: always)."""

    order: tuple[str, ...] = ()
    valid_from: date | None = None

    @model_validator(mode="after")
    def _each_once(self) -> "Pipeline":
        if len(set(self.order)) < len(self.order):
            raise ValueError("an order of stages must name each stage once")
        return self


class StagesSection(Pipeline):
    """The pipeline as it is, and what it was `earlier`, oldest first."""

    earlier: tuple[Pipeline, ...] = ()

    @property
    def pipelines(self) -> tuple[Pipeline, ...]:
        return (*self.earlier, self) if self.order else ()

    @property
    def names(self) -> tuple[str, ...]:
        """Every stage of any order."""
        return tuple(dict.fromkeys(stage for p in self.pipelines for stage in p.order))

    @model_validator(mode="after")
    def _one_after_the_other(self) -> "StagesSection":
        first = [p.valid_from or date.min for p in self.pipelines[:1]]
        days = [p.valid_from for p in self.pipelines[1:] if p.valid_from]
        if len(days) < len(self.earlier) or sorted({*first, *days}) != [*first, *days]:
            raise ValueError("each order of stages but the first must be valid_from a later day")
        return self


class ContactsSection(Settings):
    """Which roles of contacts decide about buying: patterns in small letters, `_` for everything
    that is neither letter nor digit (`*decision*`, `ceo`, `toimitusjohtaja`)."""

    deciding_roles: tuple[str, ...] = DECIDING_ROLES


class LimitsSection(Settings):
    """When a run stops before it writes anything.

    quarantine_share     of a table's rows that may be in quarantine
    vanished_share       of a `full` table's rows that may be gone since the last run
    """

    quarantine_share: Share = 0.2
    vanished_share: Share = 0.5


class EmitSection(Settings):
    """Where scores go: `files` (out/emit/) or `sql` (columns of an existing table).

    url_env names the environment variable that holds the database's address, so that no password
    stands in a file; `url` is for addresses without a secret. prefix stands before our columns.
    """

    sink: Literal["files", "sql"] = "files"
    url: str = ""
    url_env: str = ""
    table: str = ""
    key: str = "lead_id"
    prefix: str = ""
    columns: tuple[str, ...] = ("score", "attention", "why", "score_updated_on")


class ScoringToml(Settings):
    project: ProjectSection
    tracking: TrackingSection = TrackingSection()
    stages: StagesSection = StagesSection()
    contacts: ContactsSection = ContactsSection()
    limits: LimitsSection = LimitsSection()
    emit: EmitSection = EmitSection()
    spark: SparkSection = SparkSection()

    @model_validator(mode="before")
    @classmethod
    def _engine_above_the_sections(cls, values: Any) -> Any:
        """`engine` may stand above the first section, or in [project]."""
        if not isinstance(values, dict) or "engine" not in values:
            return values
        project = values.get("project")
        if not isinstance(project, dict) or "engine" in project:
            return values
        rest = {key: value for key, value in values.items() if key != "engine"}
        return {**rest, "project": {**project, "engine": values["engine"]}}

    @property
    def zone(self) -> ZoneInfo:
        return ZoneInfo(self.project.time_zone)

    @property
    def stage_orders(self) -> tuple[StageOrder, ...]:
        """The pipelines, oldest first; none where no order is configured."""
        found = []
        for pipeline in self.stages.pipelines:
            day = pipeline.valid_from
            start = datetime(day.year, day.month, day.day, tzinfo=self.zone) if day else None
            moment = None if start is None else round(start.timestamp() * 1_000_000)
            found.append(StageOrder(pipeline.order, moment))
        return tuple(found)

    @property
    def reading(self) -> Reading:
        return Reading(
            zone=self.project.time_zone,
            lead_time_zone=self.project.lead_time_zone or None,
            deciding_roles=self.contacts.deciding_roles,
        )


class FileSettings(Settings):
    """How a source's files are to be read; a table may override any of them."""

    mode: Literal["full", "append", "changes"] = "full"
    time_zone: TimeZone = "UTC"
    precision: Literal["microsecond", "day"] = "microsecond"
    complete_until: date | None = None
    encoding: str = ""
    delimiter: Annotated[str, Field(max_length=1)] = ""
    decimal: Literal[".", ","] = "."
    dates: tuple[str, ...] = ()


class TableFiles(FileSettings):
    """A raw table: its files and everything that is said about how to read them."""

    file: str


class Source(FileSettings):
    kind: Literal["files"] = "files"
    path: str
    tables: Annotated[dict[Identifier, TableFiles], AfterValidator(_not_empty)]

    @model_validator(mode="before")
    @classmethod
    def _tables_inherit(cls, values: Any) -> Any:
        if not isinstance(values, dict) or not isinstance(values.get("tables"), dict):
            return values
        shared = {k: v for k, v in values.items() if k in FileSettings.model_fields}
        tables = {
            name: {**shared, **own} if isinstance(own, dict) else {**shared, "file": own}
            for name, own in values["tables"].items()
        }
        return {**values, "tables": tables}


class SourcesToml(Settings):
    sources: Annotated[dict[Identifier, Source], AfterValidator(_not_empty)]


class QuestionSection(Settings):
    outcome: str = "won"
    horizon_days: Days = 90
    gap_days: Annotated[int, Field(ge=0, le=36_500)] = 0
    label: Literal["within_horizon", "at_decision"] = "within_horizon"
    censor: tuple[str, ...] = ()


class SnapshotsSection(Settings):
    """When a lead is looked at: at fixed ages, on a fixed rhythm, or at its own timestamps."""

    at_age_days: tuple[Days, ...] = ()
    every_days: Days | None = None
    at: tuple[Identifier, ...] = ()
    close_after_days: Days = 365

    @model_validator(mode="after")
    def _one_kind(self) -> "SnapshotsSection":
        said = [k for k in ("at_age_days", "every_days", "at") if getattr(self, k)]
        if len(said) != 1:
            found = " and ".join(said) or "none"
            raise ValueError(f"must name one of at_age_days, every_days, at (found: {found})")
        return self


class PopulationSection(Settings):
    where: str = ""


class FeaturesSection(Settings):
    use: tuple[str, ...] = ("*",)
    exclude: tuple[str, ...] = ()
    known_at_creation: tuple[str, ...] = ()
    protected: tuple[str, ...] = PROTECTED
    allow_protected: bool = False
    allow_leaks: tuple[str, ...] = ()


class LearnerSection(Settings):
    preset: Literal["best", "fast"] = "best"
    seed: int = 7


class GatesSection(Settings):
    """What a candidate must show before it becomes the champion.

    min_conversions   distinct won leads in the training rows
    min_validation    distinct won leads in the validation rows
    margin            log loss by which a candidate may be behind a baseline
    """

    min_conversions: Annotated[int, Field(ge=1)] = 40
    min_validation: Annotated[int, Field(ge=1)] = 10
    margin: Annotated[float, Field(ge=0, le=1)] = 0.005


class ModelToml(Settings):
    question: QuestionSection = QuestionSection()
    snapshots: SnapshotsSection
    population: PopulationSection = PopulationSection()
    features: FeaturesSection = FeaturesSection()
    learner: LearnerSection = LearnerSection()
    gates: GatesSection = GatesSection()


class PipelineToml(Settings):
    steps: tuple[Literal["ingest", "check", "build", "train", "score", "emit"], ...]


Toml = TypeVar("Toml", bound=Settings)


def load(path: Path, kind: type[Toml]) -> Toml:
    """Read a TOML file into its settings. Raises ConfigError, one sentence per fault."""
    try:
        with path.open("rb") as handle:
            values = tomllib.load(handle)
    except FileNotFoundError:
        raise ConfigError(
            f"{path.name} was looked for in {path.parent} and is not there.",
            "Run the command in a project, or make one with `scoring init DIR`.",
        ) from None
    except OSError as error:
        raise ConfigError(
            f"{path} cannot be read: {error.strerror}.",
            "It must be a file that this user may read.",
        ) from None
    except UnicodeDecodeError as error:
        raise ConfigError(
            f"{path.name} is not UTF-8: byte {error.start:,} does not fit.",
            "Save it as UTF-8 without a byte-order mark.",
        ) from None
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"{path.name} is not valid TOML: {error}.") from None
    try:
        return kind.model_validate(values)
    except ValidationError as error:
        raise ConfigError("\n".join(_sentences(path.name, kind, error))) from None


def _sentences(file: str, kind: type[Settings], error: ValidationError) -> list[str]:
    sentences = []
    said: set[tuple[Any, ...]] = set()
    for fault in error.errors(include_url=False, include_context=False):
        loc = tuple(part for part in fault["loc"] if part != "[key]")
        said.add(loc)
        if len(loc) > 4 and (*loc[:2], loc[-1]) in said:
            continue  # a table inherits the fault of its source
        where = ".".join(str(part) for part in loc) or "the file"
        if fault["type"] == "extra_forbidden":
            likely = nearest(str(fault["loc"][-1]), _keys(kind))
            sentences.append(f"{file}: `{where}` is not a known key.{likely}")
        elif fault["type"] == "missing":
            sentences.append(f"{file}: `{where}` is missing.")
        else:
            what = fault["msg"].removeprefix("Value error, ").removeprefix("Input ")
            what = (what[0].lower() + what[1:]).replace("valid dictionary", "table")
            got = KINDS.get(type(fault["input"]), "something else")
            sentences.append(f"{file}: `{where}` {what.rstrip('.')} (got {got}).")
    return sentences


def _keys(kind: type[BaseModel]) -> set[str]:
    """Every key name that `kind` or a section of it knows."""
    keys = set(kind.model_fields)
    for field in kind.model_fields.values():
        for part in (field.annotation, *getattr(field.annotation, "__args__", ())):
            if isinstance(part, type) and issubclass(part, BaseModel):
                keys |= _keys(part)
    return keys
