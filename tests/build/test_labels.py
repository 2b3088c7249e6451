"""What happened next: each sentence of the rules about labels as rows (given, expect)."""

from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from build_kit import build, columns, words
from twin import DAY, Lead, Row, World

from scoring.build.declare import lead_age
from scoring.config import QuestionSection, SnapshotsSection

START = datetime(2026, 1, 1)
AS_OF = START + 10 * DAY
END = START + 200 * DAY
TICK = timedelta(microseconds=1)
AGE = columns(words(), age=lead_age())
TEN = SnapshotsSection(at_age_days=(10,))


def outcome(what: str, day: float, known: float | None = None, lead_id: str = "a") -> Row:
    """An outcome `day` days after as_of, recorded `known` days after as_of."""
    recorded = AS_OF + known * DAY if known is not None else None
    return Row(lead_id, AS_OF + day * DAY, what, recorded)


def labelled(
    tmp: Path,
    *outcomes: Row,
    leads: tuple[Lead, ...] = (Lead("a", START),),
    end: datetime = END,
    **question: Any,
) -> dict[str, tuple[int, float]]:
    """lead_id → (label, days from as_of until it was known)."""
    made = build(
        tmp,
        World(leads, outcomes=outcomes),
        AGE,
        snapshots=TEN,
        question=QuestionSection(**{"horizon_days": 30, **question}),
        until=end,
    )
    return {r["lead_id"]: (r["label"], (r["matured_at"] - AS_OF) / DAY) for r in made}


@pytest.mark.parametrize(
    ("day", "gap", "expected"),
    [
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
    found = labelled(tmp_path, outcome("won", day), gap_days=gap)
    assert found == {"a": (expected, 30 + gap)}


def test_immature_is_not_negative(tmp_path: Path) -> None:
    assert labelled(tmp_path, end=AS_OF + 30 * DAY) == {"a": (0, 30)}
    assert labelled(tmp_path, end=AS_OF + 30 * DAY - TICK) == {}
    assert labelled(tmp_path, outcome("won", 2), end=AS_OF + 29 * DAY) == {}


def test_an_outcome_counts_once_it_was_known(tmp_path: Path) -> None:
    won = outcome("won", 2, known=40)
    assert labelled(tmp_path, won, end=AS_OF + 41 * DAY) == {"a": (1, 30)}
    assert labelled(tmp_path, won, end=AS_OF + 40 * DAY) == {"a": (0, 30)}


@pytest.mark.parametrize(
    ("outcomes", "censor", "expected"),
    [
        ([("lost", 3), ("won", 5)], (), 0),  # the first one counts
        ([("won", 3), ("churned", 5)], (), 1),
        ([("recycled", 3), ("won", 5)], (), 0),
        ([("recycled", 3), ("won", 5)], ("recycled",), None),
        ([("won", 3), ("recycled", 5)], ("recycled",), 1),
        ([("lost", 3), ("won", 3)], (), 0),  # equal times: by name
        ([], ("recycled",), 0),
    ],
)
def test_the_first_outcome_inside_the_window_counts(
    tmp_path: Path, outcomes: list, censor: tuple, expected: int | None
) -> None:
    found = labelled(tmp_path, *(outcome(*o) for o in outcomes), censor=censor)
    assert found == ({} if expected is None else {"a": (expected, 30)})


def test_any_outcome_may_be_asked_for(tmp_path: Path) -> None:
    assert labelled(tmp_path, outcome("lost", 3), outcome="lost") == {"a": (1, 30)}


def test_deletion_is_not_taken_out_of_training(tmp_path: Path) -> None:
    leads = (Lead("a", START, deleted_at=AS_OF + 5 * DAY),)
    assert labelled(tmp_path, leads=leads) == {"a": (0, 30)}


# --- at_decision --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("outcomes", "expected"),
    [
        ([], None),  # nothing decided: nothing known
        ([("won", 150, None)], (1, 150)),  # however long it takes
        ([("lost", 20, 25)], (0, 25)),  # known when it was recorded
        ([("recycled", 2, None), ("won", 20, None)], (1, 20)),
        ([("recycled", 2, None)], None),
        ([("won", 20, 500)], None),  # not recorded by the data's end
    ],
)
def test_at_decision_takes_the_outcome_that_closes(
    tmp_path: Path, outcomes: list, expected: tuple | None
) -> None:
    found = labelled(tmp_path, *(outcome(*o) for o in outcomes), label="at_decision")
    assert found == ({} if expected is None else {"a": expected})


def test_at_decision_needs_the_decision_before_the_data_s_end(tmp_path: Path) -> None:
    won = outcome("won", 20)
    assert labelled(tmp_path, won, label="at_decision", end=AS_OF + 20 * DAY) == {}
    assert labelled(tmp_path, won, label="at_decision", end=AS_OF + 20 * DAY + TICK)
    assert labelled(tmp_path, outcome("disqualified", 2), label="at_decision",
                    censor=("disqualified",)) == {}  # fmt: skip


# --- merges -------------------------------------------------------------------------------------


def merged(day: float = 15) -> tuple[Lead, ...]:
    return (Lead("a", START, "b", AS_OF + day * DAY), Lead("b", START))


def test_the_absorbed_lead_carries_the_survivor_s_outcome(tmp_path: Path) -> None:
    found = labelled(tmp_path, outcome("won", 20, lead_id="b"), leads=merged())
    assert found == {"a": (1, 30), "b": (1, 30)}
    # … instead of its own, such as "disqualified: duplicate"
    both = (outcome("disqualified", 14), outcome("won", 20, lead_id="b"))
    assert labelled(tmp_path, *both, leads=merged()) == {"a": (1, 30), "b": (1, 30)}


def test_a_survivor_without_an_outcome_takes_what_was_merged_into_it(tmp_path: Path) -> None:
    found = labelled(tmp_path, outcome("won", 20), leads=merged())
    assert found == {"a": (1, 30), "b": (1, 30)}


def test_the_order_of_merging_does_not_matter(tmp_path: Path) -> None:
    won = outcome("won", 20, lead_id="c")
    for first, second in ((5, 8), (8, 5)):
        leads = (
            Lead("a", START, "b", AS_OF + first * DAY),
            Lead("b", START, "c", AS_OF + second * DAY),
            Lead("c", START, person_id="p"),
        )
        assert labelled(tmp_path, won, leads=leads) == dict.fromkeys("abc", (1, 30))


def test_an_outcome_in_quarantine_leaves_the_whole_merged_lead_out(tmp_path: Path) -> None:
    leads = (Lead("a", START, "b", AS_OF + DAY), Lead("b", START, held=True), Lead("c", START))
    for label in ("within_horizon", "at_decision"):
        won = outcome("won", 20, lead_id="c")
        assert set(labelled(tmp_path, won, leads=leads, label=label)) == {"c"}


# --- how leads were closed, for what features learn from other leads ------------------------------


def closings(tmp: Path, *outcomes: Row, leads: tuple[Lead, ...], **question: Any) -> dict[str, Any]:
    """lead_id → (days from as_of until the lead was known to be closed, converted)."""
    made = build(
        tmp,
        World(leads, outcomes=outcomes),
        AGE,
        snapshots=SnapshotsSection(at_age_days=(10,), close_after_days=60),
        question=QuestionSection(**{"horizon_days": 30, **question}),
        until=END,
    )
    told = {}
    for r in made:
        closed = r["closed_at"]
        told[r["lead_id"]] = (closed and (closed - AS_OF) / DAY, bool(r["converted"]))
    return told


def test_a_lead_is_closed_when_its_first_closing_outcome_was_known(tmp_path: Path):
    leads = tuple(Lead(name, START) for name in "abcd")
    told = closings(
        tmp_path,
        outcome("won", 70, known=72, lead_id="a"),  # long after the window: converted all the same
        outcome("recycled", 3, lead_id="b"),
        outcome("lost", 5, lead_id="b"),
        outcome("won", 40, lead_id="b"),
        outcome("won", 8, known=400, lead_id="c"),  # not known by the data's end
        leads=leads,
    )
    silent = -10 + 60  # days after creation without any event
    assert told == {"a": (72, True), "b": (5, False), "c": (silent, False), "d": (silent, False)}


def test_deletion_closes_and_a_censored_outcome_says_nothing(tmp_path: Path):
    leads = (Lead("a", START, deleted_at=AS_OF + 20 * DAY), Lead("b", START))
    told = closings(
        tmp_path, outcome("disqualified", 50, lead_id="b"), leads=leads, censor=("disqualified",)
    )
    assert told == {"a": (20, False), "b": (None, False)}


def test_an_absorbed_lead_was_closed_by_its_survivor(tmp_path: Path):
    leads = (
        Lead("a", START, merged_into="b", merged_at=AS_OF + 5 * DAY),
        Lead("b", START),
    )
    told = closings(tmp_path, outcome("won", 9, lead_id="b"), leads=leads)
    assert told == {"a": (9, True), "b": (9, True)}
