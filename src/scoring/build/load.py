"""Feature files by path: top-level Python that is read, not imported.

Every file of `features/` is a theme; its public variables that hold declarations are features.
"""

import ast
import traceback
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import scoring
from scoring.build.declare import Declaration, Events, Numbers, Reference, Texts
from scoring.build.machine import MachineRows, MachineRule, NamedRule
from scoring.build.named import Named
from scoring.errors import ConfigError, ScoringError, nearest


def load_features(folder: Path) -> list[Named]:
    """All declarations of a project, by theme and then in the order of the file.

    Raises ConfigError with file and line for a file that does not run, a declaration without a
    sentence, and a variable that is declared twice.
    """
    files = sorted([*folder.glob("*.py"), *folder.glob("*.sql")])
    if not files:
        raise ConfigError(
            f"{folder} holds no feature files.",
            "Copy them from a new project: `scoring init DIR --sample`.",
        )
    named: list[Named] = []
    for path in files:
        named += _declarations(path) if path.suffix == ".py" else _columns(path)
    _unique(named)
    return named


def load_rules(folder: Path) -> list[NamedRule]:
    """How machines are known, by file and then in its order. Raises ConfigError as above."""
    found = []
    for path in sorted(folder.glob("*.py")):
        space, lines = _run(path)
        for variable, value in space.items():
            if isinstance(value, MachineRows):
                raise ConfigError(
                    f"{_at(path, lines.get(variable))}: `{variable}` says which rows, not how a "
                    "machine's are known.",
                    "End it with .within_seconds(…), .same_moment(…) or .where(…).",
                )
            if isinstance(value, MachineRule):
                found.append(NamedRule(variable, path.stem, value))
    return found


def _run(path: Path) -> tuple[dict[str, Any], dict[str, list[int]]]:
    """The variables of a file, and the lines at its top that assign each."""
    space: dict[str, Any] = {"__name__": f"features.{path.stem}", "__file__": str(path)}
    try:
        # Not imported: a cached compilation can be older than an edit of the same second.
        tree = ast.parse(path.read_bytes(), str(path))
        exec(compile(tree, str(path), "exec"), space)
    except ScoringError as error:
        raise ConfigError(f"{_where(path, error)}: {error}") from None
    except SyntaxError as error:
        raise ConfigError(f"{path.name}:{error.lineno}: {error.msg}.") from None
    except (Exception, SystemExit) as error:
        raise ConfigError(
            f"{_where(path, error)}: {type(error).__name__}: {error}.{_near(error, space)}",
            "A feature file holds declarations only; see docs/build.md.",
        ) from None
    return space, _assignments(tree)


def _declarations(path: Path) -> list[Named]:
    found = []
    space, lines = _run(path)
    for variable, value in space.items():
        if variable.startswith("_"):
            continue
        if isinstance(value, Events | Numbers | Texts | Reference):
            raise ConfigError(
                f"{_at(path, lines.get(variable))}: `{variable}` says which rows, not what to "
                "compute of them.",
                "End it with an operator such as .count(last_days=[30]) and .says(…).",
            )
        if isinstance(value, Declaration):
            if not value.singular:
                raise ConfigError(
                    f"{_at(path, lines.get(variable))}: `{variable}` has no sentence.",
                    'Add .says("what a seller reads about it").',
                )
            if len(lines.get(variable, ())) > 1:
                raise ConfigError(
                    f"{_at(path, lines[variable])}: `{variable}` is declared twice in this file.",
                    "Names are unique in a project: rename one of them.",
                )
            found.append(Named(variable, path.stem, value, lines.get(variable, [None])[-1]))
    return found


def _columns(path: Path) -> list[Named]:
    # The parser of SQL is loaded where there is any.
    from scoring.build.sql_features import load_sql

    return load_sql(path)


def _assignments(tree: ast.Module) -> dict[str, list[int]]:
    """Variable → the lines at the top of the file that assign it."""
    lines: dict[str, list[int]] = {}
    for statement in tree.body:
        targets: list[ast.expr] = []
        if isinstance(statement, ast.Assign):
            targets = statement.targets
        elif isinstance(statement, ast.AnnAssign):
            targets = [statement.target]
        for target in targets:
            if isinstance(target, ast.Name):
                lines.setdefault(target.id, []).append(statement.lineno)
    return lines


def _at(path: Path, lines: list[int] | None) -> str:
    return f"{path.name}:{lines[-1]}" if lines else path.name


def _where(path: Path, error: BaseException) -> str:
    lines = [
        frame.lineno
        for frame in traceback.extract_tb(error.__traceback__)
        if Path(frame.filename) == path and frame.lineno
    ]
    return _at(path, lines)


def _near(error: BaseException, space: Mapping[str, Any]) -> str:
    """The valid name that was meant, where a name is what is wrong."""
    if isinstance(error, AttributeError) and error.obj is not None:
        return nearest(error.name or "", [n for n in dir(error.obj) if not n.startswith("_")])
    if isinstance(error, NameError):
        return nearest(error.name or "", space)
    if isinstance(error, ImportError) and error.name == scoring.__name__:
        return nearest(str(error).split("'")[1], scoring.__all__)
    return ""


def _unique(named: Iterable[Named]) -> None:
    seen: dict[str, str] = {}
    for item in named:
        if item.variable in seen:
            raise ConfigError(
                f"The feature `{item.variable}` is declared in {seen[item.variable]} "
                f"and again in {item.where}.",
                "Names are unique in a project: rename one of them.",
            )
        seen[item.variable] = item.where
