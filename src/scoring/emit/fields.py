"""Our columns as a CRM is to have them: types, labels, groups and the keys of each choice.

Stored values are stable English keys; labels are in the project's language.
"""

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from scoring.config import IDENTIFIER
from scoring.crm.port import Field, Kind, Option, Value
from scoring.errors import ConfigError, nearest
from scoring.words import translator
from scoring.words.labels import COLUMNS, GROUP, LABELS, label

if TYPE_CHECKING:
    from collections.abc import Mapping
    from gettext import NullTranslations

    from scoring.project import Project

# Every column of a score row that may stand in a CRM, with the length of its longest text.
CATALOGUE: dict[str, tuple[Kind, int]] = {
    "score": ("integer", 0),
    "next_step": ("choice", 22),
    "attention": ("choice", 22),
    "why": ("text", 255),
    "score_updated_on": ("date", 0),
    "score_feedback": ("choice", 22),
    "probability": ("share", 0),
    "probability_low": ("share", 0),
    "probability_high": ("share", 0),
    "grade": ("choice", 1),
    "temperature": ("choice", 10),
    "trend": ("choice", 10),
    "work_on": ("date", 0),
    "recycle_on": ("date", 0),
    "main_reason": ("choice", 90),
    "tire_kicker": ("flag", 0),
}
FEEDBACK = "score_feedback"
MAIN_REASON = "main_reason"


def fields_of(project: "Project", question: str) -> tuple[Field, ...]:
    """The columns that the settings ask for, sellers' own included.

    The options of `main_reason` are the themes that the project declares; `with_reasons` adds
    what a run's scores name besides. Raises ConfigError where a column is not ours to write.
    """
    settings = project.settings.emit.of_question(question)
    language = project.settings.project.language
    texts = translator(language, project.root / "locale")
    fields = []
    for column in dict.fromkeys(settings.columns):
        if column not in CATALOGUE:
            raise ConfigError(
                f'`emit.columns` names "{column}", which is no column that scores have for a CRM.'
                f"{nearest(column, CATALOGUE)}",
                f"Known columns: {', '.join(CATALOGUE)}.",
            )
        name = settings.prefix + column
        if not IDENTIFIER.fullmatch(name) or name == settings.key:
            raise ConfigError(
                "`emit.prefix` and a column must together be a plain name: letters, digits and _, "
                "not starting with a digit, at most 63, and not the key."
            )
        kind, length = CATALOGUE[column]
        fields.append(
            Field(
                column,
                name,
                kind,
                length,
                label=texts.gettext(COLUMNS[column]),
                group=texts.gettext(GROUP),
                options=_options(project, column, texts) if kind == "choice" else (),
                theirs=column == FEEDBACK,
            )
        )
    if all(f.theirs for f in fields):
        raise ConfigError("`emit.columns` in scoring.toml is empty.", "Name at least `score`.")
    return tuple(fields)


def with_reasons(
    fields: Sequence[Field], rows: Sequence["Mapping[str, Value]"]
) -> tuple[Field, ...]:
    """The fields, with every main reason of a run among the options.

    A champion may speak of a theme that is not declared any more.
    """
    found = []
    for field in fields:
        if field.column == MAIN_REASON:
            known = {o.key for o in field.options}
            said = sorted({str(row[MAIN_REASON]) for row in rows if row[MAIN_REASON]} - known)
            options = (*field.options, *(Option(key, _humanised(key)) for key in said))
            field = replace(field, options=options)
        found.append(field)
    return tuple(found)


def _options(project: "Project", column: str, texts: "NullTranslations") -> tuple[Option, ...]:
    if column == MAIN_REASON:
        return tuple(Option(key, label(column, key, texts)) for key in _themes(project))
    return tuple(Option(key, texts.gettext(text)) for key, text in LABELS[column].items())


def _themes(project: "Project") -> list[str]:
    folder = project.root / "features"
    if not folder.is_dir():
        return []
    from scoring.build.load import load_features

    return sorted({named.theme for named in load_features(folder)})


def _humanised(key: str) -> str:
    return key.replace("_", " ").capitalize()
