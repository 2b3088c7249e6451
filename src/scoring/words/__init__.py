"""The project's language: translated texts, and how numbers, shares and days are written.

    translator(language, project_locale_dir)    texts; English where a translation is missing
    label(column, key, texts)                   a stored key as a person reads it
    named(name, texts)                          an attribute, type or stage of the CRM, in words
    number, percent, date                       `12,3`, `40 %`, `1.3.2027` for the language

Catalogues are `locale/<language>/LC_MESSAGES/scoring.po`; they are read as they are, nothing is
compiled. `python -m scoring.words.extract` brings them up to date with the sources.
"""

from scoring.words.catalogue import translator
from scoring.words.formats import date, number, percent
from scoring.words.labels import label
from scoring.words.names import named

__all__ = ["date", "label", "named", "number", "percent", "translator"]
