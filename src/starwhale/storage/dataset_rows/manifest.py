"""The manifest of a dataset version: small canonical JSON, named by its own BLAKE3, that names everything else by digest.

A version is a *run* (fragments sorted by key, one after another without overlap) and *layers* over it, oldest first: each deletes
keys, then patches rows column by column. Appending extends the run; whatever else changes becomes a layer; layers that grow large
are folded into a new run by the commit that makes them so.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any

from starwhale.errors import RootError
from starwhale.storage.columns.files import damaged, digest_of, write_new
from starwhale.storage.dataset_rows.places import Places
from starwhale.storage.dataset_rows.size_classes import first_to_join
from starwhale.storage.protocols import Key

FORMAT = 4
"""Number of the format; a higher one belongs to a newer program. 1 had fragments without a tail, 2 had wide values in row groups, 3 had
packs without quick sums."""
MAX_PACKS = 8
"""More packs, or more lists of packs of about the same size, are named by one list."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Fragment:
    """One Parquet file."""

    file: str
    """File name without its ending; no two writers choose the same, so that what one removes is never another's."""
    digest: str
    """BLAKE3 of its tail, in hex; of the whole file where that has none."""
    rows: int
    """Rows in it, at least one."""
    size: int
    """Bytes of the file."""
    low: Key
    """Smallest key."""
    high: Key
    """Largest key."""
    columns: Mapping[str, str]
    """Feature name → kind, without columns that are absent in every row."""
    tail: int = 0
    """Bytes at its end, which verify the others (see `sums`); 0 for a file that format 1 wrote."""

    @property
    def is_contiguous(self) -> bool:
        """Whether the keys are integers without a gap, so that they need not be read."""
        return isinstance(self.low, int) and isinstance(self.high, int) and self.high - self.low + 1 == self.rows


@dataclass(frozen=True, slots=True, kw_only=True)
class Layer:
    """Changes over everything older: first deletions, then patches."""

    deletes: Fragment | None = None
    """Keys whose older cells are gone."""
    patch: Fragment | None = None
    """Cells that replace older ones."""

    @property
    def fragments(self) -> list[Fragment]:
        """The files of the layer."""
        return [part for part in (self.deletes, self.patch) if part is not None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Pack:
    """One closed pack of large values."""

    name: str
    """File name without its ending."""
    size: int
    """Bytes of the pack."""
    items: int
    """Values in it."""
    index: str
    """BLAKE3 of its index file."""
    is_summed: bool = False
    """Whether the index has a sum of each value that is quick to verify (see `pack_index`)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PackList:
    """A file that names packs, so that not every manifest has to."""

    digest: str
    """BLAKE3 of the file, which is called by it."""
    count: int
    """Packs that it names."""

    @property
    def name(self) -> str:
        """Its name below the dataset's folder."""
        return f"manifests/{self.digest}.packs"


@dataclass(frozen=True, slots=True, kw_only=True)
class Manifest:
    """Everything that a version consists of."""

    key_type: str | None = None
    """`int` or `str`; None before the first row."""
    top: Key | None = None
    """Largest key of the run and the layers, deleted ones included: larger keys may be appended to the run."""
    next_auto_key: int = 0
    """Key of the next appended row; never goes back."""
    row_count: int = 0
    """Rows of the version."""
    columns: Mapping[str, str] = field(default_factory=dict[str, str])
    """Feature name → kind, in the order in which they appeared."""
    run: tuple[Fragment, ...] = ()
    """Sorted fragments."""
    layers: tuple[Layer, ...] = ()
    """Changes over the run, oldest first."""
    packs: tuple[Pack, ...] = ()
    """Packs that rows may refer to."""
    pack_lists: tuple[PackList, ...] = ()
    """Files that name the first of the packs; the others are in the manifest."""
    info: bytes = b""
    """What the user keeps beside the rows, as msgpack."""

    def fragments(self) -> Iterator[Fragment]:
        """Every file of rows."""
        yield from self.run
        for layer in self.layers:
            yield from layer.fragments

    @property
    def size_bytes(self) -> int:
        """Bytes of all files that the manifest names."""
        return sum(part.size for part in self.fragments()) + self.blobs_bytes

    @property
    def blobs_bytes(self) -> int:
        """Bytes of large values."""
        return sum(pack.size for pack in self.packs)

    def to_json(self) -> bytes:
        """Write canonical JSON."""
        state = {item.name: getattr(self, item.name) for item in fields(self)}
        state["format"] = FORMAT
        state["columns"] = list(self.columns.items())
        state["run"] = [_fragment_state(part) for part in self.run]
        state["layers"] = [[_fragment_state(layer.deletes), _fragment_state(layer.patch)] for layer in self.layers]
        state["pack_lists"] = [[each.digest, each.count] for each in self.pack_lists]
        state["packs"] = _pack_states(self.packs[sum(each.count for each in self.pack_lists) :])
        state["info"] = base64.b64encode(self.info).decode()
        return json.dumps(state, sort_keys=True, separators=(",", ":"), ensure_ascii=True).encode()

    @classmethod
    def from_json(cls, text: bytes, read_list: Callable[[PackList], bytes]) -> Manifest:
        """Read what `to_json` wrote.

        Args:
            text: What it wrote.
            read_list: Reads a list of packs, verified.

        Raises:
            RootError: A newer program wrote it.
        """
        state: dict[str, Any] = json.loads(text)
        if state.pop("format") > FORMAT:
            raise RootError("this dataset version was written by a newer program", hint="upgrade starwhale-evaluation")
        state["columns"] = dict(state["columns"])
        state["run"] = tuple(_fragment(part) for part in state["run"])
        state["layers"] = tuple(
            Layer(deletes=_fragment(deletes) if deletes else None, patch=_fragment(patch) if patch else None)
            for deletes, patch in state["layers"]
        )
        lists = tuple(PackList(digest=digest, count=count) for digest, count in state.get("pack_lists", ()))
        packs = [entry for each in lists for entry in json.loads(read_list(each))] + state["packs"]
        state["pack_lists"] = lists
        state["packs"] = tuple(
            Pack(name=name, size=size, items=items, index=index, is_summed=bool(summed))
            for name, size, items, index, *summed in packs
        )
        state["info"] = base64.b64decode(state["info"])
        return cls(**state)


def save_manifest(folder: Path, manifest: Manifest) -> str:
    """Write a manifest and the lists of packs that are new durably, and return its digest."""
    manifest = _with_lists(folder, manifest)
    text = manifest.to_json()
    digest = digest_of(text)
    write_new(folder / f"{digest}.json", text, sync=True)
    return digest


def load_manifest(places: Places, digest: str) -> Manifest:
    """Read a manifest that the catalog names.

    Raises:
        CorruptedError: It is missing or differs from its digest.
    """
    name = f"manifests/{digest}.json"
    what = "the manifest of a dataset version"
    text = places.read(name, what=what)
    if digest_of(text) != digest:
        raise damaged(places.address(name), f"{what} differs from its checksum")

    def read_list(each: PackList) -> bytes:
        content = places.read(each.name, what="a list of packs")
        if digest_of(content) != each.digest:
            raise damaged(places.address(each.name), "a list of packs differs from its checksum")
        return content

    try:
        return Manifest.from_json(text, read_list)
    except (ValueError, KeyError, TypeError) as error:
        raise damaged(places.address(name), f"not a manifest ({error})") from error


def _with_lists(folder: Path, manifest: Manifest) -> Manifest:
    """Move packs to lists, and join lists, where there are many; what most commits write does not grow with the number of packs."""
    lists = list(manifest.pack_lists)
    sizes = [each.count for each in lists]
    sizes += [1] * (len(manifest.packs) - sum(sizes))
    first = first_to_join(sizes, MAX_PACKS)
    if first == len(sizes):
        return manifest
    kept = lists[:first]
    listed = manifest.packs[sum(each.count for each in kept) :]
    content = json.dumps(_pack_states(listed), separators=(",", ":")).encode()
    made = PackList(digest=digest_of(content), count=len(listed))
    write_new(folder.parent / made.name, content, sync=True)
    return replace(manifest, pack_lists=(*kept, made))


def _pack_states(packs: Iterable[Pack]) -> list[list[Any]]:
    return [[pack.name, pack.size, pack.items, pack.index, *([1] if pack.is_summed else [])] for pack in packs]


def _fragment_state(part: Fragment | None) -> dict[str, Any] | None:
    if part is None:
        return None
    state = {item.name: getattr(part, item.name) for item in fields(part)}
    state["columns"] = list(part.columns.items())
    return state


def _fragment(state: dict[str, Any]) -> Fragment:
    columns: Any = dict(state.pop("columns"))
    return Fragment(columns=columns, **state)


__all__ = ["Fragment", "Layer", "Manifest", "Pack", "PackList", "load_manifest", "save_manifest"]
