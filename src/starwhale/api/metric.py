"""Metrics as decorators."""

from starwhale.handlers.multi_classification import multi_classification

__all__ = ["multi_classification"]
