"""Object stores that speak the S3 protocol: signed requests, ranged reads, retries. The standard library is all that it needs.

Doors: `open_bucket(name, accounts)` of `bucket` gives a `Bucket`, which reads ranges of objects, lists them and puts new ones; `links` opens what a link to an
object names. Behind them: `signing` (pure), `connections` (kept open, tried again), `answers` (what an error answer means to a user).

Who may enter: `storage.dataset_rows`, `storage.stores`, and whoever reads links. What it may import: settings, errors,
`storage.object_accounts`.
"""

from __future__ import annotations

from starwhale.storage.objects.bucket import Bucket, ObjectInfo, open_bucket

__all__ = ["Bucket", "ObjectInfo", "open_bucket"]
