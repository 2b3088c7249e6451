"""Odoo's interface as the reader and the sink use it: `POST /json/2/<model>/<method>`.

An API key stands for a user, so a call sees and may what that user sees and may. A call is one
transaction: it does everything or nothing. Facts with their sources are in docs/crm/odoo.md.
"""

import os
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from scoring.config import Source
from scoring.crm.budget import Limit
from scoring.crm.credentials import Bearer, Credentials, address_of
from scoring.crm.http import Answer, Http
from scoring.errors import ConfigError, ScoringError, TryLater, nearest

LEAD = "crm.lead"
# Lost leads are archived, and archived records are hidden unless one asks for them. Without a
# language, names and labels come as they were first written, whatever the user's own is.
CONTEXT = {"active_test": False}
PAGE = 1000
# Of these Odoo takes away what the user may not see after it has cut the page.
THINNED = ("mail.message", "mail.activity")
MOST = 1_000_000  # the widest page, for what the user may not see in between
OPTIONS = {"database": str, "history": bool, "calls_in_a_second": int, "won": str}
# Odoo Online asks for no more than one call a second, one after the other (its acceptable use).
ONLINE = (".odoo.com", 1)

# What a 5xx of Odoo is about: it answers 500 to every error of Python's, and most of them are
# about the values of the call, so that the same call would fail again.
FAULTS = re.compile(r"builtins\.(Value|Type|Key|Attribute|Index|Assertion)Error")
DATABASE_FAULTS = re.compile(
    r"psycopg2\.errors\.(\w*Violation|NumericValueOutOfRange|InvalidTextRepresentation"
    r"|StringDataRightTruncation|InvalidDatetimeFormat|DatetimeFieldOverflow)"
)
NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_.]{0,80}")


class OdooError(ScoringError):
    """Odoo refused what was asked. `code` is the name of its error's class, `status` the HTTP's."""

    def __init__(self, where: str, code: str, status: int) -> None:
        super().__init__(f"Odoo refused {where} ({code}).")
        self.code = code
        self.status = status


class Forbidden(ConfigError):
    """The user may not do this to the model, or to one of the records."""


class Odoo:
    """One database of one server, as one user.

    account   host and database: what it is called in the store
    now       the server's own clock at its last answer, as it writes times (UTC)
    """

    def __init__(
        self,
        source: Source,
        root: Path,
        environ: Mapping[str, str] = os.environ,
        *,
        admin: bool = False,
    ) -> None:
        _check_options(source)
        credentials = Credentials(source, root, environ)
        address = address_of(source, "", environ)
        host = urlsplit(address).hostname or ""
        token = (credentials.get("admin_token") if admin else None) or credentials.need("token")
        self.database = str(source.options.get("database", ""))
        self.account = f"{host}/{self.database}" if self.database else host
        self.now = ""
        self.http = Http(
            address,
            Bearer(token),
            _limits(source, host),
            share=source.limit_share,
            explain=_explain,
            watch=self._watch,
        )
        # A server with several databases cannot tell from the address which one is meant.
        self._headers = {"X-Odoo-Database": self.database} if self.database else {}

    def close(self) -> None:
        self.http.close()

    def call(self, model: str, method: str, *, again: bool = True, **arguments: Any) -> Any:
        """What the method returns. `ids` is the records that it is called on.

        Raises OdooError where Odoo refuses the values or a record, Forbidden where it refuses the
        user, TryLater where it is not there.
        """
        where = f"{model}/{method}"
        body = {"context": CONTEXT, **arguments}
        how: dict[str, Any] = {"json": body, "headers": self._headers, "again": again}
        refusals = (403, 404, 409, 422, 500)
        answer = self.http.call("POST", f"json/2/{where}", ok=refusals, **how)
        code = error_of(answer)
        if answer.status == 500 and not about_values(code):
            # Its database or a worker has failed, or a proxy speaks: that passes.
            ok = tuple(status for status in refusals if status != 500)
            answer = self.http.call("POST", f"json/2/{where}", ok=ok, **how)
            code = error_of(answer)
        if answer.status < 300:
            return answer.json()
        if answer.status == 404 and not code.startswith("odoo."):
            raise ConfigError(
                f"Odoo has no {where} ({answer.status}).",
                "Check the address, the option `database`, and that the app CRM is installed; "
                "Odoo before version 19 has no such interface.",
            )
        if answer.status == 403:
            raise Forbidden(
                f"The user of Odoo's API key may not call {where} ({code.rsplit('.', 1)[-1]}).",
                "docs/crm/odoo.md lists the groups that it needs.",
            )
        if answer.status == 409:
            raise TryLater(f"Odoo holds a record of {where} locked.", "Run it again later.")
        raise OdooError(where, code.rsplit(".", 1)[-1], answer.status)

    def search_read(self, model: str, domain: Sequence[Any], fields: Sequence[str]) -> list[Any]:
        """All records that match, by their ids: for what is few."""
        return [row for page in self.pages(model, domain, fields) for row in page]

    def pages(
        self,
        model: str,
        domain: Sequence[Any],
        fields: Sequence[str],
        after: int = 0,
        size: int = PAGE,
    ) -> Iterator[list[dict[str, Any]]]:
        """Records that match, in the order of their ids, those above `after`.

        Pages go by the id, so that a record which changes meanwhile shifts no other one. Of what
        is THINNED, a page that is short, or even empty, need not be the last one.
        """
        limit = size
        while True:
            wanted = [*domain, ["id", ">", after]]
            found = self.call(
                model, "search_read", domain=wanted, fields=fields, limit=limit, order="id"
            )
            if found:
                yield found
                after = found[-1]["id"]
            if model not in THINNED:
                if len(found) < limit:
                    return
            elif found:
                limit = size
            elif limit >= MOST or not self.call(model, "search_count", domain=wanted):
                return
            else:
                limit *= 10

    def require(self, model: str, operation: str, hint: str) -> None:
        """Raises ConfigError where the user may not `operation` the model's records."""
        if not self.call(model, "has_access", operation=operation):
            raise ConfigError(f"The user of Odoo's API key may not {operation} {model}.", hint)

    def _watch(self, answer: Answer) -> None:
        if said := answer.headers.get("Date"):
            with suppress(ValueError):
                self.now = f"{parsedate_to_datetime(said):%Y-%m-%d %H:%M:%S}"


def error_of(answer: Answer) -> str:
    """The class of an error answer, such as `odoo.exceptions.MissingError`; never its message."""
    if answer.status < 300:
        return ""
    try:
        found = answer.json()
        name = str(found.get("name", "")) if isinstance(found, dict) else ""
    except ScoringError:
        name = ""
    return name if NAME.fullmatch(name) else f"HTTP{answer.status}"


def about_values(code: str) -> bool:
    return bool(FAULTS.fullmatch(code) or DATABASE_FAULTS.fullmatch(code))


def text_of(value: Any, kind: str) -> str | None:
    """A value as it lands: text. Odoo writes False for what is empty, and a link as [id, name]."""
    if kind == "boolean":
        return "true" if value else "false"
    if value is False or value is None or value == []:
        return None
    if kind in ("many2one", "many2one_reference"):
        return str(value[0] if isinstance(value, list) else value)
    if isinstance(value, list):
        return ";".join(str(each) for each in value)
    return value if isinstance(value, str) else str(value)


def _check_options(source: Source) -> None:
    for name, value in source.options.items():
        if name not in OPTIONS:
            raise ConfigError(f"Odoo has no option `{name}`.{nearest(name, OPTIONS)}")
        if type(value) is not OPTIONS[name]:
            raise ConfigError(f"The option `{name}` of Odoo must be a {OPTIONS[name].__name__}.")


def _limits(source: Source, host: str) -> tuple[Limit, ...]:
    """A server of one's own has no limit of calls."""
    asked = source.options.get("calls_in_a_second")
    if asked is None and host.endswith(ONLINE[0]):
        asked = ONLINE[1]
    return (Limit(int(asked), 1),) if isinstance(asked, int) and asked > 0 else ()


def _explain(answer: Answer) -> str:
    if answer.status == 401:
        return "The API key is not valid, has ended, or belongs to another database."
    return ""
