"""Starwhale Model Evaluation: the public front door.

Everything that a user's script imports is named here and defined elsewhere; a name is imported when it is first used, so that
`import starwhale` stays fast and needs no third-party package. Nothing is defined in this file.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

from starwhale.compat import register_old_paths
from starwhale.errors import tell_lacking

if TYPE_CHECKING:
    from starwhale.api import evaluation, experiment, model, track
    from starwhale.api.dataset import Dataset, dataset
    from starwhale.api.evaluation import Evaluation
    from starwhale.api.experiment import finetune
    from starwhale.api.experiment import finetune as fine_tune
    from starwhale.api.experiment import finetune as ft
    from starwhale.api.instance import login, logout
    from starwhale.api.job import Job, job
    from starwhale.api.logger import init_logger
    from starwhale.api.resource import Resource
    from starwhale.handlers.argument import argument
    from starwhale.handlers.context import Context, pass_context
    from starwhale.handlers.decorators import Handler, handler
    from starwhale.handlers.multi_classification import multi_classification
    from starwhale.handlers.pipeline import PipelineHandler
    from starwhale.media import (
        Audio,
        Binary,
        BoundingBox,
        BoundingBox3D,
        ClassLabel,
        COCOObjectAnnotation,
        GrayscaleImage,
        Image,
        Line,
        Link,
        MIMEType,
        NumpyBinary,
        Point,
        Polygon,
        Text,
        Video,
    )
    from starwhale.settings import VERSION as __version__  # noqa: N811 - the name that Python uses

_HOMES = {
    "Audio": "starwhale.media:Audio",
    "Binary": "starwhale.media:Binary",
    "BoundingBox": "starwhale.media:BoundingBox",
    "BoundingBox3D": "starwhale.media:BoundingBox3D",
    "COCOObjectAnnotation": "starwhale.media:COCOObjectAnnotation",
    "ClassLabel": "starwhale.media:ClassLabel",
    "Context": "starwhale.handlers.context:Context",
    "Dataset": "starwhale.api.dataset:Dataset",
    "Evaluation": "starwhale.api.evaluation:Evaluation",
    "GrayscaleImage": "starwhale.media:GrayscaleImage",
    "Handler": "starwhale.handlers.decorators:Handler",
    "Image": "starwhale.media:Image",
    "Job": "starwhale.api.job:Job",
    "Line": "starwhale.media:Line",
    "Link": "starwhale.media:Link",
    "MIMEType": "starwhale.media:MIMEType",
    "NumpyBinary": "starwhale.media:NumpyBinary",
    "PipelineHandler": "starwhale.handlers.pipeline:PipelineHandler",
    "Point": "starwhale.media:Point",
    "Polygon": "starwhale.media:Polygon",
    "Resource": "starwhale.api.resource:Resource",
    "Text": "starwhale.media:Text",
    "Video": "starwhale.media:Video",
    "__version__": "starwhale.settings:VERSION",
    "argument": "starwhale.handlers.argument:argument",
    "dataset": "starwhale.api.dataset:dataset",
    "evaluation": "starwhale.api.evaluation:",
    "experiment": "starwhale.api.experiment:",
    "fine_tune": "starwhale.api.experiment:finetune",
    "finetune": "starwhale.api.experiment:finetune",
    "ft": "starwhale.api.experiment:finetune",
    "handler": "starwhale.handlers.decorators:handler",
    "init_logger": "starwhale.api.logger:init_logger",
    "job": "starwhale.api.job:job",
    "login": "starwhale.api.instance:login",
    "logout": "starwhale.api.instance:logout",
    "model": "starwhale.api.model:",
    "multi_classification": "starwhale.handlers.multi_classification:multi_classification",
    "pass_context": "starwhale.handlers.context:pass_context",
    "track": "starwhale.api.track:",
}

__all__ = [
    "Audio",
    "Binary",
    "BoundingBox",
    "BoundingBox3D",
    "COCOObjectAnnotation",
    "ClassLabel",
    "Context",
    "Dataset",
    "Evaluation",
    "GrayscaleImage",
    "Handler",
    "Image",
    "Job",
    "Line",
    "Link",
    "MIMEType",
    "NumpyBinary",
    "PipelineHandler",
    "Point",
    "Polygon",
    "Resource",
    "Text",
    "Video",
    "__version__",
    "argument",
    "dataset",
    "evaluation",
    "experiment",
    "fine_tune",
    "finetune",
    "ft",
    "handler",
    "init_logger",
    "job",
    "login",
    "logout",
    "model",
    "multi_classification",
    "pass_context",
    "track",
]

# Import paths of old scripts (starwhale.utils.console, starwhale.base.uri.resource, …) are answered by compat/, and only there.
register_old_paths()


def __getattr__(name: str) -> object:
    home = _HOMES.get(name)
    if home is None:
        message = f"module 'starwhale' has no attribute {name!r}"
        raise AttributeError(message)
    module, _, attribute = home.partition(":")
    try:
        found = importlib.import_module(module)
    except ModuleNotFoundError as error:
        raise tell_lacking(error) from error
    value: object = getattr(found, attribute) if attribute else found
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
