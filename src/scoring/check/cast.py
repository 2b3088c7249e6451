"""Texts and typed values of a source, read as UTC timestamps, numbers and flags, or not at all.

Nothing is guessed. A text is a timestamp if it has one of the declared `dates` formats, or, where
none is declared, if it is ISO 8601. A number has the declared decimal sign. What has another form
gives NULL here, and a fault of its row (`unreadable`).

A time without an offset is local time of the source's `time_zone`. In the hour that a clock change
skips or repeats, the zone's rule decides: a skipped time is moved on by the change, a repeated one
is the later of the two.
"""

import re
from collections.abc import Sequence

from scoring.config import FileSettings
from scoring.contracts import Kind, Rule
from scoring.engine.connection import Connection, identifier, literal

NUMBERS = re.compile(r"(U?(TINY|SMALL|BIG|HUGE)?INT(EGER)?|DOUBLE|FLOAT|REAL|DECIMAL\(.*\)|BIGNUM)")
ISO = r"\d{4}-\d{2}-\d{2}([T ]\d{2}:\d{2}(:\d{2}(\.\d+)?)? ?(Z|[+-]\d{2}(:?\d{2})?)?)?"
ISO_OFFSET = r".*\d{2}:\d{2}.*(Z|[+-]\d{2}(:?\d{2})?)"
PLAIN_NUMBER = r"[+-]?(\d+(\{d}\d*)?|\{d}\d+)([eE][+-]?\d+)?"
GROUPED_NUMBER = "[+-]?\\d{1,3}([ \u00a0\u202f]\\d{3})+(\\{d}\\d+)?"
CODE = r"[+-]?0\d.*|[+-]?\d{16,}.*"


def natural_kind(engine_type: str) -> Kind:
    """What a column of a typed file holds."""
    if NUMBERS.fullmatch(engine_type):
        return "number"
    if engine_type == "BOOLEAN":
        return "flag"
    if engine_type.startswith("TIMESTAMP") or engine_type == "DATE":
        return "timestamp"
    return "text"


def value(
    name: str, engine_type: str, kind: Kind, reading: FileSettings, day_end: bool = False
) -> str:
    """The column as its canonical type, in SQL; NULL where it is empty or cannot be read."""
    column = identifier(name)
    if kind == "timestamp":
        return timestamp(column, engine_type, reading, day_end)
    if kind == "number":
        return number(column, engine_type, reading)
    if kind == "flag":
        return flag(column, engine_type)
    return text(column, engine_type)


def text(column: str, engine_type: str) -> str:
    if engine_type == "VARCHAR":
        return f"nullif({column}, '')"
    return f"CAST({column} AS VARCHAR)"


def flag(column: str, engine_type: str) -> str:
    if engine_type == "BOOLEAN":
        return column
    said = f"lower(trim(CAST({column} AS VARCHAR)))"
    return (
        f"CASE WHEN {said} IN ('true', '1') THEN true WHEN {said} IN ('false', '0') THEN false END"
    )


def number(column: str, engine_type: str, reading: FileSettings) -> str:
    if NUMBERS.fullmatch(engine_type):
        return f"CAST({column} AS DOUBLE)"
    if engine_type != "VARCHAR":
        return "CAST(NULL AS DOUBLE)"
    said = f"trim({column})"
    plain = literal(PLAIN_NUMBER.replace("{d}", reading.decimal))
    grouped = literal(GROUPED_NUMBER.replace("{d}", reading.decimal))
    bare = f"regexp_replace({said}, '[ \u00a0\u202f]', '', 'g')"
    if reading.decimal == ",":
        said, bare = f"replace({said}, ',', '.')", f"replace({bare}, ',', '.')"
    return (
        f"CASE WHEN regexp_full_match(trim({column}), {plain}) THEN try_cast({said} AS DOUBLE) "
        f"WHEN regexp_full_match(trim({column}), {grouped}) THEN try_cast({bare} AS DOUBLE) END"
    )


def timestamp(column: str, engine_type: str, reading: FileSettings, day_end: bool) -> str:
    """A naive TIMESTAMP that means UTC.

    day_end   with precision "day": the last microsecond of the local day, so that midnight's
              as_of sees what happened on the day before.
    """
    to_day_end = day_end and reading.precision == "day"
    forms = []
    for said, is_utc in _forms(column, engine_type, reading):
        if to_day_end:
            local = f"timezone({literal(reading.time_zone)}, timezone('UTC', {said}))"
            forms.append(_to_utc(_day_end(local if is_utc else said), reading))
        else:
            forms.append(said if is_utc else _to_utc(said, reading))
    if not forms:
        return "CAST(NULL AS TIMESTAMP)"
    return forms[0] if len(forms) == 1 else f"coalesce({', '.join(forms)})"


def local_times(column: str, engine_type: str, reading: FileSettings) -> list[str]:
    """The column's values that stand without an offset, as local times: what a clock change can
    touch. Empty where there are none or the zone is UTC."""
    if reading.time_zone in ("UTC", "Etc/UTC") or reading.precision == "day":
        return []
    return [said for said, is_utc in _forms(column, engine_type, reading) if not is_utc]


def _forms(column: str, engine_type: str, reading: FileSettings) -> list[tuple[str, bool]]:
    """Every way to read the column: a naive TIMESTAMP, and whether it means UTC already."""
    if engine_type == "TIMESTAMP WITH TIME ZONE":
        return [(f"timezone('UTC', {column})", True)]
    if engine_type.startswith("TIMESTAMP") or engine_type == "DATE":
        return [(f"CAST({column} AS TIMESTAMP)", False)]
    if NUMBERS.fullmatch(engine_type):
        return [(_excel(f"CAST({column} AS DOUBLE)"), False)] if "excel" in reading.dates else []
    if engine_type != "VARCHAR":
        return []
    said = f"trim({column})"
    if not reading.dates:
        iso, zoned = literal(ISO), literal(ISO_OFFSET)
        return [
            (
                f"CASE WHEN regexp_full_match({said}, {iso}) "
                f"AND NOT regexp_full_match({said}, {zoned}) "
                f"THEN try_cast({said} AS TIMESTAMP) END",
                False,
            ),
            (
                f"CASE WHEN regexp_full_match({said}, {iso}) "
                f"AND regexp_full_match({said}, {zoned}) "
                f"THEN timezone('UTC', try_cast({said} AS TIMESTAMPTZ)) END",
                True,
            ),
        ]
    forms = []
    for form in reading.dates:
        if form == "excel":
            forms.append((_excel(number(column, engine_type, reading)), False))
        elif "%z" in form or "%Z" in form:
            forms.append((f"timezone('UTC', try_strptime({said}, {literal(form)}))", True))
        else:
            forms.append((f"CAST(try_strptime({said}, {literal(form)}) AS TIMESTAMP)", False))
    return forms


def _excel(serial: str) -> str:
    """Excel's days since 1899-12-30 (its serials count a 29 February 1900 that never was)."""
    return (
        f"CASE WHEN {serial} BETWEEN 1 AND 2958465 THEN TIMESTAMP '1899-12-30' "
        f"+ to_milliseconds(CAST(round({serial} * 86400000) AS BIGINT)) END"
    )


def _to_utc(local: str, reading: FileSettings) -> str:
    if reading.time_zone in ("UTC", "Etc/UTC"):
        return local
    return f"timezone('UTC', timezone({literal(reading.time_zone)}, {local}))"


def _day_end(local: str) -> str:
    # Years at the engine's limits have no next day; the contract refuses them afterwards.
    return (
        f"CASE WHEN {local} < TIMESTAMP '9999-12-30' THEN date_trunc('day', {local}) "
        f"+ INTERVAL 1 DAY - INTERVAL 1 MICROSECOND ELSE {local} END"
    )


def unreadable(name: str, engine_type: str, kind: Kind, read: str) -> Rule | None:
    """The fault of a row whose `name` says something that `read` (its cast) could not take."""
    if kind == "text" or natural_kind(engine_type) == kind:
        return None
    column = identifier(name)
    given = f"nullif(trim({column}), '')" if engine_type == "VARCHAR" else column
    says = {
        "timestamp": "is not a date and time in a declared format",
        "number": "is not a number",
        "flag": "is not true or false",
    }[kind]
    return Rule(name, f"{name} {says}", f"({given} IS NOT NULL AND ({read}) IS NULL)")


def text_kinds(
    connection: Connection, relation: str, columns: Sequence[str], reading: FileSettings
) -> dict[str, Kind | None]:
    """What text columns of a CSV hold, judged by all of their values; None: nothing at all.

    A number has no leading zeros and at most 15 digits, else it is a code and stays text.
    """
    if not columns:
        return {}
    parts = []
    for name in columns:
        column = identifier(name)
        given = f"nullif(trim({column}), '')"
        parts += [
            f"count({given})",
            f"count(*) FILTER ({number(column, 'VARCHAR', reading)} IS NOT NULL "
            f"AND NOT regexp_full_match({given}, {literal(CODE)}))",
            f"count(*) FILTER (lower({given}) IN ('true', 'false'))",
            f"count({timestamp(column, 'VARCHAR', reading, False)})",
        ]
    (row,) = connection.execute(f"SELECT {', '.join(parts)} FROM {relation}").fetchall()
    kinds: dict[str, Kind | None] = {}
    for place, name in enumerate(columns):
        given_n, numbers, flags, times = row[4 * place : 4 * place + 4]
        if not given_n:
            kinds[name] = None
        elif numbers == given_n:
            kinds[name] = "number"
        elif flags == given_n:
            kinds[name] = "flag"
        else:
            kinds[name] = "timestamp" if times == given_n else "text"
    return kinds
