"""Every text that a seller of a project may read, and which of them have no translation.

The engine's own texts, the sentences of the feature files, and the names of the types, attributes
and stages that the project's history holds. What stands in the rows, such as the name of a town,
is shown as the CRM has it and is not looked for here.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from babel.messages.extract import extract_from_dir

from scoring.build.columns import Column, opposed
from scoring.build.load import load_features
from scoring.words.catalogue import Message, untranslated
from scoring.words.names import common_names, entry

ENGINE = Path(__file__).parents[1]


def engine_messages() -> Iterator[Message]:
    """The texts that the engine marks with `N_`, and common names."""
    for _, _, message, _, _ in extract_from_dir(ENGINE, keywords={"N_": None}):
        yield message
    yield from common_names()


def sentence_messages(features: Path) -> Iterator[Message]:
    """The sentences of feature files: (singular, plural), or one text that has no plural.

    Some have two sentences, for a rise and for a fall; they are no plural of each other.
    """
    for item in load_features(features):
        singular, plural = item.declaration.singular, item.declaration.plural
        if singular == plural:
            yield singular
        elif opposed(item.declaration.op, singular, plural):
            yield from (singular, plural)
        else:
            yield singular, plural


@dataclass(frozen=True)
class Missing:
    """Texts that are shown in English, and names that are shown as the CRM has them."""

    texts: tuple[Message, ...]
    names: tuple[Message, ...]


def missing(
    features: Path,
    columns: Iterable[Column],
    language: str,
    project_locale_dir: Path,
) -> Missing:
    """What `language` lacks; English lacks nothing.

    features   the project's folder of feature files; columns: all that it can have

    Raises ConfigError for a feature file or a catalogue that cannot be read.
    """
    if language == "en":
        return Missing((), ())
    names = {entry(c.label) for c in columns if c.label and "{name}" in c.singular + c.plural}
    texts = [*engine_messages(), *sentence_messages(features)]
    return Missing(
        tuple(untranslated(texts, language, project_locale_dir)),
        tuple(untranslated(sorted(names), language, project_locale_dir)),
    )
