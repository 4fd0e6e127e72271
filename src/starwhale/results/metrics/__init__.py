"""METRICS: what every example adds to a figure, so that intervals, slices and comparisons are arithmetic over columns and no new run.

Start at `metric.Metric` (the protocol) and `registry.find_metric` (names); `label_counts`, `ranking`, `probabilities`, `regression` and
`texts` hold the metrics, `examples` what they look at. `multi_classification` makes the tables of that decorator in plain Python, for where
user code runs.

To add one: a function in the file of its family, with formula, source and a worked example in its docstring, and a line in `registry.BUILTIN`; everything else
(intervals, `--metric`, gates, slices, the console) knows it then.

Who may enter: `results`, `handlers` and everything above. What it may import: the standard library, and NumPy inside functions; `compare`
is a stranger: intervals are made of what is measured here, one door up, in `results.estimate`.
"""
