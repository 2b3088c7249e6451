"""`[population] where`: a condition over the lead as it was known at as_of."""

from collections.abc import Iterable

import sqlglot
from sqlglot import expressions as exp

from scoring.errors import ConfigError, nearest


def checked_where(where: str, known: Iterable[str]) -> str:
    """The condition as SQL, if it reads attributes of the lead and nothing else."""
    try:
        tree = sqlglot.parse_one(where, dialect="duckdb", into=exp.Condition)
    except sqlglot.ParseError:
        raise ConfigError(
            "model.toml: `population.where` is not a condition in SQL.",
            "Example: where = \"country = 'FI' AND employees >= 10\".",
        ) from None
    if next(tree.find_all(exp.Query, exp.Anonymous, exp.AggFunc, exp.Window), None):
        raise ConfigError(
            "model.toml: `population.where` may compare attributes of the lead, and nothing else."
        )
    names = {name.lower() for name in known}
    for column in tree.find_all(exp.Column):
        if column.name.lower() not in names or column.name.lower() == "snap_id":
            raise ConfigError(
                f"model.toml: `population.where` reads `{column.name}`, which is not known at"
                f" as_of.{nearest(column.name, names - {'snap_id'})}",
                "Declare it in `known_at_creation`, or provide its history in `lead_changes`.",
            )
    return tree.sql(dialect="duckdb")
