"""The files of a packaged model, fetched by a worker that has nothing: each content once, verified, and kept for the tasks that follow.

Needs the standard library alone. Every piece comes with its SHA-256; the BLAKE3 digest under which the instance knows the content is compared as well
where the package for it is installed.
"""

from __future__ import annotations

import contextlib
import hashlib
import importlib.util
import os
import secrets
import shutil
from collections.abc import Sequence
from pathlib import Path, PurePosixPath

from starwhale.domain.json_shape import Json
from starwhale.errors import CorruptedError, NoSpaceError
from starwhale.storage.carriers.http import HttpClient

_NO_SPACE = 28


def fetch_model(client: HttpClient, cache: Path, target: Path) -> None:
    """Write the files of the model that the task runs below a folder that is not there.

    Args:
        client: Asks for the attempt.
        cache: Where contents are kept, by their digests; made where it is not there.
        target: The folder; it appears whole.

    Raises:
        CorruptedError: A file came otherwise than it was kept, or its name leads out of the folder.
        NoSpaceError: The disk is full.
        NotFoundError: The job runs no packaged model.
    """
    entries: Sequence[Json] = client.call("files", client.key, {})[0]
    cache.mkdir(parents=True, exist_ok=True)
    target.parent.mkdir(parents=True, exist_ok=True)
    draft = target.with_name(f".{target.name}.{secrets.token_hex(6)}")
    draft.mkdir()
    try:
        for entry in sorted(
            entries, key=lambda each: each["kind"] == "link"
        ):  # links last: nothing is written through one
            _place(client, entry, cache, draft)
        draft.replace(target)
    except OSError as error:
        shutil.rmtree(draft, ignore_errors=True)
        if error.errno == _NO_SPACE:
            message = f"no space left for the model in {cache}"
            raise NoSpaceError(message, hint="give the worker more disk, or a volume for its cache") from error
        raise
    except BaseException:
        shutil.rmtree(draft, ignore_errors=True)
        raise


def _place(client: HttpClient, entry: Json, cache: Path, root: Path) -> None:
    path = root / _inside(entry["path"])
    path.parent.mkdir(parents=True, exist_ok=True)
    match entry["kind"]:
        case "folder":
            path.mkdir(exist_ok=True)
        case "link":
            path.symlink_to(entry["target"])
        case _:
            shutil.copyfile(_content(client, entry, cache), path)  # a copy: user code may write to it
            path.chmod(0o755 if entry["is_executable"] else 0o644)


def _inside(path: str) -> PurePosixPath:
    """Refuse a name that leads out of its folder."""
    found = PurePosixPath(path)
    if found.is_absolute() or ".." in found.parts or not found.parts:
        raise CorruptedError(f"the model has a file named {path!r}", path=path, hint="build the model again")
    return found


def _content(client: HttpClient, entry: Json, cache: Path) -> Path:
    """Return the file of a content, fetched where the cache has none, or a damaged one."""
    digest, size = str(entry["digest"]), int(entry["size"])
    kept = cache / digest[:2] / digest
    with contextlib.suppress(OSError, CorruptedError):
        if kept.stat().st_size == size:
            _verify(kept, entry)
            return kept
    kept.parent.mkdir(exist_ok=True)
    draft = kept.with_name(f".{digest}.{os.getpid()}.{secrets.token_hex(4)}")
    try:
        with draft.open("wb") as file:
            while file.tell() < size:
                sha256, (piece,) = client.call("file", client.key, {"digest": digest, "offset": file.tell()})
                if not piece or hashlib.sha256(piece).hexdigest() != sha256:
                    raise _damaged(entry)
                file.write(piece)
            file.flush()
            os.fsync(file.fileno())
        _verify(draft, entry)
        draft.replace(kept)
    finally:
        draft.unlink(missing_ok=True)
    return kept


def _verify(path: Path, entry: Json) -> None:
    if importlib.util.find_spec("blake3") is None:
        return
    from blake3 import blake3

    if blake3(max_threads=1).update_mmap(path).hexdigest() != entry["digest"]:
        raise _damaged(entry)


def _damaged(entry: Json) -> CorruptedError:
    message = f"the content of {entry['path']!r} came otherwise than it was kept"
    return CorruptedError(message, path=entry["path"], hint="run the task again; the server's log may say more")
