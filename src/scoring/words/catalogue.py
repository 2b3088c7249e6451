"""Message catalogues: the project's own, then the engine's, then the English of the source.

A `.po` file is read as it stands. An entry that is fuzzy, or that lacks one of its plural forms,
counts as not translated: half a translation would mix two languages in one column.
"""

from collections.abc import Iterable, Iterator
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

# A text, or its English singular and plural.
Message = str | tuple[str, ...]


def po_path(folder: Path, language: str) -> Path:
    return folder / language / "LC_MESSAGES" / f"{DOMAIN}.po"


def translator(language: str, project_locale_dir: Path | None) -> NullTranslations:
    """`gettext` and `ngettext` of a language.

    project_locale_dir   the project's `locale/`; it may be absent, and None means there is none

    Raises ConfigError, with the line, for a catalogue that cannot be read.
    """
    texts = NullTranslations()
    for catalog in _catalogs(language, project_locale_dir):
        compiled = BytesIO()
        write_mo(compiled, catalog)
        compiled.seek(0)
        found = Translations(compiled, domain=DOMAIN)
        found.add_fallback(texts)
        texts = found
    return texts


def untranslated(
    messages: Iterable[Message], language: str, project_locale_dir: Path | None
) -> list[Message]:
    """Those of `messages` that `translator` leaves in English, once each and in their order.

    Raises ConfigError as `translator` does.
    """
    known = {
        _looked_up(message.id)
        for catalog in _catalogs(language, project_locale_dir)
        for message in catalog
    }
    return [m for m in dict.fromkeys(messages) if _looked_up(m) not in known]


def _looked_up(message: Message | list[str]) -> tuple[str, bool]:
    """What gettext finds it by: its singular, and whether it has plural forms."""
    if isinstance(message, str):
        return message, False
    return message[0], True


def _catalogs(language: str, project_locale_dir: Path | None) -> Iterator[Catalog]:
    """The engine's and the project's, as far as they are there; whole entries only."""
    for folder in (LOCALE, project_locale_dir):
        if folder is None or not (path := po_path(folder, language)).exists():
            continue
        catalog = _read(path, language)
        for message in list(catalog):
            forms = message.string if isinstance(message.string, tuple) else (message.string,)
            if message.id and not (all(forms) and not message.fuzzy):
                catalog.delete(message.id, message.context)
        yield catalog


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
