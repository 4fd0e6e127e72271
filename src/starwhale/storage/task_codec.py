"""How a worker turns what it found into stored columns, and what it is sent into values: the codec of its pipe.

With pyarrow the worker does all the work of encoding and decoding, and maps large values itself; without it, both travel as tagged
msgpack of `media.codec`, and large values are read through the parent.
"""

from __future__ import annotations

import importlib
import importlib.util
from pathlib import Path
from typing import Any

from starwhale.storage.carriers.carried import lazy_source
from starwhale.storage.part import EncodedPart, Form, PartDraft, best_form
from starwhale.storage.protocols import Rows, TablePage
from starwhale.storage.task_contract import Fetch


class WorkerCodec:
    """`TaskCodec` of workers, in the best form that the worker's environment can read."""

    def __init__(self, form: Form | None = None) -> None:
        self.form: Form = form or best_form()
        """How rows, parts and pages are encoded."""
        self._packs: dict[str, Any] = {}  # Any: Packs, imported where it is used

    def warm_up(self) -> None:
        """Import what the first rows will need."""
        names = ["starwhale.storage.result_parts.part_codec", "starwhale.media.codec"]
        if self.form == "arrow":
            names += ["pyarrow", "starwhale.storage.columns.encode"]
        for name in names:
            importlib.import_module(name)

    def encode_draft(self, draft: PartDraft) -> EncodedPart:
        """Encode the tables of a draft."""
        from starwhale.storage.result_parts.part_codec import encode_draft

        return encode_draft(draft, self.form)

    def decode_rows(self, content: memoryview, folder: str, fetch: Fetch) -> Rows:
        """Decode rows; large values are read lazily, from the dataset's folder where that works, else through `fetch`."""
        if self.form != "arrow":
            from starwhale.media import codec

            unpacked: Any = codec.unpack(
                bytes(content), lazy_source(fetch)
            )  # Any: what `LocalTaskStores.read_rows_encoded` packed
            keys, columns = unpacked
            return Rows(keys=keys, columns=columns)
        import pyarrow as pa

        from starwhale.storage.columns.encode import KEY_COLUMN, decode_in_turn

        with pa.ipc.open_stream(pa.py_buffer(content)) as stream:
            batch = stream.read_next_batch()
        source_of = self._mapped(folder) or lazy_source(fetch)
        return Rows(keys=batch.column(KEY_COLUMN).to_pylist(), columns=decode_in_turn(batch, source_of))

    def decode_page(self, content: memoryview) -> TablePage:
        """Decode a page of results."""
        from starwhale.storage.result_parts.part_codec import decode_page

        return decode_page(bytes(content))

    def _mapped(self, folder: str) -> Any:  # Any: see __init__
        """Return what opens packed values by mapping their files; None where the packages for it are missing."""
        if not folder or importlib.util.find_spec("blake3") is None or not Path(folder).is_dir():
            return None
        if folder not in self._packs:
            from starwhale.storage.dataset_rows.packs import Packs

            self._packs[folder] = Packs(Path(folder))
        return self._packs[folder].source
