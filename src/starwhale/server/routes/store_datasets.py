"""Files of datasets for other programs: read by range, sent by name, and verified before a version names them."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Path, Query, Request
from fastapi.concurrency import run_in_threadpool

from starwhale.errors import UsageError
from starwhale.server.routes.store_blobs import BYTES_TYPE, CONTENT, GIVEN, ContentResponse, whole_body
from starwhale.server.state import Here
from starwhale.wire.stores import DatasetFiles, ManifestName, Names, SharedVersion, Size

MOST_FILES = 1000
"""Files of a question, at most."""

router = APIRouter(prefix="/stores/datasets/{dataset_id}", tags=["stores"])
DatasetId = Annotated[str, Path(pattern="^[A-Za-z0-9_-]{1,80}$", description="Id of the dataset's bundle.")]
Folder = Annotated[str, Path(pattern="^(fragments|packs|manifests)$", description="Folder of the dataset.")]
File = Annotated[str, Path(pattern="^[A-Za-z0-9_-][A-Za-z0-9_.-]{0,120}$", description="Name of the file there.")]
Digest = Annotated[str, Query(pattern="^[0-9a-f]{64}$", max_length=64, description="BLAKE3 of the whole file.")]


@router.get("/files/{folder}/{file}", response_class=ContentResponse, responses=GIVEN)
def read_dataset_file(here: Here, dataset_id: DatasetId, folder: Folder, file: File) -> ContentResponse:
    """Read a file, whole or by range. Who reads it verifies it, by the version's manifest."""
    return ContentResponse(here.stores.datasets.path(dataset_id, f"{folder}/{file}"), media_type=BYTES_TYPE)


@router.put("/files/{folder}/{file}", openapi_extra=CONTENT)
async def put_dataset_file(
    here: Here, dataset_id: DatasetId, folder: Folder, file: File, digest: Digest, request: Request
) -> Size:
    """Send a file of 8 MiB at most whole; one that is there already is left as it is."""
    content = await whole_body(request)
    await run_in_threadpool(here.stores.datasets.put, dataset_id, f"{folder}/{file}", content, digest)
    return Size(size=len(content))


@router.post("/files/{folder}/{file}/finish")
def finish_dataset_file(here: Here, dataset_id: DatasetId, folder: Folder, file: File, digest: Digest) -> Size:
    """Keep a file that was uploaded under its digest, once it is verified; one that is there already is left as it is."""
    return Size(size=here.stores.datasets.finish(dataset_id, f"{folder}/{file}", digest))


@router.post("/lacking")
def lacking_dataset_files(here: Here, dataset_id: DatasetId, body: DatasetFiles) -> Names:
    """Say which files are not here, or have another size."""
    if len(body.files) > MOST_FILES:
        raise UsageError(f"{len(body.files)} files are asked for", hint=f"ask for {MOST_FILES} at most")
    return Names(names=here.stores.datasets.lacking(dataset_id, [(each.name, each.size) for each in body.files]))


@router.post("/verify")
def verify_dataset_version(here: Here, dataset_id: DatasetId, body: ManifestName) -> Size:
    """Read and verify every file of a version that was sent; what is damaged is dropped, and named."""
    return Size(size=here.stores.datasets.verify(dataset_id, body.manifest_digest))


@router.post("/share")
def share_dataset_version(here: Here, dataset_id: DatasetId, body: SharedVersion) -> Size:
    """Give another dataset the files of a version of this one."""
    return Size(size=here.stores.datasets.share(dataset_id, body.manifest_digest, body.target))
