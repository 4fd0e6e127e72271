"""THE VERBS OF JOBS.

Doors: `verbs` (`instance.jobs`: what runs), and beneath it `changing` (what stops, hides and notes) and `reading` (what is told of a job: steps, report, tables, rows, figures). One file per verb that needs more than a call: `job_compare`, `job_gate`, `job_control` (pause, cancel), `job_logs`,
`reproduce`, `run_again`, `copy_job` (between instances). For a server: `server_jobs` asks it from elsewhere, and brings it what a submission needs; `submit` writes down, there, what is to be
run. Before a job: `target` (what is to be run), `pinning` (dataset versions), `job_runtime`, `job_container` (its image), `task_door` (a server for its tasks alone), `snapshots` (the model's files); after one: `ran_on`, `labelled_rows`, `stored_predictions`.
For those who look on: `job_table` (jobs with their figures, found by `job_choices`; `kept_summaries` from one start to the next), `job_words`, `log_lines`.

Who may enter: `instances`, and rooms above for the types. What it may import: `instances` beside it, and everything below.
"""
