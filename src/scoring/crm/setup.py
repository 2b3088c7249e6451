"""What `scoring init --crm` has to know of a CRM to write a project over it."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

STAGING = Path(__file__).resolve().parent / "staging"


@dataclass(frozen=True)
class Question:
    """Something that only the company knows.

    name      the option in data/sources.toml, and of the command line
    options   the answers, the usual one first: key → what it means
    """

    name: str
    text: str
    options: Mapping[str, str]


@dataclass(frozen=True)
class Setup:
    """The functions get the answers: name → key.

    title        the CRM's name, as people write it
    secrets      keys of `scoring.crm.credentials`: what to set before the first `ingest`
    needs_address    it has no address of its own
    tables       raw table → columns to ask for, empty for the usual ones
    staging      canonical table → file below the CRM's folder of `scoring/crm/staging`
    stages       the usual order of stages, as the CRM names them; empty: the company's own
    attributes   columns of leads that a company may declare known at creation
    """

    title: str
    questions: Sequence[Question]
    secrets: Sequence[str]
    tables: Callable[[Mapping[str, str]], Mapping[str, Sequence[str]]]
    staging: Callable[[Mapping[str, str]], Mapping[str, str]]
    stages: Callable[[Mapping[str, str]], Sequence[str]]
    attributes: Callable[[Mapping[str, str]], Sequence[str]]
    needs_address: bool = False


def staging_sql(kind: str, file: str) -> str:
    """The text of a staging file that comes with the engine."""
    return (STAGING / kind / file).read_text(encoding="utf-8")
