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
    moment = _moment(now)
    signed = {**headers, "x-amz-content-sha256": body_hash, "x-amz-date": moment}
    if access.session_token:
        signed["x-amz-security-token"] = access.session_token
    lines = {name.lower(): " ".join(value.split()) for name, value in signed.items()}
    names = ";".join(sorted(lines))
    canonical = "".join(f"{name}:{lines[name]}\n" for name in sorted(lines))
    request = f"{method}\n{path}\n{query}\n{canonical}\n{names}\n{body_hash}"
    scope = _scope(access, moment)
    signature = _signature(access, moment, request)
    signed["Authorization"] = (
        f"AWS4-HMAC-SHA256 Credential={access.access_key}/{scope},SignedHeaders={names},Signature={signature}"
    )
    return signed


def presign(access: S3Access, path: str, host: str, *, expires_s: int, now: float) -> str:
    """Return the query that lets anybody read an object for a while; empty without keys.

    Args:
        access: Whose keys.
        path: Encoded path.
        host: Host of the address, with its port where that is not the usual one.
        expires_s: How long, in seconds.
        now: Seconds since the epoch.
    """
    if not access.access_key:
        return ""
    moment = _moment(now)
    asked = {
        "X-Amz-Algorithm": "AWS4-HMAC-SHA256",
        "X-Amz-Credential": f"{access.access_key}/{_scope(access, moment)}",
        "X-Amz-Date": moment,
        "X-Amz-Expires": str(expires_s),
        "X-Amz-SignedHeaders": "host",
    }
    if access.session_token:
        asked["X-Amz-Security-Token"] = access.session_token
    query = encode_query(asked)
    request = f"GET\n{path}\n{query}\nhost:{host}\n\nhost\nUNSIGNED-PAYLOAD"
    return f"{query}&X-Amz-Signature={_signature(access, moment, request)}"


def _moment(now: float) -> str:
    return time.strftime("%Y%m%dT%H%M%SZ", time.gmtime(now))


def _scope(access: S3Access, moment: str) -> str:
    return f"{moment[:8]}/{access.region}/s3/aws4_request"


def _signature(access: S3Access, moment: str, request: str) -> str:
    digest = hashlib.sha256(request.encode()).hexdigest()
    text = f"AWS4-HMAC-SHA256\n{moment}\n{_scope(access, moment)}\n{digest}"
    key = f"AWS4{access.secret}".encode()
    for part in (moment[:8], access.region, "s3", "aws4_request"):
        key = hmac.digest(key, part.encode(), "sha256")
    return hmac.digest(key, text.encode(), "sha256").hex()


__all__ = ["EMPTY", "encode_path", "encode_query", "hash_body", "presign", "sign"]
