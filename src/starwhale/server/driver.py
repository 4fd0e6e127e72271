"""Go on with a job, or run a new one, in a process of its own: `python -m starwhale.server.driver` reads what to do from stdin, and drives the job to its end.

The process outlives the server: ending the console does not end what it started.
"""

from __future__ import annotations

import contextlib
import dataclasses
import json
import subprocess
import sys
import time
from typing import TYPE_CHECKING, Any

from starwhale.errors import ExecutionError, NotFoundError, StarwhaleError, told_error

if TYPE_CHECKING:
    from starwhale.domain.job import ResumeChanges, RunRequest
    from starwhale.instances import Instance

STARTED_S = 30.0
"""A driver has to take the job over in so many seconds."""
MADE_S = 120.0
"""A new job has to be there in so many seconds: its model is unpacked, and the environment of its runtime made, before."""
_POLL_S = 0.05


def start_driver(instance: Instance, job_id: str, changes: ResumeChanges, *, patience_s: float = STARTED_S) -> None:
    """Start a process that goes on with a job, and return when it has taken the job over, or has ended.

    Args:
        instance: Where the job is kept.
        job_id: The job.
        changes: What is to be different from now on.
        patience_s: How long it may take to begin.

    Raises:
        StarwhaleError: It cannot go on; says why.
        ExecutionError: It did not begin in time.
    """
    _start(instance, job_id, {"job": job_id, "changes": dataclasses.asdict(changes)}, patience_s)


def start_run(instance: Instance, request: RunRequest) -> None:
    """Start a process that runs a new job, and return when the job is there and driven by it, or the process has ended.

    Args:
        instance: Where the job is kept.
        request: What it does; with an id.

    Raises:
        StarwhaleError: It cannot run; says why.
        ExecutionError: It did not begin in time.
    """
    _start(instance, request.job_id, {"request": request.to_json()}, MADE_S)


def _start(instance: Instance, job_id: str, asked: dict[str, Any], patience_s: float) -> None:
    words = json.dumps({**asked, "root": str(instance.root)})
    folder = instance.jobs.log_folder(job_id)
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "driver.txt").open("ab") as log:
        process = subprocess.Popen(
            [sys.executable, "-P", "-m", "starwhale.server.driver"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=log,
            text=True,
            start_new_session=True,
        )
    assert process.stdin is not None  # noqa: S101 - it is a pipe
    process.stdin.write(words)
    process.stdin.close()
    deadline = time.monotonic() + patience_s
    while time.monotonic() < deadline:
        if _driver_pid(instance, job_id) == process.pid:
            _reap(process)
            return
        if process.poll() is not None:
            _raise_refusal(process)
            return
        time.sleep(_POLL_S)
    process.terminate()
    raise ExecutionError(f"the process that should work on job {job_id[:12]} did not begin in {patience_s:g} s")


def _driver_pid(instance: Instance, job_id: str) -> int | None:
    try:
        found = instance.catalog.jobs.find(job_id)
    except NotFoundError:
        return None  # it is not there yet
    return None if found.driver is None else found.driver.pid


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
            "the process that should work on the job ended at once",
            hint="its log is driver.txt beside the job's logs",
        )


def main() -> int:
    """Do what stdin says; the exit code is that of `swcli job resume`, or of `swcli model run`."""
    from pathlib import Path

    from starwhale.domain.job import ResumeChanges, RunRequest
    from starwhale.domain.status import Status
    from starwhale.instances import open_instance
    from starwhale.settings import read_settings

    asked: dict[str, Any] = json.loads(sys.stdin.read())
    settings = dataclasses.replace(read_settings(), root=Path(asked["root"]))
    with open_instance(settings) as instance:
        try:
            if "request" in asked:
                outcome = instance.jobs.run(RunRequest.from_json(asked["request"]))
            else:
                told: dict[str, Any] = {**asked["changes"], "arguments": ()}
                outcome = instance.jobs.resume(asked["job"], ResumeChanges(**told))
        except StarwhaleError as error:
            with contextlib.suppress(BrokenPipeError):  # who started us has ended
                print(json.dumps({"code": error.code, "message": error.message, "hint": error.hint}), flush=True)  # noqa: T201 - read by who started us
            return error.exit_code
    return 0 if outcome.status is Status.SUCCESS else 1


if __name__ == "__main__":
    sys.exit(main())
