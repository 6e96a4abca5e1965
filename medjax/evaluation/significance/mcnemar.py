"""Two models on the same single images: McNemar's test and the interval of the difference of their accuracies."""

import math

import numpy as np
from scipy import optimize, stats

EXACT_BELOW = 25  # discordant images


def mcnemar(first_only: int, second_only: int) -> float:
    """p-value that both models are right equally often (McNemar 1947, doi:10.1007/BF02295996), two-sided.

    Only images on which one model alone is right tell them apart; under the null each falls to either side like a coin.
    Below `EXACT_BELOW` of them the exact binomial test, which never errs too often but is conservative; from there on
    its mid-p, close to the nominal level (Fagerland, Lydersen & Laake 2013, doi:10.1186/1471-2288-13-91).

    Args:
        first_only, second_only: images that only the first, only the second model gets right.
    """
    fewer, discordant = min(first_only, second_only), first_only + second_only
    p_value = 2 * stats.binom.cdf(fewer, discordant, 0.5)
    if discordant >= EXACT_BELOW:
        p_value -= stats.binom.pmf(fewer, discordant, 0.5)
    return min(1.0, float(p_value))


def score_interval(first_only: int, second_only: int, images: int, level: float) -> tuple[float, float]:
    """Score interval of the second accuracy minus the first; never empty, even without a discordant image.

    Tango 1998, doi:10.1002/(SICI)1097-0258(19980430)17:8<891::AID-SIM780>3.0.CO;2-B; recommended by Fagerland, Lydersen
    & Laake 2014, doi:10.1002/sim.6148.
    """
    z = stats.norm.isf((1 - level) / 2)
    return _lower(second_only, first_only, images, z), -_lower(first_only, second_only, images, z)


def _lower(gains: int, losses: int, images: int, z: float) -> float:
    """Smallest difference D that the score test does not reject: (gains − losses − N·D) / its deviation under D = z."""
    found = (gains - losses) / images
    if found == -1:
        return -1.0

    def beyond(difference: float) -> float:
        # share of losses, most likely where the shares of gains and losses differ by D: root of a quadratic equation
        b = (2 * images - gains + losses) * difference - gains - losses
        c = -losses * difference * (1 - difference)
        share = (math.sqrt(b**2 - 8 * images * c) - b) / (4 * images)
        variance = max(0.0, 2 * share + difference * (1 - difference))
        return images * (found - difference) - z * math.sqrt(images * variance)

    # without discordant images `found` itself is a root, but not the one that is wanted
    return float(optimize.brentq(beyond, -1.0, np.nextafter(found, -1) - 1e-9))
