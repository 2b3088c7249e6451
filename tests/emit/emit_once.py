"""One `emit` in a process of its own, with a signal at a chosen moment.

python emit_once.py PROJECT SCORES.parquet AS_OF (killed-before-settle | stopped-in-write) BATCH
"""

import os
import signal
import sys
from datetime import datetime

import pandas as pd

from scoring.crm.sql import SqlSink
from scoring.emit.ledger import Ledger
from scoring.emit.run import emit
from scoring.project import Project

root, scores, as_of, how, batch = sys.argv[1:]
wanted, seen = int(batch), 0


def at_batch(number):
    if how == "killed-before-settle" and number == wanted:
        os.kill(os.getpid(), signal.SIGKILL)


def counting(settle):
    def wrapped(self, *arguments):
        global seen
        seen += 1
        at_batch(seen)
        return settle(self, *arguments)

    return wrapped


def stopping(update):
    def wrapped(self, *arguments):
        if seen + 1 == wanted:
            os.kill(os.getpid(), signal.SIGTERM)
        return update(self, *arguments)

    return wrapped


Ledger.settle = counting(Ledger.settle)
if how == "stopped-in-write":
    SqlSink._update = stopping(SqlSink._update)
SqlSink.batch_size = 50
at = datetime.fromisoformat(as_of)
emit(Project(root), "conversion", at, pd.read_parquet(scores), now=at)
