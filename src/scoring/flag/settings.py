"""`models/tire_kicker/model.toml`: what the flag promises, and when it goes."""

from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field

from scoring.config import Days, Settings, Share, load

FOLDER = "tire_kicker"

Chance = Annotated[float, Field(gt=0, lt=1)]


class FlagSection(Settings):
    """What the flag promises, and when it goes.

    question         it is calibrated when this question is trained, and shown with its scores
    mode             guaranteed: only where the promise holds | advisory: with too few buyers the
                     promise holds on average only | off
    share            of the later buyers, at most so many were flagged on any night before buying
    confidence       that the promise holds, over the leads that it was calibrated on
    withheld_share   of the leads, chosen by hash, whose flags are never shown
    exit_margin      log-odds by which a lead must rise above the limit to lose its flag
    earnest_days     how long an act in earnest keeps a flag away
    feedback_days    how long a seller's `not_a_tire_kicker` does
    """

    question: str = "conversion"
    mode: Literal["guaranteed", "advisory", "off"] = "guaranteed"
    share: Chance = 0.05
    confidence: Chance = 0.95
    withheld_share: Share = 0.05
    exit_margin: Annotated[float, Field(ge=0, le=10)] = 0.3
    earnest_days: Days = 14
    feedback_days: Days = 90


class FlagToml(Settings):
    flag: FlagSection = FlagSection()


def load_flag(root: Path) -> FlagSection:
    """The settings of the project in `root`; the defaults where the file is absent.

    Raises ConfigError, one sentence per fault.
    """
    path = root / "models" / FOLDER / "model.toml"
    return load(path, FlagToml).flag if path.exists() else FlagSection()
