"""`starwhale.base.type`: words that old scripts pass as enum members; each equals its text."""

from enum import StrEnum


class PredictLogMode(StrEnum):
    """How outputs are logged."""

    PICKLE = "pickle"
    PLAIN = "plain"


class DatasetChangeMode(StrEnum):
    """What a build does with rows that are there."""

    PATCH = "patch"
    OVERWRITE = "overwrite"


class DatasetFolderSourceType(StrEnum):
    """What a folder holds."""

    IMAGE = "image"
    VIDEO = "video"
    AUDIO = "audio"


__all__ = ["DatasetChangeMode", "DatasetFolderSourceType", "PredictLogMode"]
