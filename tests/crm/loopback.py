"""What the loopback CRM servers share: a clock that runs faster, limits, faults, and the listener.

A server is a class with `answer(request) -> Response`. Its limits are the vendor's real ones, on a
clock that runs `scale` times as fast as the wall clock; the client gets the same clock.
"""

import json
import random
import socket
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from email.utils import formatdate
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

START = 1_780_000_000.0  # 2026-05-28, where the servers' own time begins


class ScaledClock:
    """`scale` seconds pass in one; `now` can be moved on by hand."""

    def __init__(self, scale: float = 50.0) -> None:
        self.scale = scale
        self._begun = time.perf_counter()
        self._moved = 0.0
        self.slept: list[float] = []

    def monotonic(self) -> float:
        return (time.perf_counter() - self._begun) * self.scale + self._moved

    def time(self) -> float:
        return START + self.monotonic()

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        time.sleep(seconds / self.scale)

    def move(self, seconds: float) -> None:
        self._moved += seconds


@dataclass
class Request:
    method: str
    path: str
    query: dict[str, list[str]]
    headers: dict[str, str]
    content: bytes

    @property
    def body(self) -> Any:
        return json.loads(self.content) if self.content else None

    @property
    def form(self) -> dict[str, str]:
        return {k: v[0] for k, v in parse_qs(self.content.decode()).items()}


@dataclass
class Response:
    status: int
    body: Any = None
    headers: dict[str, str] = field(default_factory=dict)
    cut: bool = False  # the connection ends in the middle of the answer
    raw: bytes | None = None

    @property
    def content(self) -> bytes:
        if self.raw is not None:
            return self.raw
        return b"" if self.body is None else json.dumps(self.body).encode()


class Window:
    """At most `calls` in any `seconds` of the clock; `over` counts those that were too many."""

    def __init__(self, clock: ScaledClock, calls: int, seconds: float) -> None:
        self.clock, self.calls, self.seconds = clock, calls, seconds
        self.taken: deque[float] = deque()
        self.over = 0

    def take(self) -> float | None:
        """None, or the seconds to wait."""
        now = self.clock.monotonic()
        while self.taken and self.taken[0] <= now - self.seconds:
            self.taken.popleft()
        if len(self.taken) >= self.calls:
            self.over += 1
            return self.taken[0] + self.seconds - now
        self.taken.append(now)
        return None


class Faults:
    """A share of calls fails before (`early`) or after (`late`) they were done, in several ways."""

    def __init__(self, share: float = 0.0, seed: int = 1) -> None:
        self.share = share
        self._random = random.Random(seed)
        self._lock = threading.Lock()
        self.caused = 0

    def draw(self) -> str:
        with self._lock:
            if self._random.random() >= self.share:
                return ""
            self.caused += 1
            return self._random.choice(["500", "503", "reset", "cut", "late500"])


class Loopback:
    """A listener on 127.0.0.1; `requests` are kept while `keep` is true."""

    def __init__(self, clock: ScaledClock | None = None) -> None:
        self.clock = clock or ScaledClock()
        self.faults = Faults()
        self.keep = True
        self.requests: list[Request] = []
        self.calls = 0
        self.before: Callable[[Request], Response | None] = lambda _: None
        self.lock = threading.RLock()
        self._server = _Listener(("127.0.0.1", 0), _handler(self))
        self._server.daemon_threads = True
        self.address = f"http://127.0.0.1:{self._server.server_address[1]}"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,))
        self._thread.daemon = True
        self._thread.start()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()

    def answer(self, request: Request) -> Response:
        raise NotImplementedError

    def handle(self, request: Request) -> Response:
        with self.lock:
            self.calls += 1
            if self.keep:
                self.requests.append(request)
            early = self.before(request)
            if early is not None:
                return early
            fault = self.faults.draw()
            if fault in ("500", "503"):
                return Response(int(fault), {"status": "error", "message": "try again"})
            if fault == "reset":
                return Response(0)
            response = self.answer(request)
            if fault == "late500":
                return Response(502, {"status": "error"})
            return replace(response, cut=response.cut or fault == "cut")

    def too_many(self, wait: float, as_date: bool = False) -> dict[str, str]:
        """Retry-After for a 429, in seconds or as a date (which has whole seconds, so the next)."""
        if as_date:
            return {"Retry-After": formatdate(self.clock.time() + wait + 1, usegmt=True)}
        return {"Retry-After": str(int(wait) + 1)}


class _Listener(ThreadingHTTPServer):
    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that was killed is no fault of the server; anything else is printed."""
        if not isinstance(sys.exception(), ConnectionError):
            super().handle_error(request, client_address)


@contextmanager
def serving(server: Loopback) -> Iterator[Loopback]:
    try:
        yield server
    finally:
        server.close()


def _handler(server: Loopback) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        wbufsize = -1  # one write for head and body
        disable_nagle_algorithm = True

        def _do(self) -> None:
            split = urlsplit(self.path)
            length = int(self.headers.get("Content-Length") or 0)
            request = Request(
                self.command,
                split.path,
                parse_qs(split.query, keep_blank_values=True),
                {k.lower(): v for k, v in self.headers.items()},
                self.rfile.read(length),
            )
            response = server.handle(request)
            if response.status == 0:
                self._drop()
                return
            content = response.content
            if "Date" in response.headers:  # the server's own clock
                self.send_response_only(response.status)
            else:
                self.send_response(response.status)
            if content and "Content-Type" not in response.headers:
                self.send_header("Content-Type", "application/json;charset=utf-8")
            for name, value in response.headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            if response.cut:
                self.wfile.write(content[: len(content) // 2])
                self._drop()
                return
            self.wfile.write(content)
            self.wfile.flush()

        def _drop(self) -> None:
            try:
                self.wfile.flush()
                self.connection.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass
            self.close_connection = True

        do_GET = do_POST = do_PATCH = do_PUT = do_DELETE = _do

        def log_message(self, *_: Any) -> None:
            pass

    return Handler
