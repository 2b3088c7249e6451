"""The rules by which a machine's rows are known, against a slow twin of their English sentences."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest
from build_kit import Site
from hypothesis import given, settings
from hypothesis import strategies as st

from scoring import machine
from scoring.build.featureset import FeatureSet, absent_rules
from scoring.build.judging import judged, removed
from scoring.build.load import load_rules
from scoring.build.machine import MachineRule, NamedRule, usable_rules
from scoring.build.run import build_training
from scoring.engine.arrays import DAY, NEVER, SECOND, Events, Stream
from scoring.errors import ConfigError

NOON = 20_000 * DAY + DAY // 2
TYPES = ("email_clicked", "email_opened", "email_received", "email_sent")
STREAM = Stream("interactions", tuple((t, d) for t in TYPES for d in ("inbound", None)))
SUBJECTS = ("Automatic Reply: away", "offer", "Re: offer")


class Fact(NamedTuple):
    """A row: seconds after noon, seconds until it was recorded, type."""

    lead: int
    at: float
    kind: str
    lag: float = 0
    flag: float = np.nan
    subject: int = -1


def events_of(facts: list[Fact]) -> Events:
    """Ordered by lead and time; ties keep the order in which they are given."""
    listed = sorted(facts, key=lambda f: (f.lead, f.at))
    time = np.array([NOON + round(f.at * SECOND) for f in listed], dtype=np.int64)
    return Events(
        lead_key=np.array([f.lead for f in listed], dtype=np.int32),
        time=time,
        known=time + np.array([round(f.lag * SECOND) for f in listed], dtype=np.int64),
        kind=np.array([STREAM.kinds.index((f.kind, None)) for f in listed], dtype=np.int32),
        values={
            "auto": np.array([f.flag for f in listed], dtype=float),
            "subject": np.array([f.subject for f in listed], dtype=np.int64),
        },
        levels={"subject": np.array(SUBJECTS, dtype=object)},
    )


def by_hand(events: Events, rules: list[MachineRule], as_of: int) -> list[bool]:
    """Which rows a snapshot that sees them knows to be a machine's, one after the other."""

    def type_of(row: int) -> str:
        return STREAM.kinds[int(events.kind[row])][0]

    def timed(row: int) -> bool:
        return (int(events.time[row]) + 1) % (900 * SECOND) != 0

    seen = [n for n in range(len(events.time)) if max(events.time[n], events.known[n]) < as_of]

    def names(rule: MachineRule, row: int) -> bool:
        if type_of(row) not in rule.types:
            return False
        same = [n for n in seen if events.lead_key[n] == events.lead_key[row] and timed(n)]
        moments = [int(events.time[n]) for n in same if type_of(n) in rule.types]
        span, at = rule.seconds * SECOND, int(events.time[row])
        if rule.rule == "marked":
            return (
                bool(events.values["auto"][row] == 1)
                if rule.of == "auto"
                else (events.values["subject"][row] == 0)
            )
        if not timed(row):
            return False
        if rule.rule == "after":
            return any(
                n != row and type_of(n) in rule.after and 0 <= at - int(events.time[n]) <= span
                for n in same
            )
        return any(
            start <= at <= start + span
            and sum(start <= m <= start + span for m in moments) >= rule.at_least
            for start in moments
        )

    return [row in seen and any(names(r, row) for r in rules) for row in range(len(events.time))]


facts = st.lists(
    st.builds(
        Fact,
        lead=st.integers(0, 2),
        at=st.sampled_from([0, 0, 1, 2, 3, 5, 8, 13, 30, 30.000001, 60, 899.999999, 899.999999]),
        kind=st.sampled_from(TYPES),
        lag=st.sampled_from([0, 0, 0, 1, 4, 7, 40]),
        flag=st.sampled_from([np.nan, 0.0, 1.0]),
        subject=st.integers(-1, 2),
    ),
    max_size=14,
)
rules = st.lists(
    st.one_of(
        st.builds(
            lambda n, s, types: machine(*types).same_moment(at_least=n, within_seconds=s),
            st.integers(2, 4), st.integers(1, 10),
            st.lists(st.sampled_from(TYPES), min_size=1, max_size=3, unique=True),
        ),
        st.builds(
            lambda s, types, after: machine(*types).within_seconds(s, after=after),
            st.integers(1, 30),
            st.lists(st.sampled_from(TYPES), min_size=1, max_size=2, unique=True),
            st.lists(st.sampled_from(TYPES), min_size=1, max_size=2, unique=True),
        ),
        st.just(machine("email_received").where("auto", is_in=[True])),
        st.just(machine("email_received").where("subject", is_in=["automatic reply*"])),
    ),
    min_size=1,
    max_size=3,
)  # fmt: skip


@settings(max_examples=400, deadline=None)
@given(facts, rules, st.sampled_from([0.5, 1, 3, 5, 9, 14, 31, 1000, 2000]))
def test_every_snapshot_judges_by_what_it_sees(listed, chosen, as_of):
    events = events_of(listed)
    moment = NOON + round(as_of * SECOND)
    found = judged(STREAM, events, chosen).machine < moment
    assert found.tolist() == by_hand(events, chosen, moment)


@settings(max_examples=100, deadline=None)
@given(facts, rules, st.sampled_from([1, 5, 9, 31]))
def test_what_is_not_seen_yet_changes_nothing(listed, chosen, as_of):
    """Rule 9: without the rows that a snapshot cannot see, it says the same."""
    events, moment = events_of(listed), NOON + as_of * SECOND
    seen = np.maximum(events.time, events.known) < moment
    rest = replace(
        events,
        **{n: getattr(events, n)[seen] for n in ("lead_key", "time", "known", "kind")},
        values={n: v[seen] for n, v in events.values.items()},
    )
    whole = judged(STREAM, events, chosen).machine[seen] < moment
    assert whole.tolist() == (judged(STREAM, rest, chosen).machine < moment).tolist()


def test_a_burst_names_its_early_rows_from_the_row_that_completes_it():
    links = machine("email_clicked").same_moment(at_least=3, within_seconds=5)
    events = events_of([Fact(1, s, "email_clicked") for s in (0, 2, 4, 20)])
    found = judged(STREAM, events, [links]).machine
    assert ((found - NOON) // SECOND).tolist()[:3] == [4, 4, 4]
    assert found[3] == NEVER


def test_a_click_long_after_the_mail_is_a_persons():
    scanned = machine("email_clicked").within_seconds(30, after="email_sent")
    listed = [Fact(1, 0, "email_sent"), Fact(1, 30, "email_clicked"), Fact(1, 31, "email_clicked"),
              Fact(2, 5, "email_clicked")]  # fmt: skip
    found = judged(STREAM, events_of(listed), [scanned]).machine
    assert (found < NEVER).tolist() == [False, True, False, False]


def test_rows_that_know_their_day_only_are_left_alone():
    """Twenty clicks of one day, dated only, are no burst."""
    day = events_of([Fact(1, 0, "email_sent"), *[Fact(1, 0, "email_clicked")] * 20])
    midnight = np.full(21, NOON - NOON % DAY + DAY - 2 * 3600 * SECOND - 1)
    dated = replace(day, time=midnight, known=midnight)
    rules = [
        machine("email_clicked").same_moment(at_least=3, within_seconds=5),
        machine("email_clicked").within_seconds(30, after="email_sent"),
    ]
    assert (judged(STREAM, dated, rules).machine == NEVER).all()
    assert (judged(STREAM, day, rules).machine < NEVER).sum() == 20


def test_a_large_burst_stays_exact_and_small():
    """More cells than one matrix holds."""
    rng = np.random.default_rng(7)
    drawn = zip(rng.uniform(0, 4, 3000), rng.integers(0, 3, 3000), strict=True)
    listed = [Fact(1, round(at, 3), "email_clicked", lag=float(lag)) for at, lag in drawn]
    events = events_of(listed)
    rule = machine("email_clicked").same_moment(at_least=40, within_seconds=5)
    found = judged(STREAM, events, [rule]).machine
    seen = np.maximum(events.time, events.known)
    # All lie within one stretch: the 40th that is seen names the ones before it.
    assert (found == np.maximum(seen, np.sort(seen)[39])).all()


def test_removed_rows_are_counted_by_type_as_of_the_end():
    scanned = machine("email_*").within_seconds(30, after="email_sent")
    listed = [
        Fact(1, 0, "email_sent"),
        Fact(1, 3, "email_clicked"),
        Fact(1, 9, "email_clicked", lag=90),
        Fact(1, 40, "email_clicked"),
        Fact(1, 50, "email_opened"),
    ]
    events = judged(STREAM, events_of(listed), [replace(scanned, types=("email_[co]*",))])
    assert removed(STREAM, events, NOON + 60 * SECOND) == {"email_clicked": (1, 2)}
    assert removed(STREAM, events, NOON + 600 * SECOND) == {"email_clicked": (2, 3)}


@pytest.mark.parametrize(
    ("declare", "says"),
    [
        (lambda: machine("x").within_seconds(0, after="y"), "within_seconds"),
        (lambda: machine("x").within_seconds(1.5, after="y"), "within_seconds"),
        (lambda: machine("x").within_seconds(1, after=[]), "after"),
        (lambda: machine("x").same_moment(at_least=1, within_seconds=5), "at_least"),
        (lambda: machine("x").same_moment(at_least=True, within_seconds=5), "at_least"),
        (lambda: machine("x").where("p", is_in="auto"), "is_in"),
        (lambda: machine("x").where("p", is_in=[]), "is_in"),
        (lambda: machine("x").where("p", is_in=["auto", 1]), "is_in"),
        (lambda: machine("").same_moment(at_least=2, within_seconds=5), "machine"),
    ],
)
def test_a_rule_that_says_nothing_is_refused(declare, says):
    with pytest.raises(ConfigError, match=says):
        declare()


def test_rules_survive_the_champions_file():
    for rule in (
        machine("a", "b").within_seconds(30, after=["c", "d"]),
        machine().same_moment(at_least=3, within_seconds=5),
        machine("a").where("p", is_in=[True, 2.5]),
    ):
        assert MachineRule.from_json(rule.to_json()) == rule


def test_rules_that_the_history_cannot_feed_are_left_out_with_the_reason():
    rules = [
        NamedRule("ok", "", machine("email_clicked").within_seconds(9, after="email_sent")),
        NamedRule("no_type", "", machine("sms").same_moment(at_least=2, within_seconds=5)),
        NamedRule("no_cause", "", machine("email_clicked").within_seconds(9, after="delivered")),
        NamedRule("no_mark", "", machine("email_clicked").where("bot", is_in=[True])),
        NamedRule("other_kind", "", machine("email_clicked").where("agent", is_in=[True])),
        NamedRule("text", "", machine("email_*").where("agent", is_in=["*bot*"])),
    ]
    used, left_out = usable_rules(rules, TYPES, {"agent": "text"})
    assert used == (rules[0].rule, rules[5].rule)
    assert [rule.variable for rule in left_out] == ["no_type", "no_cause", "no_mark", "other_kind"]
    assert left_out[rules[4]] == "agent is a text, not numbers or flags"


THEME = """
from scoring import interactions, machine

links = machine("email_clicked").same_moment(at_least=3, within_seconds=5)
marked = machine("email_clicked").where("bot", is_in=[True])
unknown = machine("email_clicked").where("subject", is_in=["x*"])
clicks = interactions("email_clicked").not_by_machine().count(last_days=[3]).says("{n}")
human = interactions().not_by_machine().share(part=interactions("call")).says("{share}")
all_clicks = interactions("email_clicked").count().says("{n}")
"""


def test_a_snapshot_within_a_burst_counts_what_it_cannot_know_yet(tmp_path: Path):
    site = Site(tmp_path)
    site.theme("all", THEME)
    start = datetime(2026, 3, 1)
    day = start + timedelta(days=1)
    second = timedelta(seconds=1)
    times = [day - 2 * second, day - second, day + second, day + timedelta(hours=5)]
    clicks = [
        {"interaction_id": f"c{n}", "lead_id": "a", "occurred_at": at, "type": "email_clicked",
         "bot": at > day + second}
        for n, at in enumerate(times)
    ]  # fmt: skip
    call = {"interaction_id": "call", "lead_id": "a", "occurred_at": start, "type": "call"}
    site.deliver(
        leads=[{"lead_id": "a", "created_at": start, "industry": "it"}],
        interactions=[*clicks, call],
        outcomes=[{"lead_id": "a", "outcome": "lost", "decided_at": datetime(2026, 5, 1)}],
    )
    site.check(datetime(2026, 6, 1))
    as_of = datetime(2026, 6, 1, tzinfo=UTC)
    built = build_training(site.project, "conversion", as_of)
    rows = built.frame().set_index("as_of")
    assert rows.loc[day, ["clicks_3d", "all_clicks", "human"]].tolist() == [2, 2, 1 / 3]
    week = start + timedelta(days=7)
    assert rows.loc[week, ["clicks_3d", "all_clicks", "human"]].tolist() == [0, 4, 1]
    assert dict(built.machine) == {"email_clicked": [4, 4]}
    assert FeatureSet.from_json(built.features.to_json()) == built.features
    absent = absent_rules(site.project, site.project.model("conversion"))
    assert [rule.variable for rule in absent] == ["unknown"]


def test_rows_that_are_no_rule_yet_are_refused_with_file_and_line(tmp_path: Path):
    (tmp_path / "machine.py").write_text('from scoring import machine\nclicks = machine("x")\n')
    with pytest.raises(ConfigError, match=r"machine\.py:2: `clicks` says which rows"):
        load_rules(tmp_path)
