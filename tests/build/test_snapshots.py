"""Who is looked at, as of when: the rules' sentences as rows (given, expect), and the twin."""

import tempfile
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
import twin
from build_kit import Site, build, columns, words
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from twin import DAY, Lead, Row, World

from scoring.build.columns import Column
from scoring.build.declare import interactions, lead_age
from scoring.build.featureset import FeatureSet
from scoring.build.run import build_scoring, build_training
from scoring.config import ModelToml, QuestionSection, SnapshotsSection
from scoring.errors import ConfigError

START = datetime(2026, 1, 1)
END = START + 300 * DAY
AGE = columns(words(), age=lead_age())
# Interactions that features read are not read again for the silence of leads.
READING = columns(words(["call"]), n=interactions().count())
TICK = timedelta(microseconds=1)
SHORT = QuestionSection(horizon_days=1)
LEAD = Lead("a", START)


def days(made: list[dict[str, Any]], lead_id: str = "a") -> list[float]:
    return [(r["as_of"] - START) / DAY for r in made if r["lead_id"] == lead_id]


def looked_at(
    tmp: Path, world: World, *, at: tuple[int, ...] = (1, 10, 20, 30), close: int = 365, **more: Any
) -> list[float]:
    """The ages at which lead `a` is looked at for training, whatever the features read."""
    asked = SnapshotsSection(at_age_days=at, close_after_days=close)
    found, other = (
        days(build(tmp, world, features, snapshots=asked, until=END, question=SHORT, **more))
        for features in (AGE, READING)
    )
    assert found == other
    return found


def world(*outcomes: Row, lead: Lead = LEAD, **tables: Any) -> World:
    return World((lead,), outcomes=outcomes, **tables)


@pytest.mark.parametrize(
    ("outcome", "decided", "recorded", "expected"),
    [
        ("lost", 15, None, [1, 10]),
        ("won", 15, None, [1, 10]),
        ("disqualified", 15, None, [1, 10]),
        ("churned", 15, None, [1, 10]),
        ("recycled", 15, None, [1, 10, 20, 30]),
        ("lost", 10, None, [1, 10]),  # decided at as_of itself: still open
        ("lost", 15, 25, [1, 10]),  # known late: what it became is no question any more
    ],
)
def test_an_outcome_closes_but_recycled(
    tmp_path: Path, outcome: str, decided: int, recorded: int | None, expected: list[int]
) -> None:
    known = START + recorded * DAY if recorded else None
    row = Row("a", START + decided * DAY, outcome, known)
    assert looked_at(tmp_path, world(row)) == expected


def test_a_later_event_does_not_reopen(tmp_path: Path) -> None:
    lost = Row("a", START + 5 * DAY, "lost")
    recycled = Row("a", START + 6 * DAY, "recycled")
    call = Row("a", START + 12 * DAY, "call", row_id="1")
    assert looked_at(tmp_path, world(lost, recycled, interactions=(call,))) == [1]


def test_a_vanished_outcome_does_not_count(tmp_path: Path) -> None:
    assert looked_at(tmp_path, world(Row("a", START + 5 * DAY, "lost", gone=True))) == [
        1, 10, 20, 30
    ]  # fmt: skip


def test_deletion_closes_but_earlier_snapshots_stay(tmp_path: Path) -> None:
    assert looked_at(tmp_path, world(lead=Lead("a", START, deleted_at=START + 15 * DAY))) == [1, 10]


def test_merging_closes_the_absorbed_lead(tmp_path: Path) -> None:
    both = World((Lead("a", START, "b", START + 15 * DAY), Lead("b", START)))
    assert looked_at(tmp_path, both) == [1, 10]
    asked = SnapshotsSection(at_age_days=(1, 20))
    made = build(tmp_path, both, AGE, snapshots=asked, until=END, question=SHORT)
    assert days(made, "b") == [1, 20]
    assert {r["group_id"] for r in made} == {"b"}


def test_a_lead_with_an_outcome_in_quarantine_is_left_out(tmp_path: Path) -> None:
    held = World((Lead("a", START, held=True), Lead("b", START)))
    asked = SnapshotsSection(at_age_days=(1,))
    for labels in (True, False):
        made = build(tmp_path, held, AGE, snapshots=asked, until=END, question=SHORT, labels=labels)
        assert {r["lead_id"] for r in made} == {"b"}


def test_a_lead_exists_from_its_creation_on(tmp_path: Path) -> None:
    """`every_days`: the moment of creation itself is in, a microsecond earlier is not."""
    for shift, expected in ((timedelta(0), 1), (TICK, 0)):
        made = build(
            tmp_path,
            world(lead=Lead("a", START + shift)),
            AGE,
            snapshots=SnapshotsSection(every_days=1),
            rhythm=[START],
            until=END,
            question=SHORT,
        )
        assert len(made) == expected


@pytest.mark.parametrize(
    ("events", "expected"),
    [
        # (happened, recorded) in days
        ([], [1, 10]),
        ([(10, None)], [1, 10, 20]),  # exactly at the limit keeps it open
        ([(10.5, None)], [1, 10]),  # too late: closed, and not reopened
        ([(9, 25)], [1, 10]),  # known too late to have kept it open
        ([(5, 8), (18, None)], [1, 10, 20]),  # 5 is known on 8, 18 is within 10 days of that
        ([(-20, None)], [1, 10]),  # before its creation
        ([(9, None), (15, None), (21, None)], [1, 10, 20, 30]),
    ],
)
def test_silence_closes(tmp_path: Path, events: list[tuple], expected: list[int]) -> None:
    rows = tuple(
        Row("a", START + at * DAY, "call", START + known * DAY if known else None, row_id=str(n))
        for n, (at, known) in enumerate(events)
    )
    assert looked_at(tmp_path, world(interactions=rows), close=10) == expected
    stages = tuple(Row(r.lead_id, r.at, "new", r.recorded_at, row_id=r.row_id) for r in rows)
    assert looked_at(tmp_path, world(stages=stages), close=10) == expected


def test_scoring_closes_by_what_the_crm_knew(tmp_path: Path) -> None:
    lost = world(Row("a", START + 5 * DAY, "lost", START + 15 * DAY))
    for day, expected in ((10, 1), (15, 1), (16, 0)):
        made = build(
            tmp_path, lost, AGE, snapshots=SnapshotsSection(at_age_days=(1,)), labels=False,
            until=START + day * DAY,
        )  # fmt: skip
        assert len(made) == expected


def test_at_takes_the_lead_s_own_timestamps(tmp_path: Path) -> None:
    values = {"called_at": START + 3 * DAY, "met_at": START + 8 * DAY}
    leads = (Lead("a", START, values=values), Lead("b", START, values=dict.fromkeys(values)))
    asked = SnapshotsSection(at=("called_at", "met_at"))
    made = build(tmp_path, World(leads), AGE, snapshots=asked, until=END, question=SHORT)
    assert [(r["lead_id"], r["age"]) for r in made] == [("a", 3.0), ("a", 8.0)]


@pytest.mark.parametrize(
    ("since", "until", "expected"),
    [(2, 3, [3]), (3, 4, []), (2, 9, [8]), (7.5, 8, [8]), (0, 2, [])],
)
def test_scoring_at_takes_what_lies_after_the_last_run(
    tmp_path: Path, since: float, until: float, expected: list[int]
) -> None:
    """(since, as_of]; a lead has one score, so of two moments the newer one counts."""
    lead = Lead("a", START, values={"x": START + 3 * DAY, "y": START + 8 * DAY})
    made = build(
        tmp_path, World((lead,)), AGE, snapshots=SnapshotsSection(at=("x", "y")), labels=False,
        since=START + since * DAY, until=START + until * DAY,
    )  # fmt: skip
    assert days(made) == expected


def test_at_names_a_timestamp_of_leads(tmp_path: Path) -> None:
    lead = Lead("a", START, values={"called_at": START, "industry": "x"})
    for wrong in ("caled_at", "industry"):
        with pytest.raises(ConfigError, match=f"{wrong}.*not a timestamp"):
            build(tmp_path, World((lead,)), AGE, snapshots=SnapshotsSection(at=(wrong,)), until=END)


def test_at_may_be_derived_in_staging(site: Site) -> None:
    site.model(
        '[question]\nhorizon_days = 1\n[snapshots]\nat = ["day14"]\n'
        '[features]\nknown_at_creation = ["*"]\n'
    )
    site.deliver(
        leads=[{"lead_id": "a", "created_at": START, "industry": "x"}],
        outcomes=[{"lead_id": "a", "outcome": "won", "decided_at": START + 90 * DAY}],
    )
    staging = site.root / "data" / "staging" / "crm"
    staging.mkdir(parents=True)
    (staging / "leads.sql").write_text("SELECT *, created_at + INTERVAL 14 DAY AS day14 FROM leads")
    tables = site.check(START + 99 * DAY)
    assert tables.manifest["counts"]["leads"]["accepted"] == 1
    made = build_training(site.project, "conversion", END.replace(tzinfo=UTC)).frame()
    assert list(made["as_of"]) == [START + 14 * DAY]
    assert "day14" not in made  # a point in time is never a feature


def test_every_days_counts_local_midnights_from_1970(tmp_path: Path) -> None:
    site = Site(
        tmp_path / "project",
        zone="Europe/Helsinki",
        model="[question]\nhorizon_days = 1\n[snapshots]\nevery_days = 7\n",
    )
    leads = [{"lead_id": "a", "created_at": START}, {"lead_id": "b", "created_at": START}]
    site.deliver(
        leads=leads,
        outcomes=[{"lead_id": "b", "outcome": "won", "decided_at": START + 120 * DAY}],
    )
    site.check(START + 200 * DAY)
    until = (START + 100 * DAY).replace(tzinfo=UTC)
    built = build_training(site.project, "conversion", until).frame()
    asked = SnapshotsSection(every_days=7)
    same = World((Lead("a", START), Lead("b", START)), zone=ZoneInfo("Europe/Helsinki"))
    expected = [
        at
        for at in sorted(twin.moments(same, same.leads[0], asked, until.replace(tzinfo=None)))
        if START <= at <= until.replace(tzinfo=None) - DAY
    ]
    assert list(built.loc[built["lead_id"] == "a", "as_of"]) == expected
    assert len(expected) == 14
    tuesday = build_scoring(
        site.project,
        "conversion",
        ModelToml(snapshots=asked),
        FeatureSet(tuple(AGE), {}, frozenset(), frozenset()),
        until,
    ).frame()
    assert set(tuesday["as_of"]) == {until.replace(tzinfo=None)}  # scoring is asked as of anything


# --- the twin -----------------------------------------------------------------------------------

steps = st.integers(0, 60).map(lambda n: START + n * DAY / 2)
near = st.builds(lambda t, n: t + n * TICK, steps, st.sampled_from([0, 0, 0, 1, -1]))
late = st.sampled_from([None, None, timedelta(0), DAY / 2, 12 * DAY])


@st.composite
def whole_worlds(draw: st.DrawFn) -> World:
    names = ["a", "b", "c", "d"][: draw(st.integers(1, 4))]
    leads = []
    for n, name in enumerate(names):
        into = draw(st.sampled_from([None, None, *names[n + 1 :]]))
        leads.append(
            Lead(
                name,
                draw(steps),
                into,
                draw(near) if into else None,
                draw(st.one_of(st.none(), st.none(), near)),
                draw(st.sampled_from([None, "p"])),
                draw(st.integers(0, 9)) == 0,
                values={"seen_at": draw(st.one_of(st.none(), near))},
            )
        )

    def rows(kinds: tuple[str, ...], most: int) -> tuple[Row, ...]:
        found = {}
        for n in range(draw(st.integers(0, most))):
            at, delay = draw(near), draw(late)
            row = Row(
                draw(st.sampled_from(names)), at, draw(st.sampled_from(kinds)),
                None if delay is None else at + delay, row_id=f"{n:02d}",
                gone=draw(st.integers(0, 9)) == 0,
            )  # fmt: skip
            found[row.lead_id, row.at, row.what] = row
        return tuple(found.values())

    return World(
        tuple(leads),
        rows(("call", "mail"), 8),
        rows(("new", "late"), 3),
        rows(("won", "lost", "disqualified", "recycled", "churned"), 6),
    )


asked_snapshots = st.one_of(
    st.builds(
        lambda ages, close: SnapshotsSection(at_age_days=ages, close_after_days=close),
        st.lists(st.integers(1, 40), min_size=1, max_size=6).map(tuple),
        st.sampled_from([3, 7, 365]),
    ),
    st.builds(
        lambda close: SnapshotsSection(at=("seen_at",), close_after_days=close),
        st.sampled_from([3, 7, 365]),
    ),
)
asked_questions = st.builds(
    QuestionSection,
    outcome=st.sampled_from(["won", "lost"]),
    horizon_days=st.sampled_from([1, 5, 20]),
    gap_days=st.sampled_from([0, 0, 3]),
    label=st.sampled_from(["within_horizon", "at_decision"]),
    censor=st.sampled_from([(), ("recycled",), ("churned", "disqualified")]),
)
asked_events = st.builds(
    QuestionSection,
    event=st.sampled_from([("call",), ("mail",), ("mail", "call")]),
    horizon_days=st.sampled_from([1, 5, 20]),
    gap_days=st.sampled_from([0, 0, 3]),
    censor=st.sampled_from([(), ("won",), ("recycled", "won")]),
)
# Questions about events are refused where no history has them.
ONE_OF_EACH = (Row("a", START + 99 * DAY, "call"), Row("a", START + 99 * DAY, "mail"))


@settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    whole_worlds(),
    asked_snapshots,
    st.one_of(asked_questions, asked_events),
    near,
    st.sampled_from([AGE, READING]),
)
def test_snapshots_and_labels_equal_the_twin(
    world: World,
    asked: SnapshotsSection,
    question: QuestionSection,
    end: datetime,
    features: list[Column],
) -> None:
    world = replace(world, interactions=(*world.interactions, *ONE_OF_EACH))
    with tempfile.TemporaryDirectory() as folder:
        made = build(Path(folder), world, features, snapshots=asked, question=question, until=end)
    expected = []
    for lead_id, as_of in twin.training_snapshots(world, asked, end):
        known = twin.label(world, lead_id, as_of, question, end)
        if known is not None:
            expected.append((lead_id, as_of, *known))
    assert [(r["lead_id"], r["as_of"], r["label"], r["matured_at"]) for r in made] == expected


@settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck))
@given(whole_worlds(), st.sampled_from([3, 7, 365]), near, st.sampled_from([AGE, READING]))
def test_open_leads_for_scoring_equal_the_twin(
    world: World, close: int, as_of: datetime, features: list[Column]
) -> None:
    asked = SnapshotsSection(at_age_days=(1,), close_after_days=close)
    with tempfile.TemporaryDirectory() as folder:
        made = build(Path(folder), world, features, snapshots=asked, labels=False, until=as_of)
    expected = [
        lead.lead_id
        for lead in sorted(world.leads, key=lambda x: x.lead_id)
        if twin.is_open(world, lead.lead_id, as_of, close, scoring=True)
    ]
    assert [r["lead_id"] for r in made] == expected
