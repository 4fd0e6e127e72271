"""Who may ask the server of a root: the administrator's token, of which only a digest is kept, and sessions of the console.

The token has 256 random bits, so that a plain digest of it cannot be guessed from; a slow one is for passwords that people choose. A session
is a moment and a signature over it: the server keeps none, they outlive a restart of it, and end with the token that they came of.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import os
import secrets
import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from starwhale.errors import UsageError

if TYPE_CHECKING:
    from pathlib import Path

TOKEN_BYTES = 32
"""Random bytes of a token."""
TOKEN_PREFIX = "sw_"  # noqa: S105 - what a token begins with, so that people and scanners know one
"""What a token of ours begins with."""
SHORTEST_TOKEN = 32
"""Characters of a token that somebody brings, at least."""
SESSION_S = 30 * 24 * 3600
"""How long a session of the console lasts, in seconds."""


@dataclass(frozen=True, slots=True)
class _Keys:
    """What the file says."""

    token_digest: str
    signing: bytes


class Access:
    """Who may ask the server of one root; safe to use from several threads, and sees at once what another process changes.

    Args:
        path: The file; while it is not there, nobody may.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock = threading.Lock()
        self._seen: tuple[int, int, int] | None = None
        self._keys: _Keys | None = None

    @property
    def has_token(self) -> bool:
        """Whether a token was made."""
        return self._read() is not None

    def make_token(self) -> str:
        """Make a new token for the administrator, and return it: it is not kept, and an older one is good no more."""
        token = TOKEN_PREFIX + secrets.token_urlsafe(TOKEN_BYTES)
        self._write(token)
        return token

    def take_token(self, token: str) -> None:
        """Make a token that somebody brings the administrator's, such as one from a secret of a cluster.

        Raises:
            UsageError: It is so short that it could be guessed.
        """
        if len(token) < SHORTEST_TOKEN or not token.isascii() or any(each.isspace() for each in token):
            message = (
                f"the token has {len(token)} characters, and needs {SHORTEST_TOKEN} of ASCII at least, without spaces"
            )
            raise UsageError(message, hint="make one with: openssl rand -hex 32")
        if not self.is_token(token):
            self._write(token)

    def is_token(self, token: str) -> bool:
        """Whether it is the administrator's; how long that takes says nothing of how much of it fits."""
        keys = self._read()
        return keys is not None and hmac.compare_digest(_digest(token), keys.token_digest)

    def make_session(self, now: float) -> str:
        """Return what a browser keeps in the place of the token; empty where nobody may ask."""
        keys = self._read()
        end = str(int(now) + SESSION_S)
        return "" if keys is None else f"{end}.{_sign(keys, end)}"

    def is_session(self, text: str, now: float) -> bool:
        """Whether it is a session that lasts still."""
        keys = self._read()
        end, _, signature = text.partition(".")
        if keys is None or not end.isdecimal() or not end.isascii() or len(end) > 12:
            return False
        return hmac.compare_digest(signature.encode(), _sign(keys, end).encode()) and now < int(end)

    def _write(self, token: str) -> None:
        said = {"format": 1, "administrator": _digest(token), "signing": secrets.token_hex(32)}
        draft = self._path.with_name(f".{self._path.name}.{os.getpid()}.{secrets.token_hex(4)}")
        descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            json.dump(said, file)
            file.flush()
            os.fsync(file.fileno())
        draft.replace(self._path)

    def _read(self) -> _Keys | None:
        try:
            found = self._path.stat()
        except OSError:
            return None
        seen = found.st_ino, found.st_size, found.st_mtime_ns
        with self._lock:
            if self._seen != seen:
                self._seen, self._keys = seen, _parse(self._path)
            return self._keys


def _parse(path: Path) -> _Keys | None:
    try:
        said: Any = json.loads(path.read_text(encoding="utf-8"))  # Any: JSON, checked here
        return _Keys(str(said["administrator"]), bytes.fromhex(said["signing"]))
    except (OSError, ValueError, KeyError, TypeError):
        return None  # nobody may ask; `swcli server token` makes it anew


def _digest(token: str) -> str:
    return hashlib.sha256(token.encode("utf-8", "surrogateescape")).hexdigest()


def _sign(keys: _Keys, end: str) -> str:
    return hmac.new(keys.signing, f"{end}:{keys.token_digest}".encode(), "sha256").hexdigest()


__all__ = ["SESSION_S", "Access"]
