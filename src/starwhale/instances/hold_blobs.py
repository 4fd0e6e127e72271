"""Blobs that are being written, kept from being collected."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from starwhale.storage.in_use import Hold
    from starwhale.storage.stores import Stores


def hold_blobs(stores: Stores) -> Hold:
    """Keep blobs from being collected: between the writing of a version's files and its row in the catalog nothing else refers to them."""
    from starwhale.storage.in_use import hold

    stores.layout.blobs.mkdir(parents=True, exist_ok=True)
    return hold(stores.layout.blobs)
