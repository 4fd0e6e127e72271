"""Builds, restores or copies runtimes until it is killed: `python -m tests.runtimes.killed_runtimes build|restore|copy FOLDER`."""

from __future__ import annotations

import itertools
import os
import sys
from pathlib import Path

from starwhale.instances import open_instance
from starwhale.instances.runtimes import RuntimeSource
from starwhale.settings import read_settings


def say(word: str) -> None:
    sys.stdout.write(f"{word}\n")
    sys.stdout.flush()


def main(what: str, folder: Path) -> None:
    """Do it over and over, with other content each time, on the instance of the environment."""
    with open_instance(read_settings()) as instance:
        say("ready")
        for turn in itertools.count():
            if what == "build":
                mark = f"{os.getpid()} {turn}"
                for name in ("one", "two"):
                    (folder / f"{name}.txt").write_text(mark)
                source = RuntimeSource(yaml=folder / "runtime.yaml")
                instance.runtimes.build(source, lambda _: None, is_locked=turn % 2 == 1)
            elif what == "copy":
                instance.runtimes.copy("r", f"copy-{os.getpid()}-{turn}")
            else:
                instance.runtimes.restore("r", lambda _: None, is_forced=True)
            say("done")


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]))
