"""Signature Version 4 of the S3 protocol, as values in and values out.

Source: "Authenticating Requests (AWS Signature Version 4)", Amazon S3 API Reference.
"""

from __future__ import annotations

import hashlib
import hmac
import time
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

from starwhale.settings import S3Access

EMPTY = hashlib.sha256(b"").hexdigest()
"""SHA-256 of no bytes."""


def encode_path(key: str) -> str:
    """Write a key as it stands in a request: everything but unreserved characters and slashes is percent-encoded."""
    return quote(key, safe="/-_.~")


def encode_query(query: Mapping[str, str]) -> str:
    """Write a query in the order and the encoding that is signed."""
    return "&".join(f"{quote(name, safe='-_.~')}={quote(query[name], safe='-_.~')}" for name in sorted(query))


def hash_body(body: Any) -> str:  # Any: whatever has the buffer protocol
    """Return the SHA-256 of a body, in hex."""
    return hashlib.sha256(body).hexdigest() if len(body) else EMPTY


def sign(
    access: S3Access, method: str, target: str, headers: Mapping[str, str], *, body_hash: str, now: float
) -> dict[str, str]:
    """Return the headers of a request with its signature; without keys as they are, for what everybody may read.

    Args:
        access: Whose keys.
        method: GET, PUT, ….
        target: Encoded path, and after a question mark the encoded query, if there is one.
        headers: Headers to send, `Host` among them.
        body_hash: SHA-256 of the body, in hex.
        now: Seconds since the epoch.
    """
    if not access.access_key:
        return dict(headers)
    path, _, query = target.partition("?")
    moment = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime(now))
    signed = {**headers, "x-amz-content-sha256": body_hash, "x-amz-date": moment}
    if access.session_token:
        signed["x-amz-security-token"] = access.session_token
    lines = {name.lower(): " ".join(value.split()) for name, value in signed.items()}
    names = ";".join(sorted(lines))
    canonical = "".join(f"{name}:{lines[name]}\n" for name in sorted(lines))
    request = f"{method}\n{path}\n{query}\n{canonical}\n{names}\n{body_hash}"
    scope = f"{moment[:8]}/{access.region}/s3/aws4_request"
    digest = hashlib.sha256(request.encode()).hexdigest()
    text = f"AWS4-HMAC-SHA256\n{moment}\n{scope}\n{digest}"
    key = f"AWS4{access.secret}".encode()
    for part in (moment[:8], access.region, "s3", "aws4_request"):
        key = hmac.digest(key, part.encode(), "sha256")
    signature = hmac.digest(key, text.encode(), "sha256").hex()
    signed["Authorization"] = (
        f"AWS4-HMAC-SHA256 Credential={access.access_key}/{scope},SignedHeaders={names},Signature={signature}"
    )
    return signed


__all__ = ["EMPTY", "encode_path", "encode_query", "hash_body", "sign"]
