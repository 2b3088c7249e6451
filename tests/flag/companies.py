"""Companies whose leads are drawn night by night, all nights of all leads at once.

A compact stand-in for the whole pipeline: rows as `build` would make them, with a weak and a strong
sign, a learned and a fixed limit, acts in earnest, and customers who wait. The flag is fitted,
calibrated and applied by the product's own functions.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import numpy as np
import pandas as pd
from scipy.special import expit

from scoring.build.columns import Column, Sign
from scoring.build.featureset import FeatureSet
from scoring.flag.calibrate import calibrated, fit, fitting_half, worst_nights
from scoring.flag.model import Flag
from scoring.flag.settings import FlagSection
from scoring.flag.state import tonight

LONGEST = 60  # nights that a lead is open at most
AGES = (1, 7, 14, 30)  # days at which training looks at a lead
ZONE = ZoneInfo("Europe/Helsinki")
FIRST_NIGHT = datetime(2026, 1, 1, 22, tzinfo=UTC)
SEED = 7


def _column(name: str, op: str, sign: Sign | None = None, **more: object) -> Column:
    return Column(name, name, "signs", "interactions", op, sign=sign, **more)  # type: ignore[arg-type]


BUSY, LOW, PROFILE = "busy_without_progress", "low_engagement", "outside_profile"
COLUMNS = (
    Column("age", "age", "engagement", "lead", "age"),
    _column("activity", "count", days=30),
    _column("interest", "mean"),
    _column("haggled", "count", Sign(BUSY, strong=True)),
    _column("moved", "share", Sign(LOW, strong=False), days=90),
    _column("silent", "last_on", Sign(LOW, strong=False)),
    _column("unlike", "last", Sign(PROFILE, strong=False, limit=1.0)),
    _column("asked", "last_on", earnest=True),
)
FEATURES = FeatureSet(COLUMNS, {}, frozenset(), frozenset())


@dataclass(frozen=True)
class Company:
    """How one company's leads are. Rates are per night.

    leads        in the history that it trains on
    prevalence   share of leads that buy
    known        how far quality, which nobody sees, decides about buying
    shown        how far quality shows in what leads do, and `steady` how slowly that changes
    days         median nights until a buyer bought, and until the others are closed
    haggles, asks   of buyers and of the others
    """

    leads: int
    prevalence: float
    known: float
    shown: float
    steady: float
    days: tuple[float, float]
    haggles: tuple[float, float]
    asks: tuple[float, float]


def draw_company(rng: np.random.Generator) -> Company:
    buyers_haggle = rng.uniform(0.0005, 0.01)
    buyers_ask = rng.uniform(0.01, 0.06)
    return Company(
        leads=int(np.exp(rng.uniform(np.log(800), np.log(4000)))),
        prevalence=rng.uniform(0.08, 0.35),
        known=rng.uniform(0.5, 2.5),
        shown=rng.uniform(0.3, 1.2),
        steady=rng.uniform(0.5, 0.95),
        days=(rng.uniform(8, 25), rng.uniform(12, 35)),
        haggles=(buyers_haggle, buyers_haggle * rng.uniform(1.5, 6)),
        asks=(buyers_ask, buyers_ask * rng.uniform(0.1, 0.8)),
    )


def drifted(company: Company, rng: np.random.Generator) -> Company:
    """The same company a year later: its buyers take longer, haggle more and show less."""
    much = rng.uniform(1.2, 2.0)
    return replace(
        company,
        days=(company.days[0] * much, company.days[1]),
        haggles=(company.haggles[0] * much**2, company.haggles[1]),
        shown=company.shown / much,
    )


def nights(
    company: Company, wanted: int, rng: np.random.Generator, *, buyers: bool
) -> pd.DataFrame:
    """Every open night of `wanted` leads (only buyers, where asked for), by lead and age."""
    chance = np.log(company.prevalence / (1 - company.prevalence))
    quality = rng.normal(size=wanted)
    bought = rng.random(wanted) < expit(chance + company.known * quality)
    if buyers:
        kept = [quality[bought]]
        while sum(map(len, kept)) < wanted:
            more = rng.normal(size=wanted)
            kept.append(more[rng.random(wanted) < expit(chance + company.known * more)])
        quality, bought = np.concatenate(kept)[:wanted], np.ones(wanted, dtype=bool)
    median = np.where(bought, *company.days)
    open_nights = np.clip(np.rint(median * np.exp(0.6 * rng.normal(size=wanted))), 1, LONGEST)

    shape = (wanted, LONGEST)
    mood = rng.normal(size=shape)
    for night in range(1, LONGEST):
        steady = company.steady
        mood[:, night] = steady * mood[:, night - 1] + np.sqrt(1 - steady**2) * mood[:, night]
    interest = company.shown * (quality[:, None] + 0.5 * bought[:, None]) + mood
    haggles = rng.random(shape) < np.where(bought, *company.haggles)[:, None]
    asks = rng.random(shape) < np.where(bought, *company.asks)[:, None]
    spoke = rng.random(shape) < expit(interest - 1.5)
    age = np.broadcast_to(np.arange(1, LONGEST + 1), shape)
    waits = rng.random(shape) < 0.05
    columns = {
        "age": age,
        "activity": rng.poisson(np.exp(0.5 * interest)),
        "interest": interest,
        "haggled": haggles.cumsum(axis=1),
        "moved": expit(rng.normal(size=shape) - interest),
        "silent": _since(spoke),
        "unlike": np.broadcast_to((rng.normal(size=wanted) - quality)[:, None], shape),
        "asked": _since(asks),
        "_last_inbound": np.where(waits, 2.0, 5.0),
        "_last_outbound": np.where(waits, 5.0, 2.0),
        "_inbound_90d": np.ones(shape),
        "_outbound_90d": np.ones(shape),
        "_n_interactions": np.full(shape, 9.0),
        "_last_meeting": np.full(shape, np.nan),
    }
    lead, night = np.nonzero(age <= open_nights[:, None])
    frame = pd.DataFrame({n: v[lead, night].astype(np.float64) for n, v in columns.items()})
    names = np.char.add("lead-", np.arange(wanted).astype(str)).astype(object)
    return frame.assign(
        root_key=lead,
        lead_id=names[lead],
        group_id=names[lead],
        label=bought[lead].astype(int),
        converted=bought[lead],
        created=(rng.random(wanted) * 365).astype(int)[lead],
    )


def _since(acts: np.ndarray) -> np.ndarray:
    """Days since the newest act of each night, NaN before the first."""
    place = np.where(acts, np.arange(LONGEST), -LONGEST * 2)
    days = np.arange(LONGEST) - np.maximum.accumulate(place, axis=1) + 0.5
    return np.where(days < LONGEST, days, np.nan)


def trained(company: Company, settings: FlagSection, rng: np.random.Generator) -> Flag:
    """The flag that the product makes of the company's history."""
    history = nights(company, company.leads, rng, buyers=False)
    half = fitting_half(history["group_id"], SEED)
    seen = history[half & history["age"].isin(AGES)].reset_index(drop=True)
    seen["as_of"] = pd.Timestamp(FIRST_NIGHT.replace(tzinfo=None)) + pd.to_timedelta(
        seen["created"] + seen["age"], unit="D"
    )
    flag = fit(seen, FEATURES, settings, SEED)
    tested = history[~half & history["converted"]].reset_index(drop=True)
    worst = worst_nights(flag, [tested], directions_known=True)
    return calibrated(flag, np.array(list(worst.values())))


def ever_flagged(flag: Flag, leads: pd.DataFrame) -> np.ndarray:
    """(leads,) bool: whether the nightly run flagged the lead at any night, shown or not."""
    judged = flag.judged(leads, directions_known=True).rows
    rows = pd.concat([leads[["lead_id", "root_key", "age"]], judged], axis=1)
    rows = rows.assign(grade="D", attention="not_assessed", why="", _flag_reasons="", _flag_why="")
    found = np.zeros(int(leads["root_key"].max()) + 1, dtype=bool)
    before = None
    for night, open_ in rows.groupby("age"):
        as_of = FIRST_NIGHT + timedelta(days=int(night))
        made = tonight(open_, before, (), flag=flag, model_version="1", as_of=as_of, zone=ZONE)
        before = made.assign(lead_id=open_["lead_id"], model_version="1", scored_at=as_of)
        found[open_["root_key"][made["flag_since"].notna()]] = True
    return found


@dataclass(frozen=True)
class Kept:
    """What became of a company's promise.

    buyers, promised   the calibration's; risk: share of new buyers that were flagged at some night
    caught             the same of leads that do not buy
    drifted            risk, once the company is another one
    """

    buyers: int
    promised: bool
    risk: float
    caught: float
    drifted: float


def kept(number: int, buyers: int = 5_000, *, drift: bool = False) -> Kept:
    """Draw a company by its number, train its flag, and see what it does to new leads."""
    rng = np.random.default_rng([SEED, number])
    company = draw_company(rng)
    flag = trained(company, FlagSection(), rng)
    if flag.threshold is None:
        return Kept(flag.facts["buyers"], False, 0.0, 0.0, 0.0)
    risk = ever_flagged(flag, nights(company, buyers, rng, buyers=True)).mean()
    others = nights(company, 1_000, rng, buyers=False)
    bought = others.groupby("root_key")["converted"].first().to_numpy()
    caught = ever_flagged(flag, others)[~bought].mean()
    later = 0.0
    if drift:
        changed = nights(drifted(company, rng), buyers, rng, buyers=True)
        later = float(ever_flagged(flag, changed).mean())
    return Kept(flag.facts["buyers"], True, float(risk), float(caught), later)


def kept_and_drifted(number: int) -> Kept:
    return kept(number, drift=True)
