"""How predict is called: decided once per task from the parameters that the user's function has.

f(data)                        f(data)
f(*args)                       f(data, external)
f(**kw)                        f(data=data, external=external)
f(data, external), f(data, **kw), f(*args, **kw)   f(data, external=external)
f(data, other)                 f(data)
three and more                 f(data, external=external)
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from starwhale.errors import HandlerError
from starwhale.handlers.registry import UserFunction

External = dict[str, Any]  # Any: the values of the calling contract


@dataclass(frozen=True, slots=True)
class Calling:
    """A way to call one function."""

    with_external: Callable[[Any, External], Any] | None
    """Takes data and external; None when the function takes data alone and is called directly."""


def decide(function: UserFunction) -> Calling:
    """Choose the way of calling.

    Raises:
        HandlerError: The function has no parameters, or needs more than a row and `external`.
    """
    calling = _choose(function)
    _check_call(function, calling)
    return calling


def _choose(function: UserFunction) -> Calling:
    parameters = _parameters(function)
    if not parameters:
        message = f"predict function {getattr(function, '__qualname__', function)!r} has no parameters"
        raise HandlerError(message, hint="give it at least one for the row: def predict(data)")
    kinds = [each.kind for each in parameters]
    if len(parameters) == 1:
        if kinds[0] is inspect.Parameter.VAR_POSITIONAL:
            return Calling(function)
        if kinds[0] is inspect.Parameter.VAR_KEYWORD:
            return Calling(lambda data, external: function(data=data, external=external))
        return Calling(None)
    if len(parameters) == 2 and kinds[1] is not inspect.Parameter.VAR_KEYWORD and parameters[1].name != "external":
        return Calling(None)
    return Calling(lambda data, external: function(data, external=external))


def _check_call(function: UserFunction, calling: Calling) -> None:
    """Try the arguments on the signature; one that a decorator wraps is not looked at, for the decorator may add some."""
    if hasattr(function, "__wrapped__"):
        return
    parameters = _parameters(function)
    if len(parameters) == 1 and parameters[0].kind in {
        inspect.Parameter.VAR_POSITIONAL,
        inspect.Parameter.VAR_KEYWORD,
    }:
        return
    given = {} if calling.with_external is None else {"external": None}
    try:
        inspect.Signature(parameters).bind(None, **given)
    except TypeError as error:
        called = "(data)" if calling.with_external is None else "(data, external=external)"
        message = f"predict function {getattr(function, '__qualname__', function)!r} is called with {called}: {error}"
        raise HandlerError(
            message, hint="give predict the parameters (data) or (data, external), and defaults to all others"
        ) from error


def _parameters(function: UserFunction) -> list[inspect.Parameter]:
    is_method = inspect.ismethod(function)
    inner: Any = inspect.unwrap(function.__func__ if is_method else function)  # Any: what decorators wrapped
    found = list(inspect.signature(inner).parameters.values())
    drops_self = is_method and found and found[0].kind in (found[0].POSITIONAL_ONLY, found[0].POSITIONAL_OR_KEYWORD)
    return found[1:] if drops_self else found
