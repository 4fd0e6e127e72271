"""IS THE NEW ONE REALLY BETTER: paired differences with intervals, on the examples that two jobs share.

Only the interval of one job's figure is built so far; paired comparison arrives with `swcli job compare`.

Who may enter: `results` and everything above it. What it may import: the standard library, and NumPy where it pays.
"""
