"""What can be done with datasets of an instance."""

from __future__ import annotations

from typing import TYPE_CHECKING

from starwhale.instances.versions import VersionVerbs

if TYPE_CHECKING:
    from starwhale.storage.stores import Stores


class DatasetVerbs(VersionVerbs):
    """Verbs of datasets: those of all versioned things."""

    def __init__(self, stores: Stores, project: str) -> None:
        super().__init__(stores, project, "dataset")
