"""Every sign of the feature files in rows: what warns, what does not, and what is our own fault.

A learned limit is given here, as buyers could have taught it; that it is learned is tested in
tests/flag/test_signs.py, and what columns that compare with other leads are worth in tests/train.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from itertools import chain
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from operator_kit import ORDER, START, table, values
from twin import Lead, World

from scoring.build.columns import STREAMS, Column, Sign
from scoring.build.lists import load_lists
from scoring.build.load import load_features
from scoring.build.named import Named
from scoring.build.partition import _compared
from scoring.build.unfold import unfold
from scoring.build.vocabulary import Vocabulary
from scoring.engine.connection import connect, literal
from scoring.engine.words import listed_sql
from scoring.flag.signs import Limits

FOLDER = Path(__file__).parents[2] / "features"
FEATURES = load_features(FOLDER)
SIGNS = {item.variable: item for item in FEATURES if item.declaration.sign}
IN, OUT = "inbound", "outbound"
LAST_DAY = 60


@dataclass(frozen=True)
class Rows:
    """What the CRM holds of one lead on day LAST_DAY: (day, type[, direction][, properties])."""

    interactions: tuple = ()
    stage_changes: tuple = ()
    lead_changes: tuple = ()
    contacts: tuple = ()
    attributes: Mapping[str, str] = field(default_factory=dict)


def acts(*rows: tuple) -> Rows:
    return Rows(interactions=rows)


def fields(name: str, *told: str) -> Rows:
    """A field that was set to one value after another; a date is a number, too."""
    numbers = {"2026-06-01": 20605.0, "2026-07-01": 20635.0, "2026-08-01": 20666.0}
    rows = [
        (day, name, {"value": value, "number": numbers.get(value)})
        for day, value in enumerate(told, start=1)
    ]
    return Rows(lead_changes=tuple(rows))


def people(*rows: tuple) -> Rows:
    return Rows(contacts=rows)


def card(**attributes: str) -> Rows:
    return Rows(attributes=attributes)


CALL = (1, "call", OUT, {"duration_s": 300.0})
MAIL, ANSWER = (3, "email_received", IN), (4, "email_sent", OUT)
OFFER, OPENED = (5, "proposal_sent", OUT), (6, "proposal_opened", IN)
MOVED = (40, "meeting_rescheduled", IN, {"invited_count": 2.0})
CROWDED = (41, "meeting_rescheduled", IN, {"invited_count": 8.0})
BY_US = (42, "meeting_rescheduled", OUT, {"invited_count": 2.0})
DECIDES = {"deciding_invited": 1.0, "deciding_attended": 1.0}
ABSENT = {"deciding_invited": 1.0, "deciding_attended": 0.0}
STEP = {"next_step_on": "2026-03-20"}


def material(name: str, day: int) -> tuple:
    return day, "email_sent", OUT, {"material_id": name}


def word(day: int, name: str) -> tuple:
    return day, "note", {f"mentions_{name}": 1.0}


@dataclass(frozen=True)
class Case:
    """Rows that fire a sign whose limit (if it is learned) is this, rows that do not, and rows that
    would but for our own fault."""

    sign: str
    limit: float
    fires: tuple[Rows, ...]
    silent: tuple[Rows, ...]
    ours: tuple[Rows, ...] = ()


CASES = (
    # busy without progress
    Case("haggled", 1, (acts((1, "discount_request", IN), (9, "discount_request", IN)),),
         (acts((1, "discount_request", IN)), acts())),
    Case("haggled_on_offer", 0.5, (acts(OFFER, (9, "discount_request", IN)),),
         (acts(OFFER, (50, "discount_request", IN)), acts((9, "discount_request", IN)))),
    Case("sent_again", 0, (acts(*(material("m1", day) for day in (1, 5, 9, 20))),),
         (acts(*(material("m1", day) for day in (1, 5, 9)), material("m2", 20)), acts())),
    Case("deciders_known", 1, (people((1, "specialist", {"contact_id": "c1"})), people()),
         (people((1, "decision_maker", {"contact_id": "c2"})),)),
    Case("deciders_absent", 0, (acts((9, "meeting_held", OUT, ABSENT)),),
         (acts((9, "meeting_held", OUT, DECIDES)), acts((9, "meeting_booked", OUT, ABSENT)),
          acts((9, "meeting_held", OUT)))),
    Case("people_known", 2, (people((1, "specialist", {"contact_id": "c1"})),),
         (people((1, "specialist", {"contact_id": "c1"}), (2, "manager", {"contact_id": "c2"})),)),
    Case("spoken_theirs", 1, (acts(MAIL, (9, "chat_message", IN), (10, "email_sent", OUT)),),
         (acts(MAIL, ANSWER),), (acts(MAIL, (9, "chat_message", IN)),)),
    Case("talk_per_step", 1.5,
         (Rows((MAIL, (9, "chat_message", IN), (10, "email_sent", OUT)), ((1, "new"),)),),
         (Rows((MAIL, (9, "chat_message", IN), (10, "email_sent", OUT)),
               ((1, "new"), (9, "talks"))), acts(MAIL, ANSWER)),
         (Rows((MAIL, (9, "chat_message", IN)), ((1, "new"),)),)),
    Case("long_talks", 0, (acts((1, "call", IN, {"duration_s": 1200.0})),),
         (acts((1, "call", IN, {"duration_s": 1199.0})),)),
    Case("backward", 0, (Rows(stage_changes=((41, "offer"), (45, "talks"))),),
         (Rows(stage_changes=((41, "talks"), (45, "offer"))),)),
    Case("contradicted", 0, (fields("budget_known", "yes", "no", "yes"),),
         (fields("budget_known", "yes", "no"),)),
    Case("free_taken", 2, (acts(*((day, "content_downloaded", IN) for day in (1, 2, 3))),),
         (acts((1, "content_downloaded", IN), (2, "webinar_attended", IN)),)),
    Case("free_per_step", 2,
         (acts(*((day, "content_downloaded", IN) for day in (1, 2, 3)), (9, "meeting_held", OUT)),),
         (acts((1, "content_downloaded", IN), (9, "meeting_held", OUT)),)),
    # low engagement
    Case("meetings_lapsed", 0, (acts((9, "meeting_booked", IN)),),
         (acts((9, "meeting_booked", IN), (12, "meeting_held", OUT)),
          acts((55, "meeting_booked", IN))),
         (acts((9, "meeting_booked", IN), BY_US),)),
    Case("trials_unused", 0, (acts((9, "trial_started", IN)),),
         (acts((9, "trial_started", IN), (12, "trial_used", IN)),
          acts((50, "trial_started", IN)))),
    Case("timeline_told", 1, (Rows(), fields("budget_known", "yes")),
         (fields("timeline", "2027"),)),
    Case("timeline_far", 0, (fields("timeline", "this_year", "Later"),),
         (fields("timeline", "later", "this_quarter"), Rows())),
    Case("they_last", 30, (acts(MAIL, ANSWER),),
         (acts((50, "email_received", IN), (51, "call", OUT)),), (acts(MAIL),)),
    Case("short_calls", 0.6, (acts((1, "call", OUT, {"duration_s": 9.0})),), (acts(CALL),)),
    Case("burst", 0.8, (acts((1, "page_view", IN), (2, "page_view", IN)),),
         (acts((1, "page_view", IN), (20, "page_view", IN)),)),
    Case("answers", 2, (fields("budget_known", "yes", "no"), Rows()),
         (Rows(lead_changes=(*fields("budget_known", "yes").lead_changes,
                             *fields("timeline", "2027").lead_changes)),)),
    Case("close_postponed", 1,
         (fields("expected_close_on", "2026-06-01", "2026-07-01", "2026-08-01"),),
         (fields("expected_close_on", "2026-07-01", "2026-06-01", "2026-07-01"),)),
    Case("unanswered", 1, (acts((1, "email_sent", OUT), (2, "email_sent", OUT)),),
         (acts((1, "email_sent", OUT), (2, "email_sent", OUT), (3, "email_received", IN),
               (4, "email_sent", OUT)), acts((2, "email_sent", OUT), (58, "email_sent", OUT))),
         (acts((1, "email_sent", OUT), (2, "email_sent", OUT), (20, "email_received", IN)),)),
    Case("open_share", 0.5, (acts((40, "email_sent", OUT)),),
         (acts((40, "email_sent", OUT), (41, "email_opened", IN)), acts(MAIL))),
    Case("we_wait", 30, (acts((5, "email_sent", OUT)), acts(MAIL, ANSWER)),
         (acts((5, "email_sent", OUT), (50, "email_received", IN), (51, "call", OUT)), acts(MAIL))),
    Case("offers_unread", 0, (acts(CALL, OFFER),), (acts(CALL, OFFER, OPENED),), (acts(OFFER),)),
    Case("moved_alone", 1, (acts(MOVED, MOVED), acts(MOVED, (44, "meeting_cancelled", IN))),
         (acts(MOVED), acts(CROWDED, CROWDED, MOVED), acts(BY_US, BY_US))),
    Case("steps_missed", 0, (acts((9, "note", STEP)),),
         (acts((9, "note", STEP), (18, "call", OUT)),), (acts((9, "note", STEP), BY_US),)),
    # outside the profile
    Case("no_money", 0, (fields("budget_known", "yes", "No"),),
         (fields("budget_known", "no", "yes"), Rows())),
    Case("free_mail", 0, (card(email_domain="Gmail.com"), card(email_domain="yandex.ru")),
         (card(email_domain="acme.fi"), Rows())),
    Case("university_mail", 0, (card(email_domain="cs.tkk.edu"), card(email_domain="ut.ee")),
         (card(email_domain="universal.com"), card(email_domain="gut.ee"))),
    Case("competitor_mail", 0, (card(email_domain="competitor"),), (card(email_domain="acme.fi"),)),
    Case("student_role", 0, (card(role="PhD student"), card(role="Студентка")),
         (card(role="manager"), Rows())),
    Case("competitor_contacts", 0,
         (people((1, "manager", {"contact_id": "c1", "domain": "competitor"})),),
         (people((1, "manager", {"contact_id": "c1", "domain": "acme.fi"})), people())),
    Case("student_contacts", 0,
         (people((1, "manager", {"contact_id": "c1", "domain": "taltech.ee"})),),
         (people((1, "manager", {"contact_id": "c1", "domain": "acme.fi"})),)),
    # words
    *(
        Case(sign, 1, (acts(word(1, name), word(9, name)),), (acts(word(1, name)),))
        for sign, name in (
            ("discount_talk", "discount"), ("free_talk", "free"), ("student_talk", "student"),
            ("no_budget_talk", "no_budget"), ("not_now_talk", "not_now"),
        )
    ),
)  # fmt: skip
EVERY = [rows for case in CASES for rows in (*case.fires, *case.silent, *case.ours)]


def kind_of(value: Any) -> str:
    return "text" if isinstance(value, str) else "number"


def project_words() -> Vocabulary:
    """What a project's history holds in which any lead has any of the rows."""
    types: dict[str, dict[str, int]] = {}
    properties: dict[str, dict[str, str]] = {}
    directions: dict[str, set[str]] = {}
    for stream in STREAMS:
        listed = table(*chain.from_iterable(getattr(rows, stream) for rows in EVERY))
        types[stream] = {row.what: 1000 for row in listed}
        properties[stream] = {
            name: kind_of(v) for r in listed for name, v in r.values.items() if v is not None
        }
        for row in listed:
            if row.direction:
                directions.setdefault(row.direction, set()).add(row.what)
    return Vocabulary(
        types=types,
        directions={name: frozenset(of) for name, of in directions.items()},
        properties={**properties["interactions"], "local_day": "number", "local_hour": "number"},
        holders={},
        attributes={name: "text" for rows in EVERY for name in rows.attributes},
        of_streams=properties,
        order=ORDER,
        lists=load_lists(FOLDER),
    )


WORDS = project_words()
COLUMNS = {column.name: column for column in unfold(FEATURES, WORDS)}


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Any:
    with connect(tmp_path_factory.mktemp("engine")) as connection:
        yield connection


def fired(engine: Any, name: str, limit: float, rows: Rows) -> bool:
    """Whether the sign fires for a lead with these rows."""
    (column,) = [c for c in COLUMNS.values() if c.variable == name]
    assert column.sign
    read = [column, *(COLUMNS[excuse] for excuse in column.sign.unless)]
    inputs = [COLUMNS[n] for c in read for n in c.inputs]
    world = World(
        (Lead("a", START),),
        *(tuple(table(*told)) for told in (rows.interactions, rows.stage_changes)),
        changes=tuple(table(*rows.lead_changes)),
        contacts=tuple(table(*rows.contacts)),
    )
    of = {s: dict(WORDS.of_streams[s]) for s in STREAMS} | {"interactions": dict(WORDS.properties)}
    asked = [c for c in (*read, *inputs) if c.stream in STREAMS]
    (made,) = values(world, asked, [("a", START + timedelta(days=LAST_DAY))], of)
    for c in read:
        if c.stream == "columns":
            one, other = (pd.Series([made[n]], dtype=float).to_numpy() for n in c.inputs)
            made[c.name] = _compared(c.op, one, other)[0]
        elif c.op == "listed":
            said = literal(rows.attributes[c.of]) if c.of in rows.attributes else "NULL"
            made[c.name] = engine.execute(f"SELECT {listed_sql(said, c.like)}").fetchone()[0]
    learned = {name: {"by_age": {}, "by_stage": {}, "all": float(limit)}}
    limits = Limits(
        signs=(column,),
        excuses=column.sign.unless,
        tables={} if column.sign.limit is not None else {column.name: learned[name]},
    )
    frame = pd.DataFrame({c.name: pd.Series([made[c.name]], dtype=float) for c in read})
    return bool(limits.fired(frame)[column.name].iloc[0])


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.sign)
def test_a_sign_in_rows(engine: Any, case: Case) -> None:
    for rows in case.fires:
        assert fired(engine, case.sign, case.limit, rows), rows
    for rows in case.silent:
        assert not fired(engine, case.sign, case.limit, rows), rows


@pytest.mark.parametrize("case", [c for c in CASES if c.ours], ids=lambda case: case.sign)
def test_what_is_our_own_fault_never_counts_against_the_lead(engine: Any, case: Case) -> None:
    for rows in case.ours:
        assert not fired(engine, case.sign, case.limit, rows), rows


# --- what compares with other leads ---------------------------------------------------------------

# Sign → its limit, a value that fires and one that does not.
COMPARED = {
    "profile": (-1.0, -1.2, 0.0),
    "size": (0.8, -0.9, 0.7),
    "size_in_industry": (0.8, 0.9, -0.7),
    "stay_against_buyers": (0.6, 0.7, 0.5),
    "touches_against_buyers": (0.6, 0.7, -0.9),
}


@pytest.mark.parametrize("name", COMPARED)
def test_a_sign_of_what_is_learned_from_others(name: str) -> None:
    declared = SIGNS[name].declaration
    assert isinstance(declared.sign, Sign)
    limit, warns, fine = COMPARED[name]
    column = Column(name, name, "peers", "learned", declared.op, sign=declared.sign)
    table = {name: {"by_age": {}, "by_stage": {}, "all": limit}}
    excuses = declared.sign.unless
    blank = {excuse: [0.0, 0.0] for excuse in excuses}
    limits = Limits((column,), excuses, tables=table)
    asked = pd.DataFrame({name: [warns, fine], **blank})
    assert limits.fired(asked)[name].tolist() == [True, False]
    for excuse in excuses:
        assert not limits.fired(asked.assign(**{excuse: [2.0, 2.0]}))[name].any()


def test_who_looks_after_a_lead_and_where_it_came_from_are_no_profile() -> None:
    assert set(SIGNS["profile"].declaration.but) == {"owner_id", "source"}
    assert not {"peers", "peers_owner_id", "peers_source", "deal_size"} & SIGNS.keys()


# --- all of them ----------------------------------------------------------------------------------


def test_every_sign_is_told_in_rows() -> None:
    assert {case.sign for case in CASES} | COMPARED.keys() == SIGNS.keys()


def test_every_kind_has_strong_and_weak_signs() -> None:
    told = {(i.declaration.sign.kind, i.declaration.sign.strong) for i in SIGNS.values()}
    kinds = ("low_engagement", "busy_without_progress", "outside_profile")
    assert told == {(kind, strong) for kind in kinds for strong in (True, False)}


def test_a_sign_has_a_sentence_and_one_window() -> None:
    for item in SIGNS.values():
        assert item.declaration.singular
        assert len(item.declaration.windows) == 1


def earnest(item: Named) -> bool:
    return item.declaration.shows_intent


def test_what_shows_intent_is_never_a_warning() -> None:
    found = {item.variable for item in FEATURES if earnest(item)}
    assert found >= {"next_asked", "committed", "consultation", "decider_joined", "key_features"}
    assert not found & SIGNS.keys()


def test_the_page_of_the_signs_names_all_of_them() -> None:
    page = (FOLDER.parent / "docs" / "signs.md").read_text(encoding="utf-8")
    named = set(re.findall(r"`(\w+)`", page))
    lifting = {item.variable for item in FEATURES if earnest(item)}
    excuses = {"waits_for_us", "offered_early", "moved_by_us"}
    assert named == SIGNS.keys() | lifting | excuses
    for item in SIGNS.values():
        (line,) = [x for x in page.splitlines() if x.startswith("|") and f"`{item.variable}`" in x]
        assert ("strong" in line) == item.declaration.sign.strong, line
