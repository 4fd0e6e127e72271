"""`starwhale.api._impl.dataset.loader`."""

from starwhale.datasets.rows import DataRow

__all__ = ["DataRow"]
