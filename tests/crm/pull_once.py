"""One `ingest` in a process of its own, on a clock as fast as the server's: to be killed."""

import sys
from datetime import UTC, datetime
from pathlib import Path

from loopback import START, ScaledClock

from scoring.clock import Moment
from scoring.crm import http
from scoring.ingest import pull
from scoring.ingest.run import ingest
from scoring.project import Project

http.CLOCK = ScaledClock(float(sys.argv[2]))
pull.DROP_ROWS = int(sys.argv[3])
at = datetime.fromtimestamp(START, UTC)
ingest(Project(Path(sys.argv[1])), Moment(as_of=at, now=at))
