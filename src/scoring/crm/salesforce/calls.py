"""Salesforce's interface as the reader and the sink use it: addresses, limits, what its errors say.

Facts with their sources are in docs/crm/salesforce.md.
"""

import os
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from scoring.config import Source
from scoring.crm import http as http_module
from scoring.crm.credentials import (
    Bearer,
    Credentials,
    OAuth,
    address_of,
    client_credentials,
    jwt_bearer,
    refresh_token,
)
from scoring.crm.http import Answer, Auth, Http
from scoring.crm.port import BudgetSpent
from scoring.errors import ConfigError, ScoringError, nearest

VERSION = "62.0"
LOGIN = "https://login.salesforce.com"
PAGE = 2000  # the most that a query answers at once
OPTIONS = ("version", "audience", "won")
WON = ("opportunity", "conversion")
CODE = re.compile(r"[A-Z][A-Z0-9_]{2,60}")
USAGE = re.compile(r"api-usage=(\d+)/(\d+)")
DAY_IS_OVER = b"REQUEST_LIMIT_EXCEEDED"


class Salesforce:
    """One organisation. Thread-safe. `used` and `daily` are what the last answer said of the calls
    of the last 24 hours, which are everybody's."""

    def __init__(self, source: Source, root: Path, environ: Mapping[str, str] = os.environ) -> None:
        options = _options(source)
        self.share = source.limit_share
        self.used: int | None = None
        self.daily: int | None = None
        self._data = f"services/data/v{options.get('version', VERSION)}"
        address = address_of(source, "", environ)
        credentials = Credentials(source, root, environ)
        audience = str(options.get("audience", LOGIN))
        self.http = Http(
            address,
            _auth(credentials, address, audience),
            explain=_missing_permission,
            watch=self._watch,
        )

    def close(self) -> None:
        self.http.close()

    @property
    def left(self) -> int | None:
        """Calls of today's limit that are ours; None before the first answer."""
        if self.used is None or self.daily is None:
            return None
        return max(0, int(self.daily * self.share) - self.used)

    def call(self, method: str, path: str, **how: Any) -> Answer:
        """As `Http.call`, below the version's path. Raises DayIsOver before a call that would take
        from the others' share."""
        if self.left == 0:
            raise DayIsOver()
        return self.http.call(method, f"{self._data}/{path}", **how)

    def organisation(self) -> str:
        """The organisation's ID."""
        return str(next(self.query("SELECT Id FROM Organization"))[0]["Id"])

    def describe(self, kind: str) -> dict[str, dict[str, Any]]:
        """Name → definition of every field of an object that this user may see."""
        found = self.call("GET", f"sobjects/{kind}/describe").json()
        return {field["name"]: field for field in found["fields"]}

    def query(self, soql: str) -> Iterator[list[dict[str, Any]]]:
        """Pages of records, those in the recycle bin and archived activities among them."""
        found = self.call("GET", "queryAll/", params={"q": soql}).json()
        while True:
            yield found["records"]
            if found["done"]:
                return
            rest = str(found["nextRecordsUrl"]).partition(f"{self._data}/")[2]
            found = self.call("GET", rest).json()

    def count(self, kind: str, where: str) -> int:
        soql = f"SELECT COUNT() FROM {kind} WHERE {where}"
        return int(self.call("GET", "queryAll/", params={"q": soql}).json()["totalSize"])

    def _watch(self, answer: Answer) -> None:
        if usage := USAGE.search(answer.headers.get("Sforce-Limit-Info", "")):
            self.used, self.daily = int(usage[1]), int(usage[2])
        if answer.status == 403 and DAY_IS_OVER in answer.content:
            raise DayIsOver()


class DayIsOver(BudgetSpent):
    """The organisation's calls of 24 hours are used up, less the share of others."""

    def __init__(self) -> None:
        super().__init__(
            "Salesforce's limit of calls for 24 hours is used up, less the share that is left to "
            "other integrations.",
            "What was done is recorded; run the same command again tomorrow.",
        )


def code_of(answer: Answer) -> str:
    """The errorCode of an error answer, such as INVALID_FIELD; never a text of its own."""
    try:
        found = answer.json()
        code = str(found[0]["errorCode"]) if isinstance(found, list) else ""
    except (ScoringError, LookupError, TypeError):
        code = ""
    return code if CODE.fullmatch(code) else str(answer.status)


def literal(moment: str) -> str:
    """A time as Salesforce writes it (`2026-11-23T22:00:00.000+0000`) as SOQL takes it."""
    return moment.replace("+0000", "Z")


def _options(source: Source) -> dict[str, str]:
    values: dict[str, str] = {}
    for name, value in source.options.items():
        if name not in OPTIONS:
            raise ConfigError(f"Salesforce has no option `{name}`.{nearest(name, OPTIONS)}")
        text = str(value)
        if name == "won" and text not in WON:
            raise ConfigError(f"The option `won` of Salesforce must be one of {', '.join(WON)}.")
        if name == "version" and not re.fullmatch(r"[1-9][0-9]\.0", text):
            raise ConfigError("The option `version` of Salesforce must look like 62.0.")
        values[name] = text
    return values


def _auth(credentials: Credentials, address: str, audience: str) -> Auth:
    """A token; else JWT bearer where there is a key; else a refresh token; else client
    credentials."""
    if token := credentials.get("token"):
        return Bearer(token)
    endpoint = f"{address}/services/oauth2/token"
    if credentials.get("private_key_file"):
        clock = http_module.CLOCK
        return OAuth(endpoint, jwt_bearer(credentials, audience, clock), clock)
    if credentials.get("refresh_token"):
        return OAuth(endpoint, refresh_token(credentials))
    return OAuth(endpoint, client_credentials(credentials))


def _missing_permission(answer: Answer) -> str:
    if answer.status == 401:
        return "The session is not valid, or it has ended."
    code = code_of(answer)
    if code == "API_DISABLED_FOR_ORG":
        return "This edition of Salesforce has no API."
    return (
        f"The user lacks a permission: API Enabled, and Read on the objects that are read ({code})."
    )
