"""Go on with a job in a process of its own: `python -m starwhale.server.driver` reads what to do from stdin, and drives the job to its end.

The process outlives the server: ending the console does not end what it started.
"""

from __future__ import annotations

import dataclasses
import json
import subprocess
import sys
import time
from typing import TYPE_CHECKING, Any

from starwhale.errors import ExecutionError, StarwhaleError, told_error

if TYPE_CHECKING:
    from starwhale.domain.job import ResumeChanges
    from starwhale.instances import Instance

STARTED_S = 30.0
"""A driver has to take the job over in so many seconds."""
_POLL_S = 0.05


def start_driver(instance: Instance, job_id: str, changes: ResumeChanges) -> None:
    """Start a process that goes on with a job, and return when it has taken the job over, or has ended.

    Raises:
        StarwhaleError: It cannot go on; says why.
        ExecutionError: It did not begin in time.
    """
    asked = json.dumps({"job": job_id, "changes": dataclasses.asdict(changes), "root": str(instance.root)})
    folder = instance.jobs.log_folder(job_id)
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "driver.txt").open("ab") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "starwhale.server.driver"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=log,
            text=True,
            start_new_session=True,
        )
    assert process.stdin is not None  # noqa: S101 - it is a pipe
    process.stdin.write(asked)
    process.stdin.close()
    jobs = instance.catalog.jobs
    deadline = time.monotonic() + STARTED_S
    while time.monotonic() < deadline:
        found = jobs.find(job_id)
        if found.driver is not None and found.driver.pid == process.pid:
            _reap(process)
            return
        if process.poll() is not None:
            _raise_refusal(process)
            return
        time.sleep(_POLL_S)
    process.terminate()
    raise ExecutionError(f"the process that should go on with job {job_id[:12]} did not begin in {STARTED_S:g} s")


def _reap(process: subprocess.Popen[str]) -> None:
    """Wait for the process in the background, so that it leaves no corpse while the server lives."""
    import threading

    def drain() -> None:
        assert process.stdout is not None  # noqa: S101 - it is a pipe
        process.stdout.read()
        process.wait()

    threading.Thread(target=drain, name="starwhale-driver", daemon=True).start()


def _raise_refusal(process: subprocess.Popen[str]) -> None:
    assert process.stdout is not None  # noqa: S101 - it is a pipe
    text = process.stdout.read()
    try:
        said: Any = json.loads(text) if text.strip() else {}
    except ValueError:
        said = {}
    if said:
        raise told_error(str(said["code"]), str(said["message"]), str(said["hint"]))
    if process.returncode:
        raise ExecutionError(
            "the process that should go on with the job ended at once",
            hint="its log is driver.txt beside the job's logs",
        )


def main() -> int:
    """Do what stdin says; the exit code is that of `swcli job resume`."""
    from starwhale.domain.job import ResumeChanges
    from starwhale.domain.status import Status
    from starwhale.instances import open_instance
    from starwhale.settings import read_settings

    asked: dict[str, Any] = json.loads(sys.stdin.read())
    from pathlib import Path

    settings = dataclasses.replace(read_settings(), root=Path(asked["root"]))
    told: dict[str, Any] = {**asked["changes"], "arguments": ()}
    changes = ResumeChanges(**told)
    with open_instance(settings) as instance:
        try:
            outcome = instance.jobs.resume(asked["job"], changes)
        except StarwhaleError as error:
            print(json.dumps({"code": error.code, "message": error.message, "hint": error.hint}))  # noqa: T201 - read by who started us
            return error.exit_code
    return 0 if outcome.status is Status.SUCCESS else 1


if __name__ == "__main__":
    sys.exit(main())
