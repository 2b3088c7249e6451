"""What the README shows is what happens: every command of it runs, every command has its page."""

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest
from kit import CHECKOUT, copy_of_checkout, scoring

FENCE = re.compile(r"^```(\w*)\n(.*?)^```", flags=re.MULTILINE | re.DOTALL)
SHELL = {"bash", "console", "sh"}
STARTS = ("scoring ", "make", ".venv/bin/")

# The tests cannot run themselves; that the target is there and what it would do is looked at.
RECURSIVE = {"make test": "make --dry-run test"}


def _blocks() -> list[str]:
    """The README's blocks of commands, in order; an untagged one that starts like a command too."""
    text = (CHECKOUT / "README.md").read_text(encoding="utf-8")
    return [
        body
        for language, body in FENCE.findall(text)
        if language in SHELL or (not language and body.startswith(STARTS))
    ]


def _commands() -> list[str]:
    """The names of all commands, as the help lists them."""
    listed = scoring("--help").out.split("Commands:")[1]
    return re.findall(r"^  ([a-z]+) ", listed, flags=re.MULTILINE)


def test_readme_shows_commands() -> None:
    shown = "\n".join(_blocks())

    for command in ("init", "run retrain", "run nightly"):
        assert f"scoring {command}" in shown


def test_every_command_has_help_and_a_page() -> None:
    pages = "\n".join(
        path.read_text(encoding="utf-8")
        for path in [*sorted((CHECKOUT / "docs").glob("*.md")), CHECKOUT / "README.md"]
    )

    commands = _commands()

    assert len(commands) > 10
    assert [c for c in commands if not re.search(rf"scoring {c}\b", pages)] == []
    assert [c for c in commands if "--json" not in scoring(c, "--help").out] == []


def test_every_page_that_the_readme_names_is_there() -> None:
    text = (CHECKOUT / "README.md").read_text(encoding="utf-8")

    linked = re.findall(r"\]\((?!https?:)([^)#]+)", text)

    assert linked
    assert [path for path in linked if not (CHECKOUT / path).exists()] == []


@pytest.mark.slow
def test_every_command_of_the_readme_runs(tmp_path: Path) -> None:
    """In a copy of the checkout, with an environment that `make install` makes there."""
    copy = copy_of_checkout(tmp_path / "checkout")
    environment = {k: v for k, v in os.environ.items() if not k.startswith(("PYTHON", "VIRTUAL"))}
    environment["PATH"] = f"{copy / '.venv' / 'bin'}:{environment['PATH']}"
    for block in _blocks():
        if "exports/" in block:
            # "Your own tables": the sample's, which an earlier block has made.
            shutil.copytree(next(copy.glob("*/data/sample")), copy / "exports")
        lines = [RECURSIVE.get(line.strip(), line) for line in block.splitlines()]
        done = subprocess.run(
            ["bash", "-euc", "\n".join(lines)],
            cwd=copy,
            env=environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=1800,
            check=False,
        )
        assert done.returncode == 0, f"{block}\n{done.stdout[-3000:]}\n{done.stderr[-3000:]}"
