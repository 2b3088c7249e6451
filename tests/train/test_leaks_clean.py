"""Twenty clean histories: nothing is named in any of them.

The limits were set on other seeds and on real histories, never on these.
"""

import pytest
from leak_kit import KNOWN, history, project_over, searched


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(9_000, 9_020))
def test_no_false_alarm(seed, tmp_path):
    tables = history(tmp_path, seed=seed, leads=600, prevalence=0.15 + 0.015 * (seed % 20))
    nights = 1 + seed % 4 // 3
    found = searched(project_over(tmp_path / "project", tables, known=KNOWN, nights=nights))
    assert found.leaks == ()
    assert "separation" not in found.not_testable
