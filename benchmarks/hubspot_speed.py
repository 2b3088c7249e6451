"""Reading and writing HubSpot: calls and records a second, as a share of what its limits allow.

    .venv/bin/python benchmarks/hubspot_speed.py           20,000 leads, 100,000 activities
    .venv/bin/python benchmarks/hubspot_speed.py --activities 5000000 --scale 400

The CRM is the tests' loopback server in a process of its own, with the vendor's limits on a clock
that runs `--scale` times as fast. The best time is that of the calls that were made, each kind of
limit at its full share: searches at five a second, all calls at 190 in ten seconds; whichever is
slower binds.
The peak memory is that of the reading process.
"""

import argparse
import multiprocessing
import os
import resource
import sys
import tempfile
from collections import Counter
from datetime import UTC, datetime
from multiprocessing.connection import Connection
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "tests" / "crm"))

from hubspot_server import HubSpotServer  # noqa: E402
from hubspot_world import populate, project_over  # noqa: E402
from loopback import START, Request, ScaledClock  # noqa: E402
from test_hubspot_writing import FIELDS, changes, sink_at  # noqa: E402

from scoring.clock import Moment  # noqa: E402
from scoring.crm import http  # noqa: E402
from scoring.ingest.run import ingest  # noqa: E402
from scoring.project import Project  # noqa: E402


def serve(pipe: Connection, scale: float, leads: int, activities: int) -> None:
    """The server; answers "counts" with the calls since the last question."""
    server = HubSpotServer(ScaledClock(scale))
    populate(server, leads, activities)
    server.keep = False
    server.daily = 10**9
    server.tokens["token"].add("crm.schemas.contacts.write")
    counts: Counter[tuple[str, bool]] = Counter()

    def count(request: Request) -> None:
        kind = request.path.split("/")[4] if request.path.count("/") >= 4 else ""
        counts[kind, request.path.endswith("/search")] += 1

    server.before = count  # type: ignore[assignment]
    pipe.send(server.address)
    while pipe.recv() == "counts":
        limits = (server.searches.over, server.burst.over)
        pipe.send((dict(counts), limits))
        counts.clear()
    server.close()


def least(counts: dict[tuple[str, bool], int]) -> float:
    """Seconds that these calls take at the full limits, one object after the other."""
    seconds = 0.0
    for kind in {kind for kind, _ in counts}:
        searches, others = counts.get((kind, True), 0), counts.get((kind, False), 0)
        seconds += max(searches / 5, (searches + others) / 19)
    return seconds


def report(what: str, records: int, seconds: float, counts: dict[tuple[str, bool], int]) -> None:
    best = least(counts)
    print(
        f"{what}: {records:,} records in {seconds:,.0f} s of the CRM's clock "
        f"({records / seconds:,.0f} a second); its limits allow {best:,.0f} s for "
        f"{sum(counts.values()):,} calls: {best / seconds:.0%}"
    )


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--leads", type=int, default=20_000)
    parser.add_argument("--activities", type=int, default=100_000)
    parser.add_argument("--scale", type=float, default=20.0)
    parser.add_argument("--share", type=float, default=1.0, help="of the limits that is ours")
    arguments = parser.parse_args()
    ours, theirs = multiprocessing.Pipe()
    worker = multiprocessing.get_context("spawn").Process(
        target=serve, args=(theirs, arguments.scale, arguments.leads, arguments.activities)
    )
    worker.start()
    address = ours.recv()
    os.environ["HUBSPOT_TOKEN"] = "token"
    clock = http.CLOCK = ScaledClock(arguments.scale)

    class There:
        """As much of a server as the helpers ask for."""

    There.address = address  # type: ignore[attr-defined]
    with tempfile.TemporaryDirectory() as folder:
        root = project_over(Path(folder) / "p", There())  # type: ignore[arg-type]
        toml = root / "data/sources.toml"
        toml.write_text(
            toml.read_text().replace(
                "[sources.crm.options]", f"limit_share = {arguments.share}\n\n[sources.crm.options]"
            )
        )
        at = datetime.fromtimestamp(START, UTC)
        begun = clock.monotonic()
        tables = ingest(Project(root), Moment(as_of=at, now=at)).to_json()
        seconds = clock.monotonic() - begun
        ours.send("counts")
        counts, over = ours.recv()
        report("read", sum(t.get("here", 0) for t in tables.values()), seconds, counts)
        gaps = sum(t["in_crm"] != t["here"] for t in tables.values() if "here" in t)
        print(f"tables with a gap: {gaps}; calls beyond a limit: {over}")
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        print(f"peak memory of the reading process: {peak:,.0f} MB")
        sink = sink_at(There())  # type: ignore[arg-type]
        sink.ensure_fields(FIELDS, apply=True)
        ours.send("counts")
        ours.recv()
        begun = clock.monotonic()
        records = changes(*range(1, arguments.leads + 1))
        for start in range(0, len(records), sink.batch_size):
            sink.read_back([c.lead_id for c in records[start : start + sink.batch_size]])
            sink.write(records[start : start + sink.batch_size])
        seconds = clock.monotonic() - begun
        ours.send("counts")
        counts, over = ours.recv()
        report("written", len(records), seconds, counts)
    ours.send("stop")
    worker.join()


if __name__ == "__main__":
    main()
