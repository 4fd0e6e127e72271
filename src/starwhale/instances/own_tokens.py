"""Tokens of servers that this user has must not leave with what is packaged or submitted: whoever reads it there could come in."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import TYPE_CHECKING

from starwhale.errors import ModelSourceError, UsageError
from starwhale.storage.remote.logins import read_logins

if TYPE_CHECKING:
    from starwhale.models.listing import Listing
    from starwhale.settings import Settings
    from starwhale.storage.blobs.local import LocalBlobStore

MOST_BYTES = 1 << 20
"""A larger file is not looked through: it is data or weights, and reading those again would cost as much as packaging them."""
_SHORTEST = 12
"""A shorter token would be found by chance; a server makes none."""


class OwnTokens:
    """The tokens that this user has, to be looked for."""

    def __init__(self, settings: Settings) -> None:
        known = {each.token: f"the login to {each.alias}" for each in read_logins(settings).servers}
        if settings.server_token:
            known.setdefault(settings.server_token, "SW_TOKEN")
        self._known = {token.encode(): what for token, what in known.items() if len(token) >= _SHORTEST}
        self._pattern = re.compile(b"|".join(map(re.escape, self._known))) if self._known else None

    def find(self, content: bytes) -> str:
        """Say whose token is in a content; empty where none is."""
        found = self._pattern.search(content) if self._pattern is not None else None
        return "" if found is None else self._known[found[0]]

    def refuse_in_files(self, listing: Listing, blobs: LocalBlobStore) -> None:
        """Refuse files of a model that hold one.

        Raises:
            ModelSourceError: One does; it is named.
        """
        if self._pattern is None:
            return
        for each in listing.files:
            if each.size <= MOST_BYTES and (whose := self.find(blobs.path(each.digest).read_bytes())):
                message = f"{each.path!r} holds the token of {whose}, and would go wherever the model goes"
                hint = f"leave it out: --exclude '/{each.path}', or a line in .swignore; or keep the token elsewhere"
                raise ModelSourceError(message, path=each.path, hint=hint)

    def refuse_in_words(self, words: Iterable[str]) -> None:
        """Refuse options of a submission that hold one.

        Raises:
            UsageError: One does.
        """
        for word in words:
            if whose := self.find(word.encode("utf-8", "surrogateescape")):
                message = (
                    f"an option of the handlers holds the token of {whose}, and records of jobs are read by others"
                )
                raise UsageError(message, hint="leave it out: code that a server runs needs no token of that server")


__all__ = ["OwnTokens"]
