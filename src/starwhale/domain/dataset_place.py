"""Where the rows of a dataset lie, as its id says: beside everything else, on an object store, or on a server that is asked for ranges of them."""

from __future__ import annotations

from dataclasses import dataclass

from starwhale.domain.object_uri import is_object_uri

_SCHEMES = ("http://", "https://")


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerDataset:
    """A dataset on a server, for who has no stores of that server."""

    address: str
    """Of the server: `http://host:port`."""
    dataset_id: str
    """Its id there."""

    @property
    def id(self) -> str:
        """The id under which others know it."""
        return f"{self.address}/{self.dataset_id}"


def parse_server_dataset(dataset_id: str) -> ServerDataset | None:
    """Return the dataset of a server that an id means; None where it means another.

    Example:
        >>> parse_server_dataset("http://lab:8082/a1b2")
        ServerDataset(address='http://lab:8082', dataset_id='a1b2')
        >>> parse_server_dataset("a1b2") is None
        True
    """
    if not dataset_id.startswith(_SCHEMES):
        return None
    address, _, name = dataset_id.rpartition("/")
    return ServerDataset(address=address, dataset_id=name)


def is_elsewhere(dataset_id: str) -> bool:
    """Whether the rows of a dataset lie on an object store or a server."""
    return is_object_uri(dataset_id) or dataset_id.startswith(_SCHEMES)


__all__ = ["ServerDataset", "is_elsewhere", "parse_server_dataset"]
