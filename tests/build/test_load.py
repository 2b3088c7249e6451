"""Feature files by path, and messages that name file and line."""

import sys
from pathlib import Path

import pytest

from scoring.build.load import load_features
from scoring.errors import ConfigError

GOOD = (
    "from scoring import feature, interactions, lead_changes\n"
    'calls = interactions("call").count().says("{n} calls")\n'
)


def write(folder: Path, **files: str) -> Path:
    for name, text in files.items():
        (folder / f"{name}.py").write_text(text, encoding="utf-8")
    return folder


def test_files_are_themes_and_variables_are_features(tmp_path: Path) -> None:
    write(tmp_path, meetings=GOOD.replace("calls", "held"), calls='"""Doc."""\n' + GOOD)
    found = load_features(tmp_path)
    assert [(n.theme, n.variable) for n in found] == [("calls", "calls"), ("meetings", "held")]
    assert [n.where for n in found] == ["features/calls.py:3", "features/meetings.py:2"]


def test_reading_leaves_no_trace(tmp_path: Path) -> None:
    before = set(sys.modules)
    load_features(write(tmp_path, calls=GOOD))
    assert [p.name for p in tmp_path.iterdir()] == ["calls.py"]
    assert not [m for m in set(sys.modules) - before if "calls" in m]


def test_an_edit_is_seen_at_once(tmp_path: Path) -> None:
    """Same second, same size: a cached compilation would not notice."""
    load_features(write(tmp_path, a=GOOD))
    (found,) = load_features(write(tmp_path, a=GOOD.replace('"call"', '"mail"')))
    assert found.declaration.patterns == ("mail",)


def test_helpers_and_private_names_are_no_features(tmp_path: Path) -> None:
    text = GOOD + '_base = interactions("call")\n_draft = _base.count()\nDAYS = [7, 30]\n'
    assert [n.variable for n in load_features(write(tmp_path, a=text))] == ["calls"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("x = 1\nif:\n", r"a\.py:2: "),
        ("\nimport nothing_of_that_name\n", r"a\.py:2: ModuleNotFoundError"),
        ("x = 1 / 0\n", r"a\.py:1: ZeroDivisionError"),
        ("raise SystemExit\n", r"a\.py:1: SystemExit"),
        (GOOD + "x = interactions().count(last_days=[0])\n", r"a\.py:3: `last_days` must be"),
        (GOOD + "x = interactions().count().says('{who}')\n", r"a\.py:3: .*\{who\}"),
        (GOOD + "x = interactions().count().says('{')\n", r"a\.py:3: ValueError"),
        (GOOD + "x = feature('calls') / 0\n", r"a\.py:3: .*must have another feature"),
        (GOOD + "x = interactions().cuont()\n", r'a\.py:3: .*Did you mean "count"'),
        (GOOD + "x = interactoins().count()\n", r'a\.py:3: .*Did you mean "interactions"'),
        ("from scoring import interaction\n", r'a\.py:1: .*Did you mean "interactions"'),
        (GOOD + "x = lead_changes('f').last('valeu')\n", r"a\.py:3: .*Did you mean \"value\""),
        (GOOD + "x = interactions().count()\n", r"a\.py:3: `x` has no sentence"),
        (GOOD + "x = interactions()\n", r"a\.py:3: `x` says which rows, not what"),
        (GOOD + "x = interactions().each_number()\n", r"a\.py:3: `x` says which rows"),
        (GOOD + GOOD, r"a\.py:4: `calls` is declared twice"),
    ],
)
def test_what_is_wrong_is_said_with_file_and_line(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        load_features(write(tmp_path, a=text))


def test_a_file_that_is_not_text_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.py").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(ConfigError, match=r"a\.py"):
        load_features(tmp_path)


def test_names_are_unique_in_a_project(tmp_path: Path) -> None:
    with pytest.raises(
        ConfigError, match=r"`calls`.*features/a\.py:2 and again in features/b\.py:2"
    ):
        load_features(write(tmp_path, a=GOOD, b=GOOD))


def test_a_project_without_feature_files_says_where_to_get_some(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="scoring init"):
        load_features(tmp_path)


def test_the_project_s_own_catalogue_loads() -> None:
    named = load_features(Path(__file__).parents[2] / "features")
    assert len(named) > 20
