"""`Bucket`: the five requests that we need of an object store."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit
from xml.etree import ElementTree as ET

from starwhale.errors import NotFoundError, ObjectStoreError, UsageError
from starwhale.settings import S3Access, S3Accounts
from starwhale.storage.objects.answers import error_code, refusal
from starwhale.storage.objects.connections import Answer, Connections, Request
from starwhale.storage.objects.signing import encode_path, encode_query, hash_body, presign, sign

_IN_HOST_NAME = (".aliyuncs.com",)
"""Stores that answer only where the bucket stands in the host name."""
MOST_BYTES = 5 << 30
"""What one PUT can carry."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ObjectInfo:
    """One object in a list."""

    key: str
    """Its name."""
    size: int
    """Bytes."""


class Bucket:
    """One bucket of an object store; safe to use from several threads.

    Args:
        name: Of the bucket.
        access: Where the store is, and with which keys.
    """

    def __init__(self, name: str, access: S3Access) -> None:
        self.name = name
        """Of the bucket."""
        self._access = access
        address, self._prefix = _place(name, access)
        self._connections = Connections(address, access)
        self._host = urlsplit(address).netloc

    @property
    def address(self) -> str:
        """Address of the store."""
        return self._connections.address

    def uri(self, key: str) -> str:
        """Name an object for messages."""
        return f"s3://{self.name}/{key}"

    def read(self, key: str, offset: int = 0, size: int = -1) -> bytes:
        """Return the bytes [offset, offset + size) of an object, or up to its end; fewer only where it ends.

        Raises:
            NotFoundError: There is no such object.
            ObjectStoreError: The store refuses, or cannot be reached.
        """
        if size == 0:
            return b""
        headers: dict[str, str] = {}
        if offset or size > 0:
            headers["Range"] = f"bytes={offset}-{offset + size - 1 if size > 0 else ''}"
        answer = self._send("GET", key, headers=headers)
        if answer.status == 206:
            return answer.body
        if answer.status == 416:  # it ends before the range begins
            return b""
        if answer.status != 200:
            raise self._refused(answer, f"read {self.uri(key)}")
        end = len(answer.body) if size < 0 else offset + size
        return answer.body[offset:end] if headers else answer.body

    def has(self, key: str) -> bool:
        """Whether there is such an object."""
        answer = self._send("HEAD", key)
        if answer.status == 404:
            return False
        if answer.status != 200:
            raise self._refused(answer, f"look for {self.uri(key)}")
        return True

    def size(self, key: str) -> int:
        """Return the size of an object in bytes.

        Raises:
            NotFoundError: There is no such object.
            ObjectStoreError: The store refuses, or cannot be reached.
        """
        answer = self._send("HEAD", key)
        if answer.status != 200:
            raise self._refused(answer, f"look for {self.uri(key)}")
        return int(answer.headers["content-length"])

    def signed_address(self, key: str, *, expires_s: int) -> str:
        """Return an address from which anybody can read an object for a while; without keys it is the plain one."""
        path = f"{self._prefix}/{encode_path(key)}"
        query = presign(self._access, path, self._host, expires_s=expires_s, now=time.time())
        return f"{self.address}{path}?{query}" if query else f"{self.address}{path}"

    def put(self, key: str, content: Any, *, if_absent: bool = False) -> bool:
        """Write an object, whole or not at all.

        Args:
            key: Its name.
            content: Whatever has the buffer protocol.
            if_absent: Only where there is none of this name; stores that do not know the condition write anyway.

        Returns:
            Whether it was written; False where one was there already.

        Raises:
            UsageError: It is larger than one object may be.
            ObjectStoreError: The store cannot be reached, or refuses.
        """
        view = memoryview(content)
        if view.nbytes > MOST_BYTES:
            raise UsageError(
                f"cannot write {self.uri(key)}: {view.nbytes} bytes are more than the {MOST_BYTES} of one object",
                hint="split the value that is so large",
            )
        headers = {"If-None-Match": "*"} if if_absent else {}
        answer = self._send("PUT", key, headers=headers, body=view)
        if if_absent and (answer.status == 412 or error_code(answer) == "ConditionalRequestConflict"):
            return False
        if answer.status not in {200, 201, 204}:
            raise self._refused(answer, f"write {self.uri(key)}")
        return True

    def list(self, prefix: str) -> Iterator[ObjectInfo]:
        """List the objects whose key begins so, in the order of their keys.

        Raises:
            ObjectStoreError: The store cannot be reached, refuses, or lists a part and does not say how to go on.
        """
        token = ""
        while True:
            query = {"list-type": "2", "prefix": prefix}
            if token:
                query["continuation-token"] = token
            page = self._list_page(query, prefix)
            for entry in page.iter("Contents"):
                yield ObjectInfo(key=entry.findtext("Key") or "", size=int(entry.findtext("Size") or 0))
            token = page.findtext("NextContinuationToken") or ""
            if page.findtext("IsTruncated") != "true":
                return
            if not token:
                message = f"{self.address} lists {self.uri(prefix)} in part and does not say how to go on"
                raise ObjectStoreError(message, address=self.address)

    def folders(self, prefix: str) -> list[str]:
        """List what stands between `prefix` and the next slash."""
        page = self._list_page({"list-type": "2", "prefix": prefix, "delimiter": "/"}, prefix)
        found = (each.findtext("Prefix") or "" for each in page.iter("CommonPrefixes"))
        return [name[len(prefix) :].rstrip("/") for name in found]

    def close(self) -> None:
        """Close idle connections."""
        self._connections.close()

    def _list_page(self, query: Mapping[str, str], prefix: str) -> ET.Element:
        answer = self._send("GET", "", query=query)
        if answer.status != 200:
            raise self._refused(answer, f"list {self.uri(prefix)}")
        try:
            page = ET.fromstring(answer.body)  # noqa: S314  see the import
        except ET.ParseError as error:
            message = f"{self.address} does not answer like an object store"
            raise ObjectStoreError(message, address=self.address, hint="check SW_S3_ENDPOINT") from error
        for element in page.iter():
            element.tag = element.tag.rpartition("}")[2]  # stores disagree on the namespace
        return page

    def _send(
        self,
        method: str,
        key: str,
        *,
        query: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
        body: Any = b"",
    ) -> Answer:
        path = f"{self._prefix}/{encode_path(key)}"
        target = f"{path}?{encode_query(query)}" if query else path
        body_hash = hash_body(body)
        sent = {"Host": self._host, **(headers or {})}
        if method == "PUT":
            sent["Content-Length"] = str(len(body))

        def signed() -> Mapping[str, str]:
            return sign(self._access, method, target, sent, body_hash=body_hash, now=time.time())

        return self._connections.send(Request(method=method, target=target, headers=signed, body=body))

    def _refused(self, answer: Answer, what: str) -> Exception:
        error = refusal(answer, what, bucket=self.name, address=self.address, access=self._access)
        if isinstance(error, NotFoundError) and answer.status == 404 and not answer.body:  # of a HEAD
            return NotFoundError(error.message, hint="check the name of the bucket too")
        return error


def open_bucket(name: str, accounts: S3Accounts, *, endpoint: str = "") -> Bucket:
    """Open a bucket with the keys that the environment or the configuration gives for it; nothing is sent yet.

    Args:
        name: Of the bucket.
        accounts: What the user has set.
        endpoint: Address of the store, where whoever names the bucket names that too.
    """
    return Bucket(name, accounts.access(name, endpoint=endpoint))


def _place(bucket: str, access: S3Access) -> tuple[str, str]:
    """Return the address of the store and the path of the bucket there: in the host name for Amazon, else in the path."""
    if access.addressing not in {"", "path", "virtual"}:
        message = f"SW_S3_EXTRA_CONFIGS asks for the addressing style {access.addressing!r}"
        raise UsageError(message, hint='write it like {"s3": {"addressing_style": "virtual"}}, or "path"')
    if access.endpoint:
        endpoint = access.endpoint if "://" in access.endpoint else f"https://{access.endpoint}"
        parts = urlsplit(endpoint)
        if parts.scheme not in {"http", "https"} or not parts.hostname:
            message = f"the endpoint {access.endpoint!r} is no address of an object store"
            raise UsageError(message, hint="write it like https://minio.example:9000")
        if access.addressing == "virtual" or (not access.addressing and (parts.hostname or "").endswith(_IN_HOST_NAME)):
            return f"{parts.scheme}://{bucket}.{parts.netloc}", parts.path.rstrip("/")
        return f"{parts.scheme}://{parts.netloc}", f"{parts.path.rstrip('/')}/{bucket}"
    if "." in bucket or access.addressing == "path":  # certificates do not cover such host names
        return f"https://s3.{access.region}.amazonaws.com", f"/{bucket}"
    return f"https://{bucket}.s3.{access.region}.amazonaws.com", ""


__all__ = ["Bucket", "ObjectInfo", "open_bucket"]
