"""Which columns a question uses in this project, and what it leaves out and why."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Any

from scoring.build.columns import Column
from scoring.build.load import Named, load_features
from scoring.build.unfold import Vocabulary, plain, unfold
from scoring.config import FeaturesSection, ModelToml
from scoring.errors import ConfigError, nearest

if TYPE_CHECKING:
    from scoring.check.tables import Tables
    from scoring.engine.connection import Connection
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
    """

    columns: tuple[Column, ...]
    attributes: Mapping[str, str]
    known_at_creation: frozenset[str]
    tracked: frozenset[str]
    left_out: Mapping[str, str] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        return {
            "columns": [c.to_json() for c in self.columns],
            "attributes": dict(self.attributes),
            "known_at_creation": sorted(self.known_at_creation),
            "tracked": sorted(self.tracked),
            "left_out": dict(self.left_out),
        }

    @staticmethod
    def from_json(value: Mapping[str, Any]) -> "FeatureSet":
        return FeatureSet(
            columns=tuple(Column.from_json(c) for c in value["columns"]),
            attributes=dict(value["attributes"]),
            known_at_creation=frozenset(value["known_at_creation"]),
            tracked=frozenset(value["tracked"]),
            left_out=dict(value["left_out"]),
        )

    def keep(self, names: Sequence[str]) -> "FeatureSet":
        """Only the named columns, and what their ratios read."""
        wanted = set(names)
        for column in self.columns:
            if column.name in wanted:
                wanted.update(column.inputs)
        return FeatureSet(
            columns=tuple(c for c in self.columns if c.name in wanted),
            attributes=self.attributes,
            known_at_creation=self.known_at_creation,
            tracked=self.tracked,
            left_out=self.left_out,
        )


def feature_set(
    connection: "Connection", tables: "Tables", named: Sequence[Named], model: ModelToml
) -> FeatureSet:
    """The columns that `model` asks for, out of those that the project's history can feed."""
    from scoring.engine.vocabulary import directed, filled, tracked_fields, types_and_holders

    tracked = tracked_fields(connection, tables)
    found = dict(tables.manifest["attributes"])
    found |= {name: DESCRIBING[name] for name in filled(connection, tables, DESCRIBING)}
    attributes, left_out = usable_attributes(found, tracked, model)
    types, holders = types_and_holders(connection, tables)
    words = Vocabulary(
        types=types,
        directions=directed(tables.manifest["kinds"]),
        properties=tables.manifest["properties"],
        holders=holders,
        attributes=attributes,
    )
    columns = chosen(unfold(named, words), model.features)
    if not columns:
        raise ConfigError(
            "No feature can be computed for this question.",
            "Look at `[features] use` and `exclude` in its model.toml, and at `scoring features`.",
        )
    known = (
        attributes.keys()
        if "*" in model.features.known_at_creation
        else (attributes.keys() & set(model.features.known_at_creation))
    )
    return FeatureSet(
        columns=tuple(columns),
        attributes=attributes,
        known_at_creation=frozenset(known),
        tracked=frozenset(tracked["source"]),
        left_out=left_out,
    )


def project_features(project: "Project", model: ModelToml) -> FeatureSet:
    """What the project's own feature files declare, for `model`."""
    from scoring.check.tables import Tables

    named = load_features(project.root / "features")
    with project.connect() as connection:
        return feature_set(connection, Tables.open(project), named, model)


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
    kept = [
        c
        for c in columns
        if any(_matches(c, p) for p in section.use)
        and not any(_matches(c, p) for p in section.exclude)
    ]
    names = {c.name for c in kept}
    return [c for c in kept if set(c.inputs) <= names]


def _matches(column: Column, pattern: str) -> bool:
    return any(fnmatchcase(n, pattern) for n in (column.name, column.variable, column.theme))
