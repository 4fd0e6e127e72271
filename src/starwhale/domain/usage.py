"""What an attempt used, as it is kept with it: seconds by activity, and the totals that they are compared with."""

from __future__ import annotations

from enum import StrEnum


class Activity(StrEnum):
    """What a task does; one after the other."""

    START = "start"
    """From when the attempt was placed until its code began: a process is started, modules are imported."""
    LOAD = "load"
    """The handler's class is made, which loads the model."""
    READ = "read"
    """Rows, or pages of results, are waited for."""
    DECODE = "decode"
    """Stored columns become values."""
    PREDICT = "predict"
    """Predict is called."""
    RUN = "run"
    """A handler without rows is called: evaluate, and others."""
    WRITE = "write"
    """Outputs are encoded and committed, and the next rows are asked for."""
    WAIT = "wait"
    """Predict is not called yet, because a call before it failed for a while."""
    OTHER = "other"
    """What the program itself does around these."""


WALL = "wall"
"""Seconds from the beginning of the attempt's code to its end."""
CPU = "cpu"
"""Seconds of processor time of the attempt's thread."""
QUEUED = "queued"
"""Seconds in which its thread could have run and other programs had the processors."""
PROCESS_CPU = "process_cpu"
"""Seconds of processor time of its process meanwhile, all threads together."""
PEAK_BYTES = "peak_bytes"
"""Most memory that its process has had."""
ROWS = "rows"
"""Rows that it has tried."""
ACCELERATOR_USE = "accelerator_use"
"""Key of a job's record: step → position of an accelerator → name, looks, share of the time in which it was busy, most bytes taken."""
TASKS = "tasks"
"""Key of what a job's record says of a resumption: step → tasks that it had from then on."""
