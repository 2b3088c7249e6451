"""Bring the catalogues up to date with the texts in the sources.

    python -m scoring.words.extract features

Collects the texts that the engine marks with `N_`, the names that histories have in common and the
sentences of the feature files, writes `locale/scoring.pot` and merges it into the `.po` file of
every language. Translations are kept. A sentence that is gone stays as a comment at the end.
"""

import sys
from datetime import UTC, datetime
from pathlib import Path

from babel.messages.catalog import Catalog
from babel.messages.pofile import read_po, write_po

from scoring.words.catalogue import DOMAIN, LOCALE, po_path
from scoring.words.messages import engine_messages, sentence_messages

LANGUAGES = ("fi", "et", "ru")
# A file without new texts stays the same to the byte.
WRITTEN = datetime(2026, 1, 1, tzinfo=UTC)


def template(features: Path) -> Catalog:
    catalog = _catalog(None)
    for message in [*engine_messages(), *sentence_messages(features)]:
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
