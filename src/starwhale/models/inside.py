"""No entry of a model may lead out of its folder, whoever wrote the list: neither by its name, nor through a link, nor through several."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

from starwhale.errors import CorruptedError

if TYPE_CHECKING:
    from starwhale.models.listing import Entry

_DIGEST = re.compile(r"[0-9a-f]{64}")
_NAME_BYTES = 255
"""Of one name, at most (NAME_MAX)."""
_PATH_BYTES = 4096
"""Of a whole path, fewer (PATH_MAX)."""
_FOLLOWED = 40
"""More links on one way lead in a circle (Linux stops there too)."""


def check_inside(entries: Sequence[Entry]) -> None:
    """Make sure that the entries can be written below a folder, and nothing of them beside it.

    Raises:
        CorruptedError: A path is none, stands there twice, goes through something that is no folder, or leads out.
    """
    kinds: dict[str, str] = {}
    links: dict[str, str] = {}
    for each in entries:
        _check_entry(each)
        if each.path in kinds:
            raise _refused(each.path, "stands there twice")
        kinds[each.path] = each.kind
        if each.kind == "link":
            links[each.path] = each.target
    folders: set[str] = set()
    for path in kinds:
        above = path.rpartition("/")[0]
        while above and above not in folders:
            if kinds.get(above, "folder") != "folder":
                raise _refused(path, f"goes through {above!r}, which is no folder")
            folders.add(above)
            above = above.rpartition("/")[0]
    for path, target in links.items():
        if not _ends_inside(path, target, links):
            raise _refused(path, "leads out of it")


def _check_entry(each: Entry) -> None:
    texts = type(each.path) is str and type(each.digest) is str and type(each.target) is str
    if not texts or type(each.size) is not int or each.size < 0 or type(each.is_executable) is not bool:
        raise _refused(each.path, "is not described as it should be")
    path = PurePosixPath(each.path)
    if path.is_absolute() or ".." in path.parts or not path.parts:
        raise _refused(each.path, "leads out of it")
    if "\0" in each.path + each.target or str(path) != each.path or not _is_writable(each.path, each.target):
        raise _refused(each.path, "is no path")
    if (each.kind == "file") != bool(_DIGEST.fullmatch(each.digest)):
        raise _refused(each.path, "has no digest")
    if (each.kind == "link") != bool(each.target):
        raise _refused(each.path, "leads nowhere")


def _is_writable(path: str, target: str) -> bool:
    """Whether the names are UTF-8, and no longer than file systems take."""
    try:
        parts = [part.encode() for part in (*path.split("/"), *target.split("/"))]
    except UnicodeEncodeError:
        return False
    return max(map(len, parts)) <= _NAME_BYTES and max(len(path.encode()), len(target.encode())) < _PATH_BYTES


def _ends_inside(path: str, target: str, links: Mapping[str, str]) -> bool:
    """Walk as the system does: `..` behind a link means the folder above the one that the link leads to.

    A circle leads nowhere, but programs that resolve paths by themselves go on behind it as if the link were a folder: so does this.
    """
    here = path.split("/")[:-1]
    ahead = list(reversed(PurePosixPath(target).parts))
    followed = 0
    while ahead:
        part = ahead.pop()
        if part == "/" or (part == ".." and not here):
            return False
        if part == "..":
            here.pop()
            continue
        further = links.get("/".join((*here, part)))
        if further is None or followed == _FOLLOWED:
            here.append(part)
            continue
        followed += 1
        ahead.extend(reversed(PurePosixPath(further).parts))
    return True


def _refused(path: object, what: str) -> CorruptedError:
    return CorruptedError(
        f"the list of a model's files cannot be right: {path!r} {what}", hint="nothing of it was written"
    )


__all__ = ["check_inside"]
