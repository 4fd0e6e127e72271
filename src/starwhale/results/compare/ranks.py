"""Who is first: the places that each of several runs may have, given how few rows there are."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    Floats = npt.NDArray[np.float64]

RESAMPLES = 10_000
"""Bootstrap resamples."""
DISTINCT = 4_096
"""Up to so many different rows of scores are drawn as they are; beyond, their means are drawn from the normal distribution that they tend to."""


def resample_means(scores: Floats, resamples: int = RESAMPLES, seed: int = 0) -> Floats:
    """Draw the mean scores of all runs anew, the same rows for each run.

    A resample of n rows is one multinomial draw over the different rows, which costs as much as there are different ones.

    Args:
        scores: Shape (runs, rows), without NaN.
        resamples: How often.
        seed: The same seed gives the same draws.

    Returns:
        Shape (resamples, runs).

    Source: Efron 1979, "Bootstrap methods: another look at the jackknife".
    """
    import numpy as np

    rng = np.random.default_rng(seed)
    n = scores.shape[1]
    different, counts = np.unique(scores, axis=1, return_counts=True)
    if counts.size <= DISTINCT:
        return rng.multinomial(n, counts / n, size=resamples) @ different.T / n
    spread = np.atleast_2d(np.cov(scores)) / n
    return rng.multivariate_normal(scores.mean(axis=1), spread, size=resamples, method="svd")


def rank_intervals(
    scores: Floats, *, higher_is_better: bool = True, confidence: float = 0.95, seed: int = 0
) -> list[tuple[int, int]]:
    """Return the first and last place that each run may have: 95 % of resamples rank it between them, equal means sharing the better place.

    Args:
        scores: Shape (runs, rows), without NaN.
        higher_is_better: Whether the first has the most.
        confidence: Share of the resamples.
        seed: The same seed gives the same places.

    Example:
        >>> import numpy as np
        >>> rank_intervals(np.array([[1.0] * 50, [0.0] * 50, [0.0, 1.0] * 25]))
        [(1, 1), (3, 3), (2, 2)]
    """
    import numpy as np

    means = resample_means(scores, seed=seed)
    signed = means if higher_is_better else -means
    runs = signed.shape[1]
    ranks = np.stack([1 + (signed > signed[:, [each]]).sum(axis=1) for each in range(runs)], axis=1)
    tail = (1 - confidence) / 2
    low = np.quantile(ranks, tail, axis=0, method="inverted_cdf")
    high = np.quantile(ranks, 1 - tail, axis=0, method="inverted_cdf")
    return [(int(first), int(last)) for first, last in zip(low, high, strict=True)]
