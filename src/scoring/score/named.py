"""The project's features that conditions of `next_step.toml` speak of, compiled for a score run.

A champion brings the columns that it was trained with; what its model does without is compiled from
the project's files tonight.
"""

from collections.abc import Collection
from dataclasses import dataclass, replace

from scoring.build.columns import Column
from scoring.build.featureset import FeatureSet, usable
from scoring.build.learned import STREAM
from scoring.build.load import load_features
from scoring.build.unfold import could_make, unfold
from scoring.errors import ConfigError, nearest
from scoring.project import Project
from scoring.score.conditions import ANY, NUMBER, TEXT, Name
from scoring.score.next_step import FILE, NAMES

OWNER = "_owner"


@dataclass(frozen=True)
class Named:
    """features   with the named columns behind the others
    names         what conditions may say of them; a declared feature that this project's history
                  cannot feed is among them, and always missing
    """

    features: FeatureSet
    names: dict[str, Name]

    @property
    def there(self) -> dict[str, Name]:
        """Those that are built."""
        return {name: of for name, of in self.names.items() if of.kind != ANY}


def with_named(
    project: Project, question: str, features: FeatureSet, wanted: Collection[str]
) -> Named:
    """Raises ConfigError for a name that no feature has, and for a feature that is learned from
    other leads: what it says depends on the model."""
    found = {c.name: c for c in features.columns if c.name in wanted}
    absent: list[str] = []
    attributes = dict(features.attributes)
    added: list[Column] = []
    if missing := sorted(set(wanted) - found.keys()):
        named = load_features(project.root / "features")
        words = usable(project, project.model(question)).words
        made = {c.name: c for c in unfold(named, words)}
        there = {c.name for c in features.columns}
        for name in missing:
            if name in made:
                found[name] = made[name]
                for column in (*(made[i] for i in made[name].inputs), made[name]):
                    if column.name not in there:
                        added.append(column)
                        there.add(column.name)
                continue
            learned = any(n.declaration.stream == STREAM and _of(n.variable, name) for n in named)
            if learned or not any(could_make(n, name) for n in named):
                what = "is learned from other leads" if learned else "is no feature of the project"
                raise ConfigError(
                    f"{FILE}: `{name}` {what}, and none of the names that conditions know."
                    f"{nearest(name, [*made, *NAMES])}",
                    "docs/score.md lists the names; `scoring features` lists the features.",
                )
            absent.append(name)
        attributes |= {c.of: words.attributes[c.of] for c in added if c.op == "attribute" and c.of}
    names = {n: Name(TEXT if c.kind == "category" else NUMBER) for n, c in found.items()}
    return Named(
        replace(features, columns=(*features.columns, *added), attributes=attributes),
        names | dict.fromkeys(absent, Name(ANY)),
    )


def _of(variable: str, name: str) -> bool:
    return name == variable or name.startswith(f"{variable}_")


def with_owner(features: FeatureSet) -> FeatureSet:
    """And who looks after each lead, as it was known at as_of.

    The owner orders nothing but the day's work, so it may be taken from the lead's row where its
    history does not tell; a champion that reads it goes on reading it its own way.
    """
    owner = Column(
        name=OWNER, variable=OWNER, theme="attention", stream="lead", op="attribute",
        of="owner_id", kind="category",
    )  # fmt: skip
    known = features.known_at_creation
    if "owner_id" not in features.attributes:
        known = known | {"owner_id"}
    return replace(
        features,
        columns=(*features.columns, owner),
        attributes={"owner_id": "text", **features.attributes},
        known_at_creation=known,
    )
