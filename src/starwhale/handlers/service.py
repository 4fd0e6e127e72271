"""What a model offers online: functions under names, with what they take. Declared here, recorded at build, served by `serving`."""

from __future__ import annotations

import enum
import inspect
import sys
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar, overload

from starwhale.domain.job import HandlerRecord
from starwhale.domain.json_shape import Json
from starwhale.errors import HandlerError, UsageError, nearest
from starwhale.handlers.form import STEP, form_of, hints_of, object_schema, parameters, schema_of, with_default

Function = TypeVar("Function", bound=Callable[..., Any])  # Any: what users write takes and returns what they like
SERVING = "serving"
"""Name of the handler that a model with services has besides."""
SPEC_VERSION = "0.0.2"
"""Version of the specification's shape."""
PORT = 8080
"""Port of online evaluation where nobody says one."""
_KINDS: dict[type, str] = {str: "STRING", int: "INT", float: "FLOAT", bool: "BOOL", list: "LIST"}
_SPELLED = {"string": "STRING", "integer": "INT", "number": "FLOAT", "boolean": "BOOL", "array": "LIST"}
_VALUES = {
    "STRING": "componentValueSpecString",
    "INT": "componentValueSpecInt",
    "FLOAT": "componentValueSpecFloat",
    "BOOL": "componentValueSpecBool",
}


class ServiceType:
    """A kind of service whose fields are known: what a function of that kind may take.

    Args:
        defaults: Values of fields where a request gives none, for the form; they go before the defaults of the function.
    """

    name: str = ""
    """What the specification calls it."""
    fields: Mapping[str, type] = {}
    """Name and type of each field of a request."""
    ranges: Mapping[str, Mapping[str, float]] = {}
    """Words of a JSON schema for the numbers that a field may be."""

    def __init__(self, **defaults: Any) -> None:  # Any: numbers and texts, see `fields`
        for field in defaults:
            if field not in self.fields:
                message = f"{type(self).__name__} has no field {field!r}"
                raise UsageError(message, hint=nearest(field, self.fields))
        self.defaults = {field: value for field, value in defaults.items() if value is not None}
        """Values of fields that a request may leave out."""

    def check(self, function: Callable[..., Any]) -> None:  # Any: see Function
        """Refuse a function with a parameter that requests of this kind do not have.

        Raises:
            UsageError: It has one.
        """
        for parameter in parameters(function):
            if parameter.name not in self.fields:
                message = f"{function.__qualname__} takes {parameter.name!r}, which {self.name} does not have"
                raise UsageError(
                    message, hint=f"{nearest(parameter.name, self.fields)}; it has {', '.join(self.fields)}"
                )


class LLMChat(ServiceType):
    """Chat with a language model."""

    name = "llm_chat"
    fields: Mapping[str, type] = {
        "user_input": str,
        "history": list,
        "top_k": int,
        "top_p": float,
        "temperature": float,
        "max_new_tokens": int,
    }
    ranges: Mapping[str, Mapping[str, float]] = {
        "top_k": {"minimum": 0},
        "top_p": {"minimum": 0, "maximum": 1, STEP: 0.01},
        "temperature": {"minimum": 0},
        "max_new_tokens": {"minimum": 1},
    }

    @dataclass(frozen=True, slots=True)
    class Message:
        """One turn of the history."""

        content: str
        """What was said."""
        bot: bool
        """Whether the model said it."""


class TextToImage(ServiceType):
    """Images made from text."""

    name = "text_to_image"
    fields: Mapping[str, type] = {
        "prompt": str,
        "negative_prompt": str,
        "sampling_steps": int,
        "width": int,
        "height": int,
        "seed": int,
        "batch_size": int,
        "batch_count": int,
        "guidance_scale": float,
    }
    ranges: Mapping[str, Mapping[str, float]] = {
        **{name: {"minimum": 1} for name in ("sampling_steps", "width", "height", "batch_size", "batch_count")},
        "guidance_scale": {"minimum": 0},
    }


@dataclass(frozen=True, slots=True, kw_only=True)
class DeclaredApi:
    """One function that is offered online."""

    uri: str
    """Name under which it is called."""
    function: Callable[..., Any]  # Any: see Function
    """The function."""
    inference_type: ServiceType | None = None
    """Its kind, where it has one."""
    inputs: Any = None  # Any: components of gradio, which need not be installed
    """What a page asks for."""
    outputs: Any = None  # Any: see inputs
    """What a page shows."""

    def to_spec(self) -> Json:
        """Return its entry in the specification."""
        kind = self.inference_type
        return {
            "uri": self.uri,
            "inference_type": kind.name if kind is not None else None,
            "components": [_component(each, kind, hints_of(self.function)) for each in parameters(self.function)],
        }

    def to_form(self) -> Json:
        """Return the JSON schema of a request; fields of the kind that the function does not take may be given, and are left out."""
        kind = self.inference_type
        form = form_of(self.function)
        if kind is None:
            return form
        fields: dict[str, Json] = {}
        for name, declared in form["properties"].items():
            schema = {**(declared if "type" in declared else {**schema_of(kind.fields[name]), **declared})}
            schema |= kind.ranges.get(name, {})
            fields[name] = with_default(schema, kind.defaults[name]) if name in kind.defaults else schema
        if "history" in fields:
            fields["history"] = {**fields["history"], "items": _MESSAGE}
        needed = [name for name in form["required"] if name not in kind.defaults]
        return {**object_schema(fields, needed), "x-ignored": [name for name in kind.fields if name not in fields]}


class Service:
    """A set of online APIs; those of the decorator `api` are one that everybody shares."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._apis: dict[str, DeclaredApi] = {}

    @overload
    def api(self, inputs: Function) -> Function: ...

    @overload
    def api(
        self,
        inputs: Any = None,
        outputs: Any = None,
        inference_type: ServiceType | None = None,  # Any: as below
    ) -> Callable[[Function], Function]: ...

    def api(
        self,
        inputs: Any = None,  # Any: see DeclaredApi.inputs
        outputs: Any = None,  # Any: see DeclaredApi.inputs
        inference_type: ServiceType | None = None,
    ) -> Any:  # Any: see the overloads
        """Offer a function or method online, under its bare name; `@api` without parentheses does the same as `@api()`.

        Args:
            inputs: Components of gradio that ask for its arguments.
            outputs: Components of gradio that show what it returns.
            inference_type: Its kind: `LLMChat()`, `TextToImage()`.

        Raises:
            UsageError: A function of another module has the name, or it takes what the kind does not have.
            HandlerError: It is a method of a class within a class.
        """
        if inspect.isfunction(inputs):
            self.add_api(inputs)
            return inputs

        def register(function: Function) -> Function:
            self.add_api(function, inputs=inputs, outputs=outputs, inference_type=inference_type)
            return function

        return register

    def add_api(
        self,
        func: Callable[..., Any],  # Any: see Function
        uri: str = "",
        *,
        inputs: Any = None,  # Any: see DeclaredApi.inputs
        outputs: Any = None,  # Any: see DeclaredApi.inputs
        inference_type: ServiceType | None = None,
    ) -> None:
        """Offer a function online under a name; see `api`.

        Raises:
            HandlerError: The function is a method of a class within a class.
            UsageError: A function of another module is offered under the same name.
        """
        if func.__qualname__.rpartition("<locals>.")[2].count(".") > 1:
            message = f"{func.__qualname__} is a method of a class within a class, which cannot be offered online"
            raise HandlerError(message, hint="move the class to the top of its module")
        if inference_type is not None:
            inference_type.check(func)
        made = DeclaredApi(
            uri=(uri or func.__name__).strip("/"),
            function=func,
            inference_type=inference_type,
            inputs=inputs,
            outputs=outputs,
        )
        with self._lock:
            other = self._apis.get(made.uri)
            if other is not None and other.function.__module__ != func.__module__:
                message = f"{other.function.__module__} and {func.__module__} both offer {made.uri!r}"
                raise UsageError(message, hint="give one of the functions another name")
            self._apis[made.uri] = made

    def apis(self) -> dict[str, DeclaredApi]:
        """Return a copy of all by name."""
        with self._lock:
            return dict(self._apis)

    def forget(self, module_name: str) -> None:
        """Drop what a module has offered, because it is about to be imported again."""
        with self._lock:
            self._apis = {uri: each for uri, each in self._apis.items() if each.function.__module__ != module_name}

    def get_spec(self, title: str = "", description: str = "") -> Json:
        """Return the specification of everything that is offered, by name."""
        return make_spec(self.apis(), title=title, description=description)


SERVICES = Service()
"""What the decorator `api` has seen in this process; as the registry of handlers, a named exception to "no ambient state"."""


def make_spec(apis: Mapping[str, DeclaredApi], *, title: str = "", description: str = "") -> Json:
    """Return the specification of some apis."""
    return {
        "version": SPEC_VERSION,
        "title": title,
        "description": description,
        "apis": [apis[uri].to_spec() for uri in sorted(apis)],
    }


def serving_handler(before: Mapping[str, DeclaredApi], root: str) -> dict[str, HandlerRecord]:
    """Return the handler that carries the specification of what the modules of a work directory offer; none where they offer nothing.

    Args:
        before: What was offered before they were imported.
        root: The work directory, without a slash at the end.
    """
    mine = offered_since(before, root)
    if not mine:
        return {}
    spec = make_spec(mine, title=SERVING)
    record = HandlerRecord(name=SERVING, kind=SERVING, expose=PORT, virtual=True, service_spec=spec)
    return {SERVING: record}


def offered_since(before: Mapping[str, DeclaredApi], root: str) -> dict[str, DeclaredApi]:
    """Return what the modules of a work directory offer; see `serving_handler`."""
    return {
        uri: each
        for uri, each in SERVICES.apis().items()
        if before.get(uri) is not each or _lies_in(each.function, root)
    }


def _lies_in(function: Callable[..., Any], root: str) -> bool:  # Any: see Function
    file = getattr(sys.modules.get(function.__module__), "__file__", None)
    return isinstance(file, str) and file.startswith(root + "/")


_MESSAGE = object_schema({"content": {"type": "string"}, "bot": {"type": "boolean"}}, ["content", "bot"])


def _component(
    parameter: inspect.Parameter, kind: ServiceType | None, hints: Mapping[str, Any]
) -> Json:  # Any: annotations
    fields = kind.fields if kind is not None else {}
    default = None if parameter.default is parameter.empty else parameter.default
    default = kind.defaults.get(parameter.name, default) if kind is not None else default
    default = default.value if isinstance(default, enum.Enum) else default
    hinted = schema_of(hints.get(parameter.name))
    schema = {**hinted, **(kind.ranges.get(parameter.name, {}) if kind is not None else {})}
    spelled = _KINDS.get(fields.get(parameter.name, object)) or _SPELLED.get(hinted.get("type", ""))
    spelled = spelled or _KINDS.get(type(default), "STRING")
    value: Json = {"defaultVal": default} if type(default) in {str, int, float, bool} else {}
    if spelled in {"INT", "FLOAT"}:
        words = {"min": "minimum", "max": "maximum", "step": STEP}
        value |= {short: schema[word] for short, word in words.items() if word in schema}
    has_value = bool(value) and spelled in _VALUES
    return {
        "name": parameter.name,
        "component_spec_value_type": spelled,
        **({_VALUES[spelled]: value} if has_value else {}),
    }


__all__ = [
    "PORT",
    "SERVICES",
    "SERVING",
    "DeclaredApi",
    "LLMChat",
    "Service",
    "ServiceType",
    "TextToImage",
    "serving_handler",
]
