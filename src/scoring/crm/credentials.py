"""Who we are towards a CRM: secrets from the environment or a file, and the tokens made of them.

A secret is looked for, key by key, in the variable `<credentials_env>_<KEY>` and then in the TOML
file that `credentials_file` names. That file lies outside the project and only its owner may read
it. Nothing here is ever shown: messages name places, never values.

    Bearer      a token that stands in every call
    OAuth       a token that is asked for and renewed; what for is one of the three grants
"""

import os
import stat
import threading
import tomllib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from scoring.config import Source
from scoring.crm.address import checked_address
from scoring.crm.budget import Clock
from scoring.crm.http import Http, Refused
from scoring.errors import ConfigError

# Before a token ends: a call that is under way must not outlive it.
EARLY = 60.0
ASSERTION_SECONDS = 180
# RFC 6749, 5.2; and what tells a person what to do about it.
ERRORS = {
    "invalid_client": "the client's id or secret is wrong",
    "invalid_client_id": "the client's id is wrong",
    "invalid_grant": "the refresh token or the user is not valid (any more), or not yet approved",
    "unauthorized_client": "the client may not use this way of signing in",
    "invalid_scope": "the client may not have these scopes",
    "unsupported_grant_type": "the CRM does not know this way of signing in",
}


class Credentials:
    """The secrets of one source."""

    def __init__(self, source: Source, root: Path, environ: Mapping[str, str] = os.environ) -> None:
        self._prefix = source.credentials_env
        self._file = Path(source.credentials_file).expanduser() if source.credentials_file else None
        self._environ = environ
        self._from_file = _read(self._file, root) if self._file else {}

    def get(self, key: str) -> str | None:
        """The secret, or None. `token` is `HUBSPOT_TOKEN` in the environment."""
        value = self._environ.get(self._variable(key)) if self._prefix else None
        return value or self._from_file.get(key) or None

    def need(self, key: str) -> str:
        """Raises ConfigError with every place that was searched."""
        if value := self.get(key):
            return value
        places = []
        if self._prefix:
            places.append(f"the environment variable {self._variable(key)}, which is not set")
        if self._file:
            places.append(f"`{key}` of the file {self._file}, which has none")
        searched = " and in ".join(places) or "no place: neither `credentials_env` nor a file is"
        raise ConfigError(
            f"The CRM's {key.replace('_', ' ')} was looked for in {searched}.",
            "Set the variable, or name a file in `credentials_file` of data/sources.toml.",
        )

    def private_key(self) -> bytes:
        """The PEM file that `private_key_file` names. Raises ConfigError."""
        path = Path(self.need("private_key_file")).expanduser()
        _refuse_readable(path)
        return path.read_bytes()

    def _variable(self, key: str) -> str:
        return f"{self._prefix}_{key.upper()}"


def address_of(source: Source, default: str, environ: Mapping[str, str] = os.environ) -> str:
    """Where the CRM is: the variable `<credentials_env>_ADDRESS`, the source's, else `default`."""
    variable = f"{source.credentials_env}_ADDRESS"
    found = environ.get(variable) if source.credentials_env else None
    address = found or source.address or default
    if not address:
        raise ConfigError(
            f"The CRM's address is not set: neither `address` in data/sources.toml nor the "
            f"environment variable {variable}.",
            "Set one of them, e.g. to https://crm.example.com.",
        )
    return checked_address(address)


class Bearer:
    """A token in the header `Authorization`, or alone in one of the CRM's own."""

    def __init__(self, token: str, header: str = "") -> None:
        if not token.isascii() or any(c.isspace() or not c.isprintable() for c in token):
            raise ConfigError(
                "The CRM's token holds a blank, a line end or a letter that no token has.",
                "Copy it again, without quotes and line ends.",
            )
        self._headers = {header: token} if header else {"Authorization": f"Bearer {token}"}

    def headers(self) -> Mapping[str, str]:
        return self._headers

    def renew(self) -> bool:
        return False


Grant = Callable[[], dict[str, str]]


class OAuth:
    """An access token of OAuth 2.0, asked for when it is first needed and again before it ends.

    address   of the token endpoint; checked like the CRM's own
    grant     the form that asks for a token: `client_credentials`, `refresh_token`, `jwt_bearer`
    answer    what came with the token, such as Salesforce's instance_url
    """

    def __init__(self, address: str, grant: Grant, clock: Clock | None = None) -> None:
        self.answer: dict[str, Any] = {}
        self._path = checked_address(address, "token address")
        self._grant = grant
        self._clock = clock
        self._headers: dict[str, str] = {}
        self._ends = 0.0
        self._lock = threading.RLock()

    def headers(self) -> Mapping[str, str]:
        with self._lock:
            if not self._headers or (self._clock and self._clock.time() >= self._ends):
                self.renew()
            return dict(self._headers)

    def renew(self) -> bool:
        with self._lock:
            base, _, path = self._path.rpartition("/")
            http = Http(base, _Nobody(), clock=self._clock)
            self._clock = http.clock
            form = urlencode(self._grant()).encode()
            try:
                answer = http.call(
                    "POST",
                    path,
                    content=form,
                    headers={"Content-Type": "application/x-www-form-urlencoded"},
                ).json()
                token = answer["access_token"]
            except Refused as error:
                raise _not_granted(error) from None
            except (KeyError, TypeError):
                raise ConfigError(
                    "The CRM's token endpoint gave no access token.",
                    "Check `token_address` and the kind of credentials.",
                ) from None
            finally:
                http.close()
            self.answer = {k: v for k, v in answer.items() if not k.endswith("token")}
            seconds = float(answer.get("expires_in") or 900)
            self._ends = self._clock.time() + max(seconds - EARLY, seconds / 2)
            self._headers = dict(Bearer(str(token)).headers())
            return True


def client_credentials(credentials: Credentials, scope: str = "") -> Grant:
    """RFC 6749, 4.4."""
    form = {
        "grant_type": "client_credentials",
        "client_id": credentials.need("client_id"),
        "client_secret": credentials.need("client_secret"),
    }
    return lambda: {**form, **({"scope": scope} if scope else {})}


def refresh_token(credentials: Credentials) -> Grant:
    """RFC 6749, 6."""
    form = {
        "grant_type": "refresh_token",
        "client_id": credentials.need("client_id"),
        "client_secret": credentials.need("client_secret"),
        "refresh_token": credentials.need("refresh_token"),
    }
    return lambda: dict(form)


def jwt_bearer(credentials: Credentials, audience: str, clock: Clock) -> Grant:
    """RFC 7523: an assertion that the client's private key signs (RS256), valid for minutes."""
    issuer, subject = credentials.need("client_id"), credentials.need("username")
    key = credentials.private_key()

    def form() -> dict[str, str]:
        import jwt

        claims = {
            "iss": issuer,
            "sub": subject,
            "aud": audience,
            "exp": int(clock.time()) + ASSERTION_SECONDS,
        }
        try:
            assertion = jwt.encode(claims, key, algorithm="RS256")
        except (ValueError, TypeError, jwt.PyJWTError):
            raise ConfigError(
                "The file of `private_key_file` holds no RSA private key that can be used.",
                "It must be a PEM file without a passphrase.",
            ) from None
        return {
            "grant_type": "urn:ietf:params:oauth:grant-type:jwt-bearer",
            "assertion": assertion,
        }

    return form


class _Nobody:
    def headers(self) -> Mapping[str, str]:
        return {}

    def renew(self) -> bool:
        return False


def _not_granted(error: Refused) -> ConfigError:
    try:
        code = str(error.answer.json().get("error", ""))
    except Exception:
        code = ""
    why = ERRORS.get(code)
    return ConfigError(
        f"The CRM gave no token ({error.answer.status}{f': {why}' if why else ''}).",
        "Check the client's id, its secret or key, and that its app is approved.",
    )


def _read(path: Path, root: Path) -> dict[str, str]:
    if path.resolve().is_relative_to(root.resolve()):
        raise ConfigError(
            f"`credentials_file` names {path}, which lies inside the project.",
            "Keep secrets outside: a project's folder is copied, shared and put under version "
            "control.",
        )
    _refuse_readable(path)
    try:
        values = tomllib.loads(path.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError):
        # The parser's own words would show a part of the line.
        raise ConfigError(
            f"The file {path} is not valid TOML.", 'Write one `key = "value"` a line.'
        ) from None
    return {key: value for key, value in values.items() if isinstance(value, str)}


def _refuse_readable(path: Path) -> None:
    """Only the owner, who is this user or root, may read and write the file."""
    try:
        found = path.stat()
    except OSError as error:
        raise ConfigError(
            f"The file {path} of the credentials cannot be read: {error.strerror}.",
            "Correct the name; a relative one starts at the current folder.",
        ) from None
    if not stat.S_ISREG(found.st_mode):
        raise ConfigError(f"{path} of the credentials is not a file.", "Name a file.")
    if os.name == "posix" and (found.st_mode & 0o077 or found.st_uid not in (0, os.geteuid())):
        raise ConfigError(
            f"Others may read the file {path} of the credentials, or it belongs to somebody else.",
            f"chmod 600 {path}",
        )
