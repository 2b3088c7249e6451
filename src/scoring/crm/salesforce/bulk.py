"""A job of Bulk API 2.0: records as CSV, and what became of each.

A job ends with three lists: what was written, what failed, and what was never looked at. A record
that stands in none of them is not written, whatever the job's state says.
"""

import csv
import io
from collections.abc import Iterator, Mapping, Sequence

from scoring.crm.budget import wait
from scoring.crm.http import Refused
from scoring.crm.salesforce.calls import CODE, Salesforce, code_of
from scoring.errors import ConfigError, TryLater

FIRST_WAIT, LONGEST_WAIT = 2.0, 30.0  # seconds between two looks at a job
LONGEST = 3600.0
ENDED = ("JobComplete", "Failed", "Aborted")
# Columns that Salesforce puts before ours in its lists.
RESULT_ID, RESULT_ERROR = "sf__Id", "sf__Error"


def update(
    salesforce: Salesforce, kind: str, header: Sequence[str], rows: Sequence[Sequence[str]]
) -> dict[str, str]:
    """ID → the code of its failure, an empty text where it was written. The first column is the ID.

    IDs that are not in it were not looked at. Raises TryLater where the job does not end, and
    ConfigError where Salesforce does not take it.
    """
    body = {"object": kind, "operation": "update", "contentType": "CSV", "lineEnding": "LF"}
    try:
        job = salesforce.call("POST", "jobs/ingest", json=body).json()["id"]
        path = f"jobs/ingest/{job}"
        salesforce.call(
            "PUT",
            f"{path}/batches",
            content=_csv(header, rows),
            headers={"Content-Type": "text/csv"},
        )
        salesforce.call("PATCH", path, json={"state": "UploadComplete"})
    except Refused as error:
        raise ConfigError(
            f"Salesforce did not take a bulk job ({code_of(error.answer)}).",
            "The user needs the permission to use the Bulk API and to edit the object.",
        ) from None
    _wait(salesforce, path)
    told = {row[RESULT_ID]: "" for row in _result(salesforce, f"{path}/successfulResults")}
    for row in _result(salesforce, f"{path}/failedResults"):
        told[row.get(RESULT_ID) or row[header[0]]] = _code(row.get(RESULT_ERROR, ""))
    for row in _result(salesforce, f"{path}/unprocessedrecords"):
        told.pop(row[header[0]], None)
    return told


def _wait(salesforce: Salesforce, path: str) -> None:
    clock = salesforce.http.clock
    pause, until = FIRST_WAIT, clock.monotonic() + LONGEST
    while salesforce.call("GET", path).json()["state"] not in ENDED:
        if clock.monotonic() >= until:
            raise TryLater(
                "A bulk job of Salesforce has not ended within an hour.",
                "Run the same command again; what it did is read before anything is written.",
            )
        wait(clock, pause, lambda: False)
        pause = min(pause * 1.5, LONGEST_WAIT)


def _result(salesforce: Salesforce, path: str) -> Iterator[Mapping[str, str]]:
    text = salesforce.call("GET", path).content.decode("utf-8-sig")
    yield from csv.DictReader(io.StringIO(text, newline=""))


def _csv(header: Sequence[str], rows: Sequence[Sequence[str]]) -> bytes:
    text = io.StringIO(newline="")
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(header)
    writer.writerows(rows)
    return text.getvalue().encode()


def _code(error: str) -> str:
    """`UNABLE_TO_LOCK_ROW:unable to obtain exclusive access…:--` → its code; never the text."""
    code = error.partition(":")[0]
    return code if CODE.fullmatch(code) else "ERROR"
