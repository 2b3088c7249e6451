"""Questions about an event: each sentence of their rules as rows (given, expect)."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from build_kit import Site, build, columns, words
from pydantic import ValidationError
from twin import DAY, Lead, Row, World

from scoring.build.declare import interactions, lead_age
from scoring.build.run import build_training
from scoring.check import tables as check_tables
from scoring.config import QuestionSection, SnapshotsSection
from scoring.errors import ConfigError

START = datetime(2026, 1, 1)
AS_OF = START + 10 * DAY
END = START + 200 * DAY
TICK = timedelta(microseconds=1)
AGE = columns(words(), age=lead_age())
TEN = SnapshotsSection(at_age_days=(10,))
MEETING = "meeting_booked"
# The history has the type, whatever a test says of its lead.
ELSEWHERE = Row("other", START + 5 * DAY, MEETING)


def event(day: float, known: float | None = None, lead_id: str = "a", what: str = MEETING) -> Row:
    """An interaction `day` days after as_of, recorded `known` days after as_of."""
    return Row(lead_id, AS_OF + day * DAY, what, None if known is None else AS_OF + known * DAY)


def outcome(what: str, day: float, known: float | None = None, lead_id: str = "a") -> Row:
    return event(day, known, lead_id, what)


def labelled(
    tmp: Path,
    *events: Row,
    outcomes: tuple[Row, ...] = (),
    leads: tuple[Lead, ...] = (Lead("a", START),),
    end: datetime = END,
    close: int = 365,
    **question: Any,
) -> dict[str, tuple[int, float, float | None]]:
    """lead_id → (label, days from as_of until it was due, and until it was known)."""
    made = build(
        tmp,
        World((*leads, Lead("other", START)), (*events, ELSEWHERE), outcomes=outcomes),
        AGE,
        snapshots=SnapshotsSection(at_age_days=(10,), close_after_days=close),
        question=QuestionSection(**{"event": (MEETING,), "horizon_days": 30, **question}),
        until=end,
    )
    found = {}
    for row in made:
        known = row["label_known_at"]
        due = (row["matured_at"] - AS_OF) / DAY
        found[row["lead_id"]] = (
            row["label"],
            due,
            None if known is None else (known - AS_OF) / DAY,
        )
    found.pop("other", None)
    return found


@pytest.mark.parametrize(
    ("day", "gap", "expected"),
    [
        (-1e-9, 0, 0),  # before as_of it is the past
        (0, 0, 1),  # at as_of: inside
        (30 - 1e-9, 0, 1),
        (30, 0, 0),  # the window's end is outside
        (4, 5, 0),  # within the gap
        (5, 5, 1),
        (34, 5, 1),
        (35, 5, 0),
    ],
)
def test_the_window_holds_its_start_and_not_its_end(
    tmp_path: Path, day: float, gap: int, expected: int
) -> None:
    found = labelled(tmp_path, event(day), gap_days=gap)
    assert found["a"][:2] == (expected, 30 + gap)


def test_an_event_in_the_gap_leaves_the_next_one_to_answer(tmp_path: Path) -> None:
    assert labelled(tmp_path, event(2), event(9), gap_days=5) == {"a": (1, 35, 9)}


def test_immature_is_not_negative(tmp_path: Path) -> None:
    assert labelled(tmp_path, end=AS_OF + 30 * DAY) == {"a": (0, 30, None)}
    assert labelled(tmp_path, end=AS_OF + 30 * DAY - TICK) == {}
    assert labelled(tmp_path, event(2), end=AS_OF + 29 * DAY) == {}


def test_an_event_counts_once_it_was_recorded(tmp_path: Path) -> None:
    late = event(2, known=40)
    assert labelled(tmp_path, late, end=AS_OF + 41 * DAY) == {"a": (1, 30, 40)}
    assert labelled(tmp_path, late, end=AS_OF + 40 * DAY) == {"a": (0, 30, None)}


def test_any_of_the_types_answers_and_no_other(tmp_path: Path) -> None:
    call = event(3, what="call")
    assert labelled(tmp_path, call)["a"][0] == 0
    assert labelled(tmp_path, call, event(9), event=(MEETING, "call")) == {"a": (1, 30, 3)}


@pytest.mark.parametrize(
    ("outcomes", "censor", "expected"),
    [
        ([("lost", 3)], (), (0, 3)),  # closed: the meeting of day 9 is no answer any more
        ([("won", 3)], (), (0, 3)),
        ([("won", 3)], ("won",), None),  # whoever bought did not refuse a meeting
        ([("won", 12)], ("won",), (1, 9)),
        ([("recycled", 3)], (), (1, 9)),  # the lead stayed open
        ([("recycled", 3)], ("recycled",), None),
        ([("lost", 9)], (), (1, 9)),  # at the same moment: the event was before the decision
        ([("lost", 9 - 1e-9)], (), (0, 9)),
        ([("won", 3), ("lost", 3)], ("won",), (0, 3)),  # equal times: by name
    ],
)
def test_the_first_thing_that_happened_counts(
    tmp_path: Path, outcomes: list, censor: tuple, expected: tuple[int, float] | None
) -> None:
    rows = tuple(outcome(*o) for o in outcomes)
    found = labelled(tmp_path, event(9), outcomes=rows, censor=censor)
    if expected is None:
        assert found == {}
    else:
        label, due, known = found["a"]
        assert (label, due) == (expected[0], 30)
        assert known == pytest.approx(expected[1])


def test_a_decision_in_the_gap_closes(tmp_path: Path) -> None:
    lost = (outcome("lost", 2),)
    assert labelled(tmp_path, event(9), outcomes=lost, gap_days=5) == {"a": (0, 35, 2)}
    censored = labelled(tmp_path, event(9), outcomes=lost, gap_days=5, censor=("lost",))
    assert censored == {}


def test_a_decision_counts_once_it_was_recorded(tmp_path: Path) -> None:
    lost = (outcome("lost", 3, known=50),)
    assert labelled(tmp_path, event(9), outcomes=lost, end=AS_OF + 45 * DAY)["a"][0] == 1
    assert labelled(tmp_path, event(9), outcomes=lost, end=AS_OF + 51 * DAY)["a"][0] == 0


def test_leads_stay_open_after_the_event(tmp_path: Path) -> None:
    made = build(
        tmp_path,
        World((Lead("a", START),), (event(-5), event(3), event(25))),
        AGE,
        snapshots=SnapshotsSection(at_age_days=(10, 15, 30, 40)),
        question=QuestionSection(event=(MEETING,), horizon_days=10),
        until=END,
    )
    assert [row["label"] for row in made] == [1, 0, 1, 0]


# --- merges -------------------------------------------------------------------------------------


def merged(day: float = 15) -> tuple[Lead, ...]:
    return (Lead("a", START, "b", AS_OF + day * DAY), Lead("b", START))


@pytest.mark.parametrize("whose", ["a", "b"])
@pytest.mark.parametrize("day", [5, 20])
def test_events_of_leads_that_were_merged_answer_for_all_of_them(
    tmp_path: Path, whose: str, day: float
) -> None:
    found = labelled(tmp_path, event(day, lead_id=whose), leads=merged())
    assert found == {"a": (1, 30, day), "b": (1, 30, day)}


def test_an_event_before_a_merge_was_known_when_it_was_recorded(tmp_path: Path) -> None:
    """The merge of day 100 is not known yet on day 35; the meeting is."""
    found = labelled(tmp_path, event(5), leads=merged(100), end=AS_OF + 35 * DAY)
    assert found["a"] == (1, 30, 5)


def test_an_outcome_in_quarantine_leaves_the_lead_out(tmp_path: Path) -> None:
    leads = (Lead("a", START, "b", AS_OF + DAY), Lead("b", START, held=True), Lead("c", START))
    assert set(labelled(tmp_path, event(2), leads=leads)) == {"c"}


# --- sales stay sales ---------------------------------------------------------------------------


def test_what_features_learn_of_are_sales_also_where_they_are_censored(tmp_path: Path) -> None:
    made = build(
        tmp_path,
        World(
            (Lead("a", START), Lead("b", START), Lead("other", START)),
            (ELSEWHERE,),
            outcomes=(outcome("won", 70, known=72), outcome("lost", 40, lead_id="b")),
        ),
        AGE,
        snapshots=TEN,
        question=QuestionSection(event=(MEETING,), horizon_days=30, censor=("won",)),
        until=END,
    )
    told = {r["lead_id"]: (r["closed_at"], r["converted"]) for r in made}
    assert told["a"] == (AS_OF + 72 * DAY, True)
    assert told["b"] == (AS_OF + 40 * DAY, False)
    assert told["other"] == (None, False)


# --- settings -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("settings", "word"),
    [
        ({"event": ["call", "call"]}, "once"),
        ({"event": [""]}, "at least 1"),
        ({"event": ["call"], "label": "at_decision"}, "within_horizon"),
        ({"event": "call"}, "tuple"),
    ],
)
def test_a_question_that_cannot_be_asked_is_refused(settings: dict[str, Any], word: str) -> None:
    with pytest.raises(ValidationError, match=word):
        QuestionSection.model_validate(settings)


MODEL = """
[question]
event = ["meeting_booked"]
horizon_days = 20
[snapshots]
at_age_days = [1, 20, 40]
"""


def deliver(site: Site, leads: int = 12) -> pd.DataFrame:
    """Lead n meets on day 3n; every third is a duplicate that is merged into the one before it."""
    rows = [{"lead_id": f"L{n:02d}", "created_at": START} for n in range(leads)]
    for n in range(2, leads, 3):
        rows[n] |= {"merged_into": f"L{n - 1:02d}", "merged_at": START + 50 * DAY}
    site.deliver(
        leads=pd.DataFrame(rows).astype({"merged_at": "datetime64[us]"}),
        interactions=[
            {
                "lead_id": f"L{n:02d}",
                "occurred_at": START + 3 * n * DAY + timedelta(hours=1),
                "type": MEETING if n % 2 else "call",
            }
            for n in range(leads)
        ],
        outcomes=[{"lead_id": "L00", "outcome": "lost", "decided_at": START + 150 * DAY}],
    )
    site.check(END)
    built = build_training(site.project, "conversion", END.replace(tzinfo=UTC)).frame()
    return built[["lead_id", "as_of", "label", "matured_at"]].sort_values(
        ["lead_id", "as_of"], ignore_index=True
    )


def test_partitions_do_not_matter(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    one = deliver(Site(tmp_path / "one", model=MODEL))
    monkeypatch.setattr(check_tables, "ROWS_PER_PARTITION", 3)
    many = Site(tmp_path / "many", model=MODEL)
    pd.testing.assert_frame_equal(deliver(many), one, check_exact=True)
    assert len(one) == 3 * 12
    by_lead = one.groupby("lead_id")["label"].apply(tuple)
    assert by_lead["L07"] == by_lead["L08"] == (0, 1, 0)  # day 21, also of the duplicate
    assert by_lead["L06"] == (0, 0, 0)  # a call


def test_a_type_that_the_history_does_not_have_is_refused_with_the_nearest(tmp_path: Path) -> None:
    site = Site(tmp_path / "project", model=MODEL.replace("meeting_booked", "meeting_boked"))
    with pytest.raises(ConfigError, match=r"meeting_boked.*meeting_booked"):
        deliver(site)


def test_features_see_no_event_of_the_window(tmp_path: Path) -> None:
    """The asked type is a feature like any other: of what was before as_of."""
    made = build(
        tmp_path,
        World((Lead("a", START),), (event(-1), event(0), event(3))),
        columns(words([MEETING]), n=interactions(MEETING).count()),
        snapshots=TEN,
        question=QuestionSection(event=(MEETING,), horizon_days=30),
        until=END,
    )
    assert [(row["n"], row["label"]) for row in made] == [(1, 1)]
