"""The proposal: which file is which canonical table, and which column is which column."""

from collections.abc import Iterable
from dataclasses import replace

from scoring.init import words
from scoring.init.headers import COLUMNS, FILES, REQUIRED, TYPES_OF_FILES
from scoring.init.match import Match, complete, match
from scoring.init.names import known, named, normalise, plain_name
from scoring.init.profile import Profile
from scoring.init.proposal import Part, Proposal
from scoring.init.reading import ZONES
from scoring.init.settle import free_name, settle_columns, settle_readings


def propose(profiles: Iterable[Profile], time_zone: str | None) -> Proposal:
    """Decide for every file. Nothing is read again; the samples decide."""
    files = list(profiles)
    unused: dict[str, str] = {}
    parts: dict[str, list[Part]] = {}
    lead = _choose_leads(files, unused)
    ids = _lead_ids(lead)
    if lead is not None:
        parts["leads"] = [lead]
    for file in files:
        if (lead is None or file is not lead.profile) and file.pattern not in unused:
            part = _best_part(file, ids)
            if part is None:
                unused[file.pattern] = "none of the canonical tables fits its columns"
            elif part.table in parts and part.table != "interactions":
                unused[file.pattern] = (
                    f"{parts[part.table][0].profile.pattern} gives the table {part.table} already"
                )
            else:
                parts.setdefault(part.table, []).append(part)
    if lead is not None and "outcomes" not in parts:
        derived = _outcomes_of_leads(lead)
        if derived is not None:
            parts["outcomes"] = [derived]
    language = _language(p for group in parts.values() for p in group)
    zone, why = _zone(time_zone, language)
    proposal = Proposal(
        {table: parts[table] for table in REQUIRED if table in parts},
        {},
        unused,
        language,
        zone,
        why,
    )
    _name_raw_tables(proposal)
    settle_columns(proposal)
    settle_readings(proposal)
    return proposal


def _choose_leads(files: list[Profile], unused: dict[str, str]) -> Part | None:
    ranked = []
    for file in files:
        name = named(file.stem, FILES)
        matches = match(file, "leads", None)
        whole = complete("leads", matches)
        bonus = 3.0 if name == "leads" else 0.0
        bonus += 2.0 if normalise(file.stem) == "leads" else 0.0
        if name == "leads" or (not name and whole and not _is_history(file)):
            ranked.append((bonus + _weight("leads", matches), file, matches))
    if not ranked:
        ranked = [
            (_weight("leads", matches), file, matches)
            for file in files
            if named(file.stem, FILES) == "contacts" and (matches := _contacts_as_leads(file))
        ]
    if not ranked:
        return None
    ranked.sort(key=lambda entry: -entry[0])
    _, file, matches = ranked[0]
    for _, other, _ in ranked[1:]:
        if named(other.stem, FILES) == "leads" and _best_part(other, None) is None:
            unused[other.pattern] = f"{file.pattern} gives the table leads already"
    return Part(file, "leads", "leads", matches)


def _contacts_as_leads(file: Profile) -> dict[str, Match]:
    """Where there are contacts only, each of them is a lead. Empty if nothing identifies them."""
    matches = match(file, "leads", None)
    own = match(file, "contacts", None)["contact_id"]
    found = own if own.header is not None else matches["lead_id"]
    if found.header is None:
        return {}
    for column, other in matches.items():
        if other.header == found.header:
            matches[column] = Match(column, None, "missing")
    because = "there is no file of leads, so each contact is taken as one lead"
    matches["lead_id"] = replace(found, column="lead_id", confidence="guessed", because=because)
    return matches


def _is_history(file: Profile) -> bool:
    """Whether rows of this file are about leads that stand elsewhere."""
    return any(complete(t, match(file, t, None)) for t in ("interactions", "stage_changes"))


def _lead_ids(lead: Part | None) -> frozenset[str] | None:
    header = lead.header("lead_id") if lead is not None else None
    if lead is None or header is None or not lead.profile.complete:
        return None
    return frozenset(lead.profile.columns[header].values)


def _best_part(file: Profile, ids: frozenset[str] | None) -> Part | None:
    """The table, other than leads, whose columns the file has; its name decides between equals."""
    name = named(file.stem, FILES)
    best: tuple[float, Part] | None = None
    for table in REQUIRED:
        if table == "leads":
            continue
        matches = match(file, table, ids)
        part = Part(file, table, table, matches)
        if table == "interactions" and matches["type"].header is None:
            part.type_word = named(file.stem, TYPES_OF_FILES)
        if part.lacks:
            continue
        weight = _weight(table, matches) / len(COLUMNS[table]) + (3.0 if name == table else 0.0)
        weight += 0.1 * len(REQUIRED[table])
        if best is None or weight > best[0]:
            best = weight, part
    return best[1] if best else None


def _weight(table: str, matches: dict[str, Match]) -> float:
    worth = {"sure": 1.0, "guessed": 0.5, "missing": 0.0}
    return sum(worth[m.confidence] * (2 if c in REQUIRED[table] else 1) for c, m in matches.items())


def _outcomes_of_leads(lead: Part) -> Part | None:
    """The usual CRM export: how a lead ended stands in the lead's own row."""
    file = lead.profile
    taken = {m.header for m in lead.matches.values()}
    rest = replace(file, columns={n: c for n, c in file.columns.items() if n not in taken})
    matches = match(rest, "outcomes", None)
    header = matches["outcome"].header
    if header is None or matches["decided_at"].header is None:
        return None
    if not any(words.outcome_of(v) for v in file.columns[header].values):
        return None
    matches["lead_id"] = lead.matches["lead_id"]
    return Part(file, "outcomes", "leads", matches, of_leads=True)


def _name_raw_tables(proposal: Proposal) -> None:
    taken: set[str] = set()
    for table, parts in proposal.parts.items():
        for part in parts:
            if part.of_leads:
                continue
            wanted = table if len(parts) == 1 else plain_name(part.profile.stem)
            part.raw = free_name(wanted, taken)


def _language(parts: Iterable[Part]) -> str:
    """The language that most of the matched headers belong to; English where nothing decides."""
    votes: dict[str, float] = {}
    for part in parts:
        for column, found in part.matches.items():
            phrase = known(part.table, column).get(normalise(found.header or ""))
            languages = phrase.languages if phrase else ()
            for language in languages:
                votes[language] = votes.get(language, 0.0) + 1 / len(languages)
    return max(votes, key=lambda language: (votes[language], language == "en"), default="en")


def _zone(said: str | None, language: str) -> tuple[str, str]:
    if said is not None:
        return said, ""
    if language in ZONES:
        return ZONES[language], "the headers' language is spoken in that time zone"
    return "UTC", "nothing tells the time zone"
