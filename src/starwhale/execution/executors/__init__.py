"""WHERE TASKS ARE PLACED: submit, wait, cancel, close. Every submitted task reports its end exactly once.

Doors: one file per executor, and the table that names them. `thread` and `process` run on one machine; Ray, Kubernetes and
containers come later.

Who may enter: `execution.run`. What it may import: floors below, and neither `plan` nor `schedule` nor `run`: an executor knows
nothing of ranges, order or retries.
"""
