"""What a flagged lead's row says: its signs, and what would end the flag."""

from dataclasses import replace
from types import SimpleNamespace
from typing import Any, cast

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from score_cases import AS_OF, HELSINKI, column

from scoring.build.columns import Column, Sign
from scoring.flag.model import Flag, Judged
from scoring.score.flagged import MARK, can_change, flag_texts, with_end
from scoring.score.reasons import WHY_LENGTH
from scoring.score.sentences import LINE_LENGTH
from scoring.words import translator

LOW, BUSY, PROFILE = "low_engagement", "busy_without_progress", "outside_profile"


def sign(name: str, op: str, text: str, kind: str, *, strong: bool = False, **more: Any) -> Column:
    made = column(name, op, text, **more)
    return replace(made, sign=Sign(kind, strong, side="high"))


COLUMNS = (
    sign("profile", "attribute", "has no budget", PROFILE, stream="lead", of="budget"),
    sign("silent", "last_on", "last wrote on {date}", LOW),
    sign("haggled", "count", "asked for a discount {n} times", BUSY, strong=True),
    sign("moved", "share", "moved {share} of the meetings", BUSY, days=90),
)
NAMES = [c.name for c in COLUMNS]


def told(fired: set[str], kind: str, why: str = "+ 4 pages", *, acts: bool = True) -> pd.Series:
    """The texts of one lead whose signs `fired` fired."""
    flag = cast(
        Flag,
        SimpleNamespace(
            limits=SimpleNamespace(signs=COLUMNS),
            features=SimpleNamespace(all=COLUMNS),
            earnest=COLUMNS[:1] if acts else (),
        ),
    )
    rows = pd.DataFrame({"_flag_opens": [False], "_flag_stays": [True], "_flag_kind": [kind]})
    values = pd.DataFrame({"profile": [1.0], "silent": [3.0], "haggled": [2.0], "moved": [0.5]})
    judged = Judged(rows, pd.DataFrame([{n: n in fired for n in NAMES}]), values)
    as_of = pd.Series([AS_OF]).dt.as_unit("us")
    found = flag_texts(judged, flag, pd.Series([why]), as_of=as_of, language="en", zone=HELSINKI)
    return found.iloc[0]


def test_the_line_names_the_strongest_sign_that_can_change() -> None:
    found = told({"haggled", "moved", "profile"}, BUSY)
    # That a discount was asked for lies in the past for good: the share of meetings can change.
    assert found["_flag_why"].splitlines() == [
        "+ 4 pages",
        "→ flag ends if this changes: moved 50% of the meetings",
    ]
    assert found["_flag_reasons"].splitlines() == [
        "asked for a discount 2 times",
        "moved 50% of the meetings",
        "has no budget",
    ]


def test_signs_of_the_flags_own_kind_speak_first() -> None:
    found = told({"silent", "moved"}, LOW)
    assert found["_flag_reasons"].startswith("last wrote on Feb 26, 2027")
    assert "changes: last wrote" in found["_flag_why"]


def test_where_no_sign_can_change_an_act_or_the_chance_ends_the_flag() -> None:
    assert "when they take a step" in told({"haggled", "profile"}, BUSY)["_flag_why"]
    assert "when the chance" in told({"haggled"}, BUSY, acts=False)["_flag_why"]


def test_a_reason_is_not_said_twice() -> None:
    found = told({"moved", "haggled"}, BUSY, why="+ 4 pages\n– moved 50% of the meetings")
    assert found["_flag_why"].count("moved 50%") == 1


def test_rows_that_cannot_be_flagged_get_no_texts() -> None:
    flag = cast(
        Flag,
        SimpleNamespace(
            limits=SimpleNamespace(signs=()),
            features=SimpleNamespace(all=()),
            earnest=(),
        ),
    )
    rows = pd.DataFrame({"_flag_opens": [False], "_flag_stays": [False], "_flag_kind": [""]})
    as_of = pd.Series([AS_OF]).dt.as_unit("us")
    judged = Judged(rows, pd.DataFrame(index=rows.index), pd.DataFrame(index=rows.index))
    found = flag_texts(
        judged, flag, pd.Series(["+ 4 pages"]), as_of=as_of, language="fi", zone=HELSINKI
    )
    assert found.iloc[0].tolist() == ["", ""]


@pytest.mark.parametrize(
    ("of", "expected"),
    [
        (COLUMNS[0], False),
        (COLUMNS[1], True),
        (COLUMNS[2], False),
        (COLUMNS[3], True),
        (replace(COLUMNS[2], sign=Sign(LOW, strong=False, side="low")), True),
        (column("ratio", "ratio", "x", stream="columns", inputs=("haggled", "moved")), True),
        (column("ratio", "ratio", "x", stream="columns", inputs=("haggled", "profile")), False),
    ],
)
def test_what_can_change(of: Column, expected: bool) -> None:
    by_name = {c.name: c for c in COLUMNS}
    assert can_change(of, by_name) is expected


LINES = st.lists(
    st.tuples(st.sampled_from(["+ ", "– "]), st.text("abc xyz", min_size=1, max_size=88)),
    max_size=5,
)


@given(LINES, st.text("abc xyz", max_size=88))
def test_it_always_fits_and_the_end_is_always_said(lines, reason) -> None:
    why = "\n".join(mark + text.strip() for mark, text in lines)
    found = with_end(why, reason.strip(), "otherwise", translator("en", None))
    assert len(found) <= WHY_LENGTH
    *kept, end = found.split("\n")
    assert end.startswith(MARK)
    assert len(end) <= LINE_LENGTH
    assert all(line in why.split("\n") for line in kept)
