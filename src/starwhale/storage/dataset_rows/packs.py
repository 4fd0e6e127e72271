"""Packs: append-only files of large values, each of which is verified whenever it is read.

A writer begins packs of its own and never touches another's, so a killed writer leaves at most a pack that no manifest names. Beside
each closed pack lies its index (see `pack_index`), by which later writers store equal bytes only once, and readers verify what a pack of
this machine holds without the cost of a BLAKE3.
"""

from __future__ import annotations

import logging
import os
import threading
from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from io import FileIO
from pathlib import Path
from typing import Any

from blake3 import blake3

from starwhale.errors import CorruptedError, NoSpaceError
from starwhale.media.source import Source
from starwhale.media.stream import read_pieces
from starwhale.storage.columns.cells import LONG_BYTES, PackRef
from starwhale.storage.columns.files import damaged, digest_of, make_folder, no_space, write_new, write_pieces
from starwhale.storage.dataset_rows.limits import LIMITS, Limits
from starwhale.storage.dataset_rows.manifest import Pack
from starwhale.storage.dataset_rows.pack_index import (
    PackSums,
    index_entry,
    index_size,
    quick_sum,
    refs_of,
    streamed_sum,
)
from starwhale.storage.dataset_rows.places import FileImage, FileSpan, LocalImage, LocalPlaces, Places

logger = logging.getLogger(__name__)

MAX_KNOWN_ITEMS = 500_000
"""Values that a writer remembers to store equal ones once; about 100 MB of memory. Beyond it only its own are remembered."""
MAX_KNOWN_PACKS = 512
"""Older packs whose values are known, the newest first: a commit of one large value after thousands of the kind reads no more indexes."""


@dataclass(slots=True)
class _OpenPack:
    """A pack that is being read."""

    image: FileImage
    """Its bytes."""
    pack: Pack | None
    """What a manifest says of it; None where only BLAKE3 verifies its values, or the sums were looked for in vain."""
    verified_bytes: int = 0
    """Bytes of it that were verified by their BLAKE3: as soon as they are as many as the index has, the sums are worth reading."""
    sums: PackSums | None = None
    """Of its values, once they were read."""


class PackSource:
    """The content of one packed value, read lazily; whatever is returned was verified."""

    __slots__ = ("_is_verified", "packs", "ref", "size")

    def __init__(self, packs: Packs, ref: Mapping[str, Any]) -> None:
        self.packs = packs
        """Whose it is."""
        self.ref = PackRef(pack=ref["pack"], offset=ref["offset"], size=ref["size"], digest=bytes(ref["digest"]))
        """Where the value lies."""
        self.size: int = self.ref["size"]
        """Bytes of the value."""
        self._is_verified = False

    def read(self, offset: int = 0, size: int = -1) -> bytes:
        """Read all, or a piece of it; the first piece verifies the whole value.

        Raises:
            CorruptedError: The bytes differ from their digest.
        """
        if offset == 0 and (size < 0 or size >= self.size):
            return self.packs.whole(self.ref)
        view = self.packs.view(self.ref)
        if not self._is_verified:
            self.packs.check(self.ref, view)
            self._is_verified = True
        end = self.size if size < 0 else min(self.size, offset + size)
        return bytes(view[offset:end])

    def verify(self) -> None:
        """Compare the value with its BLAKE3, without a copy of it.

        Raises:
            CorruptedError: They differ.
        """
        self.packs.check(self.ref, self.packs.view(self.ref), by_sum=False)


class Packs:
    """The packs of one dataset; safe to use from several threads."""

    def __init__(
        self, folder: Path, hold: object = None, *, places: Places | None = None, limits: Limits = LIMITS
    ) -> None:
        self.folder = folder
        """Where packs and indexes lie; of packs that are elsewhere only a name that no others have."""
        self.places: Places = places or LocalPlaces(folder.parent)
        """Where the dataset lies."""
        self.hold = hold
        """Keeps them from being collected as long as somebody may read them."""
        self.limits = limits
        """How large one gets, and how many are open."""
        self._open: OrderedDict[str, _OpenPack] = OrderedDict()
        self._known: dict[str, Pack] = {}
        self._lock = threading.Lock()

    def know(self, packs: Iterable[Pack]) -> None:
        """Learn from a manifest which packs have sums, where that saves anything: elsewhere an index costs a request."""
        if not self.places.is_local:
            return
        with self._lock:
            for pack in packs:
                if pack.is_summed and pack.name not in self._known:
                    self._known[pack.name] = pack
                    if pack.name in self._open:  # read while it was being written
                        self._open[pack.name].pack = pack

    def path(self, name: str) -> Path:
        """File of a pack that is on this machine."""
        return self.folder / f"{name}.pack"

    def source(self, ref: Mapping[str, Any]) -> PackSource:
        """Open a value; nothing is read yet."""
        return PackSource(self, ref)

    def address(self, name: str) -> str:
        """Where a pack lies, for messages."""
        return self.places.address(pack_file(name))

    def whole(self, ref: PackRef) -> bytes:
        """Read a value.

        Raises:
            CorruptedError: The bytes differ from their digest.
        """
        opened = self._opened(ref["pack"])
        span = FileSpan(ref["offset"], ref["size"])
        if isinstance(opened.image, LocalImage):
            content = opened.image.read(span)  # these very bytes are verified, not a map, which could change in between
        else:
            end = span.offset + span.size
            content = bytes(opened.image.show([span], size=end)[span.offset : end])
        if not self._is_intact(opened, ref, content):
            self.check(ref, content, by_sum=False)
        return content

    def view(self, ref: PackRef) -> memoryview:
        """Show the bytes of a value, not verified."""
        end = ref["offset"] + ref["size"]
        image = self._opened(ref["pack"]).image
        return image.show([FileSpan(ref["offset"], ref["size"])], size=end)[ref["offset"] : end]

    def check(self, ref: PackRef, content: bytes | memoryview, *, by_sum: bool = True) -> None:
        """Compare the bytes of a value with its sum, if it has one, and with its BLAKE3 where that does not say that they are whole.

        Raises:
            CorruptedError: They differ from their digest.
        """
        if by_sum and self._is_intact(self._opened(ref["pack"]), ref, content):
            return
        if blake3(content).digest() != ref["digest"]:
            reason = f"the value at byte {ref['offset']} ({ref['size']} bytes) differs from its checksum"
            raise damaged(self.address(ref["pack"]), reason)

    def index(self, pack: Pack) -> Iterator[PackRef]:
        """Read the index of a closed pack.

        Raises:
            CorruptedError: It is missing or differs from its digest.
        """
        return refs_of(pack, self._read_index(pack))

    def _opened(self, name: str) -> _OpenPack:
        with self._lock:
            opened = self._open.get(name)
            if opened is None:
                image = self.places.open(pack_file(name), what="a pack of large values")
                opened = self._open[name] = _OpenPack(image, self._known.get(name))
            self._open.move_to_end(name)
            if len(self._open) > self.limits.max_mapped:
                self._open.popitem(last=False)
            return opened

    def _is_intact(self, opened: _OpenPack, ref: PackRef, content: bytes | memoryview) -> bool:
        """Whether the sum of a value says that it is what was written; False also where there is no sum, or not yet."""
        sums, pack = opened.sums, opened.pack
        if sums is None and pack is not None:
            if opened.verified_bytes < index_size(pack):
                opened.verified_bytes += ref["size"]
                return False
            sums = self._read_sums(opened, pack)
        return sums is not None and sums.is_intact(ref["offset"], content)

    def _read_sums(self, opened: _OpenPack, pack: Pack) -> PackSums | None:
        try:
            opened.sums = PackSums(self._read_index(pack))
        except CorruptedError as error:
            logger.warning("%s; values are verified by their BLAKE3", error.message)
            opened.pack = None
        return opened.sums

    def _read_index(self, pack: Pack) -> bytes:
        what, name = "the index of a pack", pack_file(pack.name, ending="idx")
        content = self.places.read(name, what=what)
        if digest_of(content) != pack.index:
            raise damaged(self.places.address(name), f"{what} differs from its checksum")
        return content


def pack_file(name: str, *, ending: str = "pack") -> str:
    """Name a file of a pack below its dataset's folder."""
    return f"packs/{name}.{ending}"


class PackWriter:
    """Adds values to new packs; equal bytes are stored once."""

    def __init__(self, packs: Packs, known: Iterable[Pack], new_id: Callable[[], str]) -> None:
        self._packs = packs
        self._to_load = list(known)
        self._named = {pack.name for pack in self._to_load}
        self._new_id = new_id
        self._sum_of = quick_sum()
        self._items: dict[bytes, PackRef] = {}
        self._old: dict[bytes, PackRef] = {}
        self._file: FileIO | None = None
        self._name = ""
        self._offset = 0
        self._is_lost = False
        self._entries: list[bytes] = []
        self._closed: list[Pack] = []
        self.reused: set[str] = set()
        """Older packs that values were found in."""
        self.limit = LONG_BYTES
        """Content above this many bytes is to be put."""
        self.added_bytes = 0
        """Bytes that were new."""

    def adopt(self, source: Source) -> PackRef | None:
        """Say where the content of a source lies if it is in a pack that the version will name; any other pack may be collected."""
        if not isinstance(source, PackSource) or source.packs.folder != self._packs.folder:
            return None
        if source.ref["pack"] not in self._named:
            return None
        self.reused.add(source.ref["pack"])
        return source.ref

    def source(self, ref: Mapping[str, Any]) -> PackSource:
        """Open what was put."""
        return self._packs.source(ref)

    def put(self, content: bytes) -> PackRef:
        """Keep the bytes; they can be read at once, and are durable after `close`."""
        digest = blake3(content).digest()
        found = self._known(digest)
        if found is not None:
            return found
        self._begin_if_full()
        self._write(content)
        return self._note(digest, len(content), self._sum_of(content))

    def put_source(self, source: Source) -> PackRef:
        """Keep the content of a source, read in pieces; it is never in memory as a whole."""
        self._begin_if_full()
        hasher, summer, size = blake3(), streamed_sum(), 0
        try:
            for piece in read_pieces(source):
                hasher.update(piece)
                summer.update(piece)
                self._write(piece)
                size += len(piece)
        except BaseException:
            self._rewind()
            raise
        digest = hasher.digest()
        found = self._known(digest)
        if found is not None:
            self._rewind()
            return found
        return self._note(digest, size, summer.intdigest())

    def close(self) -> list[Pack]:
        """Sync what was written and return every pack of this writer."""
        self._finish()
        return list(self._closed)

    def abort(self) -> None:
        """Remove what was written."""
        if self._file is not None:
            self._file.close()
            self._file = None
            self._packs.path(self._name).unlink(missing_ok=True)
            (self._packs.folder / f"{self._name}.idx").unlink(missing_ok=True)
        for pack in self._closed:
            self._packs.path(pack.name).unlink(missing_ok=True)
            (self._packs.folder / f"{pack.name}.idx").unlink(missing_ok=True)

    def _load_known(self) -> None:
        del self._to_load[:-MAX_KNOWN_PACKS]
        while self._to_load and len(self._old) < MAX_KNOWN_ITEMS:
            pack = self._to_load.pop()  # the newest first
            try:
                items = self._packs.index(pack)
            except CorruptedError as error:
                logger.warning("%s; equal values are stored again", error.message)
                continue
            for ref in items:
                self._old.setdefault(ref["digest"], ref)
        self._to_load.clear()

    def _begin(self) -> None:
        self._finish()
        make_folder(self._packs.folder)
        self._name = self._new_id()
        path = self._packs.path(self._name)
        try:  # unbuffered: a value that was put can be mapped and read at once
            self._file = path.open("xb", buffering=0)
        except OSError as error:
            raise no_space(error, path) from error
        self._named.add(self._name)
        self._offset = 0

    def _known(self, digest: bytes) -> PackRef | None:
        if self._to_load:
            self._load_known()
        found = self._items.get(digest)
        if found is None and (old := self._old.pop(digest, None)) is not None and self._is_intact(old):
            self.reused.add(old["pack"])
            found = self._items[digest] = old
        return found

    def _is_intact(self, ref: PackRef) -> bool:
        """Read a value of an older version before anything refers to it again: what is damaged is stored anew."""
        try:
            self._packs.source(ref).verify()
        except CorruptedError as error:
            logger.warning("%s; it is stored again", error.message)
            return False
        return True

    def _begin_if_full(self) -> None:
        if self._file is None or self._offset >= self._packs.limits.pack_bytes:
            self._begin()

    def _note(self, digest: bytes, size: int, value_sum: int) -> PackRef:
        """Take up the value that was written last."""
        ref = PackRef(pack=self._name, offset=self._offset, size=size, digest=digest)
        self._entries.append(index_entry(digest, self._offset, size, value_sum))
        self._offset += size
        self.added_bytes += size
        self._items[digest] = ref
        return ref

    def _rewind(self) -> None:
        """Drop what was written of a value that is not taken up."""
        assert self._file is not None  # noqa: S101  put has begun a pack
        self._file.truncate(self._offset)
        self._file.seek(self._offset)

    def _write(self, content: bytes) -> None:
        assert self._file is not None  # noqa: S101  put has begun a pack
        try:
            write_pieces(self._file, (content,))
        except OSError as error:
            self._rewind()
            raise no_space(error, self._packs.path(self._name)) from error

    def _finish(self) -> None:
        """Close the pack that is being written; what fails for want of space can be tried again, but for a sync."""
        if self._file is None:
            return
        path = self._packs.path(self._name)
        if self._is_lost:
            raise NoSpaceError(
                f"{path} could not be made durable", hint="open the dataset again and make the changes anew"
            )
        self._is_lost = True  # unless the sync succeeds: after a failure nobody knows what the disk holds, and a second one would not say
        try:
            os.fsync(self._file.fileno())
        except OSError as error:
            raise no_space(error, path) from error
        self._is_lost = False
        index = b"".join(self._entries)
        write_new(self._packs.folder / f"{self._name}.idx", index, sync=True)  # syncs the folder as well
        self._file.close()
        self._file = None
        items = len(self._entries)
        made = Pack(name=self._name, size=self._offset, items=items, index=digest_of(index), is_summed=True)
        self._closed.append(made)
        self._entries = []


__all__ = ["PackSource", "PackWriter", "Packs", "pack_file"]
