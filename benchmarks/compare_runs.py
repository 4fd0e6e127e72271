"""Compare five runs of 100,000 rows, with 10,000 resamples for ranks: seconds and memory; limits 2 s and 500 MB.

The alternative in the same run: the same resamples drawn row by row with NumPy, for one of the five runs and a hundredth of the resamples, scaled.

Usage: python benchmarks/compare_runs.py [rows, 100000]
"""

from __future__ import annotations

import resource
import sys
import time

import numpy as np

from starwhale.results.compare.comparison import compare_runs
from starwhale.results.compare.findings import Question
from starwhale.results.compare.ranks import RESAMPLES
from starwhale.results.compare.runs import RowMeasure, Run
from starwhale.results.compare.telling import sentence
from starwhale.results.metrics.examples import Examples
from starwhale.results.metrics.registry import find_metric

SHARES = (0.7, 0.705, 0.71, 0.72, 0.69)


def main() -> None:
    """Print one line per kind of score, and one of the alternative."""
    rows = int(sys.argv[1]) if len(sys.argv) > 1 else 100_000
    rng = np.random.default_rng(0)
    ids = list(range(rows))
    for kind in ("right or wrong", "numbers"):
        drawn = [rng.random(rows) for _ in SHARES]
        scores = [
            each < share if kind == "right or wrong" else each + share
            for each, share in zip(drawn, SHARES, strict=True)
        ]
        runs = [
            Run(id=f"r{k}", name=f"r{k}", ids=ids, metrics={"m": each.astype(float).tolist()})
            for k, each in enumerate(scores)
        ]
        begun = time.process_time()
        found = compare_runs(runs[0], runs[1:], Question(metrics=("m",)))
        took = time.process_time() - begun
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        print(f"{kind:<16} 5 runs x {rows:,} rows: {took:.2f} s CPU, peak {peak:.0f} MiB   {sentence(found)}")
    _by_metrics(rows, rng)
    one = np.asarray(runs[0].metrics["m"])
    begun = time.process_time()
    for _ in range(RESAMPLES // 100):
        one[rng.integers(0, rows, rows)].mean()
    naive = (time.process_time() - begun) * 100 * len(SHARES)
    print(f"the resamples alone, drawn row by row: {naive:.1f} s CPU, {naive / took:.0f} times all of ours")


def _by_metrics(rows: int, rng: np.random.Generator) -> None:
    """Compare by metrics that are no means: the paired bootstrap of counts, and DeLong's test of areas."""
    true = rng.integers(0, 5, rows)
    for name in ("f1_macro", "auroc"):
        metric = find_metric(name)
        runs: list[Run] = []
        for k, share in enumerate(SHARES):
            said = np.where(rng.random(rows) < share, true, rng.integers(0, 5, rows))
            sure = rng.normal(size=rows) + 2 * share * (true > 2)
            examples = Examples(labels=true.tolist(), predictions=said.tolist())
            if name == "auroc":
                examples = Examples(labels=(true > 2).tolist(), scores=sure.tolist())
            measure = RowMeasure(metric=metric, examples=examples)
            right = (said == true).astype(float).tolist()
            runs.append(
                Run(id=f"r{k}", name=f"r{k}", ids=list(range(rows)), metrics={name: right}, measures={name: measure})
            )
        begun = time.process_time()
        found = compare_runs(runs[0], runs[1:], Question(metrics=(name,)))
        took = time.process_time() - begun
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        test = found.main.deltas["r1"].difference.test
        print(f"{name:<16} 5 runs x {rows:,} rows: {took:.2f} s CPU, peak {peak:.0f} MiB   {test}; {sentence(found)}")


if __name__ == "__main__":
    main()
