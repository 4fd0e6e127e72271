"""What links to objects lead to: `s3://bucket/key`, with the keys that the user has set, or that the link itself carries.

The address of the store may stand in the link: `s3://host:port/bucket/key`, `s3://host:port@bucket/key`; and so may keys:
`s3://key:secret@bucket/key`. The schemes `minio`, `oss` and `aliyun` mean the same protocol.
"""

from __future__ import annotations

import re
import threading
from collections import OrderedDict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from urllib.parse import unquote, urlsplit

from starwhale.errors import InvalidUriError
from starwhale.settings import S3Access, S3Accounts
from starwhale.storage.object_accounts import accounts
from starwhale.storage.objects.bucket import Bucket

SIGNED_S = 3600
"""How long a signed address holds."""
KEPT_BUCKETS = 16
"""Buckets whose connections are kept."""
_ADDRESS = re.compile(r"(\[[0-9a-fA-F:]+\]|[^:@/]+)(:\d+)?")
_IPV4 = re.compile(r"\d+(\.\d+){3}")


@dataclass(frozen=True, slots=True, kw_only=True)
class ObjectPlace:
    """Where a link leads."""

    scheme: str
    """Of the link, in lower case."""
    bucket: str
    """The bucket."""
    key: str
    """The object."""
    endpoint: str = ""
    """Host and port of the store, where the link says it."""
    access_key: str = ""
    """Name of a key, where the link says it."""
    secret: str = field(default="", repr=False)
    """The key itself."""


def parse_link(uri: str, known_hosts: Iterable[str] = ()) -> ObjectPlace:
    """Read a link to an object.

    Args:
        uri: The link; its key is taken as it stands, nothing in it is decoded.
        known_hosts: Hosts, with their ports, that are stores and not buckets.

    Raises:
        InvalidUriError: It names no bucket or no object.

    Example:
        >>> parse_link("s3://127.0.0.1:9000/b/a/b.png").endpoint
        '127.0.0.1:9000'
    """
    scheme, _, rest = uri.partition("://")
    place, _, path = rest.partition("/")
    endpoint, keys = "", ("", "")
    left, at, right = place.rpartition("@")
    port = right.rpartition("]")[2].partition(":")[2]
    if port and not port.isdecimal():  # not shown: it may be the beginning of a secret
        message = f"a link {scheme}://… has something else than a number where the port of a host would be"
        raise InvalidUriError(message, hint="where the link holds an access key, write / as %2F and + as %2B in it")
    if at and _ADDRESS.fullmatch(left) and re.search(r":\d+$", left):
        endpoint, bucket, key = left, right, path
    else:
        if at:
            name, _, secret = left.partition(":")
            keys = unquote(name), unquote(secret)
        if _is_store(right, known_hosts):
            endpoint = right
            bucket, _, key = path.partition("/")
        else:
            bucket, key = right, path
    if not bucket or not key:
        shown = f"{scheme}://…@{right}/{path}" if at else uri
        raise InvalidUriError(f"{shown!r} names no object", hint=f"write {scheme}://<bucket>/<key>")
    return ObjectPlace(
        scheme=scheme.lower(), bucket=bucket, key=key, endpoint=endpoint, access_key=keys[0], secret=keys[1]
    )


class ObjectLinks:
    """Reads links to objects; safe to use from several threads.

    Args:
        accounts: Says what the user has set about object stores, asked anew for each read.
    """

    def __init__(self, accounts: Callable[[], S3Accounts]) -> None:
        self._accounts = accounts
        self._buckets: OrderedDict[tuple[str, S3Access], Bucket] = OrderedDict()
        self._lock = threading.Lock()

    def read(self, uri: str, start: int, size: int) -> bytes:
        """Return the bytes [start, start + size) of what a link leads to; a size of -1 means up to the end."""
        bucket, key = self._find(uri)
        return bucket.read(key, start, size)

    def extent(self, uri: str) -> int:
        """Return the size of what a link leads to."""
        bucket, key = self._find(uri)
        return bucket.size(key)

    def sign(self, uri: str) -> str:
        """Return an http(s) address from which anybody can read what a link leads to, for an hour."""
        bucket, key = self._find(uri)
        return bucket.signed_address(key, expires_s=SIGNED_S)

    def _find(self, uri: str) -> tuple[Bucket, str]:
        accounts = self._accounts()
        endpoints = [each.endpoint for each in (accounts.environment, *accounts.configured, accounts.usual) if each]
        by_host = {_host(endpoint): endpoint for endpoint in reversed(endpoints) if endpoint}
        place = parse_link(uri, by_host)
        access = accounts.access(place.bucket, endpoint=_with_scheme(place.endpoint, by_host))
        if place.access_key:
            access = replace(access, access_key=place.access_key, secret=place.secret, session_token="")
        return self._bucket(place.bucket, _complete(place, access)), place.key

    def _bucket(self, name: str, access: S3Access) -> Bucket:
        with self._lock:
            found = self._buckets.pop((name, access), None) or Bucket(name, access)
            self._buckets[name, access] = found
            if len(self._buckets) > KEPT_BUCKETS:
                self._buckets.popitem(last=False)[1].close()
            return found


links = ObjectLinks(accounts)
"""What reads the links of this process."""


def _is_store(place: str, known_hosts: Iterable[str]) -> bool:
    host = place.partition(":")[0]
    return ":" in place or host == "localhost" or bool(_IPV4.fullmatch(host)) or place.casefold() in known_hosts


def _host(endpoint: str) -> str:
    return urlsplit(endpoint if "://" in endpoint else f"https://{endpoint}").netloc.casefold()


def _with_scheme(endpoint: str, by_host: Mapping[str, str]) -> str:
    """Give a host the scheme that the user has set for it, else http where it has a port that is not 443."""
    if not endpoint:
        return ""
    known = by_host.get(endpoint.casefold())
    if known:
        return known
    port = endpoint.rpartition("]")[2].partition(":")[2]
    return f"{'http' if port not in {'', '443'} else 'https'}://{endpoint}"


def _complete(place: ObjectPlace, access: S3Access) -> S3Access:
    if access.endpoint or place.scheme == "s3":
        return access
    if place.scheme in {"oss", "aliyun"} and access.region.startswith(("oss-", "cn-", "ap-", "eu-", "me-")):
        return replace(access, endpoint=f"https://oss-{access.region.removeprefix('oss-')}.aliyuncs.com")
    raise InvalidUriError(
        f"'{place.scheme}://{place.bucket}/{place.key}' does not say where the store is",
        hint=f"set SW_S3_ENDPOINT, or write {place.scheme}://<host>:<port>/<bucket>/<key>",
    )


__all__ = ["ObjectLinks", "ObjectPlace", "links", "parse_link"]
