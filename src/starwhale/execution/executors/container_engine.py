"""The program that runs containers on this machine, podman or docker: found, asked for images, and cleared of what killed drivers left."""

from __future__ import annotations

import logging
import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass

from starwhale.errors import ContainerError
from starwhale.settings import ContainerSettings

logger = logging.getLogger(__name__)

ENGINES = ("podman", "docker")
"""Programs that are looked for, in this order: podman needs no daemon."""
DRIVER = "starwhale.driver"
"""Label of a container: the process that started it, as `pid:start time:boot id:host`."""
JOB = "starwhale.job"
"""Label of a container: the job whose task it runs."""
_ASK_S = 60.0
_INSTALL = (
    "install one: 'apt install podman' or 'dnf install podman', or Docker; "
    "SW_CONTAINER_ENGINE names another program; --executor process needs none"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Engine:
    """A program that runs containers and answers."""

    program: str
    """Its path."""
    is_podman: bool
    """Whether it is podman; otherwise docker."""
    is_rootless: bool
    """Whether the root of its containers is an ordinary user outside."""

    @property
    def name(self) -> str:
        """What people call it."""
        return "podman" if self.is_podman else "docker"

    def ask(self, *words: str) -> str:
        """Run one of its commands and return what it printed.

        Raises:
            ContainerError: It failed, with the last line of what it said.
        """
        done = _run(self.program, *words)
        if done.returncode:
            message = f"{self.name} {words[0]} failed: {last_line(done.stderr) or f'exit code {done.returncode}'}"
            raise ContainerError(message, hint=f"try it yourself: {self.name} {' '.join(words)}")
        return done.stdout

    def image_id(self, image: str) -> str:
        """Return the id of an image that is here; empty for one that is not."""
        done = _run(self.program, "image", "inspect", "--format", "{{.Id}}", image)
        return done.stdout.strip() if done.returncode == 0 else ""

    def pull(self, image: str) -> str:
        """Fetch an image and return its id; progress is shown where the standard error stream is a terminal.

        Raises:
            ContainerError: There is no such image, or it cannot be had.
        """
        shows = sys.stderr.isatty()
        done = subprocess.run(
            [self.program, "pull", image],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=None if shows else subprocess.PIPE,
            text=True,
            check=False,
        )
        if done.returncode:
            said = "" if shows else last_line(done.stderr)
            message = f"there is no image {image!r} here, and {self.name} cannot fetch it" + (
                f": {said}" if said else ""
            )
            hint = f"look for its name with '{self.name} images', or name another with --image"
            raise ContainerError(message, hint=hint)
        return self.image_id(image)

    def remove_left_behind(self) -> list[str]:
        """Remove the containers of drivers that do not live any more, by id, and return those ids."""
        from starwhale.storage.catalog.driver import is_alive
        from starwhale.storage.catalog.job_records import Driver

        removed: list[str] = []
        for number in self.ask("ps", "--all", "--quiet", "--no-trunc", "--filter", f"label={DRIVER}").split():
            label = f'{{{{index .Config.Labels "{DRIVER}"}}}}'
            found = _run(self.program, "inspect", "--format", label, number)
            try:
                pid, start_time, boot_id, host = found.stdout.strip().split(":", 3)
                driver = Driver(pid=int(pid), start_time=start_time, boot_id=boot_id, host=host)
            except ValueError:
                continue  # it has gone meanwhile, or is not one of ours
            if not is_alive(driver) and _run(self.program, "rm", "--force", number).returncode == 0:
                removed.append(number)
        return removed


def find_engine(settings: ContainerSettings) -> Engine:
    """Find a program that runs containers, and make sure that it answers.

    Raises:
        ContainerError: There is none, or none answers; says what was looked for, and how to install one.
    """
    names = (settings.engine,) if settings.engine else ENGINES
    silent: list[str] = []
    for name in names:
        program = shutil.which(name)
        if program is None:
            continue
        asked = _run(program, "--version")
        is_podman = asked.stdout.lower().startswith("podman")
        if is_podman:  # it has no daemon that could be silent
            return Engine(program=program, is_podman=True, is_rootless=os.geteuid() != 0)
        asked = _run(program, "info", "--format", "{{json .SecurityOptions}}")
        if asked.returncode == 0:
            return Engine(program=program, is_podman=False, is_rootless="rootless" in asked.stdout)
        silent.append(f"{name} is installed and does not answer: {last_line(asked.stderr)}")
    if not silent:
        message = f"nothing here runs containers: looked for {' and '.join(names)} in PATH"
        raise ContainerError(message, hint=_INSTALL)
    hint = f"start its service, or see what '{names[-1]} info' says; {_INSTALL}"
    raise ContainerError("; ".join(silent), hint=hint)


def driver_label() -> str:
    """Return what the label of a container says of this process."""
    from starwhale.storage.catalog.driver import this_driver

    driver = this_driver()
    return f"{driver.pid}:{driver.start_time}:{driver.boot_id}:{driver.host}"


def last_line(text: str) -> str:
    """Return the last line that says something."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return lines[-1] if lines else ""


def _run(program: str, *words: str) -> subprocess.CompletedProcess[str]:
    command: Sequence[str] = (program, *words)
    try:
        return subprocess.run(
            command, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=_ASK_S, check=False
        )
    except (OSError, subprocess.SubprocessError) as error:
        logger.debug("%s: %s", " ".join(command), error)
        return subprocess.CompletedProcess(command, os.EX_UNAVAILABLE, "", str(error))
