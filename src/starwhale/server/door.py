"""Who may come in: every address needs the administrator's token, or a session of the console that was begun with it.

Programs send `Authorization: Bearer <token>`. A person gives the token once on the page at `/login`, and the browser keeps a session in a
cookie that no script can read and no other site can have sent. Another kind of token is another keeper.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol
from urllib.parse import parse_qs

from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response

from starwhale.errors import LoginError
from starwhale.instances.place.access import SESSION_S
from starwhale.server.login_page import login_page
from starwhale.server.problems import problem

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Receive, Scope, Send

    from starwhale.instances.place.access import Access

LOGIN = "/login"
"""Page on which a person gives the token."""
LOGOUT = "/logout"
"""Ends the session of a browser."""
VISITOR = "starwhale.visitor"
"""Key of the scope under which routes find who asks."""
LOG_IN = "log in with: swcli instance login <address>, or send 'Authorization: Bearer <token>'; a new token: swcli server token"
"""What to do without a token that is good."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Visitor:
    """Who asks."""

    name: str
    """`administrator`, or what another keeper calls them."""
    reach: tuple[str, ...] = ("/",)
    """What the addresses begin with that they may ask."""

    def may_ask(self, path: str) -> bool:
        """Whether an address is within reach."""
        return path.startswith(self.reach)


ADMINISTRATOR = Visitor(name="administrator")
"""May ask everything."""


class Keeper(Protocol):
    """Knows one kind of token."""

    def visitor(self, token: str) -> Visitor | None:
        """Return whose token it is; None where it is none of this kind, or good no more."""
        ...


@dataclass(slots=True, kw_only=True)
class Lock:
    """What opens the door."""

    access: Access
    """Who may ask the server."""
    keepers: Sequence[Keeper] = ()
    """More kinds of tokens than the administrator's."""
    cookie: str = "starwhale"
    """Name of the cookie: browsers do not tell the servers of one host apart by their ports."""
    clock: Callable[[], float] = time.time
    """Seconds since the epoch."""

    def visitor(self, token: str) -> Visitor | None:
        """Return whose token it is; None where it is nobody's."""
        if self.access.is_token(token):
            return ADMINISTRATOR
        return next((found for each in self.keepers if (found := each.visitor(token)) is not None), None)

    def session(self, cookies: Mapping[str, str]) -> Visitor | None:
        """Return whose session the cookies of a browser hold."""
        found = cookies.get(self.cookie, "")
        return ADMINISTRATOR if found and self.access.is_session(found, self.clock()) else None


@dataclass(slots=True)
class Door:
    """ASGI middleware before every route."""

    app: ASGIApp
    """What is behind it."""
    lock: Lock
    """What opens it."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let in who may, and say to others how they would."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        request = Request(scope, receive)
        found = await self._answer(request)
        if isinstance(found, Response):
            await found(scope, receive, send)
            return
        scope[VISITOR] = found
        await self.app(scope, receive, send)

    async def _answer(self, request: Request) -> Response | Visitor:
        path, method = request.url.path, request.method
        if path == LOGIN and method in {"GET", "HEAD"}:
            return HTMLResponse(login_page(is_in=self._session(request) is not None))
        if path == LOGIN and method == "POST":
            return await self._log_in(request)
        if path == LOGOUT and method == "POST":
            answer = RedirectResponse(LOGIN, 303)
            answer.delete_cookie(self.lock.cookie, path="/", httponly=True, samesite="strict")
            return answer
        return self._enter(request, path)

    def _enter(self, request: Request, path: str) -> Response | Visitor:
        said = request.headers.get("authorization")
        if said is None:
            found = self._session(request)
            return found if found is not None else _unknown(request, path)
        scheme, _, token = said.partition(" ")
        found = self.lock.visitor(token.strip()) if scheme.casefold() == "bearer" else None
        if found is None:
            return _refused("this token is not good here, or no more")
        if not found.may_ask(path):
            return problem(403, LoginError.code, f"the token of {found.name} is not for {path[:200]}", LOG_IN)
        return found

    def _session(self, request: Request) -> Visitor | None:
        return self.lock.session(request.cookies)

    async def _log_in(self, request: Request) -> Response:
        body = await request.body()
        try:
            token = parse_qs(body.decode("ascii"), max_num_fields=4).get("token", [""])[0].strip()
        except ValueError:
            token = ""
        if not self.lock.access.is_token(token):
            return HTMLResponse(login_page(is_in=False, was_wrong=True), 401)
        answer = RedirectResponse("/", 303)
        session = self.lock.access.make_session(self.lock.clock())
        answer.set_cookie(self.lock.cookie, session, max_age=SESSION_S, path="/", httponly=True, samesite="strict")
        return answer


def _unknown(request: Request, path: str) -> Response:
    if not path.startswith("/api/") and "text/html" in request.headers.get("accept", ""):
        return HTMLResponse(login_page(is_in=False), 401, {"www-authenticate": "Bearer"})
    return _refused("this server wants a token")


def _refused(message: str) -> Response:
    return problem(401, LoginError.code, message, LOG_IN, headers={"www-authenticate": "Bearer"})


__all__ = ["ADMINISTRATOR", "VISITOR", "Door", "Keeper", "Lock", "Visitor"]
