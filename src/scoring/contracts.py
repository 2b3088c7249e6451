"""The canonical tables, declared once, and the row reasons that follow from the declaration.

    schemas(latest)     one pandera schema per table: columns, types, allowed values, keys
    row_rules(schema)   the same checks as SQL predicates, each with its reason

pandera judges a DataFrame (a notebook, a test); volume tables are judged by the engine with SQL
that is generated from the very same columns and checks. Each check carries the words of its reason,
so a quarantined row says the same thing on both ways.

Timestamps are UTC. A value that is absent is NULL; only columns that are not nullable must be
there.
"""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Any, Literal

from scoring.errors import ScoringError
from scoring.without_pyspark import pandera as pa

Kind = Literal["number", "text", "flag", "timestamp"]

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
EARLIEST = datetime(1971, 1, 1, tzinfo=UTC)
LATEST_PLANNED = datetime(2101, 1, 1, tzinfo=UTC)
LARGEST = 1e12
OUTCOMES = ("won", "lost", "disqualified", "recycled", "churned")
VERDICTS = ("agree", "too_high", "too_low", "not_a_tire_kicker")
DIRECTIONS = ("inbound", "outbound")

# What the store adds to a lead's or an event's own columns: a source may not bring these names.
RESERVED = frozenset(
    {
        "lead_key", "seq", "kind_id", "local_day", "known_at", "inherited", "first_landed",
        "gone_landed", "landed_batch", "root_lead_id", "root_lead_key", "group_id", "held", "part",
        "version_time", "faults", "row_json", "content_hash", "generated_id", "as_of", "snap_id",
    }
)  # fmt: skip

DTYPES: dict[Kind, str] = {
    "number": "float64",
    "text": "str",
    "flag": "boolean",
    "timestamp": "datetime64[us, UTC]",
}


def _column(kind: Kind, *checks: pa.Check, required: bool = False, **metadata: Any) -> pa.Column:
    return pa.Column(
        DTYPES[kind],
        checks=list(checks),
        nullable=not required,
        required=required,
        metadata={"kind": kind, **metadata},
    )


def _identifier(required: bool = False) -> pa.Column:
    return _column("text", required=required, identifier=True)


def _text(required: bool = False) -> pa.Column:
    return _column("text", required=required)


def _one_of(*values: str, required: bool = False) -> pa.Column:
    says = f"is not one of {', '.join(values)}"
    return _column("text", pa.Check.isin(list(values), error=says), required=required)


def _after_the_epoch() -> pa.Check:
    return pa.Check.ge(EARLIEST, error="lies before 1971")


def _not_in_the_future(latest: datetime) -> pa.Check:
    return pa.Check.le(latest + timedelta(days=1), error="lies in the future")


def _within_numbers() -> pa.Check:
    return pa.Check.in_range(
        -LARGEST,
        LARGEST,
        include_min=False,
        include_max=False,
        error="is not a number below 1e12",
    )


def number_column() -> pa.Column:
    """A property, a numeric attribute or an amount: finite and below 1e12 in size."""
    return _column("number", _within_numbers())


def planned_column() -> pa.Column:
    """A date that may well lie ahead (an expected closing), until the year 2100."""
    late = pa.Check.lt(LATEST_PLANNED, error="lies after 2100")
    return _column("timestamp", _after_the_epoch(), late)


def date_column() -> pa.Column:
    """A timestamp attribute: any day from 1900 to 2100, but never exactly 1970-01-01 00:00 UTC,
    which is what an empty date becomes in many exports."""
    early = pa.Check.ge(datetime(1900, 1, 1, tzinfo=UTC), error="lies before 1900")
    late = pa.Check.lt(LATEST_PLANNED, error="lies after 2100")
    unset = pa.Check.ne(EPOCH, error="is 1970-01-01, an empty date")
    return _column("timestamp", early, late, unset)


def extra_column(kind: Kind, planned: bool = False) -> pa.Column:
    """The contract of an attribute of leads or a property of interactions."""
    if kind == "number":
        return number_column()
    if kind == "timestamp":
        return planned_column() if planned else date_column()
    return _column(kind)


def _schema(
    name: str,
    columns: dict[str, pa.Column],
    key: tuple[str, ...],
    event: str | None,
    extras: str | None = None,
) -> pa.DataFrameSchema:
    return pa.DataFrameSchema(
        columns,
        name=name,
        unique=list(key),
        strict=extras is None,
        metadata={"event": event, "extras": extras},
    )


@cache
def schemas(latest: datetime) -> dict[str, pa.DataFrameSchema]:
    """Every canonical table by its name, `leads` first.

    `latest` is the newest moment that a clock can have shown (aware): what happened more than a day
    after it is a fault of the data. `schema.unique` is the table's key, `schema.metadata` names the
    column that says when a history row happened (`event`) and what unknown columns are (`extras`).
    """

    def happened(required: bool = False) -> pa.Column:
        # With precision = "day" the row belongs to the end of its local day.
        return _column(
            "timestamp",
            _after_the_epoch(),
            _not_in_the_future(latest),
            required=required,
            day_end=True,
        )

    def began(required: bool = False) -> pa.Column:
        return _column(
            "timestamp", _after_the_epoch(), _not_in_the_future(latest), required=required
        )

    return {
        schema.name or "": schema
        for schema in (
            _schema(
                "leads",
                {
                    "lead_id": _identifier(required=True),
                    "created_at": began(required=True),
                    "updated_at": happened(),
                    "person_id": _identifier(),
                    "company_id": _identifier(),
                    "owner_id": _identifier(),
                    "source": _text(),
                    "amount": number_column(),
                    "expected_close_on": planned_column(),
                    "merged_into": _identifier(),
                    "merged_at": happened(),
                    "deleted_at": happened(),
                },
                key=("lead_id",),
                event=None,
                extras="attributes",
            ),
            _schema(
                "interactions",
                {
                    "interaction_id": _identifier(),
                    "lead_id": _identifier(required=True),
                    "occurred_at": happened(required=True),
                    "recorded_at": happened(),
                    "type": _text(required=True),
                    "direction": _one_of(*DIRECTIONS),
                    "contact_id": _identifier(),
                    "text": _text(),
                },
                key=("interaction_id",),
                event="occurred_at",
                extras="properties",
            ),
            _schema(
                "participants",
                {
                    "interaction_id": _identifier(required=True),
                    "contact_id": _identifier(required=True),
                    "invited": _column("flag"),
                    "attended": _column("flag"),
                },
                key=("interaction_id", "contact_id"),
                event=None,
            ),
            _schema(
                "stage_changes",
                {
                    "lead_id": _identifier(required=True),
                    "changed_at": happened(required=True),
                    "recorded_at": happened(),
                    "stage": _text(required=True),
                },
                key=("lead_id", "changed_at", "stage"),
                event="changed_at",
            ),
            _schema(
                "lead_changes",
                {
                    "lead_id": _identifier(required=True),
                    "changed_at": happened(required=True),
                    "recorded_at": happened(),
                    "field": _text(required=True),
                    "value": _text(),
                },
                key=("lead_id", "changed_at", "field"),
                event="changed_at",
            ),
            _schema(
                "contacts",
                {
                    "contact_id": _identifier(required=True),
                    "lead_id": _identifier(required=True),
                    "role": _text(),
                    "seniority": _text(),
                    "domain": _text(),
                    "joined_at": happened(),
                    "recorded_at": happened(),
                },
                key=("contact_id", "lead_id"),
                event="joined_at",
            ),
            _schema(
                "outcomes",
                {
                    "lead_id": _identifier(required=True),
                    "outcome": _one_of(*OUTCOMES, required=True),
                    "decided_at": happened(required=True),
                    "recorded_at": happened(),
                    "reason": _text(),
                },
                key=("lead_id", "decided_at", "outcome"),
                event="decided_at",
            ),
            _schema(
                "feedback",
                {
                    "lead_id": _identifier(required=True),
                    "given_at": happened(required=True),
                    "recorded_at": happened(),
                    "given_by": _text(),
                    "verdict": _one_of(*VERDICTS, required=True),
                    "sign": _text(),
                    "comment": _text(),
                },
                key=("lead_id", "given_at", "given_by"),
                event="given_at",
            ),
        )
    }


TABLES = tuple(schemas(EARLIEST))


@dataclass(frozen=True)
class Rule:
    """One way in which a row breaks a contract: `bad` is an SQL predicate that is never NULL."""

    column: str
    reason: str
    bad: str


def row_rules(schema: pa.DataFrameSchema) -> list[Rule]:
    """The schema's checks as SQL over its columns; naive TIMESTAMP columns mean UTC.

    Keys are not among them: who wins among equals needs all rows (`check.versions`).
    """
    rules = []
    for name, column in schema.columns.items():
        quoted = '"' + name.replace('"', '""') + '"'
        if not column.nullable:
            rules.append(Rule(name, f"{name} is missing", f"{quoted} IS NULL"))
        for check in column.checks:
            bad = f"coalesce(NOT ({_holds(check, quoted)}), false)"
            rules.append(Rule(name, f"{name} {check.error}", bad))
    return rules


def _holds(check: pa.Check, column: str) -> str:
    """What a value that passes the check satisfies, in SQL. NaN is greater than every number."""
    said = check.statistics or {}
    match check.name:
        case "isin":
            return f"{column} IN ({', '.join(_sql(v) for v in said['allowed_values'])})"
        case "greater_than_or_equal_to":
            return f"{column} >= {_sql(said['min_value'])}"
        case "less_than_or_equal_to":
            return f"{column} <= {_sql(said['max_value'])}"
        case "less_than":
            return f"{column} < {_sql(said['max_value'])}"
        case "not_equal_to":
            return f"{column} <> {_sql(said['value'])}"
        case "in_range":
            low = ">=" if said["include_min"] else ">"
            high = "<=" if said["include_max"] else "<"
            return (
                f"{column} {low} {_sql(said['min_value'])} "
                f"AND {column} {high} {_sql(said['max_value'])}"
            )
        case name:
            raise ScoringError(f'The check "{name}" of a contract has no SQL form.')


def _sql(value: Any) -> str:
    if isinstance(value, datetime):
        return f"TIMESTAMP '{value.astimezone(UTC).replace(tzinfo=None).isoformat(' ')}'"
    if isinstance(value, str):
        return "'" + value.replace("'", "''") + "'"
    return repr(value)
