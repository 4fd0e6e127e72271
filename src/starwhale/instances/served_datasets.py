"""Files of datasets, as they are served to other programs."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from typing import TYPE_CHECKING

from blake3 import blake3

from starwhale.errors import ContentError, CorruptedError, NotFoundError, UsageError
from starwhale.storage.blobs.digests import check_digest
from starwhale.storage.columns.files import make_folder, no_space, sync_folder, write_new

if TYPE_CHECKING:
    from pathlib import Path

    from starwhale.instances.uploads import Uploads
    from starwhale.storage.stores import Stores


_ID = re.compile(r"[A-Za-z0-9_-]{1,80}")
_NAME = re.compile(r"(fragments|packs|manifests)/[A-Za-z0-9_-][A-Za-z0-9_.-]{0,120}")


class ServedDatasets:
    """The datasets of a root; safe to use from several threads.

    Files are named once and never change, so that one of the same name and size is the same; before a version names them, all are verified.
    """

    def __init__(self, stores: Stores, uploads: Uploads) -> None:
        self._stores = stores
        self._uploads = uploads

    def path(self, dataset_id: str, name: str) -> Path:
        """Return a file.

        Raises:
            NotFoundError: There is none.
        """
        path = self._path(dataset_id, name)
        if not path.is_file():
            raise NotFoundError(f"no file {name!r} of the dataset {dataset_id[:12]}")
        return path

    def lacking(self, dataset_id: str, files: Sequence[tuple[str, int | None]]) -> list[str]:
        """Return the names of files that are not here, or have another size than is said."""
        found: list[str] = []
        for name, size in files:
            path = self._path(dataset_id, name)
            there = path.stat().st_size if path.is_file() else None
            if there is None or (size is not None and there != size):
                found.append(name)
            else:
                os.utime(path)  # nobody collects it soon
        return found

    def put(self, dataset_id: str, name: str, content: bytes, digest: str) -> None:
        """Keep a file that came whole.

        Raises:
            ContentError: It has another digest; nothing is kept.
            NoSpaceError: The disk is full.
        """
        found = blake3(content).hexdigest()
        if found != digest:
            message = f"what came for {name} has the digest {found[:12]}…, and should have {digest[:12]}…"
            raise ContentError(message, hint="it is not kept; send it again")
        path = self._new(dataset_id, name)
        if not path.exists() or path.stat().st_size != len(content):
            write_new(path, content, sync=True)
            sync_folder(path.parent)

    def finish(self, dataset_id: str, name: str, digest: str) -> int:
        """Keep a file that was uploaded, and return its bytes.

        Raises:
            ContentError: It has another digest; nothing of it is kept.
            NotFoundError: Nothing was uploaded, and there is no such file.
        """
        path = self._new(dataset_id, name)
        if path.exists() and not self._uploads.size(digest):  # it was kept, and the answer was lost
            return path.stat().st_size
        with self._uploads.finished(digest) as whole:
            try:
                whole.replace(path)
                sync_folder(path.parent)
            except OSError as error:
                raise no_space(error, path) from error
        return path.stat().st_size

    def verify(self, dataset_id: str, manifest_digest: str) -> int:
        """Read every file of a version, and return its rows; what is damaged and no version needs is dropped.

        Raises:
            ContentError: A file is missing or damaged.
            NotFoundError: There is no such manifest.
        """
        rows = self._stores.datasets
        self.path(dataset_id, f"manifests/{check_digest(manifest_digest)}.json")
        hint = "copy it again: only what is missing is sent"
        try:
            rows.keep(dataset_id)
            rows.check_present(dataset_id, manifest_digest)
            reader = rows.open_version(dataset_id, manifest_digest)
        except CorruptedError as error:
            raise ContentError(error.message, path=error.path, hint=hint) from error
        damages = reader.verify()
        if damages:
            self._drop(dataset_id, [each.path for each in damages])
            raise ContentError(f"{damages[0].path}: {damages[0].reason}", path=damages[0].path, hint=hint)
        return reader.row_count

    def share(self, source_id: str, manifest_digest: str, target_id: str) -> int:
        """Give another dataset the files of a version, and return its rows.

        Raises:
            NotFoundError: There is no such version.
        """
        rows = self._stores.datasets
        self.path(source_id, f"manifests/{check_digest(manifest_digest)}.json")
        make_folder(self._path(target_id, ""))
        rows.keep(target_id)
        return rows.share(source_id, manifest_digest, target_id).row_count

    def _drop(self, dataset_id: str, paths: Sequence[str]) -> None:
        needed: set[str] = set()
        for each in self._stores.catalog.versions.history(dataset_id, with_removed=True):
            needed |= self._stores.datasets.files_of(each.bundle_id, each.content_digest)
        for name in ("/".join(path.rsplit("/", 2)[-2:]) for path in paths):
            if name not in needed:
                self._path(dataset_id, name).unlink(missing_ok=True)

    def _new(self, dataset_id: str, name: str) -> Path:
        folder = self._path(dataset_id, "")
        make_folder(folder)
        path = folder / name
        make_folder(path.parent)
        return path

    def _path(self, dataset_id: str, name: str) -> Path:
        """Return where a file of a dataset lies, or without a name the dataset itself; nothing leads out of it.

        Raises:
            UsageError: The id or the name is none.
        """
        if not _ID.fullmatch(dataset_id) or (name and not _NAME.fullmatch(name)):
            message = f"{f'{dataset_id}/{name}'[:200]!r} names no file of a dataset"
            raise UsageError(message, hint="write <id>/<fragments, packs or manifests>/<file>")
        return self._stores.layout.datasets / dataset_id / name


__all__ = ["ServedDatasets"]
