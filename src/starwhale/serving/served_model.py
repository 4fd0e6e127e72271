"""One model that is served: its process, and what waits for its functions."""

from __future__ import annotations

import asyncio
from typing import Self

from starwhale.errors import NotFoundError, nearest
from starwhale.serving.check import check
from starwhale.serving.endpoint import Endpoint, Offer
from starwhale.serving.lanes import Bounds, Lane, Load
from starwhale.serving.model_host import ModelHost, ModelSource


class ServedModel:
    """A model with its process and its lanes; `open` starts it, `close` ends it. It lives in one event loop."""

    def __init__(self, host: ModelHost, offer: Offer, bounds: Bounds) -> None:
        """Make a lane for each function of a model that is ready."""
        self.host = host
        """Its process."""
        self.offer = offer
        """What it offers."""
        self.load = Load()
        """What waits for it."""
        threads = asyncio.Semaphore(host.source.threads)
        self.lanes = {
            each.name: Lane(host, each, bounds, self.load, _places(each, bounds, threads)) for each in offer.endpoints
        }
        """What waits for each function."""

    @classmethod
    async def open(cls, source: ModelSource, bounds: Bounds) -> Self:
        """Start a model, and wait until it is ready.

        Raises:
            StarwhaleError: It does not start; what `ModelHost.start` says.
        """
        return await cls.of(ModelHost(source), bounds)

    @classmethod
    async def of(cls, host: ModelHost, bounds: Bounds) -> Self:
        """Start what a host keeps, and wait until it is ready."""
        try:
            return cls(host, await host.start(), bounds)
        except BaseException:
            await host.close()
            raise

    @property
    def id(self) -> str:
        """By which requests name it."""
        return self.host.source.id

    def endpoint(self, name: str) -> Endpoint:
        """Return a function by its name.

        Raises:
            NotFoundError: It has none of that name; the nearest are said.
        """
        found = self.offer.find(name)
        if found is None:
            message = f"model {self.id!r} has no api {name[:100]!r}"
            raise NotFoundError(message, hint=nearest(name[:100], [each.name for each in self.offer.endpoints]))
        return found

    def check(self, name: str, body: object) -> None:
        """Refuse a body that does not fit the form of a function.

        Raises:
            InputError: Names the field and the reason.
        """
        check(self.endpoint(name).form, body)

    async def close(self) -> None:
        """End it: nothing is waited for any more."""
        for lane in self.lanes.values():
            await lane.close()
        await self.host.close()


def _places(endpoint: Endpoint, bounds: Bounds, threads: asyncio.Semaphore) -> asyncio.Semaphore:
    if endpoint.is_async:
        return asyncio.Semaphore(bounds.concurrency or endpoint.concurrency)
    return threads
