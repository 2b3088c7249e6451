"""A HubSpot of our own on the loopback interface: stateful, with its real limits and its quirks.

What it does as the real one does (docs/crm/hubspot.md has the sources): 190 calls in 10 seconds,
5 searches a second, pages of 200 and 10,000 results at most, an index that lags, batches of 100
(50 with history, 1,000 for associations), 429 with Retry-After, 207 with errors, merges that make
a new record, a recycle bin, scopes, and unknown properties that are refused or silently ignored.
"""

import re
from bisect import bisect_left, bisect_right
from collections.abc import Callable
from typing import Any, ClassVar

from hubspot_state import OBJECTS, Record, State, iso
from loopback import Loopback, Request, Response, ScaledClock, Window

READ_SCOPES = {
    kind: f"crm.objects.{kind}.read" for kind in ("companies", "contacts", "leads", "deals")
} | dict.fromkeys(("calls", "emails", "meetings", "notes", "tasks"), "crm.objects.contacts.read")
WRITE = "crm.objects.contacts.write"
SCHEMA = "crm.schemas.contacts.write"
EVERYTHING = {*READ_SCOPES.values(), WRITE, SCHEMA, "crm.objects.leads.write"}
LONGEST_VALUE = 65_536
LONGEST_URL = 8_000


class HubSpotServer(Loopback):
    """tokens: token → its scopes. partial: how a batch with a bad record ends (207, 400, 200)."""

    def __init__(self, clock: ScaledClock | None = None, lag: float = 0.0) -> None:
        self.tokens: dict[str, set[str]] = {"token": set(EVERYTHING)}
        self.account = 4242
        self.partial = "207"
        self.ignores_unknown = False
        self.swallows = 0  # batches that are answered with success and nothing in it
        self.as_date = False
        self.daily = 650_000
        self.refuses: Callable[[str, dict[str, str]], str] = lambda _id, _properties: ""
        self.writes: list[str] = []
        self.secrets: dict[str, str] = {}
        clock = clock or ScaledClock()
        self.state = State(clock, lag)
        self.burst = Window(clock, 190, 10)
        self.searches = Window(clock, 5, 1)
        super().__init__(clock)

    ROUTES: ClassVar[list[tuple[str, str, str]]] = [
        ("GET", r"/account-info/v3/details", "_details"),
        ("GET", r"/crm/v3/properties/(\w+)", "_properties"),
        ("POST", r"/crm/v3/properties/(\w+)", "_create_property"),
        ("POST", r"/crm/v3/properties/(\w+)/groups", "_create_group"),
        ("PATCH", r"/crm/v3/properties/(\w+)/(\w+)", "_patch_property"),
        ("GET", r"/crm/v3/pipelines/(\w+)", "_pipelines"),
        ("POST", r"/crm/v3/objects/(\w+)/search", "_search"),
        ("POST", r"/crm/v3/objects/(\w+)/batch/read", "_read"),
        ("POST", r"/crm/v3/objects/(\w+)/batch/update", "_update"),
        ("POST", r"/crm/v3/objects/(\w+)/merge", "_merge"),
        ("GET", r"/crm/v3/objects/(\w+)", "_list"),
        ("POST", r"/crm/v3/objects/(\w+)", "_create"),
        ("DELETE", r"/crm/v3/objects/(\w+)/(\d+)", "_archive"),
        ("POST", r"/crm/v4/associations/(\w+)/(\w+)/batch/read", "_associations"),
    ]

    def answer(self, request: Request) -> Response:
        if request.path == "/oauth/v1/token":
            return self._token(request)
        token = request.headers.get("authorization", "").removeprefix("Bearer ")
        if token not in self.tokens:
            return error(401, "INVALID_AUTHENTICATION")
        self.daily -= 1
        wait = self.burst.take()
        if wait is None and request.path.endswith("/search"):
            wait = self.searches.take()
        if wait is not None:
            headers = self.too_many(wait, self.as_date)
            body = {"status": "error", "errorType": "RATE_LIMIT", "policyName": "TEN_SECONDLY"}
            return Response(429, body, headers)
        if (
            len(request.path) + sum(len(v) for vs in request.query.values() for v in vs)
            > LONGEST_URL
        ):
            return error(414, "URI_TOO_LONG")
        for method, pattern, name in self.ROUTES:
            found = re.fullmatch(pattern, request.path)
            if found and method == request.method:
                response: Response = self._allowed(name, token, found) or getattr(self, name)(
                    request, *found.groups()
                )
                if not request.path.endswith("/search"):
                    response.headers["X-HubSpot-RateLimit-Daily"] = "650000"
                    response.headers["X-HubSpot-RateLimit-Daily-Remaining"] = str(self.daily)
                return response
        return error(404, "NOT_FOUND")

    def _allowed(self, name: str, token: str, found: re.Match[str]) -> Response | None:
        kind = found.groups()[0] if found.groups() else ""
        if kind and kind not in OBJECTS:
            return error(400, "VALIDATION_ERROR")
        needed = {"_details": ""}.get(name, READ_SCOPES.get(kind, ""))
        if name in ("_update", "_merge", "_archive", "_create"):
            needed = "crm.objects.leads.write" if kind == "leads" else WRITE
        if name in ("_create_property", "_create_group", "_patch_property"):
            needed = SCHEMA
        if needed and needed not in self.tokens[token]:
            context = {"requiredGranularScopes": [needed]}
            return error(403, "MISSING_SCOPES", [{"message": "scopes", "context": context}])
        return None

    # --- account, properties, pipelines -------------------------------------------------------

    def _token(self, request: Request) -> Response:
        form = request.form
        if form.get("refresh_token") != self.secrets.get("refresh_token"):
            return Response(400, {"error": "invalid_grant", "error_description": "secret text"})
        made = f"granted-{len(self.tokens)}"
        self.tokens[made] = set(EVERYTHING)
        return Response(200, {"access_token": made, "expires_in": 1800, "token_type": "bearer"})

    def _details(self, _: Request) -> Response:
        return Response(200, {"portalId": self.account, "accountType": "STANDARD"})

    def _properties(self, _: Request, kind: str) -> Response:
        return Response(200, {"results": list(self.state.properties[kind].values())})

    def _create_group(self, request: Request, kind: str) -> Response:
        if request.body["name"] in self.state.groups[kind]:
            return error(409, "OBJECT_ALREADY_EXISTS")
        self.state.groups[kind][request.body["name"]] = request.body
        self.writes.append(request.path)
        return Response(201, {**request.body, "archived": False})

    def _create_property(self, request: Request, kind: str) -> Response:
        body = request.body
        there = self.state.properties[kind]
        if body["name"] in there:
            return error(409, "OBJECT_ALREADY_EXISTS")
        fits = {"number": {"number"}, "enumeration": {"select", "radio", "booleancheckbox"}}
        shown = fits.get(body["type"], {body["fieldType"]})
        bad = body["groupName"] not in self.state.groups[kind] or body["fieldType"] not in shown
        if bad or not re.fullmatch(r"[a-z][a-z0-9_]*", body["name"]):
            return error(400, "VALIDATION_ERROR")
        if body["type"] in ("bool", "enumeration") and not body.get("options"):
            return error(400, "VALIDATION_ERROR")
        there[body["name"]] = {"options": [], "hidden": False, "description": "", **body}
        self.writes.append(request.path)
        return Response(201, there[body["name"]])

    def _patch_property(self, request: Request, kind: str, name: str) -> Response:
        if name not in self.state.properties[kind]:
            return error(404, "OBJECT_NOT_FOUND")
        self.state.properties[kind][name] |= request.body
        self.writes.append(request.path)
        return Response(200, self.state.properties[kind][name])

    def _pipelines(self, _: Request, kind: str) -> Response:
        return Response(200, {"results": self.state.pipelines[kind]})

    # --- records ------------------------------------------------------------------------------

    def _search(self, request: Request, kind: str) -> Response:
        body = request.body
        limit, after = int(body.get("limit", 10)), int(body.get("after") or 0)
        groups = body.get("filterGroups") or []
        sorts = body.get("sorts") or []
        if not 1 <= limit <= 200 or len(groups) > 5 or len(sorts) > 1:
            return error(400, "VALIDATION_ERROR")
        if after + limit > 10_000:
            return error(400, "VALIDATION_ERROR")
        store = self.state.stores[kind]
        store.settle()
        modified = store.modified_name
        filters = [f for g in groups for f in g["filters"]]
        known = {*self.state.properties[kind], modified, "hs_object_id"}
        if any(f["propertyName"] not in known for f in filters):
            return error(400, "VALIDATION_ERROR")
        # Texts as a sort are taken and ignored, as by the real one.
        by = sorts[0]["propertyName"] if sorts and isinstance(sorts[0], dict) else "hs_object_id"
        total, ids = self._matching(kind, filters, by, limit, after)
        names = {*(body.get("properties") or []), "hs_object_id", modified, "createdate"}
        results = [self._shown(kind, store.records[each], names, indexed=True) for each in ids]
        paging = {"paging": {"next": {"after": str(after + limit)}}}
        more = paging if after + len(ids) < total else {}
        return Response(200, {"total": total, "results": results, **more})

    def _matching(
        self, kind: str, filters: list[dict[str, Any]], by: str, limit: int, after: int
    ) -> tuple[int, list[str]]:
        """How many match, and the ids of the page. By (modified, id) where that is the order."""
        store = self.state.stores[kind]
        low, high = 0, len(store.index)
        above = 0
        needs = []
        for f in filters:
            name, operator, value = f["propertyName"], f["operator"], f.get("value", "")
            if name == store.modified_name and operator == "GTE":
                low = bisect_left(store.index, (int(value), 0))
            elif name == store.modified_name and operator == "EQ":
                low = bisect_left(store.index, (int(value), 0))
                high = bisect_right(store.index, (int(value), 1 << 62))
            elif name == "hs_object_id" and operator == "GT":
                above = int(value)
            elif operator == "HAS_PROPERTY":
                needs.append(name)
            else:
                raise AssertionError(f"the server does not know {f}")
        if by == store.modified_name and not above and not needs:
            page = store.index[low + after : min(low + after + limit, high)]
            return high - low, [str(each) for _, each in page]
        ids = sorted(n for _, n in store.index[low:high] if n > above)
        if needs:
            ids = [n for n in ids if all(store.records[str(n)].properties.get(p) for p in needs)]
        return len(ids), [str(n) for n in ids[after : after + limit]]

    def _shown(
        self, kind: str, record: Record, names: set[str], indexed: bool = False
    ) -> dict[str, Any]:
        store = self.state.stores[kind]
        modified = record.indexed if indexed and record.indexed is not None else record.modified
        special = {
            "hs_object_id": record.id,
            "createdate": iso(record.created),
            store.modified_name: iso(modified),
        }
        return {
            "id": record.id,
            "properties": {n: special.get(n, record.properties.get(n)) for n in sorted(names)},
            "createdAt": iso(record.created),
            "updatedAt": iso(modified),
            "archived": record.archived is not None,
            **({"archivedAt": iso(record.archived)} if record.archived is not None else {}),
        }

    def _read(self, request: Request, kind: str) -> Response:
        body = request.body
        history = body["propertiesWithHistory"]
        if len(body["inputs"]) > (50 if history else 100):
            return error(400, "VALIDATION_ERROR")
        if self.swallows:
            self.swallows -= 1
            return Response(200, batch([]))
        results, missing = [], []
        store = self.state.stores[kind]
        for each in body["inputs"]:
            record = store.live(each["id"])
            if record is None:
                missing.append(each["id"])
                continue
            shown = self._shown(kind, record, {*body["properties"], "hs_object_id"})
            if history:
                shown["propertiesWithHistory"] = {
                    n: [
                        {"value": v, "timestamp": iso(at), "sourceType": by}
                        for at, v, by in reversed(record.history.get(n, []))
                    ]
                    for n in history
                }
            results.append(shown)
        if missing:
            return Response(207, batch(results, {"OBJECT_NOT_FOUND": missing}))
        return Response(200, batch(results))

    def _update(self, request: Request, kind: str) -> Response:
        inputs = request.body["inputs"]
        ids = [each["id"] for each in inputs]
        if not 1 <= len(inputs) <= 100 or len(set(ids)) < len(ids):
            return error(400, "VALIDATION_ERROR")
        there = self.state.properties[kind]
        unknown = {n for each in inputs for n in each["properties"] if n not in there}
        if unknown and not self.ignores_unknown:
            return error(
                400, "VALIDATION_ERROR", [{"message": "x", "code": "PROPERTY_DOESNT_EXIST"}]
            )
        if self.swallows:
            self.swallows -= 1
            return Response(200, batch([]))
        store = self.state.stores[kind]
        bad: dict[str, list[str]] = {}
        for each in inputs:
            if store.live(each["id"]) is None:
                bad.setdefault("OBJECT_NOT_FOUND", []).append(each["id"])
            elif not self._valid(there, each["properties"]) or self.refuses(
                each["id"], each["properties"]
            ):
                bad.setdefault("VALIDATION_ERROR", []).append(each["id"])
        if bad and self.partial == "400":
            return error(400, next(iter(bad)))
        failed = {each for ids in bad.values() for each in ids}
        results = []
        for each in inputs:
            record = store.live(each["id"])
            if record is None or each["id"] in failed:
                continue
            known = {n: v for n, v in each["properties"].items() if n in there}
            self.state.update(kind, record, known, "INTEGRATION")
            self.writes.append(each["id"])
            results.append(self._shown(kind, record, set(known)))
        told = bad if self.partial != "200" else {}
        return Response(207 if told else 200, batch(results, told))

    def _valid(self, there: dict[str, dict[str, Any]], properties: dict[str, str]) -> bool:
        for name, value in properties.items():
            about = there.get(name)
            if about is None or value == "":
                continue
            if not isinstance(value, str) or len(value) > LONGEST_VALUE:
                return False
            if about["type"] == "number" and not re.fullmatch(r"-?\d+(\.\d+)?(e-?\d+)?", value):
                return False
            if about["type"] == "date" and not re.fullmatch(r"\d{4}-\d\d-\d\d", value):
                return False
            options = {o["value"] for o in about["options"]}
            if about["type"] in ("enumeration", "bool") and options and value not in options:
                return False
        return True

    def _list(self, request: Request, kind: str) -> Response:
        limit = int(request.query.get("limit", ["10"])[0])
        if limit > 100:
            return error(400, "VALIDATION_ERROR")
        archived = request.query.get("archived", ["false"])[0].lower() == "true"
        after = int(request.query.get("after", ["0"])[0])
        names = set(",".join(request.query.get("properties", [])).split(",")) - {""}
        store = self.state.stores[kind]
        rows = [
            r
            for r in store.records.values()
            if (r.archived is not None) == archived
            and r.id not in store.merged
            and int(r.id) > after
        ]
        rows.sort(key=lambda r: int(r.id))
        page = rows[:limit]
        body: dict[str, Any] = {"results": [self._shown(kind, r, names) for r in page]}
        if len(rows) > limit:
            body["paging"] = {"next": {"after": page[-1].id}}
        return Response(200, body)

    def _create(self, request: Request, kind: str) -> Response:
        record = self.state.create(kind, request.body["properties"])
        return Response(201, self._shown(kind, record, set(request.body["properties"])))

    def _archive(self, _: Request, kind: str, each: str) -> Response:
        self.state.archive(kind, each)
        return Response(204)

    def _merge(self, request: Request, kind: str) -> Response:
        body = request.body
        made = self.state.merge(kind, body["primaryObjectId"], body["objectIdToMerge"])
        return Response(200, self._shown(kind, made, set()))

    def _associations(self, request: Request, kind: str, to: str) -> Response:
        inputs = request.body["inputs"]
        if len(inputs) > 1000:
            return error(400, "VALIDATION_ERROR")
        there = self.state.associations.get((kind, to), {})
        results = [
            {
                "from": {"id": each["id"]},
                "to": [{"toObjectId": int(x), "associationTypes": []} for x in there[each["id"]]],
            }
            for each in inputs
            if there.get(each["id"])
        ]
        return Response(200, batch(results))


def batch(results: list[dict[str, Any]], bad: dict[str, list[str]] | None = None) -> dict[str, Any]:
    at = "2026-05-28T00:00:00.000Z"
    body: dict[str, Any] = {
        "status": "COMPLETE",
        "results": results,
        "startedAt": at,
        "completedAt": at,
    }
    if bad:
        body["numErrors"] = sum(len(ids) for ids in bad.values())
        body["errors"] = [
            {
                "status": "error",
                "category": code,
                "message": "private text",
                "context": {"ids": ids},
                "errors": [],
                "links": {},
            }
            for code, ids in bad.items()
        ]
    return body


def error(status: int, category: str, errors: list[dict[str, Any]] | None = None) -> Response:
    body = {
        "status": "error",
        "category": category,
        "message": "private text",
        "correlationId": "c",
        "errors": errors or [],
    }
    return Response(status, body)
