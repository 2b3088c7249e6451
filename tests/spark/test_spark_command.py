"""The command line with `engine = "spark"`: what it prints, what it leaves behind, how it fails."""

import json
import os
import signal
import subprocess
import sys
import time
import uuid
from pathlib import Path

import pandas as pd
import pytest
from spark_kit import use_spark

from scoring.config import SparkSection
from scoring.engine.spark.session import properties, spark_session
from scoring.errors import ConfigError
from scoring.project import Project

SCORING = Path(sys.executable).with_name("scoring")
LEAD = "L-17-of-nobody"


@pytest.fixture
def project(tmp_path: Path) -> Project:
    """A few leads and events, landed; the application has a name of its own in the process list."""
    root = tmp_path / "project"
    (root / "models" / "conversion").mkdir(parents=True)
    (root / "data").mkdir()
    (root / "source").mkdir()
    (root / "scoring.toml").write_text('[project]\nname = "test"\n')
    (root / "models" / "conversion" / "model.toml").write_text("[snapshots]\nat_age_days = [7]\n")
    (root / "data" / "sources.toml").write_text(
        '[sources.crm]\npath = "source"\n[sources.crm.tables]\n'
        'leads = "leads.csv"\ninteractions = "interactions.csv"\noutcomes = "outcomes.csv"\n'
    )
    day = pd.date_range("2026-01-01", periods=20, tz="UTC").strftime("%Y-%m-%dT%H:%M:%SZ")
    ids = [LEAD, *(f"L{n}" for n in range(19))]
    tables = {
        "leads": pd.DataFrame({"lead_id": ids, "created_at": day}),
        "interactions": pd.DataFrame({"lead_id": ids, "occurred_at": day, "type": "call_made"}),
        "outcomes": pd.DataFrame({"lead_id": ids[:5], "outcome": "won", "decided_at": day[10:15]}),
    }
    for name, rows in tables.items():
        rows.to_csv(root / "source" / f"{name}.csv", index=False)
    made = use_spark(root)
    settings = root / "scoring.toml"
    marked = f'[spark.conf]\n"spark.app.name" = "{uuid.uuid4().hex}"'
    settings.write_text(settings.read_text().replace("[spark.conf]", marked))
    scoring(made, "ingest")
    return made


def arguments(project: Project, name: str) -> list[str]:
    return [str(SCORING), name, "--project", str(project.root), "--as-of", "2026-02-01", "--json"]


def scoring(
    project: Project, name: str, env: dict[str, str] | None = None
) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        arguments(project, name),
        cwd=project.root,
        env={**os.environ, **(env or {})},
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )


def running(project: Project) -> list[int]:
    """Processes whose command line holds the application's name."""
    marker = project.settings.spark.conf["spark.app.name"].encode()
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            if marker in path.read_bytes():
                found.append(int(path.parent.name))
        except OSError:
            continue  # it ended meanwhile
    return found


def wait_until(said: bool, project: Project, seconds: float) -> bool:
    """Whether the application runs (or not) within that time."""
    until = time.monotonic() + seconds
    while bool(running(project)) != said and time.monotonic() < until:
        time.sleep(0.2)
    return bool(running(project)) == said


@pytest.mark.slow
def test_a_command_prints_its_answer_and_ends_with_all_its_processes(project: Project) -> None:
    before = set(project.root.iterdir())
    done = scoring(project, "check")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["leads"]["accepted"] == 20
    for noise in ("WARN", "Warning", "Spark", "log4j", "py4j", LEAD):
        assert noise not in done.stderr
    assert not running(project)
    assert set(project.root.iterdir()) == before
    assert (project.store / "spark.log").stat().st_size > 0
    assert not list(project.tmp.iterdir())


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_a_signal_ends_spark_too(project: Project, number: signal.Signals) -> None:
    running_command = subprocess.Popen(
        arguments(project, "check"),
        cwd=project.root,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        # Who starts the tests in the background has it ignored, and so would the command.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )
    try:
        assert wait_until(True, project, 300)
        time.sleep(3)
        running_command.send_signal(number)
        _, stderr = running_command.communicate(timeout=400)
    finally:
        running_command.kill()
    # The command may have been done before the signal came.
    expected = -number if number is signal.SIGKILL else 128 + number
    assert running_command.returncode in (expected, 0)
    assert "Traceback" not in stderr
    assert wait_until(False, project, 60)


def test_without_java_it_says_so(project: Project, tmp_path: Path) -> None:
    nothing = tmp_path / "no_programs"
    nothing.mkdir()
    done = scoring(project, "check", env={"PATH": str(nothing), "JAVA_HOME": ""})
    assert done.returncode == 2
    assert "needs Java 17 or newer, and there is no Java" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_java_that_does_not_work_is_a_setting_not_a_bug(project: Project, tmp_path: Path) -> None:
    java = tmp_path / "jdk" / "bin" / "java"
    java.parent.mkdir(parents=True)
    java.write_text("#!/bin/sh\necho too old\nexit 1\n")
    java.chmod(0o755)
    done = scoring(project, "check", env={"JAVA_HOME": str(tmp_path / "jdk")})
    assert done.returncode == 2
    assert "Spark did not start" in done.stderr
    assert ".scoring/spark.log" in done.stderr


def test_without_pyspark_it_says_what_to_install(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "pyspark.sql", None)
    with pytest.raises(ConfigError, match=r"pyspark is not installed") as caught:
        spark_session(project)
    assert "lead-scoring[spark]" in str(caught.value)


def test_the_engine_stands_above_the_sections_or_in_project(project: Project) -> None:
    settings = project.root / "scoring.toml"
    settings.write_text('[project]\nname = "test"\nengine = "spark"\n')
    assert Project(project.root).settings.project.engine == "spark"
    settings.write_text('engine = "spark"\n[project]\nname = "test"\n')
    assert Project(project.root).settings.project.engine == "spark"
    settings.write_text('[project]\nname = "test"\n')
    assert Project(project.root).settings.project.engine == "duckdb"
    settings.write_text('[project]\nname = "test"\nengine = "sparc"\n')
    with pytest.raises(ConfigError, match=r"`project\.engine` should be 'duckdb' or 'spark'"):
        _ = Project(project.root).settings


def test_a_spark_of_one_machine_talks_to_nobody_else(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("SPARK_HOME", "SPARK_CONF_DIR", "PYSPARK_SUBMIT_ARGS", "PYSPARK_GATEWAY_PORT"):
        monkeypatch.delenv(name, raising=False)
    local = properties(SparkSection())
    assert local["spark.master"] == "local[*]"
    assert local["spark.driver.bindAddress"] == local["spark.driver.host"] == "127.0.0.1"
    assert local["spark.ui.enabled"] == "false"
    cluster = properties(SparkSection(master="yarn", conf={"spark.ui.enabled": "true"}))
    assert cluster["spark.master"] == "yarn"
    assert cluster["spark.ui.enabled"] == "true"
    assert "spark.driver.host" not in cluster
    monkeypatch.setenv("SPARK_CONF_DIR", "/etc/spark")
    assert "spark.master" not in properties(SparkSection())
