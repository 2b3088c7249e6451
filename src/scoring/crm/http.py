"""Calls to a CRM over HTTP: within its limits, again where that can help, and nothing said aloud.

    answer = http.call("POST", "crm/v3/objects/contacts/search", json={…}, group="search")

| the CRM answers                    | then                                                      |
| ---------------------------------- | --------------------------------------------------------- |
| 2xx, or a status in `ok`           | an Answer                                                 |
| 401, 403                           | ConfigError; where the token can be renewed, once before  |
| 429                                | wait as long as Retry-After says, then again              |
| 408, 5xx, reset, time-out          | again, at most 6 attempts, then TryLater                  |
| 3xx                                | ConfigError: credentials go to no other host              |
| another 4xx                        | Refused, with the answer for the adapter to read          |

No message holds a header, a query, a body or a value. Retries are stamina's; they wait on the
clock that is handed in, so that tests run on one that is faster.
"""

import json as json_module
import logging
import random
import threading
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from typing import Any, Protocol

import httpx
import stamina

from scoring.crm.address import checked_address, is_loopback
from scoring.crm.budget import PATIENCE, Budget, Clock, Limit, SystemClock, wait
from scoring.errors import ConfigError, ScoringError, TryLater

ATTEMPTS = 6
THROTTLED = 40  # answers 429 to one call, each of them waited for
TIMEOUT = httpx.Timeout(60, connect=10)
CLOCK: Clock = SystemClock()

log = logging.getLogger(__name__)
# Both would write addresses with their queries into the log.
logging.getLogger("httpx").setLevel(logging.WARNING)
logging.getLogger("stamina").setLevel(logging.ERROR)


class Auth(Protocol):
    """What proves who is calling."""

    def headers(self) -> Mapping[str, str]: ...

    def renew(self) -> bool:
        """Get a new token after a 401; False where there is none to get."""
        ...


@dataclass(frozen=True)
class Answer:
    status: int
    headers: Mapping[str, str]
    content: bytes

    def json(self) -> Any:
        """Raises TryLater where it is no JSON: a proxy's page, or an answer that was cut off."""
        try:
            return json_module.loads(self.content)
        except ValueError:
            raise TryLater(
                f"The CRM's answer ({self.status}) is not JSON.",
                "Run the same command again; if it stays, check the address.",
            ) from None


class Refused(ScoringError):
    """A 4xx that is about the call itself. `answer` is for the adapter; it is never shown."""

    def __init__(self, where: str, answer: Answer) -> None:
        super().__init__(f"The CRM refused {where} ({answer.status}).")
        self.answer = answer


class _Passing(Exception):
    """The same call may work later. `after`: seconds that the CRM asked for."""

    def __init__(self, code: str, after: float | None = None) -> None:
        super().__init__(code)
        self.code = code
        self.after = after


class Http:
    """One account of a CRM; any number of threads may call.

    address   checked: see `scoring.crm.address`
    limits    the CRM's; `share` of each is ours
    explain   what the adapter knows of a 401 or 403, such as the scope that is missing; never the
              answer's own text
    watch     sees every answer before anything else does; may raise TryLater (a day's limit)
    """

    def __init__(
        self,
        address: str,
        auth: Auth,
        limits: Sequence[Limit] = (),
        *,
        share: float = 1.0,
        clock: Clock | None = None,
        explain: Callable[[Answer], str] = lambda _: "",
        watch: Callable[[Answer], None] = lambda _: None,
    ) -> None:
        self.address = checked_address(address)
        self.clock = clock or CLOCK
        self.budget = Budget(limits, self.clock, share)
        self._auth = auth
        self._explain = explain
        self._watch = watch
        self._ended = threading.Event()
        self._renewing = threading.Lock()
        self._client = httpx.Client(
            base_url=f"{self.address}/",
            timeout=TIMEOUT,
            follow_redirects=False,
            limits=httpx.Limits(max_connections=32, max_keepalive_connections=32),
            # A proxy of the environment stands between machines, not within one.
            trust_env=not is_loopback(self.address),
        )

    def close(self) -> None:
        """Whoever waits for a call gives up."""
        self._ended.set()
        self._client.close()

    def call(
        self,
        method: str,
        path: str,
        *,
        json: Any = None,
        params: Mapping[str, Any] | None = None,
        content: bytes | None = None,
        headers: Mapping[str, str] | None = None,
        group: str = "",
        cost: int = 1,
        ok: Collection[int] = (),
        again: bool = True,
    ) -> Answer:
        """One call, as often as it takes.

        path    below the address
        group   the limits that count it beside those of all calls
        cost    what it takes from a limit
        ok      statuses beside 2xx that are an answer
        again   False where doing it twice would do harm: then a fault after sending is final
        """
        patience = _Patience(self.clock, self.budget, again, self._ended.is_set)
        where = f"{method} {path.split('?')[0]}"
        body = {"json": json} if json is not None else {"content": content}
        renewed = False
        try:
            for attempt in stamina.retry_context(
                on=patience, attempts=None, timeout=None, wait_initial=0, wait_max=0, wait_jitter=0
            ):
                with attempt:
                    while True:
                        sent = dict(self._auth.headers())
                        counted = self.budget.take(group, cost, self._ended.is_set)
                        try:
                            all_headers = {**(headers or {}), **sent}
                            answer = self._send(method, path, params, body, all_headers)
                        finally:
                            self.budget.done(counted)
                        if answer.status != 401 or renewed or not self._renewed(sent):
                            return self._judged(where, answer, ok)
                        renewed = True
        except _Passing as error:
            raise TryLater(
                f"The CRM did not answer {where} ({error.code}).",
                "What was done is recorded; run the same command again later.",
            ) from None
        raise AssertionError("stamina either returns or raises")

    def _renewed(self, sent: Mapping[str, str]) -> bool:
        """Whether there is another token now. One thread gets it for all."""
        with self._renewing:
            return dict(self._auth.headers()) != dict(sent) or self._auth.renew()

    def _send(
        self,
        method: str,
        path: str,
        params: Mapping[str, Any] | None,
        body: dict[str, Any],
        headers: Mapping[str, str],
    ) -> Answer:
        if self._ended.is_set():
            raise TryLater("The work was stopped.", "Run the same command again to go on.")
        try:
            got = self._client.request(method, path, params=params, headers=headers, **body)
        except httpx.TransportError as error:
            raise _Passing(type(error).__name__) from None
        except (httpx.InvalidURL, httpx.HTTPError, RuntimeError) as error:
            if self._ended.is_set():
                raise TryLater("The work was stopped.", "Run it again to go on.") from None
            raise _Passing(type(error).__name__) from None
        return Answer(got.status_code, got.headers, got.content)

    def _judged(self, where: str, answer: Answer, ok: Collection[int]) -> Answer:
        self._watch(answer)
        status = answer.status
        if 200 <= status < 300 or status in ok:
            return answer
        if 300 <= status < 400:
            raise ConfigError(
                f"The CRM's address answers {where} with a redirect ({status}), which is not "
                "followed. No credentials were sent to another place.",
                "Set the address that it redirects to, if that is your CRM.",
            )
        if status in (401, 403):
            why = self._explain(answer)
            raise ConfigError(
                f"The CRM refused the credentials for {where} ({status}).{why and ' ' + why}",
                "Check the token and its scopes; docs/crm/ lists the scopes that are needed.",
            )
        if status == 429:
            after = retry_after(answer.headers, self.clock)
            log.debug("429 for %s", where)
            raise _Passing("429", after)
        if status == 408 or status >= 500:
            raise _Passing(str(status), retry_after(answer.headers, self.clock))
        raise Refused(where, answer)


class _Patience:
    """Decides for one call whether it goes out again, and waits until then."""

    def __init__(
        self, clock: Clock, budget: Budget, again: bool, ended: Callable[[], bool]
    ) -> None:
        self.clock, self.budget, self.again, self.ended = clock, budget, again, ended
        self.failed = self.throttled = 0

    def __call__(self, error: Exception) -> bool | float:
        if not isinstance(error, _Passing):
            return False
        if error.code == "429":
            self.throttled += 1
            tried, most = self.throttled, THROTTLED
        else:
            self.failed += 1
            tried, most = self.failed, ATTEMPTS
        if tried >= most or (not self.again and error.code != "429"):
            return False
        pause = random.uniform(0.5, 1.0) * min(2 ** (tried - 1), 30)
        if error.after is not None:
            if error.after > PATIENCE:
                return False
            pause = error.after + random.uniform(0.0, 0.05)
            if error.code == "429":
                self.budget.hold(error.after)
        wait(self.clock, pause, self.ended)
        return 0.0


def retry_after(headers: Mapping[str, str], clock: Clock) -> float | None:
    """Seconds to wait, from a number of seconds or a date (RFC 9110, 10.2.3); None: not said."""
    said = headers.get("Retry-After")
    if not said:
        return None
    try:
        return max(0.0, float(said))
    except ValueError:
        pass
    try:
        return max(0.0, parsedate_to_datetime(said).timestamp() - clock.time())
    except (TypeError, ValueError, OverflowError):
        return None
