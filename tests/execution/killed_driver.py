"""Runs a job and kills this process at the n-th arrival at a crash point, if wanted behind another point: `python killed_driver.py '{"root": …}'`."""

from __future__ import annotations

import itertools
import json
import os
import signal
import sys

from starwhale.domain.job import ResumeChanges, RunRequest
from starwhale.execution.network.launch import ServerPlace
from starwhale.execution.run_options import RunOptions
from starwhale.instances.instance import open_instance
from starwhale.settings import read_settings


def main(argument: str) -> None:
    """Run the job; returns only when the crash point was not reached so often."""
    spec = json.loads(argument)
    arrivals = itertools.count(1)
    behind = [spec["behind"]] if spec.get("behind") else []

    def crash_point(name: str) -> None:
        if behind and name == behind[0]:
            behind.clear()
        if not behind and name == spec["point"] and next(arrivals) == spec["arrival"]:
            os.kill(os.getpid(), signal.SIGKILL)

    place = ServerPlace(**spec["server"]) if "server" in spec else None
    options = RunOptions(should_stop=lambda: False, crash_point=crash_point, find_server=lambda: place)
    with open_instance(read_settings(spec["env"])) as instance:
        if "resume" in spec:
            changes = ResumeChanges(failed=spec.get("failed", False), executor=spec.get("executor"))
            instance.jobs.resume(spec["resume"], changes, options=options)
        else:
            instance.jobs.run(RunRequest.from_json(spec["request"]), options)


if __name__ == "__main__":
    main(sys.argv[1])
