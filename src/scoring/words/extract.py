"""Bring the catalogues up to date with the texts in the sources.

    python -m scoring.words.extract features

Collects the engine's labels and the sentences of the feature files, writes `locale/scoring.pot`
and merges it into the `.po` file of every language. Translations are kept. A sentence that is gone
stays as a comment at the end.
"""

import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

from babel.messages.catalog import Catalog
from babel.messages.extract import extract_from_dir
from babel.messages.pofile import read_po, write_po

from scoring.build.columns import opposed
from scoring.build.load import load_features
from scoring.words.catalogue import DOMAIN, LOCALE, po_path

LANGUAGES = ("fi", "et", "ru")
# A file without new texts stays the same to the byte.
WRITTEN = datetime(2026, 1, 1, tzinfo=UTC)

Message = str | tuple[str, ...]


def label_messages() -> Iterator[Message]:
    """The texts that the engine marks with `N_`."""
    for _, _, message, _, _ in extract_from_dir(Path(__file__).parent, keywords={"N_": None}):
        yield message


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


def template(features: Path) -> Catalog:
    catalog = _catalog(None)
    for message in [*label_messages(), *sentence_messages(features)]:
        catalog.add(message)
    return catalog


def update(features: Path, locale: Path) -> None:
    """Write the template and the catalogue of every language below `locale`."""
    texts = template(features)
    _write(locale / f"{DOMAIN}.pot", texts)
    for language in LANGUAGES:
        path = po_path(locale, language)
        catalog = _catalog(language)
        if path.exists():
            with path.open("rb") as file:
                catalog = read_po(file, locale=language, domain=DOMAIN)
        catalog.update(texts, no_fuzzy_matching=True, update_creation_date=False)
        _write(path, catalog)


def _catalog(language: str | None) -> Catalog:
    return Catalog(
        locale=language,
        domain=DOMAIN,
        project="lead-scoring",
        creation_date=WRITTEN,
        revision_date=WRITTEN,
        fuzzy=False,
        header_comment="# Texts that sellers read. UTF-8.",
    )


def _write(path: Path, catalog: Catalog) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("wb") as file:
        write_po(file, catalog, width=100, no_location=True, sort_output=True)


if __name__ == "__main__":
    update(Path(sys.argv[1]), LOCALE)
