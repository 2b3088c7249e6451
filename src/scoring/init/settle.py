"""What follows once every file has its table: what happens to the other columns, and settings."""

from collections.abc import Iterable
from dataclasses import replace

from scoring.contracts import RESERVED
from scoring.init import words
from scoring.init.headers import COLUMNS, OPEN_ENDED, REQUIRED, TIMES
from scoring.init.names import knows_outcome, normalise, plain_name
from scoring.init.proposal import Part, Proposal
from scoring.init.reading import Reading, readings

CANONICAL_DIRECTIONS = {"inbound", "outbound"}


def settle_columns(proposal: Proposal) -> None:
    """Identity, attributes and properties, what is left out and why, unknown words."""
    outcomes = proposal.parts.get("outcomes", [])
    of_leads = outcomes[0] if outcomes and outcomes[0].of_leads else None
    for part in proposal.all_parts():
        _unknown_words(part)
        part.identity = _is_canonical(part)
        if part.table not in OPEN_ENDED:
            continue
        used = {m.header for m in part.matches.values()}
        if part.identity:
            part.extra = {h: h for h in part.profile.columns if h not in COLUMNS[part.table]}
            continue
        ends = {m.header: c for c, m in of_leads.matches.items()} if of_leads else {}
        taken = set(COLUMNS[part.table]) | RESERVED
        for header, column in part.profile.columns.items():
            if header in used:
                continue
            if part.table == "leads" and header in ends:
                part.left_out[header] = f"it tells how the lead ended ({ends[header]} of outcomes)"
            elif of_leads and knows_outcome(header) and column.kind in ("flag", "timestamp"):
                part.left_out[header] = "it tells how, or when, the lead ended"
            elif column.personal:
                part.left_out[header] = column.personal
            elif column.free_text:
                part.left_out[header] = "free text, different in nearly every row"
            else:
                part.extra[header] = free_name(plain_name(header), taken)


def _unknown_words(part: Part) -> None:
    for column, told in (("outcome", words.outcome_of), ("direction", words.direction_of)):
        header = part.matches[column].header if column in part.matches else None
        if header is not None:
            values = part.profile.columns[header].values
            # A long text is no word of a list, and might be somebody's note.
            short = [value for value in values if len(value) <= 40]
            unknown = [v for v in short if not told(v) and not words.is_open(v)]
            if unknown:
                part.unknown[column] = unknown[:20]


def _is_canonical(part: Part) -> bool:
    """The file has the table's name and its required columns by their own names and words."""
    columns = part.profile.columns
    if normalise(part.profile.stem).replace(" ", "_") != part.table or part.raw != part.table:
        return False
    if not set(REQUIRED[part.table]) <= set(columns):
        return False
    outcome = set(columns["outcome"].values) if part.table == "outcomes" else set()
    direction = set(columns["direction"].values) if "direction" in columns else set()
    ways = direction if part.table == "interactions" else set()
    return outcome <= set(words.OUTCOMES) and ways <= CANONICAL_DIRECTIONS


def settle_readings(proposal: Proposal) -> None:
    parts = proposal.all_parts()
    times: dict[str, list[str]] = {}
    for part in parts:
        headers = [m.header for c, m in part.matches.items() if c in TIMES and m.header is not None]
        listed = times.setdefault(part.profile.pattern, [])
        listed += [h for h in headers if h not in listed]
    files = {part.profile.pattern: part.profile for part in parts}
    found = readings(files.values(), times, proposal.language)
    for part in parts:
        proposal.readings[part.raw] = found[part.profile.pattern]
    _read_united_alike(proposal)
    _end_of_day_for_outcomes(proposal, found)


def _read_united_alike(proposal: Proposal) -> None:
    """Files that one SELECT unites must be read by the same settings."""
    united = proposal.parts.get("interactions", [])
    if len(united) < 2:
        return
    first = proposal.readings[united[0].raw]
    kept = [united[0]]
    forms = dict.fromkeys(first.forms)
    for part in united[1:]:
        own = proposal.readings[part.raw]
        both = own.decided and first.decided
        if (both and own.decimal != first.decimal) or _contradict(forms, own.forms):
            proposal.unused[part.profile.pattern] = (
                f"its numbers or dates are written differently from {united[0].profile.pattern}; "
                "bring it in as a second source in data/sources.toml"
            )
            del proposal.readings[part.raw]
            continue
        kept.append(part)
        forms.update(dict.fromkeys(own.forms))
        first = first if first.decided else own
    united[:] = kept
    days = all(proposal.readings[part.raw].precision == "day" for part in united)
    for part in united:
        proposal.readings[part.raw] = replace(
            proposal.readings[part.raw],
            decimal=first.decimal,
            forms=tuple(forms),
            precision="day" if days else "microsecond",
        )


def _contradict(some: Iterable[str], others: Iterable[str]) -> bool:
    """Whether one file is day first and the other month first in the same written form."""
    swap = {ord("d"): "m", ord("m"): "d"}
    first = {f.split("%Y")[0].split("%y")[0] for f in some}
    second = {f.split("%Y")[0].split("%y")[0] for f in others}
    return any(f.translate(swap) in second for f in first if "%d" in f and "%m" in f)


def _end_of_day_for_outcomes(proposal: Proposal, found: dict[str, Reading]) -> None:
    """A closing date without a time means the end of that day, also where created_at has a time:
    the file then stands twice in sources.toml, once for each precision."""
    parts = proposal.parts.get("outcomes", [])
    if not parts or not parts[0].of_leads:
        return
    part = parts[0]
    header = part.header("decided_at")
    column = part.profile.columns[header or ""]
    shape = column.dates
    reading = found[part.profile.pattern]
    if shape is not None and not shape.with_time and reading.precision != "day":
        part.raw = "outcomes"
        # What was guessed about the file is said once, with the leads.
        proposal.readings["outcomes"] = replace(reading, precision="day", guesses=(), questions=())


def free_name(wanted: str, taken: set[str]) -> str:
    name, number = wanted, 2
    while name in taken:
        name, number = f"{wanted}_{number}", number + 1
    taken.add(name)
    return name
