"""What an answer that is no success means to a user."""

from __future__ import annotations

from xml.etree import ElementTree as ET

from starwhale.errors import NotFoundError, ObjectStoreError, StarwhaleError
from starwhale.settings import S3Access
from starwhale.storage.objects.connections import Answer

_KEYS = frozenset({"InvalidAccessKeyId", "SignatureDoesNotMatch", "AccessDenied", "InvalidToken", "ExpiredToken"})


def error_code(answer: Answer) -> str:
    """Return the store's own word for an error, or empty."""
    try:
        return ET.fromstring(answer.body).findtext("Code") or ""  # noqa: S314  see the import
    except ET.ParseError:
        return ""


def refusal(answer: Answer, what: str, *, bucket: str, address: str, access: S3Access) -> StarwhaleError:
    """Turn an answer that is no success into the error to raise.

    Args:
        answer: The answer.
        what: What was tried, such as "read s3://b/k".
        bucket: Where.
        address: Of the store.
        access: With which keys; they are not shown.
    """
    code = error_code(answer)
    region = answer.headers.get("x-amz-bucket-region", "")
    if code == "NoSuchBucket":
        message = f"cannot {what}: there is no bucket {bucket!r} at {address}"
        return ObjectStoreError(message, address=address, hint="check its name, and SW_S3_ENDPOINT")
    if region and region != access.region:
        message = f"cannot {what}: the bucket {bucket!r} is in the region {region}, not in {access.region}"
        return ObjectStoreError(message, address=address, hint=f"set SW_S3_REGION={region}")
    if answer.status == 404:
        return NotFoundError(f"cannot {what}: there is no such object at {address}")
    if code in _KEYS or answer.status in {401, 403}:
        said = f" ({code})" if code else ""
        message = f"cannot {what}: {address} refuses the keys{said}"
        hint = "check SW_S3_ACCESS_KEY and SW_S3_SECRET, or link_auths in the configuration"
        if not access.access_key:
            message = f"cannot {what}: {address} wants keys, and none are set{said}"
            hint = "set SW_S3_ACCESS_KEY and SW_S3_SECRET, or link_auths in the configuration, or AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY"
        return ObjectStoreError(message, address=address, hint=hint)
    said = code or answer.body[:100].decode(errors="replace").strip()
    return ObjectStoreError(
        f"cannot {what}: {address} answers {answer.status}{f' ({said})' if said else ''}", address=address
    )


__all__ = ["error_code", "refusal"]
