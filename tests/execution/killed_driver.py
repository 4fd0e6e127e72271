"""Runs a job and kills this process at the n-th arrival at a crash point: `python killed_driver.py '{"root": …}'`."""

from __future__ import annotations

import itertools
import json
import os
import signal
import sys

from starwhale.domain.job import RunRequest
from starwhale.execution.start import RunOptions
from starwhale.instances.instance import open_instance
from starwhale.settings import read_settings


def main(argument: str) -> None:
    """Run the job; returns only when the crash point was not reached so often."""
    spec = json.loads(argument)
    arrivals = itertools.count(1)

    def crash_point(name: str) -> None:
        if name == spec["point"] and next(arrivals) == spec["arrival"]:
            os.kill(os.getpid(), signal.SIGKILL)

    options = RunOptions(should_stop=lambda: False, crash_point=crash_point)
    with open_instance(read_settings(spec["env"])) as instance:
        if "resume" in spec:
            instance.jobs.resume(spec["resume"], options=options)
        else:
            instance.jobs.run(RunRequest.from_json(spec["request"]), options)


if __name__ == "__main__":
    main(sys.argv[1])
