"""Predictive lead scoring: ingest → check → build → train → score → emit.

Feature files import the declaration language from here; notebooks import `Project` and
`ConversionModel`. Nothing heavy is imported before it is used.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from scoring.build.declare import (
        attribute,
        contacts,
        each_attribute,
        feature,
        interactions,
        lead_age,
        lead_changes,
        stage_changes,
    )
    from scoring.build.learned import against_won, like_won, peers_rate
    from scoring.build.machine import machine
    from scoring.project import Project
    from scoring.train.model import ConversionModel

_HOMES = {
    "ConversionModel": "scoring.train.model",
    "Project": "scoring.project",
    "against_won": "scoring.build.learned",
    "attribute": "scoring.build.declare",
    "contacts": "scoring.build.declare",
    "each_attribute": "scoring.build.declare",
    "feature": "scoring.build.declare",
    "interactions": "scoring.build.declare",
    "lead_age": "scoring.build.declare",
    "lead_changes": "scoring.build.declare",
    "like_won": "scoring.build.learned",
    "machine": "scoring.build.machine",
    "peers_rate": "scoring.build.learned",
    "stage_changes": "scoring.build.declare",
}

__all__ = [
    "ConversionModel",
    "Project",
    "against_won",
    "attribute",
    "contacts",
    "each_attribute",
    "feature",
    "interactions",
    "lead_age",
    "lead_changes",
    "like_won",
    "machine",
    "peers_rate",
    "stage_changes",
]


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        return getattr(import_module(_HOMES[name]), name)
    raise AttributeError(f"module 'scoring' has no attribute {name!r}")
