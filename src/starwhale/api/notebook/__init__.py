"""HOW THINGS SHOW THEMSELVES IN A NOTEBOOK: what users wrote is escaped, nothing of it is executed.

Doors: `html_view` (datasets, evaluations), `job_view` (a job), `job_progress` and `job_board` (a job that runs).

Who may enter: api. What it may import: every room below.
"""
