"""A version from one instance to another, over the stores of both: only what the other side lacks is sent, and all of it is verified.

A copy that was cut off goes on where it stopped: contents that are there are not sent again, and of a long one the rest alone. The catalog
names the version last, so that whatever fails leaves none behind.
"""

from __future__ import annotations

import fcntl
import os
import threading
from collections.abc import Callable, Generator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import TYPE_CHECKING, BinaryIO

from starwhale.domain.version import check_name
from starwhale.models.listing import read_listing
from starwhale.storage.catalog.copies import Copied, CopyPlan, tags_to_copy
from starwhale.storage.catalog.records import BundleRecord, VersionDraft, VersionRecord
from starwhale.storage.in_use import hold
from starwhale.storage.remote.remote_blobs import RemoteBlobStore
from starwhale.storage.remote.remote_datasets import RemoteDatasetStore
from starwhale.transfer.listed_archive import check_told
from starwhale.transfer.places import find_version, free_id, make_index

if TYPE_CHECKING:
    from pathlib import Path

    from starwhale.transfer.archive import OnBytes
    from starwhale.transfer.places import ArchivePlace

SENDERS = 4
"""Contents that are sent at the same time."""


def copy_between(
    source: ArchivePlace, target: ArchivePlace, version: VersionRecord, plan: CopyPlan, on_bytes: OnBytes | None = None
) -> Copied:
    """Copy a version, which keeps its id where that is free.

    Args:
        source: The instance that has it.
        target: The one that gets it.
        version: What is copied.
        plan: Its name, project and tags there.
        on_bytes: Told how many bytes of how many were sent.

    Raises:
        AlreadyExistsError: A tag points at another version there, or the version was removed there.
        CorruptedError: A file of the version is damaged.
        ServerError: A server cannot be reached; what was sent stays, and the next try goes on.
        NoSpaceError: The disk is full.
    """
    check_name(version.kind, plan.name)
    index = make_index(version, ())
    stores = target.stores
    known = find_version(target, index, plan)
    if known is not None:
        bundle = stores.bundles.get(known.project, known.kind, known.name)
        for tag in tags_to_copy((stores.versions, stores.tags), index.tags, version.content_digest, bundle, plan):
            stores.tags.add(known, tag)
        return Copied(version=stores.versions.get(known.version), is_new=False)
    bundle = stores.bundles.ensure(plan.project, version.kind, plan.name)
    tags = tags_to_copy((stores.versions, stores.tags), index.tags, version.content_digest, bundle, plan)
    draft = VersionDraft(
        version=free_id(stores, version.version),
        content_digest=version.content_digest,
        manifest={**version.manifest, "copied_from": version.uri.full},
        message=version.message,
        size_bytes=version.size_bytes,
        row_count=version.row_count,
        tags=tags,
    )
    send = _send_rows if version.kind == "dataset" else _send_files
    with send(source, target, version, bundle, on_bytes):
        return Copied(version=stores.versions.add(bundle, draft), is_new=True)


@contextmanager
def _send_files(
    source: ArchivePlace, target: ArchivePlace, version: VersionRecord, bundle: BundleRecord, on_bytes: OnBytes | None
) -> Generator[None]:
    """Send the files of a model or runtime, and keep them from being collected until the block ends."""
    del bundle
    check_told(version)
    with _held(source), _held(target):
        listing = read_listing(source.blobs, version.content_digest)
        sizes = {each.digest: each.size for each in listing.files}
        sizes[version.content_digest] = len(listing.to_bytes())
        lacking = _lacking(target, sizes)
        counted = Counted(sum(sizes[each] for each in lacking), on_bytes)
        with ThreadPoolExecutor(SENDERS, thread_name_prefix="starwhale-send") as pool:
            running = [pool.submit(_send_blob, source, target, each, counted.add) for each in lacking]
            try:
                for each in running:
                    each.result()
            except BaseException:
                pool.shutdown(cancel_futures=True)
                raise
        yield


@contextmanager
def _send_rows(
    source: ArchivePlace, target: ArchivePlace, version: VersionRecord, bundle: BundleRecord, on_bytes: OnBytes | None
) -> Generator[None]:
    """Send the files of a dataset's version, and keep them from being collected until the block ends."""
    folder = source.rows.folder(version.bundle_id)
    told = source.rows.open_version(version.bundle_id, version.content_digest).manifest, version.content_digest
    counted = Counted(version.size_bytes, on_bytes)
    if isinstance(target.rows, RemoteDatasetStore):
        target.rows.send_version(folder.places, told, bundle.id, counted.add)
        yield
        return
    others = [each.content_digest for each in target.stores.versions.history(bundle.id, with_removed=True)]
    kept = target.rows.receive(folder.places, told, bundle.id, others, counted.add)
    yield
    del kept  # it held the files until the catalog named them


def _lacking(target: ArchivePlace, sizes: Mapping[str, int]) -> list[str]:
    if isinstance(target.blobs, RemoteBlobStore):
        return target.blobs.lacking(sorted(sizes))
    return [each for each in sorted(sizes) if not target.blobs.is_intact(each)]


def _send_blob(source: ArchivePlace, target: ArchivePlace, digest: str, count: Callable[[int], None]) -> None:
    if isinstance(target.blobs, RemoteBlobStore):
        if not isinstance(source.blobs, RemoteBlobStore):
            target.blobs.send_file(source.blobs.path(digest), digest, count)
            return
        with open_draft(target.tmp, digest) as (path, file):
            source.blobs.fetch(digest, file)
            target.blobs.send_file(path, digest, count)
            path.unlink()
        return
    assert isinstance(source.blobs, RemoteBlobStore)  # noqa: S101 - two that lie here are one instance
    with open_draft(target.tmp, digest) as (path, file):
        source.blobs.fetch(digest, file, count)
        os.fsync(file.fileno())
        target.blobs.take_in(path, digest)


@contextmanager
def open_draft(folder: Path, digest: str) -> Generator[tuple[Path, BinaryIO]]:
    """Open the file that a content grows in: that of an earlier try, unless somebody else is at it.

    Args:
        folder: Where files are written.
        digest: Of the content.
    """
    path = folder / f"download-{digest}"
    file = path.open("a+b")
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        is_ours = os.fstat(file.fileno()).st_nlink > 0
    except BlockingIOError:
        is_ours = False
    if not is_ours:
        file.close()
        path = folder / f"download-{digest}.{os.getpid()}.{threading.get_ident()}"
        file = path.open("a+b")
    with file:
        yield path, file


@contextmanager
def _held(place: ArchivePlace) -> Generator[None]:
    if isinstance(place.blobs, RemoteBlobStore):  # what is new there is not collected for a day
        yield
        return
    place.blobs.root.mkdir(parents=True, exist_ok=True)
    with hold(place.blobs.root):
        yield


class Counted:
    """Adds up what several threads have sent."""

    def __init__(self, total: int, on_bytes: OnBytes | None) -> None:
        self._total, self._done = total, 0
        self._tell = on_bytes
        self._lock = threading.Lock()

    def add(self, more: int) -> None:
        """Count more bytes, and tell how far it is."""
        if self._tell is None:
            return
        with self._lock:
            self._done = min(self._done + more, self._total)
            self._tell(self._done, self._total)


__all__ = ["copy_between", "open_draft"]
