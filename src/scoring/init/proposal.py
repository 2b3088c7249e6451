"""What `init` proposes, as data: files as parts of canonical tables, and how they are read."""

from dataclasses import dataclass, field

from scoring.init.headers import REQUIRED
from scoring.init.match import Match
from scoring.init.profile import Profile
from scoring.init.reading import Reading


@dataclass
class Part:
    """One file's share in a canonical table.

    raw        name of its raw table
    type_word  interactions of a file that holds one type only: that type
    of_leads   outcomes that stand in the rows of the leads' own file
    identity   the file is the canonical table already: no staging SQL
    extra      header → name of the attribute (leads) or property (interactions)
    left_out   header → why it is not passed on
    unknown    words of the outcome or direction column that no list knows
    """

    profile: Profile
    table: str
    raw: str
    matches: dict[str, Match]
    type_word: str = ""
    of_leads: bool = False
    identity: bool = False
    extra: dict[str, str] = field(default_factory=dict)
    left_out: dict[str, str] = field(default_factory=dict)
    unknown: dict[str, list[str]] = field(default_factory=dict)

    def header(self, column: str) -> str | None:
        return self.matches[column].header

    @property
    def lacks(self) -> list[str]:
        """Required columns that were not found."""
        lacking = [c for c in REQUIRED[self.table] if self.header(c) is None]
        return [c for c in lacking if not (c == "type" and self.type_word)]


@dataclass
class Proposal:
    """parts: canonical table → its files; a table that nothing gives has no entry."""

    parts: dict[str, list[Part]]
    readings: dict[str, Reading]  # raw table → how to read its file
    unused: dict[str, str]  # file → why
    language: str
    time_zone: str
    time_zone_guess: str  # why this zone, where nobody said it
    questions: list[str] = field(default_factory=list)

    def all_parts(self) -> list[Part]:
        return [part for parts in self.parts.values() for part in parts]

    def attributes(self) -> list[str]:
        """What may be known at creation, as the canonical leads name it: attributes, and the
        columns that are no safer than these (owner, source, amount)."""
        leads = self.parts.get("leads", [])
        if not leads:
            return []
        own = [c for c in ("owner_id", "source", "amount") if leads[0].header(c) is not None]
        return [*own, *leads[0].extra.values()]
