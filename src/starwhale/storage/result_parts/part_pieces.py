"""A part of several ranges that were leased together, as one record of the catalog for each of them."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import replace

from starwhale.storage.part import EncodedPart, PartRecord
from starwhale.storage.result_parts.part_codec import read_batch
from starwhale.storage.result_parts.result_rows import PREDICTIONS
from starwhale.storage.result_parts.result_table import STORED_ID


def describe_pieces(whole: PartRecord, encoded: EncodedPart) -> list[PartRecord]:
    """Say the same of each of the ranges that were leased together: what predict gave lies in one stretch, of which each has its rows.

    What user code has logged, and the errors, belong to the first; nobody asks from which of the rows they came.
    """
    lease, stop = encoded.lease, whole.stop
    if lease is None or not lease.pieces or stop is None:
        return [whole]
    ids = [
        read_batch(each.content).column(STORED_ID).to_pylist() for each in encoded.tables if each.name == PREDICTIONS
    ]
    ranks: Sequence[int] = ids[0] if ids else ()
    stretch = next((each for each in whole.tables if each.table_name == PREDICTIONS), None)
    others = tuple(each for each in whole.tables if each.table_name != PREDICTIONS)
    found: list[PartRecord] = []
    for piece in lease.pieces:
        if piece.start >= stop:
            break
        first, last = bisect_left(ranks, piece.start), bisect_left(ranks, min(piece.stop, stop))
        own = () if stretch is None or first == last else (replace(stretch, first_row=first, row_count=last - first),)
        tables = (*own, *others) if not found else own
        found.append(replace(whole, start=piece.start, stop=min(piece.stop, stop), tables=tables))
    return found
