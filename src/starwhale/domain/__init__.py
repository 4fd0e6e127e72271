"""WHAT THINGS ARE: frozen types and pure rules, without any input or output.

Doors: `uri` and `object_uri` (what a name on the command line means), `dataset_place` (where rows lie that an id means), `version` (ids, names, tags), `job` (RunRequest, Job, Step, Task, Attempt,
TaskUpdate), `attempt_name` (what attempts are called), `row_id` (which row a result is of), `features` (the features of a row by name), `status` (which status may follow which), `graph` (the order of steps), `ledger` (who may work on which
rows) and `together` (several ranges under one lease), `resources` and `machine` (what a step asks for, what there is), `runtime`, `usage`, `wish` (what
somebody wants of a running job), `error_budget`, `wanted_metrics`, `redaction` (what must not be written down), `json_shape`, `counted` (1 row, 2 rows).
Each is imported from its own file.

Who may enter: every room above. What it may import: `errors`, and the standard library's pure parts.
Start reading at `job.py`.
"""
