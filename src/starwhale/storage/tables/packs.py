"""Packs: append-only files of large values, each value with a BLAKE3 digest that is verified whenever it is read.

A writer begins packs of its own and never touches another's, so a killed writer leaves at most a pack that no manifest names. Beside
each closed pack lies its index, (digest, offset, size) per value, by which later writers store equal bytes only once.
"""

from __future__ import annotations

import logging
import os
import struct
import threading
from collections import OrderedDict
from collections.abc import Callable, Iterable, Mapping
from io import FileIO
from pathlib import Path
from typing import Any

from blake3 import blake3

from starwhale.errors import CorruptedError, NoSpaceError
from starwhale.media.source import Source
from starwhale.media.stream import read_pieces
from starwhale.storage.tables.cells import LONG_BYTES, PackRef
from starwhale.storage.tables.files import damaged, digest_of, make_folder, no_space, write_new, write_pieces
from starwhale.storage.tables.manifest import Pack
from starwhale.storage.tables.places import Image, LocalImage, LocalPlaces, Places, Span

logger = logging.getLogger(__name__)

PACK_BYTES = 64 << 20
"""A pack is closed when it has reached this size."""
MAX_MAPPED = 64
"""Packs of one dataset that are open at the same time: each may hold a file descriptor."""
MAX_KNOWN_ITEMS = 500_000
"""Values that a writer remembers to store equal ones once; about 100 MB of memory. Beyond it only its own are remembered."""
_ENTRY = struct.Struct("<32sQQ")
ENTRY_BYTES = _ENTRY.size
"""Bytes of an index for each value."""


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
            content = self.packs.content(self.ref)
            self._check(content)  # these very bytes, not a map, which could change in between
            return content
        view = self.packs.view(self.ref)
        if not self._is_verified:
            self._check(view)
            self._is_verified = True
        end = self.size if size < 0 else min(self.size, offset + size)
        return bytes(view[offset:end])

    def verify(self) -> None:
        """Compare the value with its digest, without a copy of it.

        Raises:
            CorruptedError: They differ.
        """
        self._check(self.packs.view(self.ref))

    def _check(self, content: bytes | memoryview) -> None:
        if blake3(content).digest() != self.ref["digest"]:
            raise damaged(
                self.packs.address(self.ref["pack"]),
                f"the value at byte {self.ref['offset']} ({self.size} bytes) differs from its checksum",
            )


class Packs:
    """The packs of one dataset; safe to use from several threads."""

    def __init__(self, folder: Path, hold: object = None, *, places: Places | None = None) -> None:
        self.folder = folder
        """Where packs and indexes lie; of packs that are elsewhere only a name that no others have."""
        self.places: Places = places or LocalPlaces(folder.parent)
        """Where the dataset lies."""
        self.hold = hold
        """Keeps them from being collected as long as somebody may read them."""
        self._images: OrderedDict[str, Image] = OrderedDict()
        self._lock = threading.Lock()

    def path(self, name: str) -> Path:
        """File of a pack that is on this machine."""
        return self.folder / f"{name}.pack"

    def source(self, ref: Mapping[str, Any]) -> PackSource:
        """Open a value; nothing is read yet."""
        return PackSource(self, ref)

    def address(self, name: str) -> str:
        """Where a pack lies, for messages."""
        return self.places.address(pack_file(name))

    def content(self, ref: PackRef) -> bytes:
        """Read the bytes of a value, not verified."""
        image = self._image(ref["pack"])
        if isinstance(image, LocalImage):
            return image.read(Span(ref["offset"], ref["size"]))
        return bytes(self.view(ref))

    def view(self, ref: PackRef) -> memoryview:
        """Show the bytes of a value, not verified."""
        end = ref["offset"] + ref["size"]
        return self._image(ref["pack"]).show([Span(ref["offset"], ref["size"])], size=end)[ref["offset"] : end]

    def _image(self, name: str) -> Image:
        with self._lock:
            image = self._images.get(name)
            if image is None:
                image = self._images[name] = self.places.open(pack_file(name), what="a pack of large values")
            self._images.move_to_end(name)
            if len(self._images) > MAX_MAPPED:
                self._images.popitem(last=False)
            return image

    def index(self, pack: Pack) -> list[PackRef]:
        """Read the index of a closed pack.

        Raises:
            CorruptedError: It is missing or differs from its digest.
        """
        what, name = "the index of a pack", pack_file(pack.name, ending="idx")
        data = self.places.read(name, what=what)
        if digest_of(data) != pack.index:
            raise damaged(self.places.address(name), f"{what} differs from its checksum")
        return [
            PackRef(pack=pack.name, offset=offset, size=size, digest=digest)
            for digest, offset, size in _ENTRY.iter_unpack(data)
        ]


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
        return self._note(digest, len(content))

    def put_source(self, source: Source) -> PackRef:
        """Keep the content of a source, read in pieces; it is never in memory as a whole."""
        self._begin_if_full()
        hasher, size = blake3(), 0
        try:
            for piece in read_pieces(source):
                hasher.update(piece)
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
        return self._note(digest, size)

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
        if self._file is None or self._offset >= PACK_BYTES:
            self._begin()

    def _note(self, digest: bytes, size: int) -> PackRef:
        """Take up the value that was written last."""
        ref = PackRef(pack=self._name, offset=self._offset, size=size, digest=digest)
        self._entries.append(_ENTRY.pack(digest, self._offset, size))
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
        self._closed.append(Pack(name=self._name, size=self._offset, items=items, index=digest_of(index)))
        self._entries = []


__all__ = ["ENTRY_BYTES", "PackSource", "PackWriter", "Packs", "pack_file"]
