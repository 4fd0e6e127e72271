"""In the process of a model: its functions, loaded, and how each is called with the JSON of a request."""

from __future__ import annotations

import importlib.util
import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from starwhale.domain.job import HandlerRecord
from starwhale.domain.json_shape import Json
from starwhale.errors import HandlerError, nearest
from starwhale.handlers.call import Bound
from starwhale.handlers.calls.online import PredictCall, call_online, load_api, load_shared
from starwhale.handlers.context import Context, set_runtime_context
from starwhale.handlers.decorators import first_line
from starwhale.handlers.discover import discover
from starwhale.handlers.form import hints_of, is_row, object_schema, schema_of
from starwhale.handlers.row_columns import row_columns
from starwhale.handlers.service import SERVICES, SPEC_VERSION, DeclaredApi, make_spec, offered_since
from starwhale.serving.endpoint import Endpoint, Offer
from starwhale.serving.values import decode

Inputs = Sequence[tuple[str, Json]]
"""Of each request its id, and its body."""
_ASYNC_CALLS = 32
"""Calls of an async function at a time when nobody says how many."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Served:
    """One function that can be called."""

    endpoint: Endpoint
    """What is told of it."""
    read: Callable[[Json], Json]
    """Makes the values of a request's body."""
    call: Callable[[Context, Sequence[Json], Sequence[str]], Any]  # Any: what users return
    """Calls it with the values and ids of one request, or of several where it takes batches."""
    what: str
    """What it is, for messages."""
    function: Callable[..., Any]  # Any: what users write
    """The function itself."""

    @property
    def is_batch(self) -> bool:
        """Whether it takes lists of rows."""
        return self.endpoint.batch_size > 1


@dataclass(slots=True)
class Callables:
    """All functions of a model; whoever made it closes it."""

    functions: dict[str, Served]
    """By name."""
    offer: Offer
    """What is told of them."""
    apis: Mapping[str, DeclaredApi]
    """What is declared, by name."""
    bounds: list[Bound]
    """Instances of the users' classes."""

    def close(self) -> None:
        """Leave the classes of users that are context managers."""
        for each in self.bounds:
            each.close()


def load_callables(
    workdir: str, modules: Sequence[str], arguments: Sequence[str], wanted: str, base: Context
) -> Callables:
    """Import the modules of a model and make everything that they offer ready to be called.

    Args:
        workdir: The model root.
        modules: Modules to import.
        arguments: What stood after `--`.
        wanted: Name of the one function that is to be served; empty for all.
        base: Context in which classes are built.

    Raises:
        UserCodeError: The user's code raised.
        HandlerError: There is nothing that could be served, or not what is wanted.
    """
    before = SERVICES.apis()
    handlers = discover(workdir, modules, arguments=arguments)
    set_runtime_context(base)
    apis = offered_since(before, workdir)
    predicts = {name: each for name, each in handlers.items() if each.kind == "predict"}
    named = _names(apis, predicts)
    if not named:
        message = f"nothing in {', '.join(modules)} can be served"
        raise HandlerError(
            message, hint="decorate a function with @api() of starwhale.api.service or @evaluation.predict"
        )
    if wanted:
        named = _chosen(named, wanted)
    instances: dict[str, Bound] = {}
    functions: dict[str, Served] = {}
    for name, each in named.items():
        functions[name] = (
            _served_api(name, each, instances)
            if isinstance(each, DeclaredApi)
            else _served_predict(name, load_shared(each, instances))
        )
    return Callables(functions, _offer(functions, apis), apis, list(instances.values()))


def callables_of(apis: Mapping[str, DeclaredApi]) -> Callables:
    """Return functions that this process has already, ready to be called."""
    instances: dict[str, Bound] = {}
    functions = {name: _served_api(name, apis[name], instances) for name in sorted(apis)}
    return Callables(functions, _offer(functions, apis), apis, list(instances.values()))


def _names(
    apis: Mapping[str, DeclaredApi], predicts: Mapping[str, HandlerRecord]
) -> dict[str, DeclaredApi | HandlerRecord]:
    """Give everything a name for its address: an api its own, a handler that of its function, with as much before it as tells it apart."""
    found: dict[str, DeclaredApi | HandlerRecord] = {uri: apis[uri] for uri in sorted(apis)}
    for name, record in predicts.items():
        module, _, qualname = name.partition(":")
        spelled = [qualname.rpartition(".")[2], qualname, f"{module}.{qualname}"]
        rest = [each for each in predicts if each != name]
        for each in spelled:
            is_shared = any(other.endswith((f":{each}", f".{each}")) for other in rest)
            if each not in found and not is_shared:
                found[each] = record
                break
        else:
            found[spelled[-1]] = record
    return found


def _chosen(named: dict[str, DeclaredApi | HandlerRecord], wanted: str) -> dict[str, DeclaredApi | HandlerRecord]:
    for name, each in named.items():
        full = each.name if isinstance(each, HandlerRecord) else name
        if wanted.casefold() in {name.casefold(), full.casefold()}:
            return {name: each}
    raise HandlerError(f"nothing that can be served is called {wanted!r}", hint=nearest(wanted, named))


def _served_api(name: str, declared: DeclaredApi, instances: dict[str, Bound]) -> Served:
    bound = load_api(declared, instances)
    function, kind = bound.function, declared.inference_type
    hints, form = hints_of(declared.function), declared.to_form()
    known, ignored = form["properties"], frozenset(form.get("x-ignored", ()))
    defaults = kind.defaults if kind is not None else {}
    own = inspect.signature(declared.function).parameters
    filled = {
        field: each
        for field, each in defaults.items()
        if field in own and own[field].default is inspect.Parameter.empty
    }
    from starwhale.handlers.service import LLMChat

    typed = {**hints, **({"history": list[LLMChat.Message]} if isinstance(kind, LLMChat) else {})}

    def read(body: Json) -> Json:
        given = {field: each for field, each in body.items() if field in known or field not in ignored}
        return {**filled, **{field: decode(each, typed.get(field, Any), field) for field, each in given.items()}}

    return Served(
        endpoint=Endpoint(
            name=name,
            kind="api",
            doc=first_line(declared.function),
            inference_type=kind.name if kind is not None else "",
            form=form,
            **_told(declared.function, _ASYNC_CALLS),
        ),
        read=read,
        call=lambda _context, values, _keys: function(**values[0]),
        function=function,
        what=f"api {name!r}",
    )


def _served_predict(name: str, bound: Bound) -> Served:
    record = bound.record
    call = call_online(f"handler {record.name!r}", lambda: PredictCall(bound))
    hint = _row_hint(bound)

    def read(body: Json) -> Json:
        return decode(body, hint, "")

    return Served(
        endpoint=Endpoint(
            name=name,
            kind="predict",
            handler=record.name,
            doc=record.doc,
            form=_row_form(bound, hint),
            batch_size=record.batch_size,
            **_told(bound.function, max(record.concurrency, 1)),
        ),
        read=read,
        call=call,
        function=bound.function,
        what=f"handler {record.name!r}",
    )


def _row_hint(bound: Bound) -> Any:  # Any: annotations
    hints = hints_of(bound.function)
    names = list(inspect.signature(bound.function).parameters)
    hint = hints.get(names[0]) if names else None
    if bound.record.batch_size > 1:
        hint = next(iter(getattr(hint, "__args__", ())), None)
    return hint if is_row(hint) else Any


def _row_form(bound: Bound, hint: Any) -> Json:  # Any: annotations
    """Return what is known of the rows that a handler takes: what its hint says, else the columns that its source reads."""
    if is_row(hint):
        return {**schema_of(hint), "x-row": True}
    return {**object_schema({name: {} for name in row_columns(bound.function)}, [], takes_more=True), "x-row": True}


def _told(function: Callable[..., Any], calls: int) -> dict[str, Any]:  # Any: what users write, and fields of Endpoint
    inner = inspect.unwrap(function)
    is_async = inspect.iscoroutinefunction(inner) or inspect.isasyncgenfunction(inner)
    return {
        "output": schema_of(hints_of(function).get("return", inspect.Parameter.empty)),
        "is_async": is_async,
        "is_stream": inspect.isgeneratorfunction(inner) or inspect.isasyncgenfunction(inner),
        "concurrency": calls if is_async else 1,
    }


def _offer(functions: Mapping[str, Served], apis: Mapping[str, DeclaredApi]) -> Offer:
    served = {name: each for name, each in apis.items() if name in functions}
    spec = make_spec(served)
    if not served:  # nothing is declared: the predict handlers are what there is
        rows = [each.endpoint for each in functions.values()]
        spec = {**spec, "apis": [{"uri": each.name, "inference_type": None, "components": []} for each in rows]}
    has_gradio = importlib.util.find_spec("gradio") is not None
    return Offer(
        endpoints=tuple(each.endpoint for each in functions.values()),
        spec={**spec, "version": SPEC_VERSION},
        is_gradio=bool(served)
        and all(each.inputs is not None and each.outputs is not None for each in served.values()),
        gradio="installed" if has_gradio else "",
    )
