"""IS THE NEW ONE REALLY BETTER: paired differences with intervals, on the examples that two jobs share.

Start at `comparison.compare_runs` (several runs by several metrics), `differences.compare_scores` (two systems on the same rows). `intervals` are the
error of one figure, `paired_shares` compares right and wrong answers, `corrections` many comparisons, `power` what a set of rows can show.

Who may enter: `results` and everything above it. What it may import: the standard library, and NumPy where it pays.
"""
