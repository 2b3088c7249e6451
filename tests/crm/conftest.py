"""A HubSpot on the loopback interface whose clock the adapter shares."""

from collections.abc import Iterator

import pytest
from hubspot_server import HubSpotServer
from loopback import ScaledClock, serving
from salesforce_server import SalesforceServer

from scoring.crm import http


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> ScaledClock:
    """The clock of the servers and of whatever calls them: 50 seconds pass in one."""
    made = ScaledClock(50)
    monkeypatch.setattr(http, "CLOCK", made)
    return made


@pytest.fixture
def hubspot(clock: ScaledClock, monkeypatch: pytest.MonkeyPatch) -> Iterator[HubSpotServer]:
    monkeypatch.setenv("HUBSPOT_TOKEN", "token")
    monkeypatch.delenv("HUBSPOT_ADDRESS", raising=False)
    server = HubSpotServer(clock)
    with serving(server):
        yield server


@pytest.fixture
def salesforce(clock: ScaledClock, monkeypatch: pytest.MonkeyPatch) -> Iterator[SalesforceServer]:
    for name in ("TOKEN", "CLIENT_ID", "CLIENT_SECRET", "PRIVATE_KEY_FILE", "ADDRESS"):
        monkeypatch.delenv(f"SALESFORCE_{name}", raising=False)
    monkeypatch.setenv("SALESFORCE_TOKEN", "token")
    server = SalesforceServer(clock)
    with serving(server):
        yield server
