"""In the process of a model whose apis carry components of gradio: its page, served by gradio itself on a port of its own."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator
from typing import Any

from starwhale.errors import HandlerError
from starwhale.handlers.calls.online import call_online, iterate_online
from starwhale.handlers.context import Context, set_runtime_context
from starwhale.media.optional import require
from starwhale.serving.callables import Callables


def open_gradio(callables: Callables, base: Context, *, host: str, title: str) -> str:
    """Serve a page with all apis, a tab for each where there are several, and return its address.

    Args:
        callables: The functions of the model.
        base: Context in which they are called.
        host: Address to listen on.
        title: What the page is called.

    Raises:
        HandlerError: gradio cannot make it of these components.
    """
    gradio = require("gradio", purpose="the page of gradio", extra="serve")

    pages = {name: _interface(gradio, name, callables, base) for name in callables.apis if name in callables.functions}
    first = next(iter(pages.values()))
    page = first if len(pages) == 1 else gradio.TabbedInterface(list(pages.values()), list(pages), title=title)
    try:
        _, address, _ = page.launch(
            server_name=host, prevent_thread_lock=True, quiet=True, share=False, show_error=False
        )
    except Exception as error:
        raise HandlerError(
            f"gradio cannot serve its page: {error}", hint="its components may not fit the function"
        ) from error
    return str(address).rstrip("/")


def _interface(gradio: Any, name: str, callables: Callables, base: Context) -> Any:  # Any: gradio is optional
    declared, served = callables.apis[name], callables.functions[name]
    return gradio.Interface(
        fn=_calling(served.function, served.what, base),
        inputs=declared.inputs,
        outputs=declared.outputs,
        title=name,
        api_name=name,
    )


def _calling(function: Callable[..., Any], what: str, base: Context) -> Callable[..., Any]:  # Any: what users write
    """Return what gradio calls: arguments come by position, as its components stand."""

    def call(*values: Any) -> Any:  # Any: as gradio's components give them
        set_runtime_context(base)
        return call_online(what, lambda: function(*values))

    def give_out(*values: Any) -> Iterator[Any]:  # Any: as above
        set_runtime_context(base)
        yield from iterate_online(what, function(*values))

    inner = inspect.unwrap(function)
    if inspect.iscoroutinefunction(inner) or inspect.isasyncgenfunction(inner):
        return function  # gradio has an event loop of its own
    return give_out if inspect.isgeneratorfunction(inner) else call
