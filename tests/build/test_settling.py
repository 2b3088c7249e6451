"""How many snapshots of a day are decided: what `at_decision` has to know of the undecided."""

from datetime import UTC, datetime
from pathlib import Path

from build_kit import MODEL, Memory, Site, columns, words
from twin import DAY, Lead, Row, World

from scoring.build.declare import lead_age
from scoring.build.featureset import FeatureSet
from scoring.build.partition import LeadScope, Rows, read_settling, write_partition
from scoring.build.run import build_training
from scoring.config import QuestionSection, SnapshotsSection
from scoring.engine.connection import connect
from scoring.engine.landed import Landed

START = datetime(2026, 1, 1)
AS_OF = START + 10 * DAY
END = START + 200 * DAY
AGE = columns(words(), age=lead_age())


def settling(
    tmp: Path,
    *outcomes: Row,
    leads: tuple[Lead, ...] = (Lead("a", START),),
    label: str = "at_decision",
    until: datetime = END,
    close_after_days: int = 365,
) -> list[tuple[str, int, int]]:
    rows = Rows(
        question=QuestionSection(label=label, censor=("withdrawn",)),
        snapshots=SnapshotsSection(at_age_days=(10,), close_after_days=close_after_days),
        where="",
        until=until.replace(tzinfo=UTC),
        rhythm=(),
        labels=True,
        landed=Landed(),
        scope=LeadScope(),
    )
    features = FeatureSet(tuple(AGE), {}, frozenset(), frozenset())
    with connect(tmp) as connection:
        tables = Memory(connection, World(leads, outcomes=outcomes), {})
        write_partition(connection, tables, 0, features, rows, tmp / "part.parquet")  # type: ignore[arg-type]
        return read_settling(connection, rows)


def outcome(what: str, day: float, known: float | None = None, lead_id: str = "a") -> Row:
    return Row(lead_id, AS_OF + day * DAY, what, AS_OF + known * DAY if known else None)


def test_a_snapshot_is_labelled_undecided_or_neither(tmp_path: Path) -> None:
    day = "2026-01-11"
    assert settling(tmp_path, outcome("won", 20)) == [(day, 1, 0)]
    assert settling(tmp_path) == [(day, 0, 1)]
    assert settling(tmp_path, outcome("won", 20, known=500)) == [(day, 0, 1)]
    assert settling(tmp_path, outcome("recycled", 20)) == [(day, 0, 1)]
    # Decided, but a censored outcome is no label.
    assert settling(tmp_path, outcome("withdrawn", 20)) == []


def test_who_closed_without_an_outcome_is_not_waited_for(tmp_path: Path) -> None:
    assert settling(tmp_path, leads=(Lead("a", START, deleted_at=AS_OF + DAY),)) == []
    assert settling(tmp_path, close_after_days=100) == []
    assert settling(tmp_path, leads=(Lead("a", START, held=True),)) == []


def test_days_are_counted_apart_and_a_fixed_horizon_needs_none(tmp_path: Path) -> None:
    leads = tuple(Lead(x, START + n * DAY) for x, n in (("a", 0), ("b", 0.5), ("c", 3)))
    found = settling(tmp_path, outcome("lost", 20), leads=leads)
    assert found == [("2026-01-11", 1, 1), ("2026-01-14", 0, 1)]
    assert settling(tmp_path, leads=leads, label="within_horizon") == []


def test_a_training_table_carries_the_counts(site: Site) -> None:
    site.model(MODEL.replace("[snapshots]", 'label = "at_decision"\n[snapshots]'))
    site.deliver(
        leads=[{"lead_id": f"{n:03d}", "created_at": START, "industry": "x"} for n in range(4)],
        outcomes=[
            {"lead_id": "000", "outcome": "won", "decided_at": START + 90 * DAY},
            {"lead_id": "001", "outcome": "lost", "decided_at": START + 10 * DAY},
        ],
    )
    site.check(START + 120 * DAY)
    built = build_training(site.project, "conversion", datetime(2026, 6, 1, tzinfo=UTC))
    again = build_training(site.project, "conversion", datetime(2026, 6, 1, tzinfo=UTC))
    assert not built.reused
    assert again.reused
    assert again.settling == built.settling
    assert list(built.settling.items())[:3] == [
        ("2026-01-02", [2, 2]),
        ("2026-01-08", [2, 2]),
        ("2026-01-15", [1, 2]),
    ]
    assert sum(labelled for labelled, _ in built.settling.values()) == built.rows
