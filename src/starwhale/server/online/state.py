"""What every route gets: the models that are served, and what is kept of their requests."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Annotated

from fastapi import Depends, Query, Request

from starwhale.errors import ModelGoneError, NotFoundError, nearest

if TYPE_CHECKING:
    from collections.abc import Mapping

    from starwhale.instances import Instance
    from starwhale.instances.online_record import OnlineRecord
    from starwhale.serving.lanes import Lane
    from starwhale.serving.lanes import Request as Waiting
    from starwhale.serving.served_model import ServedModel


@dataclass(slots=True, kw_only=True)
class Online:
    """The models that are served. Whoever made it closes them."""

    models: Mapping[str, ServedModel]
    """By id, in the order in which they were named."""
    title: str
    """What pages and descriptions are called."""
    record: OnlineRecord | None = None
    """What keeps requests and answers; None where nothing is kept."""
    instance: Instance | None = None
    """Where datasets lie; None for a script that serves its own functions."""
    under_way: dict[str, tuple[Lane, Waiting]] = field(default_factory=dict[str, "tuple[Lane, Waiting]"])
    """Requests that are not answered yet, by id."""

    def give_up(self) -> None:
        """Refuse what is not answered yet: the server ends, and has waited for it as long as it may."""
        for _, waiting in list(self.under_way.values()):
            if not waiting.outcome.done():
                waiting.outcome.set_exception(ModelGoneError("the server has ended", hint="ask again when it is back"))

    def opened(self) -> Instance:
        """Return the instance that datasets lie in.

        Raises:
            NotFoundError: There is none.
        """
        if self.instance is None:
            raise NotFoundError("a script that serves itself has no datasets", hint="use swcli model serve")
        return self.instance

    def find(self, model: str, api: str = "") -> ServedModel:
        """Return a model by its id; without one the first that has the api, else the first of all.

        Raises:
            NotFoundError: None is called so.
        """
        if model:
            if model not in self.models:
                raise NotFoundError(f"no model {model[:100]!r} is served here", hint=nearest(model[:100], self.models))
            return self.models[model]
        served = list(self.models.values())
        return next((each for each in served if each.offer.find(api) is not None), served[0])


def online(request: Request) -> Online:
    """Return what is served by the program that a request has come to."""
    found: Online = request.app.state.online
    return found


Here = Annotated[Online, Depends(online)]
"""Parameter of a route: what is served."""
TrialId = Annotated[
    str,
    Query(
        max_length=64, pattern=r"^[A-Za-z0-9._-]*$", description="Which requests, of several models, are of one input."
    ),
]
"""Parameter of a route: a word of the client's."""
ModelId = Annotated[str, Query(max_length=300, description="Id of a model; by default the first that has the api.")]
"""Parameter of a route: which model."""
