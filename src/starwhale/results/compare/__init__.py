"""IS THE NEW ONE REALLY BETTER: paired differences with intervals, on the examples that two jobs share.

Start at `comparison.compare_runs` (several runs by several metrics), `differences.compare_scores` (two systems on the same rows). What is compared: `runs`, made of jobs
(`job_runs`, `measured_jobs`, `metric_names`) or files (`files`, `measured_files`). The arithmetic: `intervals` are the error of one figure, `measured` that of one that is
no mean, `paired_shares` compares right and wrong answers, `corrections` many comparisons at once, `ranks` says who is first, `power` what a set of rows
can show, on `distributions`. What comes out: `findings` and `verdict`, `flips` with `examples` and `flips_file`. How it is told: `telling`, `markdown`,
`told_flips`, `html`, `page`, `charts`, `svg`.

Who may enter: `results` and everything above it. What it may import: the standard library, and NumPy where it pays; `job_runs` and those beside
it read results.
"""
