"""The team's word lists, features/words.toml.

    [text]      words to look for in notes, mail bodies and chats: `.mentions("discount")`
    [values]    patterns of whole values: `.where("domain", listed="free_mail")`, `.is_listed`

A champion keeps the lists that it was trained with. A project without the file has no lists.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated

from pydantic import AfterValidator, Field

from scoring.config import Identifier, Settings, load
from scoring.engine.words import unreadable
from scoring.errors import ConfigError, nearest

FILE = "words.toml"


def _words(words: tuple[str, ...]) -> tuple[str, ...]:
    for word in words:
        if reason := unreadable(word):
            raise ValueError(f"must be words. {word!r} {reason}")
    return tuple(dict.fromkeys(words))


def _patterns(patterns: tuple[str, ...]) -> tuple[str, ...]:
    if any(not pattern.strip() for pattern in patterns):
        raise ValueError("must be texts or patterns, none of them empty")
    return tuple(dict.fromkeys(pattern.strip().lower() for pattern in patterns))


Words = Annotated[tuple[str, ...], Field(min_length=1), AfterValidator(_words)]
Patterns = Annotated[tuple[str, ...], Field(min_length=1), AfterValidator(_patterns)]


class Lists(Settings):
    """Name of a list → its words or patterns."""

    text: dict[Identifier, Words] = Field(default_factory=dict)
    values: dict[Identifier, Patterns] = Field(default_factory=dict)


def load_lists(folder: Path) -> Lists:
    """The lists of a project's feature folder. Raises ConfigError where the file has a fault."""
    path = folder / FILE
    return load(path, Lists) if path.is_file() else Lists()


def chosen(lists: Mapping[str, tuple[str, ...]], name: str, section: str) -> tuple[str, ...]:
    """The list `name` of a section. Raises ConfigError with the nearest one for no such list."""
    if name not in lists:
        raise ConfigError(
            f"features/{FILE} has no list `{name}` in [{section}].{nearest(name, lists)}",
            f"Known: {', '.join(sorted(lists)) or 'none'}.",
        )
    return lists[name]
