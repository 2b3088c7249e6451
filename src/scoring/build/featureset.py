"""Which columns a question uses in this project, and what it leaves out and why."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Any

from scoring.build.columns import Column
from scoring.build.learned import STREAM, learned_columns
from scoring.build.lists import Lists, load_lists
from scoring.build.load import load_features, load_rules
from scoring.build.machine import MachineRule, NamedRule, usable_rules
from scoring.build.unfold import Absent, absent, plain, unfold
from scoring.build.vocabulary import Vocabulary
from scoring.config import FeaturesSection, ModelToml
from scoring.engine.reading import Reading
from scoring.errors import ConfigError, nearest

if TYPE_CHECKING:
    from scoring.project import Project

# Canonical columns of `leads` that describe the lead like any attribute does.
DESCRIBING = {"source": "text", "owner_id": "text", "amount": "number"}


@dataclass(frozen=True)
class FeatureSet:
    """Everything that turns a snapshot into a row; a champion carries its own copy.

    attributes          usable attribute → kind
    known_at_creation   attributes that were there from the start
    tracked             attributes with a field history in the source
    left_out            attribute → why it is not used
    learned             columns that are fitted on other leads; `build` makes what they read
    reading             how history rows are read, as the project said then
    machines            how a machine's interactions are known, for `.not_by_machine()`
    """

    columns: tuple[Column, ...]
    attributes: Mapping[str, str]
    known_at_creation: frozenset[str]
    tracked: frozenset[str]
    left_out: Mapping[str, str] = field(default_factory=dict)
    learned: tuple[Column, ...] = ()
    reading: Reading = field(default_factory=Reading)
    machines: tuple[MachineRule, ...] = ()

    @property
    def all(self) -> tuple[Column, ...]:
        """What is built, then what is learned from other leads (`train/learned.py`)."""
        return (*self.columns, *self.learned)

    def to_json(self) -> dict[str, Any]:
        return {
            "columns": [c.to_json() for c in self.columns],
            "attributes": dict(self.attributes),
            "known_at_creation": sorted(self.known_at_creation),
            "tracked": sorted(self.tracked),
            "left_out": dict(self.left_out),
            "learned": [c.to_json() for c in self.learned],
            "reading": self.reading.to_json(),
            "machines": [rule.to_json() for rule in self.machines],
        }

    @staticmethod
    def from_json(value: Mapping[str, Any]) -> "FeatureSet":
        return FeatureSet(
            columns=tuple(Column.from_json(c) for c in value["columns"]),
            attributes=dict(value["attributes"]),
            known_at_creation=frozenset(value["known_at_creation"]),
            tracked=frozenset(value["tracked"]),
            left_out=dict(value["left_out"]),
            learned=tuple(Column.from_json(c) for c in value.get("learned", [])),
            reading=Reading.from_json(value["reading"]) if "reading" in value else Reading(),
            machines=tuple(MachineRule.from_json(r) for r in value.get("machines", [])),
        )

    def keep(self, names: Sequence[str]) -> "FeatureSet":
        """Only the named columns, and what they read."""
        wanted = set(names)
        for column in reversed(self.all):  # what a column reads stands before it
            if column.name in wanted:
                wanted.update(column.inputs)
        return FeatureSet(
            columns=tuple(c for c in self.columns if c.name in wanted),
            attributes=self.attributes,
            known_at_creation=self.known_at_creation,
            tracked=self.tracked,
            left_out=self.left_out,
            learned=tuple(c for c in self.learned if c.name in wanted),
            reading=self.reading,
            machines=self.machines,
        )


@dataclass(frozen=True)
class Usable:
    """What a question may use of a project's history.

    tracked    as `tracked_fields` gives it
    left_out   attribute → why it is not used
    """

    words: Vocabulary
    tracked: Mapping[str, set[str]]
    left_out: Mapping[str, str]


def usable(project: "Project", model: ModelToml) -> Usable:
    """The names of the project's history, without those that `model` leaves out."""
    from scoring.check.tables import Tables
    from scoring.engine.vocabulary import (
        directed,
        filled,
        free_texts,
        known_properties,
        tracked_fields,
        types_and_holders,
    )

    tables, lists = Tables.open(project), load_lists(project.root / "features")
    reading = reading_of(project, lists)
    with project.connect() as connection:
        tracked = tracked_fields(connection, tables)
        found = dict(tables.manifest["attributes"])
        found |= {name: DESCRIBING[name] for name in filled(connection, tables, DESCRIBING)}
        attributes, left_out = usable_attributes(found, tracked, model)
        texts = [name for name, kind in attributes.items() if kind == "text"]
        for name in free_texts(connection, tables, "leads", texts):
            del attributes[name]
            left_out[name] = "free text: people wrote it, and no two leads say the same"
        types, holders = types_and_holders(connection, tables)
        properties = known_properties(connection, tables, reading)
    if not model.features.allow_protected:
        protected = {plain(word) for word in model.features.protected}
        changes = types["lead_changes"]
        types["lead_changes"] = {f: n for f, n in changes.items() if plain(f) not in protected}
    words = Vocabulary(
        types=types,
        directions=directed(tables.manifest["kinds"]),
        properties=properties["interactions"],
        holders=holders,
        attributes=attributes,
        of_streams=properties,
        order=project.settings.stage_orders,
        lists=lists,
    )
    return Usable(words, tracked, left_out)


def project_features(project: "Project", model: ModelToml) -> FeatureSet:
    """The columns that `model` asks for, out of those that the project's feature files declare and
    its history can feed."""
    named = load_features(project.root / "features")
    found = usable(project, model)
    made = unfold(named, found.words)
    possible = [*made, *learned_columns(named, made)[0]]
    columns = [c for c in chosen(possible, model.features) if c.stream != STREAM]
    # Of every attribute means of every one that is used.
    learned = [c for c in learned_columns(named, columns)[0] if _wanted(c, model.features)]
    if not columns:
        raise ConfigError(
            "No feature can be computed for this question.",
            "Look at `[features] use` and `exclude` in its model.toml, and at `scoring features`.",
        )
    words, attributes = found.words, found.words.attributes
    rules, _ = _rules(project, words)
    known = (
        attributes.keys()
        if "*" in model.features.known_at_creation
        else (attributes.keys() & set(model.features.known_at_creation))
    )
    return FeatureSet(
        columns=tuple(columns),
        attributes=attributes,
        known_at_creation=frozenset(known),
        tracked=frozenset(found.tracked["source"]),
        left_out=found.left_out,
        learned=tuple(learned),
        reading=reading_of(project, found.words.lists),
        machines=rules,
    )


def reading_of(project: "Project", lists: Lists) -> Reading:
    """How history rows are read: as scoring.toml says, and by the words that the team looks for."""
    return replace(project.settings.reading, words=lists.text)


def absent_features(project: "Project", model: ModelToml) -> list[Absent]:
    """The declarations that make no column of this project, each with the reason."""
    named = load_features(project.root / "features")
    words = usable(project, model).words
    return [*absent(named, words), *learned_columns(named, unfold(named, words))[1]]


def absent_rules(project: "Project", model: ModelToml) -> dict[NamedRule, str]:
    """How machines are known, where this project's history cannot tell; with the reason."""
    return _rules(project, usable(project, model).words)[1]


def _rules(
    project: "Project", words: Vocabulary
) -> tuple[tuple[MachineRule, ...], dict[NamedRule, str]]:
    named = load_rules(project.root / "features")
    return usable_rules(named, words.types["interactions"], words.properties)


def usable_attributes(
    found: Mapping[str, str], tracked: Mapping[str, set[str]], model: ModelToml
) -> tuple[dict[str, str], dict[str, str]]:
    """Attributes that may be features, by kind; the others with the reason.

    found     attribute → kind: those that `check` tells of, and those of DESCRIBING that hold
              any value
    tracked   `source`: fields with a history of the CRM's own; `landing`: fields that changed
              between two nights
    """
    section = model.features
    _all_known(section.known_at_creation, {**DESCRIBING, **found}, "known_at_creation")
    protected = {plain(word) for word in section.protected}  # `Gender` is `gender`
    usable: dict[str, str] = {}
    left_out: dict[str, str] = {}
    for name, kind in sorted(found.items()):
        if kind == "timestamp":
            left_out[name] = "a point in time is never a feature"
        elif plain(name) in protected and not section.allow_protected:
            left_out[name] = "protected: a personal trait"
        elif (
            "*" in section.known_at_creation
            or name in section.known_at_creation
            or name in tracked["source"]
            or name in tracked["landing"]
        ):
            usable[name] = kind
        else:
            left_out[name] = "not declared known at creation, and no history of it yet"
    return usable, left_out


def _all_known(names: Sequence[str], known: Mapping[str, str], key: str) -> None:
    for name in names:
        if name != "*" and name not in known:
            raise ConfigError(
                f"model.toml: `{key}` names `{name}`, which is not an attribute of the leads."
                f"{nearest(name, known)}"
            )


def chosen(columns: Sequence[Column], section: FeaturesSection) -> list[Column]:
    """The columns whose name, variable or theme matches `use` and not `exclude`."""
    for pattern in (*section.use, *section.exclude):
        if not any(_matches(c, pattern) for c in columns) and "*" not in pattern:
            names = {n for c in columns for n in (c.name, c.variable, c.theme)}
            raise ConfigError(
                f"model.toml: `[features]` names `{pattern}`, which no feature file makes here."
                f"{nearest(pattern, names)}"
            )
    kept = [c for c in columns if _wanted(c, section)]
    names = {c.name for c in kept}
    return [c for c in kept if set(c.inputs) <= names]


def _wanted(column: Column, section: FeaturesSection) -> bool:
    return any(_matches(column, p) for p in section.use) and not any(
        _matches(column, p) for p in section.exclude
    )


def _matches(column: Column, pattern: str) -> bool:
    return any(fnmatchcase(n, pattern) for n in (column.name, column.variable, column.theme))
