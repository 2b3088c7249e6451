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

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    ValidationError,
    field_validator,
    model_validator,
)

from scoring.build.columns import StageOrder
from scoring.crm.readers import READERS
from scoring.crm.sinks import OWN
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


class PilotSection(Settings):
    """Whose leads take part while `emit.mode` is "pilot": a lead that any of these names.

    owners        values of `leads.owner_id`
    teams         values of the leads' column `team_column`
    share         of all leads, by a hash of their ID
    """

    owners: tuple[str, ...] = ()
    teams: tuple[str, ...] = ()
    team_column: Identifier = "team"
    share: Share = 0.0


class EmitQuestion(Settings):
    """What a question says otherwise than [emit]: its prefix, its columns."""

    prefix: str | None = None
    columns: tuple[str, ...] | None = None


def _time_of_day(text: str) -> str:
    if text and not re.fullmatch(r"([01][0-9]|2[0-3]):[0-5][0-9]", text):
        raise ValueError("must be a time of day such as 06:30")
    return text


class EmitSection(Settings):
    """Where scores go: `files` (out/emit/), `sql` (columns of an existing table) or a CRM.

    url_env names the environment variable that holds the database's address, so that no password
    stands in a file; `url` is for addresses without a secret. prefix stands before our columns.

    mode              all | pilot: only the leads of [emit.pilot] | shadow: nothing is written
    pause             nothing is written until it is taken away
    latest            local time of day after which nothing more is written; empty: any
    records_a_night   at most so many records are written for a logical date; 0: any number
    questions         question → prefix and columns of its own
    """

    sink: str = "files"
    url: str = ""
    url_env: str = ""
    table: str = ""
    key: str = "lead_id"
    prefix: str = ""
    columns: tuple[str, ...] = ("score", "next_step", "attention", "why", "score_updated_on")
    mode: Literal["all", "pilot", "shadow"] = "all"
    pilot: PilotSection = PilotSection()
    pause: bool = False
    latest: Annotated[str, AfterValidator(_time_of_day)] = ""
    records_a_night: Annotated[int, Field(ge=0)] = 0
    questions: dict[str, EmitQuestion] = {}

    @field_validator("sink")
    @classmethod
    def _known_sink(cls, name: str) -> str:
        sinks = sorted((*OWN, *READERS))
        if name not in sinks:
            raise ValueError(f"must be one of {', '.join(sinks)}.{nearest(name, sinks)}")
        return name

    @model_validator(mode="after")
    def _somebody_in_the_pilot(self) -> "EmitSection":
        pilot = self.pilot
        if self.mode == "pilot" and not (pilot.owners or pilot.teams or pilot.share):
            raise ValueError("must name pilot.owners, pilot.teams or pilot.share in mode pilot")
        return self

    def of_question(self, question: str) -> "EmitSection":
        """The settings as they hold for one question."""
        own = self.questions.get(question)
        if own is None:
            return self
        return self.model_copy(update=own.model_dump(exclude_none=True))


class OwnersSection(Settings):
    """How many leads an owner can work on in a day: what `work_on` is made of.

    capacity      leads a day of every owner that `capacities` does not name, and of those that
                  have no owner together; absent: nobody is told what to work on
    exploration   share of the places that goes to leads drawn at random, so that the next training
                  knows what becomes of leads that nobody would have looked at
    capacities    owner_id → leads a day
    """

    capacity: Annotated[int, Field(ge=0, le=10_000)] | None = None
    exploration: Share = 0.05
    capacities: dict[str, Annotated[int, Field(ge=0, le=10_000)]] = {}


class Spend(Settings):
    """What a channel cost from one local day to another, both included."""

    source: str
    first_day: date
    last_day: date
    amount: Annotated[float, Field(ge=0)]

    @model_validator(mode="after")
    def _in_order(self) -> "Spend":
        if self.last_day < self.first_day:
            raise ValueError("must have its last_day on or after its first_day")
        return self


class AnalyticsSection(Settings):
    """How the tables of out/analytics read the history: docs/analytics.md.

    days            how far they look back
    word_of_mouth   sources that are recommendations; then outbound, then inbound is tried. Patterns
                    as in `contacts.deciding_roles`; a source that fits none is "other"
    duration        property of interactions that tells how long they took, in `unit`
    minutes         type of interaction → minutes that it takes us where no duration is recorded
    spend           what channels cost
    """

    days: Days = 365
    word_of_mouth: tuple[str, ...] = (
        "*referral*", "*word_of_mouth*", "*recommend*", "*suosit*", "*soovit*", "*рекоменд*",
    )  # fmt: skip
    outbound: tuple[str, ...] = (
        "*outbound*", "*outreach*", "*cold*", "*prospecting*", "*list*", "*kylm*", "*külm*",
        "*холодн*",
    )  # fmt: skip
    inbound: tuple[str, ...] = (
        "*inbound*", "*web*", "*form*", "*content*", "*advert*", "*ads", "*organic*", "*search*",
        "*social*", "*newsletter*", "*event*", "*chat*", "*verkko*", "*veeb*", "*сайт*",
    )  # fmt: skip
    duration: str = "duration_s"
    unit: Literal["seconds", "minutes", "hours"] = "seconds"
    minutes: dict[str, Annotated[float, Field(ge=0, le=1440)]] = {}
    spend: tuple[Spend, ...] = ()


class ScoringToml(Settings):
    project: ProjectSection
    tracking: TrackingSection = TrackingSection()
    stages: StagesSection = StagesSection()
    contacts: ContactsSection = ContactsSection()
    limits: LimitsSection = LimitsSection()
    owners: OwnersSection = OwnersSection()
    emit: EmitSection = EmitSection()
    analytics: AnalyticsSection = AnalyticsSection()
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
    """A raw table: its files and everything that is said about how to read them.

    columns   of a table that comes from a CRM: what is asked for; empty: the adapter's own list
    """

    file: str
    columns: tuple[str, ...] = ()


class Source(FileSettings):
    """Where raw tables come from: files below `path`, or a CRM of one of the kinds of
    `scoring.crm.readers`.

    A CRM's tables name the columns that are asked for; they land as `changes`, in UTC, as text.

    address            empty: the vendor's own. The variable `<credentials_env>_ADDRESS` wins
    credentials_env    what the environment variables of the secrets begin with (`HUBSPOT`)
    credentials_file   a TOML file outside the project that only its owner may read
    limit_share        of the CRM's rate limits; the rest stays for other integrations
    options            the adapter's own, which it checks
    """

    kind: str = "files"
    path: str = ""
    tables: Annotated[dict[Identifier, TableFiles], AfterValidator(_not_empty)]
    address: str = ""
    credentials_env: Annotated[str, Field(pattern=r"^([A-Z][A-Z0-9_]*)?$")] = ""
    credentials_file: str = ""
    limit_share: Annotated[float, Field(gt=0, le=1)] = 0.8
    options: dict[Identifier, str | int | bool | tuple[str, ...]] = {}

    @property
    def is_crm(self) -> bool:
        return self.kind != "files"

    @model_validator(mode="before")
    @classmethod
    def _tables_inherit(cls, values: Any) -> Any:
        if not isinstance(values, dict) or not isinstance(values.get("tables"), dict):
            return values
        if values.get("kind", "files") != "files":
            shared = {k: v for k, v in values.items() if k in FileSettings.model_fields}
            tables = {
                name: {**shared, "columns": own, "mode": "changes", "file": f"{name}/*.parquet"}
                for name, own in values["tables"].items()
            }
            return {**values, "mode": "changes", "tables": tables}
        shared = {k: v for k, v in values.items() if k in FileSettings.model_fields}
        tables = {
            name: {**shared, **own} if isinstance(own, dict) else {**shared, "file": own}
            for name, own in values["tables"].items()
        }
        return {**values, "tables": tables}

    @model_validator(mode="after")
    def _of_its_kind(self) -> "Source":
        kinds = ("files", *READERS)
        if self.kind not in kinds:
            raise ValueError(
                f"must have a kind that is one of {', '.join(kinds)}.{nearest(self.kind, kinds)}"
            )
        if self.kind == "files":
            if "path" not in self.model_fields_set:
                raise ValueError("must have a path, since its kind is files")
            given = CRM_KEYS & self.model_fields_set
            asked = any(table.columns for table in self.tables.values())
            if given or asked:
                named = ", ".join(sorted(given)) or "columns"
                raise ValueError(f"must not have {named}, since its kind is files")
        elif self.path:
            raise ValueError("must not have a path, since it is a CRM")
        return self


CRM_KEYS = {"address", "credentials_env", "credentials_file", "limit_share", "options"}


class SourcesToml(Settings):
    sources: Annotated[dict[Identifier, Source], AfterValidator(_not_empty)]


class QuestionSection(Settings):
    """What is asked of a lead at each snapshot: which outcome, or which event, within how long.

    event     types of interactions, as the history has them: the first of any of them is what is
              asked for. `outcome` is then only what features take for a sale
    censor    outcomes that end observation without being a no
    """

    outcome: str = "won"
    event: tuple[Annotated[str, Field(min_length=1)], ...] = ()
    horizon_days: Days = 90
    gap_days: Annotated[int, Field(ge=0, le=36_500)] = 0
    label: Literal["within_horizon", "at_decision"] = "within_horizon"
    censor: tuple[str, ...] = ()

    @property
    def sale_censor(self) -> tuple[str, ...]:
        """The outcomes that say neither yes nor no about a sale."""
        return () if self.event else self.censor

    @model_validator(mode="after")
    def _events_have_a_horizon(self) -> "QuestionSection":
        if len(set(self.event)) < len(self.event):
            raise ValueError("must name each type of `event` once")
        if self.event and self.label == "at_decision":
            raise ValueError(
                'asks for an event and must then have label = "within_horizon": an event that has '
                "not happened yet decides nothing"
            )
        return self


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


Points = Annotated[int, Field(ge=1, le=100)]


class GradesSection(Settings):
    """The lowest score of the grades A, B and C; below it D. `learn`: training sets them where the
    conversion of the validation's leads differs most, and these hold where it cannot."""

    a: Points = 80
    b: Points = 50
    c: Points = 20
    learn: bool = False

    @model_validator(mode="after")
    def _best_first(self) -> "GradesSection":
        if not self.a > self.b > self.c:
            raise ValueError("must name scores in the order a > b > c")
        return self


class TemperatureSection(Settings):
    """The lowest score of a hot and of a warm lead; below it cold. `learn` as for grades."""

    hot: Points = 90
    warm: Points = 50
    learn: bool = False

    @model_validator(mode="after")
    def _hottest_first(self) -> "TemperatureSection":
        if not self.hot > self.warm:
            raise ValueError("must name scores in the order hot > warm")
        return self


class ModelToml(Settings):
    question: QuestionSection = QuestionSection()
    snapshots: SnapshotsSection
    population: PopulationSection = PopulationSection()
    features: FeaturesSection = FeaturesSection()
    learner: LearnerSection = LearnerSection()
    gates: GatesSection = GatesSection()
    grades: GradesSection = GradesSection()
    temperature: TemperatureSection = TemperatureSection()


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
