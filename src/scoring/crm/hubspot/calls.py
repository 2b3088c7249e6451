"""HubSpot's interface as the reader and the sink use it: addresses, limits, what its errors say.

Facts with their sources are in docs/crm/hubspot.md.
"""

import json
import os
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from scoring.config import Source
from scoring.crm.budget import Limit
from scoring.crm.credentials import Bearer, Credentials, OAuth, address_of, refresh_token
from scoring.crm.http import Answer, Auth, Http
from scoring.crm.port import BudgetSpent
from scoring.errors import ConfigError, ScoringError, TryLater, nearest

ADDRESS = "https://api.hubapi.com"
CALLS_IN_10_SECONDS = 190
SEARCH = "search"
SEARCHES_A_SECOND = 5
SEARCH_PAGE = 200
READ_BATCH = 100
HISTORY_BATCH = 50
UPDATE_BATCH = 100
ASSOCIATIONS_BATCH = 1000
LIST_PAGE = 100

LEAD_OBJECTS = ("contacts", "leads")
WON = ("deal", "customer")
OPTIONS = {"lead": LEAD_OBJECTS, "won": WON}

SCOPE = re.compile(r"\b(?:crm|oauth|sales|content|forms|e-commerce)(?:[.-][a-z_]+)*(?:\.[a-z]+)?\b")
CATEGORY = re.compile(r"[A-Z][A-Z_]{2,60}")


def options_of(source: Source) -> dict[str, str]:
    """The source's options with their defaults. Raises ConfigError for one that is not known."""
    values: dict[str, Any] = {"lead": "contacts", "won": "deal"}
    for name, value in source.options.items():
        if name == "calls_in_10_seconds":
            if not isinstance(value, int) or not 1 <= value <= 10_000:
                raise ConfigError(f"The option `{name}` of HubSpot must be a number of calls.")
            continue
        if name not in OPTIONS:
            known = (*OPTIONS, "calls_in_10_seconds")
            raise ConfigError(f"HubSpot has no option `{name}`.{nearest(name, known)}")
        if value not in OPTIONS[name]:
            raise ConfigError(
                f"The option `{name}` of HubSpot must be one of {', '.join(OPTIONS[name])}."
            )
        values[name] = value
    return values


class HubSpot:
    """One account. Thread-safe. `daily` and `daily_left` are what the last answer said."""

    def __init__(
        self,
        source: Source,
        root: Path,
        environ: Mapping[str, str] = os.environ,
        *,
        admin: bool = False,
    ) -> None:
        self.options = options_of(source)
        self.daily: int | None = None
        self.daily_left: int | None = None
        self.share = source.limit_share
        credentials = Credentials(source, root, environ)
        address = address_of(source, ADDRESS, environ)
        calls = source.options.get("calls_in_10_seconds", CALLS_IN_10_SECONDS)
        self.http = Http(
            address,
            _auth(credentials, address, admin),
            (Limit(int(str(calls)), 10), Limit(SEARCHES_A_SECOND, 1, SEARCH)),
            share=self.share,
            explain=_missing_scopes,
            watch=self._watch,
        )

    def close(self) -> None:
        self.http.close()

    def call(self, method: str, path: str, **how: Any) -> Answer:
        """As `Http.call`. Raises DayIsOver before a call that would take from the others' share."""
        daily, left = self.daily, self.daily_left
        if daily is not None and left is not None and left < daily * (1 - self.share):
            raise DayIsOver()
        return self.http.call(method, path, **how)

    def account(self) -> str:
        """The account's number, without any scope of its own."""
        found = self.call("GET", "account-info/v3/details").json()
        return str(found.get("portalId", ""))

    def properties(self, kind: str) -> dict[str, dict[str, Any]]:
        """Name → definition of every property of an object."""
        found = self.call("GET", f"crm/v3/properties/{kind}").json()
        return {p["name"]: p for p in found["results"]}

    def stages(self, kind: str) -> dict[str, dict[str, str]]:
        """Stage id → its metadata (isClosed, probability, leadState), over all pipelines."""
        found = self.call("GET", f"crm/v3/pipelines/{kind}").json()
        return {
            stage["id"]: {**stage.get("metadata", {}), "label": stage.get("label", "")}
            for pipeline in found["results"]
            for stage in pipeline["stages"]
        }

    def search(
        self,
        kind: str,
        filters: Sequence[Mapping[str, str]],
        properties: Sequence[str],
        sort: str = "",
        limit: int = SEARCH_PAGE,
    ) -> dict[str, Any]:
        """One page from the beginning: `after` would skip records when one before it changes."""
        body: dict[str, Any] = {
            "filterGroups": [{"filters": list(filters)}] if filters else [],
            "properties": list(properties),
            "limit": limit,
        }
        if sort:
            body["sorts"] = [{"propertyName": sort, "direction": "ASCENDING"}]
        answer = self.call("POST", f"crm/v3/objects/{kind}/search", json=body, group=SEARCH)
        return dict(answer.json())

    def read(
        self,
        kind: str,
        ids: Sequence[str],
        properties: Sequence[str],
        history: Sequence[str] = (),
    ) -> dict[str, dict[str, Any]]:
        """Id → record, of at most READ_BATCH ids (HISTORY_BATCH with history).

        Ids that are not there any more are left out. HubSpot can answer a body that it did not
        understand with success and nothing in it: each id must be a result or an error.
        """
        body = {
            "inputs": [{"id": each} for each in ids],
            "properties": list(properties),
            "propertiesWithHistory": list(history),
        }
        found = self.call("POST", f"crm/v3/objects/{kind}/batch/read", json=body).json()
        results = {str(r["id"]): r for r in found["results"]}
        told = len(found["results"]) + int(found.get("numErrors") or len(error_ids(found)))
        if told < len(ids):
            raise TryLater(
                f"HubSpot answered {told} of {len(ids)} records of {kind}, without an error.",
                "Run the same command again; what was read is kept.",
            )
        return {each: results[each] for each in ids if each in results}

    def associated(self, kind: str, to: str, ids: Sequence[str]) -> dict[str, list[str]]:
        """Id → ids of the records of `to` that it is associated with, in HubSpot's order."""
        found: dict[str, list[str]] = {}
        waiting: list[dict[str, str]] = [{"id": each} for each in dict.fromkeys(ids)]
        while waiting:
            part, waiting = waiting[:ASSOCIATIONS_BATCH], waiting[ASSOCIATIONS_BATCH:]
            path = f"crm/v4/associations/{kind}/{to}/batch/read"
            answer = self.call("POST", path, json={"inputs": part}).json()
            for result in answer["results"]:
                own = found.setdefault(str(result["from"]["id"]), [])
                own += [t for each in result["to"] if (t := str(each["toObjectId"])) not in own]
                after = (result.get("paging") or {}).get("next", {}).get("after")
                if after:
                    waiting.append({"id": str(result["from"]["id"]), "after": str(after)})
        return found

    def archived(self, kind: str) -> Iterator[list[tuple[str, str]]]:
        """(id, archivedAt) of the records in the recycle bin, a page at a time."""
        after = ""
        while True:
            params = {"limit": LIST_PAGE, "archived": "true", "properties": "hs_object_id"}
            if after:
                params["after"] = after
            found = self.call("GET", f"crm/v3/objects/{kind}", params=params).json()
            yield [(str(r["id"]), str(r.get("archivedAt") or "")) for r in found["results"]]
            after = str((found.get("paging") or {}).get("next", {}).get("after") or "")
            if not after:
                return

    def _watch(self, answer: Answer) -> None:
        """Note how much of the day's limit is left; it is everybody's, and midnight is far."""
        daily = answer.headers.get("X-HubSpot-RateLimit-Daily")
        left = answer.headers.get("X-HubSpot-RateLimit-Daily-Remaining")
        if daily and left and daily.isdigit() and left.isdigit():
            self.daily, self.daily_left = int(daily), int(left)
        if answer.status == 429 and b'"DAILY"' in answer.content:
            raise DayIsOver()


class DayIsOver(BudgetSpent):
    """The account's daily limit is used up, less the share of others."""

    def __init__(self) -> None:
        super().__init__(
            "HubSpot's limit of calls for today is used up, less the share that is left to other "
            "integrations.",
            "What was done is recorded; run the same command again tomorrow.",
        )


def category(answer: Answer) -> str:
    """The code of an error answer, such as VALIDATION_ERROR; never a text of its own."""
    try:
        found = answer.json()
        code = str(found.get("category", "")) if isinstance(found, dict) else ""
    except ScoringError:
        code = ""
    return code if CATEGORY.fullmatch(code) else str(answer.status)


def error_ids(found: Mapping[str, Any]) -> dict[str, str]:
    """Id → code, from the errors of a batch's answer."""
    told: dict[str, str] = {}
    for error in found.get("errors") or []:
        context = error.get("context") or {}
        ids = context.get("ids") or context.get("id") or []
        code = str(error.get("category", ""))
        for each in ids if isinstance(ids, list) else [ids]:
            told[str(each)] = code if CATEGORY.fullmatch(code) else "ERROR"
    return told


def _auth(credentials: Credentials, address: str, admin: bool) -> Auth:
    token = (credentials.get("admin_token") if admin else None) or credentials.get("token")
    if token is None and credentials.get("refresh_token"):
        return OAuth(f"{address}/oauth/v1/token", refresh_token(credentials))
    return Bearer(token or credentials.need("token"))


def _missing_scopes(answer: Answer) -> str:
    """The scopes that HubSpot says are missing; nothing else of what it says."""
    if answer.status == 401:
        return "The token is not valid, or it has ended."
    try:
        said = json.dumps([e.get("context") for e in answer.json().get("errors", [])])
    except (ScoringError, AttributeError):
        said = ""
    scopes = sorted({s for s in SCOPE.findall(said) if "." in s or s == "oauth"})
    return f"Missing scope: {', '.join(scopes[:8])}." if scopes else "A scope is missing."
