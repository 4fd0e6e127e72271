"""Pack what the nodes of a cluster do not have: this program, and the user's work directory. Ray carries both as modules, once to each node.

The work directory is one archive inside a module, so that nothing of it lies on the path of Ray's own processes, and every task unpacks a copy that it may write to.
"""

from __future__ import annotations

import os
import shutil
import tarfile
from pathlib import Path

import starwhale
from starwhale.errors import UsageError
from starwhale.execution.cluster.task_actor import ARCHIVE, MODULE
from starwhale.models.ignore import read_rules
from starwhale.models.listing import EntryKind
from starwhale.models.walk import walk

MOST_BYTES = 500 << 20
"""What Ray keeps of one module in its head, at most: it refuses 512 MiB."""
_LEFT_OUT = shutil.ignore_patterns("__pycache__", "static", ".gitignore")


def pack_program(folder: Path) -> Path:
    """Copy this program below a folder, without the console, and return the copy."""
    place = folder / "starwhale"
    shutil.copytree(Path(starwhale.__file__).resolve().parent, place, ignore=_LEFT_OUT)
    return place


def pack_workdir(workdir: Path, folder: Path, *, own: Path) -> Path:
    """Pack what `model build` would take of a work directory; equal for equal content, so that a node that has it is not sent it again.

    Args:
        workdir: The model root.
        folder: Where the module is made.
        own: A folder of the storage root, which may lie in the work directory: it is left out then.

    Raises:
        ModelSourceError: Something of it cannot be read.
        UsageError: It is too large.
    """
    place = folder / MODULE
    place.mkdir()
    (place / "__init__.py").write_text('"""The work directory of a job."""\n')
    root = workdir.resolve()
    skip = next((each for each in own.resolve().parents if each.parent == root), None)
    found = sorted(walk(root, read_rules(root), skip=skip), key=lambda each: (each.kind is EntryKind.LINK, each.path))
    size = sum(each.stamp.size for each in found if each.stamp is not None)
    if size > MOST_BYTES:
        message = (
            f"the work directory {workdir} has {size / (1 << 20):.0f} MiB, and Ray takes {MOST_BYTES >> 20} MiB at most"
        )
        hint = "build a model of it with swcli model build, and run that: its files come over HTTP; or leave files out with a .swignore"
        raise UsageError(message, hint=hint)
    with tarfile.open(place / ARCHIVE, "w", format=tarfile.PAX_FORMAT) as archive:
        for each in found:
            info = tarfile.TarInfo(each.path)
            if each.kind is EntryKind.FOLDER:
                info.type, info.mode = tarfile.DIRTYPE, 0o755
                archive.addfile(info)
            elif each.kind is EntryKind.LINK:
                info.type, info.linkname = tarfile.SYMTYPE, each.target
                archive.addfile(info)
            else:
                with each.source.open("rb") as file:
                    info.size = os.fstat(file.fileno()).st_size
                    info.mode = 0o755 if each.stamp is not None and each.stamp.is_executable else 0o644
                    archive.addfile(info, file)
    return place
