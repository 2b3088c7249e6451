"""One Spark session for the process: started when it is first needed, ended with the process.

Where a session runs already (a notebook on a cluster), it is used as it is and left alone. What
Spark and its workers print goes to `.scoring/spark.log`: it may hold values of the data, and
stdout and stderr belong to the command.
"""

import atexit
import logging
import os
import shutil
import signal
import subprocess
import sys
import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from scoring.config import SparkSection
from scoring.errors import ConfigError
from scoring.project import Project

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

NAME = "lead-scoring"
SECONDS_TO_STOP = 20
LEAST_JAVA = 17
# Below what `[spark.conf]` says. Results are summaries: they need no limit of their own.
DEFAULTS = {
    "spark.app.name": NAME,
    "spark.ui.enabled": "false",
    "spark.log.level": "WARN",
    "spark.sql.session.timeZone": "UTC",
    "spark.sql.catalogImplementation": "in-memory",
    "spark.driver.maxResultSize": "0",
}
# A Spark of one machine talks to nobody else.
LOCAL = {"spark.driver.host": "127.0.0.1", "spark.driver.bindAddress": "127.0.0.1"}
# Who says one of these has a Spark of their own, and its configuration may name the master.
OWN_SPARK = ("SPARK_HOME", "SPARK_CONF_DIR", "PYSPARK_SUBMIT_ARGS", "PYSPARK_GATEWAY_PORT")


def log_file(project: Project) -> Path:
    return project.store / "spark.log"


def spark_session(project: Project) -> "SparkSession":
    """The session of this process. Raises ConfigError where pyspark or Java is missing, or where
    Spark does not start with what scoring.toml says."""
    try:
        from pyspark import SparkContext
        from pyspark.sql import SparkSession
    except ImportError:
        raise ConfigError(
            'scoring.toml says `engine = "spark"`, and pyspark is not installed.',
            "Install it with `pip install lead-scoring[spark]`.",
        ) from None
    if SparkContext._active_spark_context is not None:
        return SparkSession.builder.getOrCreate()
    return _start(project)


def _start(project: Project) -> "SparkSession":
    from py4j.protocol import Py4JError
    from pyspark import SparkConf, SparkContext
    from pyspark.errors import PySparkException
    from pyspark.java_gateway import launch_gateway
    from pyspark.sql import SparkSession

    _require_java()
    # It logs that connections close; and that pandas 3 is new, where the tests say that it works.
    logging.getLogger("py4j").setLevel(logging.WARNING)
    warnings.filterwarnings("ignore", "PySpark does not yet fully support pandas", FutureWarning)
    said = properties(project.settings.spark)
    if said.get("spark.master", "").startswith("local"):
        os.environ.setdefault("PYSPARK_PYTHON", sys.executable)
    conf = SparkConf(loadDefaults=False).setAll(list(said.items()))
    log = log_file(project)
    log.parent.mkdir(parents=True, exist_ok=True)
    on_interrupt = signal.getsignal(signal.SIGINT)
    try:
        with log.open("wb") as output, _signals_wait():
            gateway = launch_gateway(
                conf, popen_kwargs={"stdout": output, "stderr": subprocess.STDOUT}
            )
            atexit.register(_stop, gateway)
        session = SparkSession(SparkContext(conf=conf, gateway=gateway))
    except (PySparkException, Py4JError, OSError) as error:
        raise ConfigError(
            f"Spark did not start ({type(error).__name__}).",
            f"It needs Java {LEAST_JAVA} or newer and a `[spark] master` that can be reached; "
            f"what it said is in {log.relative_to(project.root)}.",
        ) from error
    finally:
        # Spark puts its own handler in the place of the command's.
        if threading.current_thread() is threading.main_thread():
            signal.signal(signal.SIGINT, on_interrupt)
    return session


@contextmanager
def _signals_wait() -> Iterator[None]:
    """Signals that come while Java starts are answered afterwards: until then nobody holds its
    process, and nobody would end it."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    came: list[int] = []
    before = {
        number: signal.signal(number, lambda number, _frame: came.append(number))
        for number in (signal.SIGINT, signal.SIGTERM)
        if signal.getsignal(number) is not signal.SIG_IGN
    }
    try:
        yield
    finally:
        for number, answer in before.items():
            signal.signal(number, answer)
        if came:
            signal.raise_signal(came[0])


def properties(section: SparkSection) -> dict[str, str]:
    """Spark's properties for a session of ours."""
    said = dict(DEFAULTS)
    master = section.conf.get("spark.master", section.master)
    if not master and not any(name in os.environ for name in OWN_SPARK):
        master = "local[*]"
    if master:
        said["spark.master"] = master
    if master.startswith("local"):
        said |= LOCAL
    return said | section.conf


def _require_java() -> None:
    home = os.environ.get("JAVA_HOME")
    if "PYSPARK_GATEWAY_PORT" in os.environ or shutil.which("java"):
        return
    if home and shutil.which("java", path=str(Path(home) / "bin")):
        return
    raise ConfigError(
        f'scoring.toml says `engine = "spark"`, which needs Java {LEAST_JAVA} or newer, and there '
        "is no Java.",
        "Install it, or name its folder in JAVA_HOME; both PATH and JAVA_HOME were looked at.",
    )


def _stop(gateway: Any) -> None:
    """End the session and the Java process behind it, whatever state they are in."""
    from pyspark import SparkContext

    context = SparkContext._active_spark_context
    try:
        if context is not None:
            context.stop()
        gateway.shutdown()
    except Exception:  # it was told to end, and may be gone already
        SparkContext._active_spark_context = None
    SparkContext._gateway = SparkContext._jvm = None
    process = gateway.proc
    if process is None:
        return
    process.stdin.close()
    try:
        process.wait(SECONDS_TO_STOP)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
