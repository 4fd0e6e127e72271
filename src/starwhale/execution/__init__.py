"""HOW A JOB RUNS.

Doors: `start` (a new job) and `resume` (one to go on with), which instances call with `run_options`, and what they tell of it (`outcome`); `plan` (request and handlers become a job; pure), `schedule` (what starts next;
pure), `run` (the loop where schedule, executor and catalog meet, and nowhere else), `worker` (the process that user code runs in; `contained` starts it in a container).

The driver's side: `place` (the executor of a job), `drive` (the loop with what stops it: `stops`, `interrupts`), `attempt_stores` (each attempt's side of
the stores), `fit` (does it fit the machine), `head_start` (what is done while the worker imports), `suspects` (rows on which a worker died), `resumable` and `retry` (going on), `provenance` with `git_state`
(the record, and secrets that it leaves out), `debug_run`; `supervise` (whose turn it is, of the jobs that wait for a server; pure). Rooms: `executors/` (where tasks are placed), `tasks/` (what runs beside user code), `machine/` (what this
machine has), `network/` (tasks whose
workers reach the instance over HTTP), `cluster/` (Ray, and what runs on its nodes), `handler_rows/` (a Python handler of a dataset in a process of its own).

A lease ends in `storage.catalog.ledger`: by its commit, when its attempt ends (`run`), when its worker dies (`suspects`), when nobody renews it
(`network/renewer`, of workers elsewhere), or when another driver takes over (`resume`) or one lets a job go (`drive`).

Who may enter: instances and everything above. What it may import: `handlers` and floors below; `serving` and `transfer` are strangers.
Start reading at `plan.py`, then `schedule.py`, then `run.py`.
"""
