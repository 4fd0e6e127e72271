"""Imports a job into a root until somebody kills it: says `go` when it begins and `done` at the end."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path

from starwhale.instances import open_instance
from starwhale.settings import Settings


def main(root: Path, archive: Path) -> None:
    """Import once; what has to be imported first is loaded before it says `go`."""
    importlib.import_module("starwhale.transfer.job_archive")
    with open_instance(Settings(config_path=root.with_suffix(".yaml"), root=None, default_root=root)) as instance:
        instance.jobs.list()
        sys.stdout.write("go\n")
        sys.stdout.flush()
        instance.jobs.import_archive(archive)
        sys.stdout.write("done\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
