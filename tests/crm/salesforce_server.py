"""A Salesforce of our own on the loopback interface: stateful, with its real limits and its quirks.

What it does as the real one does (docs/crm/salesforce.md has the sources): queries of at most 2,000
records a page, a recycle bin and archived activities that only queryAll gives, collections of 200
records with `success: false` inside an answer of 200, bulk jobs with three lists of results, empty
CSV cells that change nothing, calls counted over 24 hours, addresses of 16,384 characters at most,
converted leads that cannot be edited, rows that somebody else has locked, unknown fields.
"""

import csv
import io
import re
from bisect import bisect_right
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, ClassVar

import jwt
from loopback import Loopback, Request, Response, ScaledClock
from salesforce_state import State, new_id, written
from soql import Malformed, Query, parse

LONGEST_URI = 16_384
COLLECTION = 200
RETRIEVED = 2_000
LARGEST_UPLOAD = 150_000_000
DATA = r"/services/data/v\d\d\.0"


class Refusal(Exception):
    def __init__(self, status: int, code: str, message: str = "it says why here") -> None:
        super().__init__(code)
        self.response = Response(status, [{"errorCode": code, "message": message}])


class SalesforceServer(Loopback):
    """tokens: the valid sessions. locks: ID → how often it is still locked by somebody else.

    refuses    (ID, values) → a code for a record that a validation rule refuses, or nothing
    spoils     IDs whose record makes a whole collection fail
    loses      bulk: how many records of a job are left unprocessed
    job_time   seconds of the clock that a job takes
    """

    def __init__(self, clock: ScaledClock | None = None) -> None:
        clock = clock or ScaledClock()
        self.state = State(clock)
        self.organisation = "00D000000000001EAA"
        self.tokens = {"token"}
        self.clients = {"client": "secret"}
        self.public_key = b""
        self.audience = "https://login.salesforce.com"
        self.daily = 1_000_000
        self.used = 0
        self.page = 2_000
        self.locks: dict[str, int] = {}
        self.refuses: Callable[[str, dict[str, Any]], str] = lambda _id, _values: ""
        self.spoils: set[str] = set()
        self.loses = 0
        self.job_time = 5.0
        self.jobs: dict[str, dict[str, Any]] = {}
        self.cursors: dict[str, tuple[Query, list[dict[str, Any]], int]] = {}
        self.writes: list[str] = []
        super().__init__(clock)

    ROUTES: ClassVar[list[tuple[str, str, str]]] = [
        ("POST", r"/services/oauth2/token", "_token"),
        ("GET", DATA + r"/sobjects/(\w+)/describe/?", "_describe"),
        ("GET", DATA + r"/(query|queryAll)/?", "_query"),
        ("GET", DATA + r"/query(?:All)?/(\w+-\d+)", "_more"),
        ("GET", DATA + r"/composite/sobjects/(\w+)", "_retrieve"),
        ("PATCH", DATA + r"/composite/sobjects/?", "_update"),
        ("GET", DATA + r"/limits/?", "_limits"),
        ("POST", DATA + r"/jobs/ingest/?", "_create_job"),
        ("PUT", DATA + r"/jobs/ingest/(\w+)/batches/?", "_upload"),
        ("PATCH", DATA + r"/jobs/ingest/(\w+)/?", "_close"),
        ("GET", DATA + r"/jobs/ingest/(\w+)/?", "_job"),
        ("GET", DATA + r"/jobs/ingest/(\w+)/(successfulResults|failedResults)/?", "_results"),
        ("GET", DATA + r"/jobs/ingest/(\w+)/(unprocessedrecords)/?", "_results"),
    ]

    def answer(self, request: Request) -> Response:
        length = len(request.path) + sum(len(k) + len(v[0]) + 2 for k, v in request.query.items())
        if length > LONGEST_URI:
            return Response(414, raw=b"<h1>Bad Message 414</h1>")
        for method, pattern, name in self.ROUTES:
            match = re.fullmatch(pattern, request.path)
            if match and method == request.method:
                try:
                    return self._within(request, name, match.groups())
                except Refusal as refusal:
                    return self._counted(refusal.response)
        return Response(404, [{"errorCode": "NOT_FOUND", "message": "no such resource"}])

    def _within(self, request: Request, name: str, parts: tuple[str, ...]) -> Response:
        if name != "_token":
            token = request.headers.get("authorization", "").removeprefix("Bearer ")
            if token not in self.tokens:
                return Response(401, [{"errorCode": "INVALID_SESSION_ID", "message": "ended"}])
            if self.used >= self.daily:
                raise Refusal(403, "REQUEST_LIMIT_EXCEEDED")
            self.used += 1
        response: Response = getattr(self, name)(request, *parts)
        return self._counted(response)

    def _counted(self, response: Response) -> Response:
        response.headers["Sforce-Limit-Info"] = f"api-usage={self.used}/{self.daily}"
        return response

    # --- signing in -----------------------------------------------------------------------------

    def _token(self, request: Request) -> Response:
        form = request.form
        grant = form.get("grant_type")
        if grant == "client_credentials":
            good = self.clients.get(form.get("client_id", "")) == form.get("client_secret")
            if not good:
                return Response(400, {"error": "invalid_client", "error_description": "no"})
        elif grant == "urn:ietf:params:oauth:grant-type:jwt-bearer":
            try:
                jwt.decode(
                    form["assertion"],
                    self.public_key,
                    algorithms=["RS256"],
                    audience=self.audience,
                    issuer="client",
                    options={"require": ["exp", "iss", "sub", "aud"], "verify_exp": False},
                )
            except jwt.PyJWTError:
                return Response(400, {"error": "invalid_grant", "error_description": "no"})
        else:
            return Response(400, {"error": "unsupported_grant_type"})
        token = f"session{len(self.tokens)}"
        self.tokens.add(token)
        return Response(200, {"access_token": token, "instance_url": self.address, "scope": "api"})

    # --- reading --------------------------------------------------------------------------------

    def _describe(self, _: Request, kind: str) -> Response:
        if kind not in self.state.fields:
            raise Refusal(404, "NOT_FOUND")
        return Response(200, {"name": kind, "fields": list(self.state.fields[kind].values())})

    def _limits(self, _: Request) -> Response:
        left = {"Max": self.daily, "Remaining": self.daily - self.used}
        return Response(200, {"DailyApiRequests": left})

    def _query(self, request: Request, how: str) -> Response:
        try:
            query = parse(request.query["q"][0])
        except (Malformed, KeyError, IndexError, ValueError):
            raise Refusal(400, "MALFORMED_QUERY") from None
        if query.kind == "Organization":
            found = [{"Id": self.organisation}]
        else:
            if query.kind not in self.state.fields:
                raise Refusal(400, "INVALID_TYPE")
            if query.names - self.state.fields[query.kind].keys():
                raise Refusal(400, "INVALID_FIELD")
            found = self._found(query, everything=how == "queryAll")
        if query.counts:
            return Response(200, {"totalSize": len(found), "done": True, "records": []})
        return self._answered(query, found, 0)

    def _found(self, query: Query, *, everything: bool) -> list[dict[str, Any]]:
        if query.keyset and query.order == [query.keyset[0], "Id"]:
            order = self.state.ordered(query.kind, query.keyset[0])
            begin = bisect_right(order, query.keyset[1:])
            records = (self.state.stores[query.kind][each] for _, each in order[begin:])
        elif query.order and query.order[-1] == "Id" and len(query.order) == 2:
            order = self.state.ordered(query.kind, query.order[0])
            records = (self.state.stores[query.kind][each] for _, each in order)
        else:
            own = self.state.stores[query.kind]
            records = (own[each] for each in sorted(own))
        found = []
        for record in records:
            hidden = record.get("IsDeleted") or record.get("IsArchived")
            if (everything or not hidden) and (query.keyset or query.keep(record)):
                found.append(record)
                if len(found) == query.limit:
                    break
        return found

    def _answered(self, query: Query, found: list[dict[str, Any]], start: int) -> Response:
        part = found[start : start + self.page]
        body: dict[str, Any] = {
            "totalSize": len(found),
            "done": start + self.page >= len(found),
            "records": [
                {"attributes": {"type": query.kind}, **{n: r.get(n) for n in query.fields}}
                for r in part
            ],
        }
        if not body["done"]:
            cursor = f"{new_id('0r8', len(self.cursors))}-{start + self.page}"
            self.cursors[cursor] = (query, found, start + self.page)
            # Also for queryAll it says `query`.
            body["nextRecordsUrl"] = f"/services/data/v62.0/query/{cursor}"
        return Response(200, body)

    def _more(self, _: Request, cursor: str) -> Response:
        if cursor not in self.cursors:
            raise Refusal(400, "INVALID_QUERY_LOCATOR")
        query, found, start = self.cursors[cursor]
        return self._answered(query, found, start)

    def _retrieve(self, request: Request, kind: str) -> Response:
        ids = request.query["ids"][0].split(",")
        names = request.query["fields"][0].split(",")
        if len(ids) > RETRIEVED:
            raise Refusal(400, "EXCEEDED_ID_LIMIT")
        if set(names) - self.state.fields[kind].keys():
            raise Refusal(400, "INVALID_FIELD")
        found = []
        for each in ids:
            record = self.state.stores[kind].get(each)
            there = record is not None and not record["IsDeleted"]
            found.append({n: record.get(n) for n in names} if there and record else None)
        return Response(200, found)

    # --- writing --------------------------------------------------------------------------------

    def _update(self, request: Request) -> Response:
        records = request.body["records"]
        if len(records) > COLLECTION:
            raise Refusal(400, "INVALID_BATCH_SIZE")
        kinds = {r["attributes"]["type"] for r in records}
        for record in records:
            values = {k: v for k, v in record.items() if k not in ("attributes", "id")}
            if values.keys() - self.state.fields[record["attributes"]["type"]].keys():
                raise Refusal(400, "INVALID_FIELD")
            if record["id"] in self.spoils:
                raise Refusal(400, "JSON_PARSER_ERROR")
        assert len(kinds) == 1
        results = []
        for record in records:
            values = {k: v for k, v in record.items() if k not in ("attributes", "id")}
            code = self._write(kinds.copy().pop(), record["id"], values)
            error = {"statusCode": code, "message": "for people", "fields": []}
            results.append(
                {"success": False, "errors": [error]}
                if code
                else {"id": record["id"], "success": True, "errors": []}
            )
        return Response(200, results)

    def _write(self, kind: str, each: str, values: dict[str, Any]) -> str:
        """The code of a failure, or an empty text."""
        record = self.state.stores[kind].get(each)
        if record is None:
            return "INVALID_CROSS_REFERENCE_KEY" if each.startswith("00Q") else "MALFORMED_ID"
        if record["IsDeleted"]:
            return "ENTITY_IS_DELETED"
        if record.get("IsConverted"):
            return "CANNOT_UPDATE_CONVERTED_LEAD"
        if self.locks.get(each, 0):
            self.locks[each] -= 1
            return "UNABLE_TO_LOCK_ROW"
        if code := self.refuses(each, values):
            return code
        fields = self.state.fields[kind]
        values = {name: None if value == "" else value for name, value in values.items()}
        for name, value in values.items():
            if code := _invalid(fields[name], value):
                return code
        self.writes.append(each)
        self.state.change(kind, each, values)
        return ""

    # --- bulk -----------------------------------------------------------------------------------

    def _create_job(self, request: Request) -> Response:
        asked = request.body
        if asked["operation"] != "update" or asked["object"] not in self.state.fields:
            raise Refusal(400, "INVALIDJOB")
        job = new_id("750", len(self.jobs))
        self.jobs[job] = {**asked, "id": job, "state": "Open", "data": b"", "ends": 0.0}
        return Response(200, self._shown(job))

    def _shown(self, job: str) -> dict[str, Any]:
        return {k: v for k, v in self.jobs[job].items() if k not in ("data", "results", "ends")}

    def _upload(self, request: Request, job: str) -> Response:
        if request.headers.get("content-type", "").split(";")[0] != "text/csv":
            raise Refusal(400, "INVALIDCONTENTTYPE")
        if len(request.content) > LARGEST_UPLOAD:
            raise Refusal(413, "REQUEST_TOO_LARGE")
        self.jobs[job]["data"] = request.content
        return Response(201)

    def _close(self, request: Request, job: str) -> Response:
        self.jobs[job]["state"] = request.body["state"]
        self.jobs[job]["ends"] = self.clock.monotonic() + self.job_time
        return Response(200, self._shown(job))

    def _job(self, _: Request, job: str) -> Response:
        found = self.jobs[job]
        if found["state"] in ("UploadComplete", "InProgress"):
            found["state"] = "InProgress"
            if self.clock.monotonic() >= found["ends"]:
                self._work_off(found)
        return Response(200, self._shown(job))

    def _work_off(self, job: dict[str, Any]) -> None:
        rows = list(csv.reader(io.StringIO(job["data"].decode(), newline="")))
        header, records = rows[0], rows[1:]
        lists: dict[str, list[list[str]]] = {
            "successfulResults": [["sf__Id", "sf__Created", *header]],
            "failedResults": [["sf__Id", "sf__Error", *header]],
            "unprocessedrecords": [header],
        }
        job["results"] = lists
        fields = self.state.fields[job["object"]]
        if "Id" not in header or set(header) - fields.keys():
            lists["unprocessedrecords"] += records
            job["state"], job["errorMessage"] = "Failed", "InvalidBatch : no such field"
            return
        job["numberRecordsProcessed"] = len(records)
        done = records[: max(0, len(records) - self.loses)]
        lists["unprocessedrecords"] += records[len(done) :]
        for row in done:
            # An empty cell changes nothing; #N/A empties the field.
            cells = dict(zip(header, row, strict=True))
            each = cells.pop("Id")
            values = {
                name: None if cell == "#N/A" else _typed(fields[name], cell)
                for name, cell in cells.items()
                if cell
            }
            code = self._write(job["object"], each, values)
            if code:
                lists["failedResults"].append([each, f"{code}:for people:--", *row])
            else:
                lists["successfulResults"].append([each, "false", *row])
        job["numberRecordsFailed"] = len(lists["failedResults"]) - 1
        job["state"] = "Failed" if len(done) < len(records) else "JobComplete"

    def _results(self, _: Request, job: str, which: str) -> Response:
        text = io.StringIO(newline="")
        csv.writer(text, lineterminator="\n").writerows(self.jobs[job]["results"][which])
        return Response(200, raw=text.getvalue().encode(), headers={"Content-Type": "text/csv"})

    @property
    def now(self) -> str:
        return written(datetime.fromtimestamp(self.clock.time(), UTC))


def _typed(field: dict[str, Any], cell: str) -> Any:
    if field["type"] in ("double", "percent"):
        return float(cell)
    return cell == "true" if field["type"] == "boolean" else cell


def _invalid(field: dict[str, Any], value: Any) -> str:
    if value is None:
        return "INVALID_TYPE_ON_FIELD_IN_RECORD" if field["type"] == "boolean" else ""
    number = isinstance(value, int | float) and not isinstance(value, bool)
    kinds = {
        "double": number,
        "percent": number,
        "boolean": isinstance(value, bool),
        "date": isinstance(value, str) and bool(re.fullmatch(r"\d{4}-\d\d-\d\d", value)),
    }
    if not kinds.get(field["type"], isinstance(value, str)):
        return "JSON_PARSER_ERROR"
    if isinstance(value, str) and field.get("length") and len(value) > field["length"]:
        return "STRING_TOO_LONG"
    listed = {v["value"] for v in field.get("picklistValues") or []}
    if field.get("restrictedPicklist") and value not in listed:
        return "INVALID_OR_NULL_FOR_RESTRICTED_PICKLIST"
    return ""
