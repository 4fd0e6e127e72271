"""WHAT RUNS BESIDE USER CODE: one attempt of a task, from its lease to its commit.

Doors: `task_entry.run_task` (lease rows, predict them, commit the part, lease the next). `read_ahead` reads the next range while the present one is
predicted, `async_rows` with `event_loops` keeps many calls in flight, `task_output` catches what users print, `meter` counts where time goes, `packages`
says what was imported, `debugger` serves `--debug`.

Who may enter: `execution.worker`, `execution.executors`, `testing`. What it may import: `handlers`, `storage.task_contract`, `storage.part`,
`storage.protocols` and floors below, with the standard
library alone.
"""
