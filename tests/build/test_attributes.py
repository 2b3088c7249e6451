"""What stood in the lead's row at as_of, against the slow twin."""

import tempfile
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import twin
from build_kit import build, columns, words
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from twin import DAY, Lead, Row, World

from scoring.build.declare import attribute, each_attribute
from scoring.build.lists import Lists
from scoring.config import SnapshotsSection

START = datetime(2026, 1, 1)
END = START + 200 * DAY
KINDS = {"tier": "text", "size": "number", "partner": "flag", "it's": "text"}
PATTERNS = ("g*", "?", "*n")
WORDS = replace(words(attributes=KINDS), lists=Lists(values={"short": PATTERNS}))
COLUMNS = columns(WORDS, own=each_attribute())
LISTED = columns(WORDS, listed=attribute("tier").is_listed("short"))
ANY_TIME = SnapshotsSection(every_days=1, close_after_days=3000)
TEXTS = {
    "tier": ["gold", "tin", "", None],
    "size": ["1.0", "2.5", "many", None],
    "partner": ["true", "false", "perhaps", None],
    "it's": ["x", None],
}
VALUES: dict[str, list[Any]] = {
    "tier": ["gold", None],
    "size": [1.0, 7.25, None],
    "partner": [True, False, None],
    "it's": ["y", None],
}

times = st.builds(
    lambda n, nudge: START + n * DAY / 2 + nudge * timedelta(microseconds=1),
    st.integers(0, 40),
    st.sampled_from([0, 0, 1, -1]),
)


@st.composite
def worlds(draw: st.DrawFn) -> World:
    names = ["a", "b"]
    leads = tuple(
        Lead(
            name,
            START,
            "b" if name == "a" else None,
            START + 9 * DAY if name == "a" else None,
            first_landed=draw(times),
            values={key: draw(st.sampled_from(values)) for key, values in VALUES.items()},
        )
        for name in names
    )
    changes = {}
    for _ in range(draw(st.integers(0, 12))):
        field = draw(st.sampled_from(list(KINDS)))
        at, delay = draw(times), draw(st.sampled_from([None, None, DAY, 9 * DAY]))
        row = Row(
            draw(st.sampled_from(names)),
            at,
            field,
            None if delay is None else at + delay,
            values={"value": draw(st.sampled_from(TEXTS[field]))},
            origin=draw(st.sampled_from(["source", "landing"])),
            gone=draw(st.integers(0, 9)) == 0,
        )
        changes[row.lead_id, row.at, row.what] = row
    return World(leads, changes=tuple(changes.values()))


def as_feature(kind: str, value: Any) -> Any:
    """The value as a column holds it: a text, or a number; what cannot be read is missing."""
    if kind == "text" or value is None:
        return value
    if kind == "flag":
        return {"true": 1.0, "false": 0.0}.get(str(value).lower())
    try:
        return float(value)
    except ValueError:
        return None


@settings(max_examples=30, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    worlds(),
    st.lists(times, min_size=1, max_size=5),
    st.sets(st.sampled_from(list(KINDS))),
    st.sets(st.sampled_from(list(KINDS))),
)
def test_attributes_equal_the_twin(
    world: World, as_ofs: list[datetime], at_creation: set[str], tracked: set[str]
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        made = build(
            Path(folder),
            world,
            [*COLUMNS, *LISTED],
            snapshots=ANY_TIME,
            rhythm=sorted(set(as_ofs)),
            until=END,
            attributes=KINDS,
            at_creation=at_creation,
            tracked=tracked,
        )
    for row in made:
        tier = row["tier"]
        assert row["listed"] == (None if tier is None else float(twin.like(tier, PATTERNS)))
        for column in COLUMNS:
            name = column.of or ""
            said = twin.attribute(
                world,
                name,
                row["lead_id"],
                row["as_of"],
                at_creation=name in at_creation,
                tracked=name in tracked,
            )
            assert row[column.name] == as_feature(KINDS[name], said), (name, row)


@pytest.mark.parametrize(
    ("at_creation", "tracked", "expected"),
    [
        # day 1 (before anything landed or changed), day 6 (landed on 5), day 11 (changed on 10)
        (True, False, ["gold", "gold", "gold"]),
        (False, False, [None, "gold", "gold"]),
        (True, True, [None, None, "tin"]),
        (False, True, [None, None, "tin"]),
    ],
)
def test_what_is_known_when(
    tmp_path: Path, at_creation: bool, tracked: bool, expected: list
) -> None:
    lead = Lead("a", START, first_landed=START + 5 * DAY, values={"tier": "gold"})
    change = Row("a", START + 10 * DAY, "tier", values={"value": "tin"})
    made = build(
        tmp_path,
        World((lead,), changes=(change,) if tracked else ()),
        columns(words(attributes={"tier": "text"}), own=each_attribute()),
        snapshots=ANY_TIME,
        rhythm=[START + n * DAY for n in (1, 6, 11)],
        until=END,
        attributes={"tier": "text"},
        at_creation={"tier"} if at_creation else set(),
        tracked={"tier"} if tracked else set(),
    )
    assert [row["tier"] for row in made] == expected
