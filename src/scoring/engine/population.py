"""`[population] where`: a condition over the lead as it was known at as_of."""

from collections.abc import Iterable

import sqlglot
from sqlglot import expressions as exp

from scoring.errors import ConfigError, nearest

# What compares values; everything else (functions, queries, casts, parameters) is refused.
COMPARISONS = (
    exp.And, exp.Or, exp.Not, exp.Paren, exp.Tuple, exp.Column, exp.Identifier, exp.Literal,
    exp.Boolean, exp.Null, exp.EQ, exp.NEQ, exp.GT, exp.GTE, exp.LT, exp.LTE, exp.Is, exp.In,
    exp.Between, exp.Like, exp.ILike, exp.NullSafeEQ, exp.NullSafeNEQ, exp.Neg, exp.Add, exp.Sub,
    exp.Mul, exp.Div,
)  # fmt: skip


def checked_where(where: str, known: Iterable[str]) -> str:
    """The condition as SQL, if it compares attributes of the lead and does nothing else.

    Flags are numbers here, 1 and 0, like every feature. Raises ConfigError.
    """
    try:
        tree = sqlglot.parse_one(where, dialect="duckdb", into=exp.Condition)
    except sqlglot.ParseError:
        raise ConfigError(
            "model.toml: `population.where` is not a condition in SQL.",
            "Example: where = \"country = 'FI' AND employees >= 10\".",
        ) from None
    if not all(isinstance(node, COMPARISONS) for node in tree.walk()):
        raise ConfigError(
            "model.toml: `population.where` may compare attributes of the lead, and nothing else."
        )
    names = {name.lower() for name in known} - {"snap_id"}
    for column in tree.find_all(exp.Column):
        if column.table or column.name.lower() not in names:
            raise ConfigError(
                f"model.toml: `population.where` reads `{column.sql(dialect='duckdb')}`, which is"
                f" not known at as_of.{nearest(column.name, names)}",
                "Declare it in `known_at_creation`, or provide its history in `lead_changes`.",
            )
    return tree.sql(dialect="duckdb", comments=False)
