"""WHAT THINGS ARE: frozen types and pure rules, without any input or output.

Doors: `uri` (what a name on the command line means), `version` (ids, tags), `job` (RunRequest, Job, Step, Task, Attempt,
TaskUpdate), `status` (which status may follow which), `graph` (the order of steps), `ledger` (who may work on which rows),
`resources` (what a step asks for). Each is imported from its own file.

Who may enter: every room above. What it may import: `errors`, and the standard library's pure parts.
Start reading at `job.py`.
"""
