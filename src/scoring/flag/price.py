"""What the flag promises and costs, in sentences for the card and for `doctor`."""

from collections.abc import Mapping
from typing import Any


def flag_lines(facts: Mapping[str, Any] | None) -> list[str]:
    """What `train` says of a flag's facts; nothing without a flag."""
    if facts is None:
        return []
    return [f"flag: {said}" for said in (price(facts), promise(facts)) if said]


def promise(facts: Mapping[str, Any]) -> str:
    """What holds of the flag, from `Flag.facts`."""
    share, confidence = _percent(facts["share"]), _percent(facts["confidence"])
    seen = f"{facts['flagged']:,} of {facts['buyers']:,}"
    if facts["promised"]:
        return (
            f"At most {share} of later buyers are flagged at any night before they buy, with "
            f"{confidence} confidence ({seen} were; upper bound {_percent(facts['bound'])})."
        )
    if not facts["signs"]:
        return "No flag: this question has no sign that warns of anything."
    short = (
        f"{facts['buyers']:,} buyers are known and {facts['needed']:,} are needed"
        if facts["missing"]
        else "even the strictest threshold flags too many buyers"
    )
    if facts["threshold"] is None:
        return f"No flags: {short} to promise that at most {share} of later buyers are flagged."
    return (
        f"Nothing is promised: {short}. On average at most {share} of later buyers are flagged "
        f"({seen} were)."
    )


def price(facts: Mapping[str, Any]) -> str:
    """What the flag costs, as far as it was measured: "" where there is nothing to tell."""
    if facts["threshold"] is None or not facts.get("open") or not facts["buyers"]:
        return ""
    leads = _percent(facts["open_flagged"] / facts["open"])
    buyers = _percent(facts["flagged"] / facts["buyers"])
    return f"Flagged {leads} of open leads; {buyers} of later buyers were among them at some night."


def _percent(share: float) -> str:
    """Whole percents, with a decimal where there is something behind it."""
    return f"{100 * share:.1f}".removesuffix(".0") + " %"
