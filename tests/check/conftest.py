"""Projects over small folders of tables."""

from collections.abc import Callable
from pathlib import Path

import pytest
from check_world import World, at


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


@pytest.fixture
def small(world: World) -> World:
    """Three leads, three interactions, two outcomes, all of them good."""
    world.deliver(
        "leads",
        {
            "lead_id": ["a", "b", "c"],
            "created_at": [at("2026-01-01"), at("2026-01-02"), at("2026-01-03")],
            "industry": ["tools", "food", None],
            "seats": [10, 20, 30],
        },
    )
    world.deliver(
        "interactions",
        {
            "interaction_id": ["1", "2", "3"],
            "lead_id": ["a", "a", "b"],
            "occurred_at": [at("2026-01-05"), at("2026-01-04"), at("2026-01-06")],
            "type": ["email_opened", "call", "call"],
            "direction": ["inbound", "outbound", None],
            "minutes": [None, 3.5, 7.0],
        },
    )
    world.deliver(
        "outcomes",
        {
            "lead_id": ["a", "b"],
            "outcome": ["won", "lost"],
            "decided_at": [at("2026-02-01"), at("2026-02-02")],
        },
    )
    return world


@pytest.fixture
def csv_world(world: World) -> Callable[..., World]:
    """Leads `a` and `b`, and interactions and outcomes given as CSV text."""

    def make(interactions: str, outcomes: str = "", leads: str = "") -> World:
        world.deliver(
            "leads", leads or "lead_id,created_at\na,2026-01-01\nb,2026-01-01T10:00:00+02:00\n"
        )
        world.deliver("interactions", interactions)
        world.deliver("outcomes", outcomes or "lead_id,outcome,decided_at\na,won,2026-05-01\n")
        return world

    return make
