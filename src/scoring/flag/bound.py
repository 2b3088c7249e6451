"""How many later buyers a rule may cost, said with confidence and without assumptions.

Of n buyers that neither the rule nor its limits were fitted on, k were flagged. The exact upper
bound of the share (Clopper and Pearson 1934) holds for any n. Which limit of a grid to use is a
choice made on the same buyers, so the limits are tested one after another, from the strictest on,
each at the full level, until the first that fails: fixed-sequence testing, the form of "Learn then
Test" (Angelopoulos, Bates, Candès, Jordan and Lei 2021, arXiv:2110.01052, section 3) that loses
nothing to the number of limits. It is valid because the grid and its order are fixed beforehand,
on other leads. For a loss that only grows along the grid, as here, it gives what "risk-controlling
prediction sets" give (Bates, Angelopoulos, Lei, Malik and Jordan 2021, arXiv:2101.02703).
"""

import math
from collections.abc import Sequence

import numpy as np
from scipy.stats import beta


def upper_bound(flagged: int, buyers: int, confidence: float) -> float:
    """The largest share of flagged buyers that is still in keeping with `flagged` of `buyers`.

    One-sided and exact: the true share lies at or below it with at least this confidence. 1.0
    where all were flagged, or there are none.
    """
    if flagged >= buyers:
        return 1.0
    return float(beta.ppf(confidence, flagged + 1, buyers - flagged))


def most_flagged(buyers: int, share: float, confidence: float) -> int:
    """How many of `buyers` may be flagged for the bound to be at most `share`; -1: not even none.

    The bound is at most `share` just where a binomial with that share has `flagged` or fewer with
    a probability of at most 1 - confidence.
    """
    low, high = -1, buyers
    while high - low > 1:  # the bound grows with `flagged`
        middle = (low + high) // 2
        if upper_bound(middle, buyers, confidence) <= share:
            low = middle
        else:
            high = middle
    return low


def buyers_needed(share: float, confidence: float) -> int:
    """The fewest buyers with which anything can be promised: none of them is flagged then."""
    return math.ceil(math.log(1 - confidence) / math.log1p(-share) - 1e-9)


def loosest(statistic: np.ndarray, grid: Sequence[float], most: int) -> int | None:
    """Position in `grid` of the loosest limit that passes, None where the strictest fails.

    statistic   (n,) of each buyer: flagged at some night where it is at or above the limit; -inf
                for one that no limit would flag
    grid        limits from the strictest (largest) to the loosest
    most        how many buyers a limit may flag; negative: none passes
    """
    passed = None
    for place, limit in enumerate(grid):
        if np.count_nonzero(statistic >= limit) > most:
            break
        passed = place
    return passed
