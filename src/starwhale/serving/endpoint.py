"""What is served of a model, as the process that serves it tells it to the one that answers requests."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from starwhale.domain.json_shape import Json


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoint:
    """One function under a name."""

    name: str
    """By which it is called: `POST /api/NAME`."""
    kind: str
    """`api` for a function of `starwhale.api.service`, `predict` for a predict handler."""
    handler: str = ""
    """Full name of the predict handler."""
    doc: str = ""
    """First line of its docstring."""
    inference_type: str = ""
    """Of an api: `llm_chat`, `text_to_image`, or empty."""
    form: Json = field(default_factory=dict[str, Any])
    """JSON schema of a request's body."""
    output: Json = field(default_factory=dict[str, Any])
    """JSON schema of an answer, as far as a hint says."""
    is_async: bool = False
    """Whether many calls go on in one thread."""
    is_stream: bool = False
    """Whether it gives its answer out bit by bit."""
    batch_size: int = 1
    """Requests that one call takes, at most."""
    concurrency: int = 1
    """Calls at a time that it was made for, at most."""

    def to_json(self) -> Json:
        """Return it as JSON."""
        return asdict(self)

    @classmethod
    def from_json(cls, said: Mapping[str, Any]) -> Endpoint:
        """Make it of JSON."""
        return cls(**said)


@dataclass(frozen=True, slots=True, kw_only=True)
class Offer:
    """Everything that a model offers online."""

    endpoints: tuple[Endpoint, ...]
    """By name; those that are declared as apis come first."""
    spec: Json
    """The specification (`GET /api/spec`), without a title."""
    is_gradio: bool = False
    """Whether every api carries components of gradio."""
    gradio: str = ""
    """Version of gradio in the model's environment; empty where it is not there."""

    def to_json(self) -> Json:
        """Return it as JSON."""
        return {**asdict(self), "endpoints": [each.to_json() for each in self.endpoints]}

    @classmethod
    def from_json(cls, said: Mapping[str, Any]) -> Offer:
        """Make it of JSON."""
        made: dict[str, Any] = {**said, "endpoints": tuple(Endpoint.from_json(each) for each in said["endpoints"])}
        return cls(**made)

    def find(self, name: str) -> Endpoint | None:
        """Return the endpoint of a name."""
        return next((each for each in self.endpoints if each.name == name), None)
