"""The page of the features that a project's files declare.

    python -m scoring.build.page features docs/features.md

What a feature means is the first sentence of its operator's docstring, so that the page, the code
and the language say the same.
"""

import ast
import sys
from collections.abc import Iterator
from itertools import groupby
from pathlib import Path

from scoring.build import declare, learned
from scoring.build.columns import opposed
from scoring.build.language.declaration import Declaration
from scoring.build.language.rows import Rows
from scoring.build.load import Named, load_features
from scoring.engine.reading import MENTIONS

HEAD = """# Features

What the files in `features/` declare, theme by theme: made from them by
`python -m scoring.build.page features docs/features.md`. How features are declared, and what each
operator gives where there is nothing, is in [build.md](build.md).

A declaration whose types, properties or attributes a project does not have makes no column and
costs nothing: `scoring features` lists those that it has, with coverage, cost and the models that
learned from them, and `scoring features --check` says why the others are missing. The files belong
to the project: change patterns to the names of your CRM, or name the events canonically in the
staging SQL. `activity.py` and `fit.py` make columns of whatever a history holds, under any name.

Windows are days before the score; "ever" is the whole history. `*` stands for any letters. What a
sentence says in braces is filled in for each lead: {n} and {value} numbers, {share} a percentage,
{days} the window, {date} a day, {name} the type, property or attribute.

The last column says what a feature means for the tire-kicker flag: a sign of one of three kinds,
strong ones by themselves and weak ones in company, beyond a number or beyond what buyers had at the
same stage and age; silent while what stands behind "unless" is there, our own fault. What lifts a
flag is an act of a lead that means to buy. Words and lists are in `features/words.toml`.
"""


def page(folder: Path) -> str:
    """The page as Markdown. Raises ConfigError for files that cannot be loaded."""
    return "\n".join([HEAD, *_themes(folder)]) + "\n"


def _themes(folder: Path) -> Iterator[str]:
    for theme, items in groupby(load_features(folder), key=lambda item: item.theme):
        said = ast.get_docstring(ast.parse((folder / f"{theme}.py").read_bytes())) or ""
        yield f"## {theme}\n\n{said}\n"
        yield "| feature | window | of what | what | sentence | for the flag |"
        yield "| --- | --- | --- | --- | --- | --- |"
        for item in items:
            cells = (
                f"`{item.variable}`",
                _window(item.declaration),
                _rows(item),
                _meaning(item.declaration),
                _sentence(item.declaration),
                _role(item.declaration),
            )
            yield f"| {' | '.join(c.replace('|', chr(92) + '|') for c in cells)} |"
        yield ""


def _window(declaration: Declaration) -> str:
    return ", ".join("ever" if days is None else str(days) for days in declaration.windows)


def _rows(item: Named) -> str:
    """The rows that it reads, as somebody would declare them."""
    d = item.declaration
    if d.stream == "lead":
        return f"the lead: `{d.of}` in the list `{d.listed}`" if d.listed else "the lead"
    if d.stream in ("columns", learned.STREAM):
        named = [f"`{name}`" for name in d.inputs]
        if d.of or d.each:
            named.insert(0, f"`{d.of}`" if d.of else "each attribute")
        return ", ".join(named)
    told = _selection(d)
    if d.of:
        told = f"`{d.of}` of {told}"
    if d.listed:
        told += f" in the list `{d.listed}`"
    if d.each:
        told = f"each {d.each} of {told}"
    others = [_selection(rows) for rows in (d.part, d.then) if rows is not None]
    return "; ".join([told, *others])


def _selection(rows: Rows | Declaration) -> str:
    told = rows.stream.replace("_", " ")
    if rows.patterns != ("*",):
        told = ", ".join(f"`{p}`" for p in rows.patterns)
    if rows.direction:
        told += f" ({rows.direction})"
    conditions = rows.where if isinstance(rows, Declaration) else rows.conditions
    for c in conditions:
        bounds = [f"{c.of} ≥ {c.at_least:g}"] if c.at_least is not None else []
        bounds += [f"{c.of} ≤ {c.at_most:g}"] if c.at_most is not None else []
        bounds += [f"{c.of} is {' or '.join(map(str, c.is_in))}"] if c.is_in else []
        bounds += [f"{c.of} is in the list `{c.listed}`"] if c.listed else []
        bounds += ["or missing"] if c.or_missing else []
        if c.of.startswith(MENTIONS):
            bounds = [f"its text has a word of `{c.of.removeprefix(MENTIONS)}`"]
        told += f" where {' and '.join(bounds).replace(' and or', ' or')}"
    return told


def _meaning(declaration: Declaration) -> str:
    """The first sentence of the operator's docstring."""
    functions = {
        "attribute": declare.attribute,
        "listed": declare.Declaration.is_listed,
        "age": declare.lead_age,
        "ratio": declare.Reference.__truediv__,
        "difference": declare.Reference.__sub__,
        **{name: getattr(learned, name) for name in ("peers_rate", "like_won", "against_won")},
    }
    function = functions.get(declaration.op) or getattr(declare.Events, declaration.op)
    first = " ".join((function.__doc__ or "").split("\n\n")[0].split())
    return first.split(". ")[0].rstrip(".")


def _role(declaration: Declaration) -> str:
    sign = declaration.sign
    if sign is None:
        return "lifts it" if declaration.shows_intent else ""
    side = {"high": "more", "low": "less", "both": "farther off"}[sign.side]
    limit = f"than {sign.limit:g}" if sign.limit is not None else "than buyers"
    told = f"{sign.kind}, {'strong' if sign.strong else 'weak'}: {side} {limit}"
    return told + (f"; unless {', '.join(f'`{n}`' for n in sign.unless)}" if sign.unless else "")


def _sentence(declaration: Declaration) -> str:
    one, many = declaration.singular, declaration.plural
    if one == many:
        return one
    return f"{one} / {many}" if opposed(declaration.op, one, many) else many


if __name__ == "__main__":
    Path(sys.argv[2]).write_text(page(Path(sys.argv[1])), encoding="utf-8")
