"""The proposal as text: data/sources.toml and the staging SQL."""

import json
from collections import Counter
from collections.abc import Iterator

from scoring.engine.connection import identifier, literal
from scoring.init import words
from scoring.init.headers import COLUMNS, OPEN_ENDED, REQUIRED, TIMES
from scoring.init.profile import Column
from scoring.init.proposal import Part, Proposal
from scoring.init.reading import Reading

SOURCE = "crm"

GIVES = {
    "leads.updated_at": "when a field was changed; else it counts from the run that saw it",
    "leads.person_id": "several leads of one person are kept together in validation",
    "leads.owner_id": "load and habits of owners",
    "leads.source": "where the lead came from",
    "leads.amount": "the forecast (probability × amount)",
    "leads.merged_into": "histories of duplicates are united",
    "interactions.direction": "who spoke last: customers who wait for us, unanswered messages",
    "interactions.recorded_at": "late entries; without it everything counts as known at once",
    "interactions.contact_id": "how many people of the customer take part",
    "outcomes.reason": "why leads were lost",
    "outcomes.recorded_at": "outcomes entered late; without it they count as known at once",
    "contacts.role": "whether a decision maker takes part",
    "contacts.seniority": "whether a decision maker takes part",
}


def sources_toml(proposal: Proposal, path: str) -> str:
    """The text of data/sources.toml; `path` leads from the project to the folder of tables."""
    zone = proposal.time_zone
    texts = any(not part.profile.parquet for part in proposal.all_parts())
    guessed = proposal.time_zone_guess if texts else ""
    why = f" (guessed: {guessed})" if guessed else ""
    lines = [
        "# Where each table comes from.",
        "# mode: full = files are everything; append = new rows only; changes = new and changed.",
        f"[sources.{SOURCE}]",
        'kind = "files"',
        f"path = {json.dumps(path, ensure_ascii=False)}",
        'mode = "full"',
        f'time_zone = "{zone}"  # of timestamps without an offset{why}',
    ]
    plain: list[str] = []
    special: list[str] = []
    for part in _raw_parts(proposal):
        file = json.dumps(part.profile.pattern, ensure_ascii=False)
        settings = list(_settings(proposal.readings[part.raw]))
        if settings:
            special += ["", f"[sources.{SOURCE}.tables.{part.raw}]", f"file = {file}", *settings]
        else:
            plain.append(f"{part.raw} = {file}")
    lines += ["", f"[sources.{SOURCE}.tables]", *plain, *special]
    return "\n".join(lines) + "\n"


def _raw_parts(proposal: Proposal) -> Iterator[Part]:
    seen: set[str] = set()
    for part in proposal.all_parts():
        if part.raw not in seen:
            seen.add(part.raw)
            yield part


def _settings(reading: Reading) -> Iterator[str]:
    if reading.encoding:
        yield f'encoding = "{reading.encoding}"'
    if reading.delimiter:
        yield f"delimiter = {json.dumps(reading.delimiter)}"
    if reading.decimal != ".":
        yield f'decimal = "{reading.decimal}"'
    if reading.dates:
        yield f"dates = {json.dumps(list(reading.dates), ensure_ascii=False)}"
    if reading.precision == "day":
        yield 'precision = "day"  # dates without a time of day'
    for question in reading.questions:
        yield f"# question: {question}"


def staging_sql(table: str, parts: list[Part], readings: dict[str, Reading]) -> str | None:
    """The text of data/staging/<source>/<table>.sql, or None where the file is canonical already.

    One row of a file gives at most one row of the table: expressions and filters of single rows,
    and UNION ALL of files; no aggregates. Values stay text, `check` reads dates and numbers.
    """
    if len(parts) == 1 and parts[0].identity:
        return None
    files = ", ".join(part.profile.pattern for part in parts)
    lines = [
        f"-- {table}, from {files}. Proposed by `scoring init`: read it and edit it freely.",
        "-- One SELECT; it renames, unites and maps row by row.",
    ]
    columns = _columns(table, parts)
    numbers = Counter(name for part in parts for name in part.extra.values())
    extra = list(numbers)
    for place, part in enumerate(parts):
        if place:
            lines.append("UNION ALL")
        lines += _select(part, columns, extra, readings[part.raw])
    lines += _missing(table, parts)
    return "\n".join(lines) + "\n"


def _columns(table: str, parts: list[Part]) -> list[str]:
    """The canonical columns that some part has, and the required ones."""
    found = [c for c in COLUMNS[table] if any(part.header(c) is not None for part in parts)]
    return [c for c in COLUMNS[table] if c in found or c in REQUIRED[table]]


def _select(part: Part, columns: list[str], extra: list[str], reading: Reading) -> list[str]:
    items: list[tuple[str, str]] = []
    for name in columns:
        items.append(_canonical(part, name, reading))
    headers = {name: header for header, name in part.extra.items()}
    kind = "attribute" if part.table == "leads" else "property"
    for name in extra:
        if name in headers:
            column = part.profile.columns[headers[name]]
            items.append((f"{_value(column, reading)} AS {identifier(name)}", kind))
        else:
            items.append((f"NULL AS {identifier(name)}", f"{kind} of another file"))
    width = min(max(len(sql) for sql, _ in items) + 1, 60)
    lines = ["SELECT"]
    for place, (sql, comment) in enumerate(items):
        comma = "," if place < len(items) - 1 else ""
        lines.append(f"    {sql + comma:<{width}}  -- {_one_line(comment)}")
    lines += [
        f"    -- {_one_line(identifier(header))} is left out: {why}"
        for header, why in part.left_out.items()
    ]
    lines.append(f"FROM {identifier(part.raw)}")
    return lines + _where(part)


def _canonical(part: Part, name: str, reading: Reading) -> tuple[str, str]:
    found = part.matches[name]
    if found.header is None:
        if name == "type" and part.type_word:
            return f"{literal(part.type_word)} AS type", "guessed: because the file's name says it"
        missing = "required, and no column was found" if name in REQUIRED[part.table] else "missing"
        return f"CAST(NULL AS VARCHAR) AS {name}", missing
    column = part.profile.columns[found.header]
    because = f": because {found.because}" if found.because else ""
    comment = f"{found.confidence}{because}"
    if unknown := part.unknown.get(name):
        taken = "taken as open" if part.of_leads else "not understood"
        comment += f"; {taken}: {', '.join(unknown)}"
    if name == "outcome":
        return f"{_words(column, words.outcome_of)} AS {name}", comment
    if name == "direction":
        return f"{_words(column, words.direction_of)} AS {name}", comment
    if name == "type":
        return f"{_snake_case(column)} AS {name}", comment
    return f"{_value(column, reading, time=name in TIMES)} AS {name}", comment


def _text(column: Column) -> str:
    name = identifier(column.name)
    return f"CAST({name} AS VARCHAR)" if column.typed else name


def _value(column: Column, reading: Reading, time: bool = False) -> str:
    """The column as it is; numbers without their currency and grouping signs."""
    if column.numbers is not None and column.numbers.dirty and not column.typed and not time:
        keep = f"[^0-9{reading.decimal}-]"
        return f"regexp_replace({identifier(column.name)}, {literal(keep)}, '', 'g')"
    return identifier(column.name)


def _words(column: Column, told: object) -> str:
    """A CASE over the words that the sample has; other words stay, and `check` refuses them."""
    assert callable(told)
    whens = []
    for value in sorted({v.lower() for v in column.values}):
        if meaning := told(value):
            whens.append(f"WHEN {literal(value)} THEN {literal(meaning)}")
    if not whens:
        return identifier(column.name)
    return f"CASE lower(trim({_text(column)})) {' '.join(whens)} ELSE {_text(column)} END"


def _snake_case(column: Column) -> str:
    """`Incoming call` → `incoming_call`; a name that is snake case already stays as it is."""
    if all(v.replace("_", "").isalnum() and v == v.lower() for v in column.values):
        return identifier(column.name)
    lower = f"lower(trim({_text(column)}))"
    return rf"trim(regexp_replace({lower}, '[^\p{{L}}\p{{N}}]+', '_', 'g'), '_')"


def _where(part: Part) -> list[str]:
    """Only leads that have ended are outcomes.

    Out of the leads' own rows: those with a known closing word and a date. In a file of outcomes
    only the words that mean "open" go; what is not understood stays, and `check` says so.
    """
    header = part.header("outcome") if part.table == "outcomes" else None
    if header is None:
        return []
    column = part.profile.columns[header]
    said = sorted({value.lower() for value in column.values})
    if part.of_leads:
        closed = ", ".join(literal(value) for value in said if words.outcome_of(value))
        date = part.profile.columns[part.header("decided_at") or ""]
        return [
            f"WHERE lower(trim({_text(column)})) IN ({closed})",
            f"    AND nullif(trim({_text(date)}), '') IS NOT NULL",
        ]
    still_open = ", ".join(literal(value) for value in said if words.is_open(value))
    return [f"WHERE lower(trim({_text(column)})) NOT IN ({still_open})"] if still_open else []


def _missing(table: str, parts: list[Part]) -> list[str]:
    lines = []
    for name in COLUMNS[table]:
        gives = GIVES.get(f"{table}.{name}")
        if gives and all(part.header(name) is None for part in parts):
            lines.append(f"-- missing: {name}. It would give: {gives}.")
    if table in OPEN_ENDED and lines:
        lines.insert(0, "-- A column that you add here under another name is kept as it is.")
    return lines


def _one_line(text: str) -> str:
    return " ".join(text.split())
