"""HOW A JOB RUNS.

Doors: `plan` (request and handlers become a job; pure), `schedule` (what starts next; pure), `run` (the loop where schedule,
executor and catalog meet, and nowhere else), `task_entry` (one task, beside user code), `worker` (the process a task runs in),
`supervisor` (queued and broken-off jobs), `executors/` (where tasks are placed).

Who may enter: instances and everything above. What it may import: `handlers` and floors below; `serving` and `transfer` are strangers.
Start reading at `plan.py`, then `schedule.py`, then `run.py`.
"""
