"""Starts models, serves them until it is stopped, and ends them when what had begun is finished."""

from __future__ import annotations

import asyncio
import logging
import signal
import socket
import sys
from contextlib import AsyncExitStack, contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import uvicorn

from starwhale.handlers.service import PORT
from starwhale.instances import open_instance
from starwhale.instances.online import OnlineOptions, prepare_models
from starwhale.instances.online_record import OnlineRecord
from starwhale.server.guard import hosts_of
from starwhale.server.listening import TellingServer, address_of, listen
from starwhale.server.online.app import make_app
from starwhale.server.online.state import Online
from starwhale.serving.model_host import AttachedHost, ModelHost, ModelSource
from starwhale.serving.served_model import ServedModel

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterator, Sequence

    from starwhale.instances import Instance
    from starwhale.instances.online import Prepared
    from starwhale.settings import Settings

logger = logging.getLogger(__name__)
Said = dict[str, Any]  # Any: JSON
_REFUSING_S = 3
"""Seconds in which what was waited for too long is told so, before its connections are cut."""


def serve_online(settings: Settings, options: OnlineOptions, say: Callable[[Said], None]) -> None:
    """Serve until SIGINT or SIGTERM.

    Args:
        settings: What the environment says.
        options: What to serve, where and how.
        say: Called with the address and the models, when requests are answered.

    Raises:
        PortError: The port is taken, or the address is none of this machine's.
        NotFoundError: There is no such model or runtime.
        UserCodeError: The code of a model raised while it was loaded.
    """
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # while models are loaded it ends as Ctrl-C does: cleanly
    listening = listen(options.host, options.port, first=PORT)
    if options.socket is not None:
        with listening:
            asyncio.run(_serve(_Work(options, listening, say)))
        return
    with (
        listening,
        open_instance(settings) as instance,
        prepare_models(
            instance, options.request, lambda text: logger.warning("%s", text) if text else None
        ) as prepared,
    ):
        record = OnlineRecord(instance, sys.argv) if options.record else None
        try:
            asyncio.run(_serve(_Work(options, listening, say, prepared, record, instance)))
        finally:
            if record is not None:
                record.close()


@dataclass(slots=True)
class _Work:
    """What is to be served."""

    options: OnlineOptions
    listening: socket.socket
    say: Callable[[Said], None]
    prepared: Sequence[Prepared] = ()
    record: OnlineRecord | None = None
    instance: Instance | None = None


async def _serve(work: _Work) -> None:
    options, listening = work.options, work.listening
    async with AsyncExitStack() as stack:
        models: dict[str, ServedModel] = {}
        ended = asyncio.Event()
        for host in _hosts(work.prepared, options, ended.set):
            model = await ServedModel.of(host, options.bounds)
            stack.push_async_callback(model.close)
            models[model.id] = model
        online = Online(
            models=models, title=options.title or " and ".join(models), record=work.record, instance=work.instance
        )
        if work.record is not None:
            for each in work.prepared:
                work.record.cover(each, models[each.source.id].offer.endpoints)
        port = listening.getsockname()[1]
        app = make_app(online, hosts_of(options.host, [socket.gethostname()], port=port), body_bytes=options.body_bytes)
        config = uvicorn.Config(
            app,
            log_config=None,
            access_log=False,
            server_header=False,
            lifespan="off",
            timeout_graceful_shutdown=int(options.drain_s) + _REFUSING_S,
        )
        address = address_of(options.host, port)
        if len(models) == 1:
            await _open_gradio(next(iter(models.values())), options.host)
        told = {"address": address, "models": [_told(each) for each in models.values()]}
        loop = asyncio.get_running_loop()

        def ending() -> None:
            loop.call_later(options.drain_s, online.give_up)

        server = _Server(config, lambda: work.say(told), ending)
        watching = asyncio.ensure_future(_end_with(ended, server))
        await server.serve(sockets=[listening])
        watching.cancel()


def _hosts(prepared: Sequence[Prepared], options: OnlineOptions, on_end: Callable[[], None]) -> Iterator[ModelHost]:
    if options.socket is None:
        yield from (ModelHost(each.source) for each in prepared)
        return
    source = ModelSource(id=options.title or "service", workdir="", modules=(), python="")
    yield AttachedHost(source, options.socket, on_end)


async def _end_with(ended: asyncio.Event, server: uvicorn.Server) -> None:
    await ended.wait()
    server.should_exit = True


class _Server(TellingServer):
    """Ends by itself after a signal, so that the models are ended after it."""

    @contextmanager
    def capture_signals(self) -> Generator[None]:
        """Listen for signals; unlike uvicorn's own, this does not raise them again at the end."""
        loop, signals = asyncio.get_running_loop(), (signal.SIGINT, signal.SIGTERM)
        for each in signals:
            loop.add_signal_handler(each, self.handle_exit, each, None)
        try:
            yield
        finally:
            for each in signals:
                loop.remove_signal_handler(each)


async def _open_gradio(model: ServedModel, host: str) -> None:
    """Let gradio serve the page of a model all of whose apis carry its components."""
    if model.offer.is_gradio and model.offer.gradio:
        await model.host.open_gradio(host, model.id)
    elif model.offer.is_gradio:
        logger.warning(
            "the apis carry components of gradio, which is not installed where the model runs: pip install 'starwhale-evaluation[serve]'"
        )


def _told(model: ServedModel) -> Said:
    gradio = {"page": model.host.gradio} if model.host.gradio else {}
    return {
        **gradio,
        "id": model.id,
        "uri": model.host.source.uri,
        "apis": [each.name for each in model.offer.endpoints],
    }
