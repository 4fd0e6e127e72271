"""The rows on which two runs differ: what a comparison is about, and where to look first."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from starwhale.results.compare.runs import Id

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    Floats = npt.NDArray[np.float64]


def find_flips(
    candidate: Floats, baseline: Floats, ids: Sequence[Id], *, lower_is_better: bool = False
) -> tuple[list[Id], list[Id]]:
    """Return the rows on which a candidate does better than the baseline, and worse; the larger changes first.

    Args:
        candidate: Scores, shape (rows,); NaN where there is none, which is no change.
        baseline: The same of the baseline.
        ids: What the rows are.
        lower_is_better: Whether less is better.

    Example:
        >>> import numpy as np
        >>> find_flips(np.array([1.0, 0.0, 1.0]), np.array([0.0, 1.0, 1.0]), ["a", "b", "c"])
        (['a'], ['b'])
    """
    import numpy as np

    change = baseline - candidate if lower_is_better else candidate - baseline
    order = np.argsort(-np.abs(np.nan_to_num(change)), kind="stable")
    gained = [ids[each] for each in order if change[each] > 0]
    return gained, [ids[each] for each in order if change[each] < 0]
