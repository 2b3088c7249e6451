"""Message catalogues: the project's own, then the engine's, then the English of the source.

A `.po` file is read as it stands. An entry that is fuzzy, or that lacks one of its plural forms,
counts as not translated: half a translation would mix two languages in one column.
"""

from gettext import NullTranslations
from io import BytesIO
from pathlib import Path

from babel.messages.catalog import Catalog
from babel.messages.mofile import write_mo
from babel.messages.pofile import PoFileError, read_po
from babel.support import Translations

from scoring.errors import ConfigError

LOCALE = Path(__file__).parent / "locale"
DOMAIN = "scoring"


def po_path(folder: Path, language: str) -> Path:
    return folder / language / "LC_MESSAGES" / f"{DOMAIN}.po"


def translator(language: str, project_locale_dir: Path | None) -> NullTranslations:
    """`gettext` and `ngettext` of a language.

    project_locale_dir   the project's `locale/`; it may be absent, and None means there is none

    Raises ConfigError, with the line, for a catalogue that cannot be read.
    """
    texts = NullTranslations()
    folders = [LOCALE] if project_locale_dir is None else [LOCALE, project_locale_dir]
    for folder in folders:
        path = po_path(folder, language)
        if path.exists():
            found = _translations(path, language)
            found.add_fallback(texts)
            texts = found
    return texts


def _translations(path: Path, language: str) -> Translations:
    catalog = _read(path, language)
    for message in list(catalog):
        forms = message.string if isinstance(message.string, tuple) else (message.string,)
        if message.id and not all(forms):
            catalog.delete(message.id, message.context)
    compiled = BytesIO()
    write_mo(compiled, catalog)
    compiled.seek(0)
    return Translations(compiled, domain=DOMAIN)


def _read(path: Path, language: str) -> Catalog:
    try:
        with path.open("rb") as file:
            return read_po(file, locale=language, domain=DOMAIN, abort_invalid=True)
    except PoFileError as error:
        reason = f"line {error.lineno + 1}: {error}"
    except (UnicodeDecodeError, ValueError, LookupError) as error:
        reason = type(error).__name__
    raise ConfigError(
        f"The message catalogue {path} cannot be read ({reason}).",
        "Repair it, or delete it to use English.",
    )
