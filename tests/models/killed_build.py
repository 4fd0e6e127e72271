"""Builds and copies models until it is killed: `python -m tests.models.killed_build build|copy WORKDIR`, on the instance of the environment."""

from __future__ import annotations

import itertools
import os
import sys
from pathlib import Path
from typing import Any

from starwhale.domain.job import HandlerRecord
from starwhale.instances import open_instance
from starwhale.instances.models import ModelVerbs
from starwhale.settings import read_settings


class KnownHandlers(ModelVerbs):
    """The verbs, without the process that looks for handlers: it is not what is killed here."""

    def _discover(self, plan: Any, runtime: Any, on_stage: Any) -> dict[str, HandlerRecord]:  # Any: private types
        del plan, runtime, on_stage
        return {"evaluation:predict": HandlerRecord(name="evaluation:predict", kind="predict")}


def say(word: str) -> None:
    sys.stdout.write(f"{word}\n")
    sys.stdout.flush()


def main(what: str, workdir: Path) -> None:
    """Do it over and over, with other content each time."""
    with open_instance(read_settings()) as instance:
        verbs = KnownHandlers(instance.stores, instance.project, instance.settings)
        say("ready")
        for turn in itertools.count():
            if what == "copy":
                verbs.copy("m", f"copy-{os.getpid()}-{turn}")
            else:
                for path in workdir.glob("*.txt"):
                    path.write_text(f"{turn} {path.name}")
                verbs.build(workdir, modules=["evaluation"], name="m")
            say("done")


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]))
