"""One chunk of leads: their traits (hidden), their attributes (in the CRM) and their sellers."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from scoring.simulate import kinds
from scoring.simulate.calendar import Clock, Floats, Ints
from scoring.simulate.chain import (
    HEADWINDS,
    NEGLECTS,
    PACES,
    SHAPE,
    UNWORKED,
    WORKED,
    chain,
    state,
)

Codes = npt.NDArray[np.int64]
Flags = npt.NDArray[np.bool_]

# Seeds (word of mouth), nets (inbound marketing), spears (outbound work).
SOURCES = ("referral", "word_of_mouth", "web_form", "webinar", "content", "advertising",
           "outbound", "linkedin_outreach")  # fmt: skip
SOURCE_GROUP = np.array([0, 0, 1, 1, 1, 1, 2, 2])
_SOURCE_OF_BUYERS = np.array([0.12, 0.07, 0.26, 0.09, 0.10, 0.12, 0.15, 0.09])
_SOURCE_OF_OTHERS = np.array([0.05, 0.03, 0.26, 0.12, 0.18, 0.17, 0.11, 0.08])
_GROUP_HEADWIND = np.array([-0.45, 0.05, 0.1])
INDUSTRIES = ("manufacturing", "software", "logistics", "retail", "construction", "healthcare",
              "education", "hospitality")  # fmt: skip
_INDUSTRY = np.array([0.20, 0.17, 0.12, 0.15, 0.12, 0.09, 0.08, 0.07])
_SERVED_INDUSTRIES = 5  # the first ones are the profile of the customers
SIZES = ("1-9", "10-49", "50-249", "250-999", "1000+")
_SIZE = np.array([0.26, 0.30, 0.24, 0.13, 0.07])
_SERVED_SIZES = np.array([False, True, True, True, False])
_AMOUNT = np.array([3_000, 8_000, 20_000, 48_000, 90_000])
COUNTRIES = ("FI", "EE", "SE", "LV", "DE", "US", "IN")
_COUNTRY = np.array([0.52, 0.18, 0.12, 0.06, 0.06, 0.04, 0.02])
_SERVED_COUNTRIES = 4
ROLES = ("decision_maker", "manager", "specialist", "assistant", "student")
_ROLE_OF_BUYERS = np.array([0.24, 0.38, 0.28, 0.09, 0.01])
_ROLE_OF_OTHERS = np.array([0.12, 0.31, 0.38, 0.17, 0.02])
_ROLE_OF_STUDENTS = np.array([0.02, 0.08, 0.35, 0.20, 0.35])
DOMAINS = ("company", "free", "university", "competitor")
_DOMAIN = np.array([0.84, 0.15, 0.01, 0.0])
_DOMAIN_OF_STUDENTS = np.array([0.20, 0.40, 0.40, 0.0])
_DOMAIN_OF_COMPETITORS = np.array([0.30, 0.45, 0.0, 0.25])

_P_UNWORKED = 0.07
_P_SCANNER = 0.10


@dataclass(frozen=True)
class Sellers:
    """The sellers and their habits; one row per seller."""

    headwind: Floats
    neglect: Codes
    effort: Floats
    late: Floats  # mean hours until a call or meeting is in the CRM


@dataclass(frozen=True)
class Leads:
    """One chunk; every array has one entry per lead. Times are UTC microseconds."""

    kind: Codes
    classes: Codes
    unworked: Flags
    created: Ints
    owner: Codes
    source: Codes
    industry: Codes
    size: Codes
    country: Codes
    role: Codes
    domain: Codes
    scanner: Flags
    activity: Floats
    trend: Floats  # how much the drift has changed everybody's use of the web by then
    amount: Floats


def draw_sellers(rng: np.random.Generator, leads: int) -> Sellers:
    """A team that grows with the number of leads: one seller per 400, from 6 to 500."""
    n = int(np.clip(leads // 400, 6, 500))
    return Sellers(
        headwind=rng.normal(0, 0.25, n),
        neglect=rng.choice(len(NEGLECTS), n, p=[0.35, 0.45, 0.2]),
        effort=rng.lognormal(0, 0.25, n),
        late=rng.lognormal(1.2, 0.8, n),
    )


def draw_leads(
    rng: np.random.Generator,
    n: int,
    sellers: Sellers,
    span: tuple[int, int],
    clock: Clock,
    buyers: float,
    drift: float,
) -> Leads:
    """`n` leads created within `span`, a share of `buyers` of them with the intent to buy.

    `drift` moves the log-odds of that share, and the log of everybody's use of the web, linearly
    from -drift/2 at the start of the span to +drift/2 at its end.
    """
    low, high = clock.read(np.array(span))
    progress = rng.random(n)
    created = clock.when(low + progress * (high - low))
    odds = buyers / (1 - buyers) * np.exp(drift * (progress - 0.5))
    is_buyer = rng.random(n) < odds / (1 + odds)
    kind = np.where(
        is_buyer,
        rng.choice(kinds.N_KINDS, n, p=kinds.SHARE_OF_BUYERS),
        rng.choice(kinds.N_KINDS, n, p=kinds.SHARE_OF_OTHERS),
    )
    student = kind == kinds.KIND_NAMES.index("student")
    competitor = kind == kinds.KIND_NAMES.index("competitor")

    def pick(default: Floats, *others: tuple[Flags, Floats]) -> Codes:
        drawn = rng.choice(len(default), n, p=default)
        for where, shares in others:
            drawn = np.where(where, rng.choice(len(shares), n, p=shares), drawn)
        return drawn

    source = pick(_SOURCE_OF_OTHERS, (is_buyer, _SOURCE_OF_BUYERS))
    industry = pick(_INDUSTRY)
    size = pick(_SIZE)
    country = pick(_COUNTRY)
    role = pick(_ROLE_OF_OTHERS, (is_buyer, _ROLE_OF_BUYERS), (student, _ROLE_OF_STUDENTS))
    domain = pick(_DOMAIN, (student, _DOMAIN_OF_STUDENTS), (competitor, _DOMAIN_OF_COMPETITORS))
    owner = rng.integers(0, len(sellers.effort), n)
    group = SOURCE_GROUP[source]
    outside = (
        (industry >= _SERVED_INDUSTRIES).astype(np.int64)
        + ~_SERVED_SIZES[size]
        + (country >= _SERVED_COUNTRIES)
    )
    headwind = (
        rng.normal(0, 0.45, n)
        + sellers.headwind[owner]
        + _GROUP_HEADWIND[group]
        + 0.4 * outside
        - 0.25 * (role == 0)
        - 0.25
    )
    # Chosen accounts are always worked: somebody chose them.
    unworked = (rng.random(n) < _P_UNWORKED) & (group != 2)
    return Leads(
        kind=kind,
        classes=np.ravel_multi_index(
            (
                kind,
                _nearest(rng.normal(0, 0.45, n), PACES),
                _nearest(headwind, HEADWINDS),
                sellers.neglect[owner],
                np.where(unworked, UNWORKED, WORKED),
            ),
            SHAPE,
        ).astype(np.int64),
        unworked=unworked,
        created=created,
        owner=np.where(unworked & (rng.random(n) < 0.5), -1, owner),
        source=source,
        industry=industry,
        size=size,
        country=country,
        role=role,
        domain=domain,
        scanner=(rng.random(n) < _P_SCANNER) & (domain == 0),
        activity=rng.gamma(2.2, 1 / 2.2, n),
        trend=np.exp(drift * (progress - 0.5)),
        amount=np.round(
            _AMOUNT[size] * rng.lognormal(0, 0.5, n) * np.where(group == 2, 1.6, 1.0), -2
        ),
    )


def share_of_buyers(prevalence: float, sellers: Sellers, span: tuple[int, int], clock: Clock,
                    drift: float) -> tuple[float, float]:  # fmt: skip
    """The share of buyers at which `prevalence` of the leads would ever be won, and the highest
    prevalence there is (when every lead is a buyer).

    Found on 20,000 leads of a fixed draw with exact chances, so it does not depend on the seed's
    luck; the drift's own curvature is solved for by bisection.
    """

    def expected(buyers: float) -> float:
        rng = np.random.default_rng(20_000)
        leads = draw_leads(rng, 20_000, sellers, span, clock, buyers, drift)
        return float(chain().ever[leads.classes, state(0)].mean())

    low, high = 1e-6, 1 - 1e-6
    highest = expected(high)
    for _ in range(14):
        middle = (low + high) / 2
        low, high = (middle, high) if expected(middle) < prevalence else (low, middle)
    return (low + high) / 2, highest


def _nearest(log_value: Floats, levels: Floats) -> Codes:
    logs = np.log(levels)
    step = logs[1] - logs[0]
    return np.clip(np.rint((log_value - logs[0]) / step), 0, len(levels) - 1).astype(np.int64)
