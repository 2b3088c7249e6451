"""Secrets come from the environment or a file of one's own, and go nowhere else."""

from collections.abc import Iterator
from pathlib import Path

import jwt
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from loopback import Loopback, Request, Response, ScaledClock, serving

from scoring.config import Source
from scoring.crm.credentials import (
    Bearer,
    Credentials,
    OAuth,
    client_credentials,
    jwt_bearer,
    refresh_token,
)
from scoring.crm.http import Http
from scoring.errors import ConfigError


def source(file: Path | str = "") -> Source:
    return Source.model_validate(
        {
            "kind": "hubspot",
            "tables": {"contacts": []},
            "credentials_env": "HUBSPOT",
            "credentials_file": str(file),
        }
    )


@pytest.fixture
def outside(tmp_path: Path) -> Path:
    path = tmp_path / "crm.toml"
    path.write_text('token = "from-file"\nclient_id = "id"\nclient_secret = "cs"\n')
    path.chmod(0o600)
    return path


@pytest.fixture
def root(tmp_path: Path) -> Path:
    made = tmp_path / "project"
    made.mkdir()
    return made


def test_the_environment_wins_over_the_file(outside: Path, root: Path) -> None:
    both = Credentials(source(outside), root, {"HUBSPOT_TOKEN": "from-env"})
    assert both.need("token") == "from-env"
    assert both.need("client_id") == "id"
    assert Credentials(source(outside), root, {}).need("token") == "from-file"


def test_a_missing_secret_names_every_place_and_no_value(outside: Path, root: Path) -> None:
    with pytest.raises(ConfigError) as caught:
        Credentials(source(outside), root, {"HUBSPOT_TOKEN": "t"}).need("refresh_token")
    said = str(caught.value)
    assert "HUBSPOT_REFRESH_TOKEN" in said
    assert str(outside) in said
    assert "from-file" not in said


@pytest.mark.parametrize("mode", [0o644, 0o640, 0o606, 0o660])
def test_a_file_that_others_may_touch_is_refused(outside: Path, root: Path, mode: int) -> None:
    outside.chmod(mode)
    with pytest.raises(ConfigError, match="Others may read"):
        Credentials(source(outside), root, {})


def test_a_file_inside_the_project_is_refused(root: Path) -> None:
    path = root / "secrets.toml"
    path.write_text('token = "t"')
    path.chmod(0o600)
    link = root.parent / "link.toml"
    link.symlink_to(path)
    for each in (path, link):
        with pytest.raises(ConfigError, match="inside the project"):
            Credentials(source(each), root, {})


def test_a_broken_file_is_not_quoted(outside: Path, root: Path) -> None:
    outside.write_text("token = secret-without-quotes")
    with pytest.raises(ConfigError, match="not valid TOML") as caught:
        Credentials(source(outside), root, {})
    assert "secret" not in str(caught.value).replace("secrets", "")


@pytest.mark.parametrize("token", ["two words", "line\nend", "töken", "tab\t"])
def test_a_token_that_cannot_be_one(token: str) -> None:
    with pytest.raises(ConfigError) as caught:
        Bearer(token)
    assert token not in str(caught.value)


class Issuer(Loopback):
    """A token endpoint; tokens end after `seconds`, and only the last one is valid."""

    seconds = 100
    valid = ""
    issued = 0

    def answer(self, request: Request) -> Response:
        if request.path != "/oauth/token":
            good = request.headers.get("authorization") == f"Bearer {self.valid}"
            return Response(200, {}) if good else Response(401, {"message": "x"})
        form = request.form
        if form.get("client_secret", "cs") != "cs":
            return Response(400, {"error": "invalid_client", "error_description": "cs is wrong"})
        self.issued += 1
        self.valid = f"at-{self.issued}"
        body = {"access_token": self.valid, "expires_in": self.seconds, "instance_url": "u"}
        return Response(200, body)


@pytest.fixture
def issuer(clock: ScaledClock) -> Iterator[Issuer]:
    made = Issuer(clock)
    with serving(made):
        yield made


def test_a_token_is_asked_for_once_and_renewed_before_it_ends(
    issuer: Issuer, outside: Path, root: Path
) -> None:
    grant = client_credentials(Credentials(source(outside), root, {}), "a b")
    auth = OAuth(f"{issuer.address}/oauth/token", grant, issuer.clock)
    http = Http(issuer.address, auth, clock=issuer.clock)
    for _ in range(3):
        http.call("GET", "x")
    assert issuer.issued == 1
    assert issuer.requests[0].form == {
        "grant_type": "client_credentials",
        "client_id": "id",
        "client_secret": "cs",
        "scope": "a b",
    }
    assert auth.answer["instance_url"] == "u"
    issuer.clock.move(60)
    http.call("GET", "x")
    assert issuer.issued == 2


def test_a_token_that_was_taken_back_is_renewed_once(
    issuer: Issuer, outside: Path, root: Path
) -> None:
    credentials = Credentials(source(outside), root, {"HUBSPOT_REFRESH_TOKEN": "rt"})
    auth = OAuth(f"{issuer.address}/oauth/token", refresh_token(credentials), issuer.clock)
    http = Http(issuer.address, auth, clock=issuer.clock)
    http.call("GET", "x")
    issuer.valid = "another"
    http.call("GET", "x")
    assert issuer.issued == 2
    issuer.before = lambda r: Response(401, {}) if r.path == "/x" else None
    before = issuer.calls
    with pytest.raises(ConfigError):
        http.call("GET", "x")
    assert issuer.calls - before == 3  # the call, the renewal, the call again


def test_a_refused_client_is_told_why_without_a_secret(
    issuer: Issuer, outside: Path, root: Path
) -> None:
    credentials = Credentials(source(outside), root, {"HUBSPOT_CLIENT_SECRET": "wrong-secret"})
    auth = OAuth(f"{issuer.address}/oauth/token", client_credentials(credentials), issuer.clock)
    with pytest.raises(ConfigError, match="the client's id or secret is wrong") as caught:
        auth.headers()
    assert "wrong-secret" not in str(caught.value)
    assert issuer.calls == 1


def test_a_signed_assertion_is_what_the_key_signed(
    issuer: Issuer, tmp_path: Path, root: Path
) -> None:
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    pem = tmp_path / "key.pem"
    pem.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    pem.chmod(0o600)
    environ = {
        "HUBSPOT_CLIENT_ID": "consumer",
        "HUBSPOT_USERNAME": "robot@example.com",
        "HUBSPOT_PRIVATE_KEY_FILE": str(pem),
    }
    grant = jwt_bearer(Credentials(source(), root, environ), "https://login.example", issuer.clock)
    OAuth(f"{issuer.address}/oauth/token", grant, issuer.clock).headers()
    form = issuer.requests[0].form
    claims = jwt.decode(
        form["assertion"],
        key.public_key(),
        algorithms=["RS256"],
        audience="https://login.example",
        options={"verify_exp": False},
    )
    assert (claims["iss"], claims["sub"]) == ("consumer", "robot@example.com")
    assert 0 < claims["exp"] - issuer.clock.time() <= 180
    pem.chmod(0o644)
    with pytest.raises(ConfigError, match="chmod 600"):
        jwt_bearer(Credentials(source(), root, environ), "https://login.example", issuer.clock)
