"""Who may talk to the server, and how much: checks of Host and Origin, a bound for bodies, and headers for every answer.

Another web page in the same browser must not reach it: there is no login (`swcli ui`), or the browser has one already (`door`). A page that has
its own name pointed at this machine (DNS rebinding) gives that name as Host; a page that sends a form here gives its own as Origin, and no
JSON. Both are refused. Where there is a login, a program that sends its token may use any Host: no page knows the token.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from starwhale.server.problems import problem

if TYPE_CHECKING:
    from starlette.datastructures import MutableHeaders
    from starlette.responses import Response
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

BODY_BYTES = 1 << 20
"""Bytes of a request's body, at most."""
PAGE_POLICY = (
    "default-src 'self'; img-src 'self' data: blob:; media-src 'self' blob:; style-src 'self' 'unsafe-inline'; font-src 'self' data:; "
    "connect-src 'self'; worker-src 'self' blob:; object-src 'none'; base-uri 'none'; form-action 'self'; frame-src 'self'; frame-ancestors 'none'"
)
"""What a page of the console may load and run: its own files alone."""
_ALWAYS = {
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "cross-origin-resource-policy": "same-origin",
    "cross-origin-opener-policy": "same-origin",
    "x-frame-options": "SAMEORIGIN",
    "content-security-policy": PAGE_POLICY,
    "permissions-policy": "camera=(), microphone=(), geolocation=()",
}
_LISTENING = "camera=(), microphone=(self), geolocation=()"
_LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Hosts:
    """Names under which the server may be asked for."""

    names: frozenset[str] = _LOOPBACK
    """Host names, in lower case and without brackets."""
    allows_addresses: bool = False
    """Whether any IP address is one too: nobody can point an address elsewhere, as a name can be."""
    port: int | None = None
    """The port; None for any."""

    def allow(self, netloc: str) -> bool:
        """Whether a Host, or the place of an Origin, is ours."""
        try:
            split = urlsplit(f"//{netloc}")
            name, port = split.hostname or "", split.port
        except ValueError:
            return False
        if split.username is not None or (self.port is not None and (port or 80) != self.port):
            return False
        return name in self.names or (self.allows_addresses and _is_address(name))


def hosts_of(host: str, names: Iterable[str] = (), *, port: int | None = None) -> Hosts:
    """Return the names under which a server that listens on an address may be asked for.

    Args:
        host: What it listens on.
        names: More names of it.
        port: Its port.
    """
    if host in _LOOPBACK:
        return Hosts(port=port)
    return Hosts(
        names=_LOOPBACK | {host.casefold(), *(each.casefold() for each in names)}, allows_addresses=True, port=port
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Bodies:
    """What bodies some addresses take."""

    prefix: str
    """What the addresses begin with."""
    kinds: frozenset[str] = frozenset({"application/json"})
    """Their media types."""
    most_bytes: int = BODY_BYTES
    """Bytes of one, at most."""

    @property
    def word(self) -> str:
        """What kinds there are, for messages."""
        return " or ".join("JSON" if each == "application/json" else each for each in sorted(self.kinds))


@dataclass(slots=True)
class Guard:
    """ASGI middleware around everything else."""

    app: ASGIApp
    """What is guarded."""
    hosts: Hosts = field(default_factory=Hosts)
    """Names under which it may be asked for."""
    body_bytes: int = BODY_BYTES
    """Bytes of a request's body, at most."""
    page: str = "the console"
    """What a person is to open."""
    bodies: tuple[Bodies, ...] = ()
    """Addresses with other bodies; the first that fits counts."""
    has_login: bool = False
    """Whether a token or a session is asked for behind it."""
    may_listen: bool = False
    """Whether its page may ask for the microphone."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Refuse what is not meant for us, and pass the rest on."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}
        refusal = self._refuse(scope["method"], scope["path"], headers)
        if refusal is not None:
            await refusal(scope, receive, self._with_headers(send))
            return
        bounded = _Bounded(receive, self._bodies(scope["path"]).most_bytes)
        await self.app(scope, bounded, self._with_headers(send))

    def _refuse(self, method: str, path: str, headers: dict[str, str]) -> Response | None:
        host = headers.get("host", "")
        if not self.hosts.allow(host) and not (self.has_login and "authorization" in headers):
            more = ", or start it with --name <host>" if self.has_login else ""
            hint = f"open it under the address that it printed{more}"
            return problem(421, "host", f"this server is not {host[:100]!r}", hint)
        origin = headers.get("origin")
        if origin is not None and not self._is_ours(origin):
            return problem(
                403, "origin", f"a page of {origin[:100]!r} may not ask this server", f"open {self.page} itself"
            )
        site = headers.get("sec-fetch-site", "same-origin")
        is_page = headers.get("sec-fetch-mode") == "navigate" and method == "GET" and not path.startswith("/api/")
        if site not in {"same-origin", "none"} and not is_page:
            return problem(403, "origin", "a page of another site may not ask this server", f"open {self.page} itself")
        if method in {"GET", "HEAD", "OPTIONS"}:
            return None
        return self._refuse_body(self._bodies(path), headers)

    def _bodies(self, path: str) -> Bodies:
        """Return what bodies an address takes."""
        plain = Bodies(prefix="", most_bytes=self.body_bytes)
        return next((each for each in self.bodies if path.startswith(each.prefix)), plain)

    @staticmethod
    def _refuse_body(bodies: Bodies, headers: dict[str, str]) -> Response | None:
        kind = headers.get("content-type", "").partition(";")[0].strip().casefold()
        length = headers.get("content-length", "0")
        if length != "0" and kind not in bodies.kinds:
            hint = f"send content-type: {' or '.join(sorted(bodies.kinds))}"
            return problem(415, "content_type", f"a body is {bodies.word}, not {kind[:80]!r}", hint)
        if not length.isdecimal() or int(length) > bodies.most_bytes:
            return problem(413, "too_large", f"a body has {bodies.most_bytes:,} bytes at most")
        return None

    def _is_ours(self, origin: str) -> bool:
        try:
            split = urlsplit(origin)
        except ValueError:
            return False
        return split.scheme in {"http", "https"} and self.hosts.allow(split.netloc)

    def _with_headers(self, send: Send) -> Send:
        from starlette.datastructures import MutableHeaders

        more = {**_ALWAYS, "permissions-policy": _LISTENING} if self.may_listen else _ALWAYS

        async def send_with(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers: MutableHeaders = MutableHeaders(scope=message)
                for name, value in more.items():
                    headers.setdefault(name, value)
                headers.setdefault("cache-control", "no-store")
            await send(message)

        return send_with


@dataclass(slots=True)
class _Bounded:
    """Ends a body that is longer than it said."""

    receive: Receive
    most: int
    size: int = 0

    async def __call__(self) -> Message:
        message = await self.receive()
        self.size += len(message.get("body", b""))
        return {"type": "http.disconnect"} if self.size > self.most else message


def _is_address(name: str) -> bool:
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True
