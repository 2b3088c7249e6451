"""The newest row of each code, by a table of codes and by looking for duplicates."""

from types import SimpleNamespace
from typing import Any
from unittest import mock

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from scoring.build.operators import different

# Snapshots with the codes of their rows, oldest first; one code far from the others.
histories = st.lists(st.lists(st.sampled_from([0, 1, 2, 3, 5_000]), max_size=12), max_size=6)


@given(histories, st.sampled_from([0, different.TABLE_PER_ROW, 10_000]))
def test_the_newest_row_of_each_code_stays(listed: list[list[int]], per_row: int) -> None:
    snapshot = np.repeat(np.arange(len(listed)), [len(codes) for codes in listed])
    codes = np.array([code for own in listed for code in own], dtype=np.int32)
    expected = {
        (number, code): row
        for row, (number, code) in enumerate(zip(snapshot.tolist(), codes.tolist(), strict=True))
    }
    block: Any = SimpleNamespace(past=SimpleNamespace(snapshot=snapshot, size=len(listed)))
    with mock.patch.object(different, "TABLE_PER_ROW", per_row):
        found = different.newest_of_each(block, np.arange(len(codes)), codes)
    assert sorted(found.tolist()) == sorted(expected.values())
