"""Datasets on an object store: read by verified ranges, copied there and back, never written in place."""

from __future__ import annotations

import pickle
import random
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.s3_server import S3Server, Wire

from starwhale.datasets.dataset import Dataset
from starwhale.errors import (
    AlreadyExistsError,
    CorruptedError,
    InvalidUriError,
    MissingDatasetError,
    NotFoundError,
    ObjectStoreError,
    ReadOnlyError,
    UsageError,
)
from starwhale.instances import Instance, open_instance
from starwhale.media import Image
from starwhale.settings import read_settings
from starwhale.storage.dataset_rows import object_places
from starwhale.storage.protocols import Key

pytestmark = pytest.mark.needs_s3

IMAGE_BYTES = 6000


def picture(key: int) -> bytes:
    return random.Random(key).randbytes(IMAGE_BYTES)


@pytest.fixture
def wire(s3: S3Server) -> Iterator[Wire]:
    with Wire(s3.endpoint) as found:
        yield found


@pytest.fixture
def opened(tmp_path: Path) -> Iterator[Callable[..., Instance]]:
    """Opens instances of their own roots on a server, each with nothing cached."""
    made: list[Instance] = []

    def open_(environment: dict[str, str], *, root: str = "root", **changes: str) -> Instance:
        env = {**environment, **changes, "HOME": str(tmp_path), "SW_LOCAL_STORAGE": str(tmp_path / root)}
        made.append(open_instance(read_settings(env)))
        return made[-1]

    yield open_
    for each in made:
        each.close()


@pytest.fixture
def here(s3: S3Server, wire: Wire, opened: Callable[..., Instance]) -> Instance:
    """An instance that reaches the server through the wire."""
    return opened(s3.environment, SW_S3_ENDPOINT=wire.endpoint, SW_S3_TOTAL_MAX_ATTEMPTS="2")


OPENED_ELSEWHERE = """
import pickle, sys
ref = pickle.loads(bytes.fromhex(sys.argv[1]))
reader = ref.open()
print(reader.read(0, 2, ["label"]).columns["label"])
"""


def build(instance: Instance, name: str, rows: dict[Any, dict[str, Any]], tags: tuple[str, ...] = ()) -> str:
    with instance.datasets.open(name, Dataset) as made:
        for key, features in rows.items():
            made[key] = features
        return made.commit(tags=tags)


def some_rows(count: int) -> dict[Key, dict[str, Any]]:
    return {key: {"label": key % 10, "text": f"row {key}", "image": Image(picture(key))} for key in range(count)}


def contents(dataset: Dataset) -> dict[Key, dict[str, Any]]:
    def plain(value: Any) -> Any:
        return value.to_bytes() if isinstance(value, Image) else value

    return {row.index: {name: plain(cell) for name, cell in row.features.items()} for row in dataset}


def read(instance: Instance, uri: str) -> dict[Key, dict[str, Any]]:
    with instance.datasets.open(uri, Dataset, readonly=True) as dataset:
        return contents(dataset)


def place(s3: S3Server) -> str:
    return f"s3://{s3.bucket}/data"


# ------------------------------------------------------------------------------------------------- there and back again


def test_a_version_there_is_exported_to_one_file_and_imported_elsewhere(
    s3: S3Server, here: Instance, opened: Callable[..., Instance], tmp_path: Path
) -> None:
    version = build(here, "digits", some_rows(40), tags=("good",))
    expected = read(here, "digits")
    here.datasets.copy("digits", place(s3))
    there = opened(s3.environment, root="there")
    size = there.datasets.export(f"{place(s3)}/digits", tmp_path / "digits.swds")
    assert size == (tmp_path / "digits.swds").stat().st_size
    assert list(there.stores.layout.tmp.iterdir()) == []
    taken = opened({}, root="elsewhere").datasets
    found = taken.import_archive(tmp_path / "digits.swds").version
    assert (found.version, found.name, set(found.tags) >= {"good"}) == (version, "digits", True)
    with taken.open("digits/version/good", Dataset, readonly=True) as dataset:
        assert contents(dataset) == expected


def test_nothing_is_exported_of_what_was_changed_there(
    s3: S3Server, here: Instance, opened: Callable[..., Instance], tmp_path: Path
) -> None:
    build(here, "digits", some_rows(40))
    here.datasets.copy("digits", place(s3))
    (pack,) = (key for key in s3.objects() if "/digits/" in key and key.endswith(".pack"))
    client = s3.client()
    content = bytearray(client.get_object(Bucket=s3.bucket, Key=pack)["Body"].read())
    content[len(content) // 2] ^= 1
    client.put_object(Bucket=s3.bucket, Key=pack, Body=bytes(content))
    there = opened(s3.environment, root="there")
    with pytest.raises(CorruptedError, match="packs/"):
        there.datasets.export(f"{place(s3)}/digits", tmp_path / "digits.swds")
    assert not (tmp_path / "digits.swds").exists()
    assert list(there.stores.layout.tmp.iterdir()) == []


def test_a_version_reads_there_as_it_was_and_comes_back_as_it_was(
    s3: S3Server, here: Instance, opened: Callable[..., Instance]
) -> None:
    first = build(here, "digits", some_rows(300), tags=("good",))
    with here.datasets.open("digits", Dataset) as changed:
        changed[7] = {"label": 77}
        del changed[8]
        changed[1000] = {"text": "x" * 9000}
        second = changed.commit()
    expected = {version: read(here, f"digits/version/{version}") for version in (first, second)}
    for version in (first, second):
        copied = here.datasets.copy(f"digits/version/{version}", place(s3))
        assert (copied.is_new, copied.version.version) == (True, version)
    there = opened(s3.environment, root="elsewhere")
    uri = f"{place(s3)}/digits"
    assert read(there, uri) == read(there, f"{uri}/version/{second[:8]}") == expected[second]
    assert read(there, f"{uri}/version/good") == expected[first]
    with there.datasets.open(uri, Dataset) as dataset:
        assert str(dataset.uri) == f"{uri}/version/{second}"
        assert [each["version"] for each in dataset.history()] == [second, first]
        assert [row.index for row in dataset.head(3)] == [0, 1, 2]
        assert dataset[7].features["label"] == 77
        assert dataset[8] is None
        assert dataset.summary()["rows"] == 300
        assert list(dataset.tags) == ["latest"]
    there.datasets.copy(f"{uri}/version/good", ".")
    assert read(there, "digits") == expected[first]
    assert there.datasets.info("digits").content_digest == here.datasets.info(f"digits/version/{first}").content_digest
    assert "good" in there.datasets.tags("digits")


def test_only_what_is_lacking_is_sent(s3: S3Server, wire: Wire, here: Instance) -> None:
    build(here, "digits", some_rows(300))
    here.datasets.copy("digits", place(s3))
    before = s3.objects()
    with here.datasets.open("digits", Dataset) as changed:
        changed[300] = {"label": 1}
        changed.commit()
    here.datasets.copy("digits", place(s3))
    new = {key: size for key, size in s3.objects().items() if key not in before}
    assert sorted(key.split("/")[2] for key in new) == ["fragments", "manifests", "versions"]
    assert sum(new.values()) < 6000
    wire.reset()
    assert not here.datasets.copy("digits", place(s3)).is_new
    assert wire.requests < 12


def test_a_copy_that_is_interrupted_shows_nothing_and_goes_on(s3: S3Server, wire: Wire, here: Instance) -> None:
    build(here, "digits", some_rows(300))
    wire.damage = lambda content: None if s3.objects() else content  # ends with the first object that is there
    with pytest.raises(ObjectStoreError):
        here.datasets.copy("digits", place(s3))
    half = s3.objects()
    assert half
    assert not any("/versions/" in key for key in half)
    wire.damage = None
    with pytest.raises(MissingDatasetError):
        here.datasets.info(f"{place(s3)}/digits")
    here.datasets.copy("digits", place(s3))
    assert read(here, f"{place(s3)}/digits") == read(here, "digits")


def test_a_damaged_file_is_not_sent(s3: S3Server, here: Instance) -> None:
    build(here, "digits", some_rows(10))
    folder = Path(here.datasets.folder(here.datasets.info("digits")))
    for number, path in enumerate((*folder.glob("packs/*.pack"), *folder.glob("fragments/*"))):
        content = path.read_bytes()
        flip(path, len(content) // 3)
        with pytest.raises(CorruptedError, match=str(path)):
            here.datasets.copy("digits", f"{place(s3)}/{number}")
        path.write_bytes(content)
    assert not any("/versions/" in key for key in s3.objects())


def flip(path: Path, offset: int) -> None:
    content = bytearray(path.read_bytes())
    content[offset] ^= 4
    path.write_bytes(content)


def test_tags_do_not_move_by_themselves(s3: S3Server, here: Instance) -> None:
    first = build(here, "digits", some_rows(3), tags=("good",))
    here.datasets.copy("digits", place(s3))
    with here.datasets.open("digits", Dataset) as changed:
        changed[3] = {"label": 3}
        second = changed.commit(tags=["good"])
    with pytest.raises(AlreadyExistsError, match=rf"'good' points at version {first[:12]}"):
        here.datasets.copy("digits", place(s3))
    here.datasets.copy("digits", place(s3), ignore_tags=["good"])
    assert here.datasets.info(f"{place(s3)}/digits/version/good").version == first
    here.datasets.copy("digits", place(s3), force=True)
    assert here.datasets.info(f"{place(s3)}/digits/version/good").version == second


# ------------------------------------------------------------------------------------------------------- what it costs


def test_one_row_and_one_column_receive_little(s3: S3Server, wire: Wire, opened: Callable[..., Instance]) -> None:
    """Of 40 MB with images in packs, and of 20 MB with images in the rows."""
    maker = opened(s3.environment)
    long: dict[Any, Any] = {n: {"label": n % 10, "image": Image(random.randbytes(100_000))} for n in range(400)}
    short: dict[Any, Any] = {f"k{n:06}": {"label": n % 10, "image": Image(random.randbytes(3000))} for n in range(7000)}
    for name, rows in (("long", long), ("short", short)):
        build(maker, name, rows)
        maker.datasets.copy(name, place(s3))
    limits = {"long": (200_000, 60_000), "short": (900_000, 300_000)}
    for name, key in (("long", 200), ("short", "k003500")):
        reader = opened(s3.environment, root="reader", SW_S3_ENDPOINT=wire.endpoint)
        wire.reset()
        with reader.datasets.open(f"{place(s3)}/{name}", Dataset) as dataset:
            row = dataset[key]
            assert row.features["image"].to_bytes() == {**long, **short}[key]["image"].to_bytes()
        assert wire.received < limits[name][0]
        labels = opened(s3.environment, root="labels", SW_S3_ENDPOINT=wire.endpoint)
        found = labels.datasets.info(f"{place(s3)}/{name}")
        wire.reset()
        version = labels.stores.datasets.open_version(found.bundle_id, found.content_digest)
        total = sum(sum(rows.columns["label"]) for rows in version.iter_batches(["label"]))
        assert total == sum(features["label"] for features in {"long": long, "short": short}[name].values())
        assert wire.received < limits[name][1]


def test_values_read_in_order_come_together(s3: S3Server, wire: Wire, opened: Callable[..., Instance]) -> None:
    maker = opened(s3.environment)
    build(maker, "digits", some_rows(1000))
    maker.datasets.copy("digits", place(s3))
    reader = opened(s3.environment, root="reader", SW_S3_ENDPOINT=wire.endpoint)
    with reader.datasets.open(f"{place(s3)}/digits", Dataset) as dataset:
        wire.reset()
        assert sum(len(row.features["image"].to_bytes()) for row in dataset) == 1000 * IMAGE_BYTES
    assert wire.requests < 15


def test_memory_for_what_was_read_is_bounded(s3: S3Server, here: Instance, monkeypatch: pytest.MonkeyPatch) -> None:
    build(here, "digits", some_rows(900))
    here.datasets.copy("digits", place(s3))
    monkeypatch.setattr(object_places, "CACHE_BYTES", 1 << 20)
    monkeypatch.setattr(object_places, "PIECE_BYTES", 256 << 10)
    found = here.datasets.info(f"{place(s3)}/digits")
    reader = here.stores.datasets.open_version(found.bundle_id, found.content_digest)
    places = reader._folder.places
    assert isinstance(places, object_places.ObjectPlaces)
    for start in range(0, 900, 7):
        rows = reader.read(start, start + 7)
        assert [image.to_bytes() for image in rows.columns["image"]] == [picture(int(key)) for key in rows.keys]
        assert sum(image.total for image in places._images.values()) <= (1 << 20) + (600 << 10)
    ranks = random.Random(1).sample(range(900), 400)
    assert reader.take(ranks, ["text"]).columns["text"] == [f"row {rank}" for rank in ranks]


def test_lists_of_packs_go_there_and_come_back(s3: S3Server, here: Instance, opened: Callable[..., Instance]) -> None:
    """So many commits of a large value each that the manifest names most packs by a list, and then a few more."""
    for number in range(14):
        with here.datasets.open("many", Dataset) as changed:
            changed[number] = {"text": f"{number}" * 5000}
            changed.commit()
        if number == 10:
            here.datasets.copy("many", place(s3))
    expected = read(here, "many")
    assert len(expected) == 14
    here.datasets.copy("many", place(s3))
    there = opened(s3.environment, root="elsewhere")
    assert read(there, f"{place(s3)}/many") == expected
    assert there.datasets.verify(f"{place(s3)}/many").is_whole
    there.datasets.copy(f"{place(s3)}/many", ".")
    assert read(there, "many") == expected
    assert there.datasets.verify("many").is_whole
    (key,) = (key for key in s3.objects() if key.endswith(".packs"))
    whole = s3.content(key)
    for content in (whole[:9] + bytes([whole[9] ^ 1]) + whole[10:], whole[:-5], None):
        s3.replace(key, content) if content is not None else s3.client().delete_object(Bucket=s3.bucket, Key=key)
        with pytest.raises(CorruptedError, match="a list of packs"):
            read(opened(s3.environment, root="another"), f"{place(s3)}/many")


# ----------------------------------------------------------------------------------------------------- when things fail


def test_a_flipped_byte_in_any_object_is_reported_and_never_returned(
    s3: S3Server, opened: Callable[..., Instance]
) -> None:
    maker = opened(s3.environment)
    build(maker, "digits", some_rows(40))
    with maker.datasets.open("digits", Dataset) as changed:
        changed[7] = {"label": 77}
        changed.commit()
    expected = read(maker, "digits")
    maker.datasets.copy("digits", place(s3))
    choose = random.Random(3)
    caught = 0
    for number, (key, size) in enumerate(sorted(s3.objects().items())):
        whole = s3.content(key)
        for offset in {0, size - 1, *choose.sample(range(size), 4)}:
            s3.replace(key, whole[:offset] + bytes([whole[offset] ^ (1 << offset % 8)]) + whole[offset + 1 :])
            reader = opened(s3.environment, root=f"reader{number}")
            try:
                assert read(reader, f"{place(s3)}/digits") == expected
            except (CorruptedError, NotFoundError) as error:
                assert key.split("/")[-1] in str(error) or "/versions/" in key  # noqa: PT017
                caught += 1
        s3.replace(key, whole)
    assert caught > 15


def test_verify_names_the_object_that_is_damaged_cut_or_gone(s3: S3Server, here: Instance) -> None:
    build(here, "digits", some_rows(40))
    here.datasets.copy("digits", place(s3))
    found = here.datasets.info(f"{place(s3)}/digits")
    for key in s3.objects():
        if not key.endswith((".pack", ".parquet")):
            continue
        whole = s3.content(key)
        for content in (whole[:50] + bytes([whole[50] ^ 1]) + whole[51:], whole[: len(whole) // 2]):
            s3.replace(key, content)
            here.stores.datasets.close()
            damages = here.stores.datasets.open_version(found.bundle_id, found.content_digest).verify()
            assert {each.path for each in damages} == {f"s3://{s3.bucket}/{key}"}
        s3.replace(key, whole)
    assert here.stores.datasets.open_version(found.bundle_id, found.content_digest).verify() == []


def test_a_store_that_dies_in_the_middle_is_named(s3: S3Server, wire: Wire, here: Instance) -> None:
    build(here, "digits", some_rows(300))
    here.datasets.copy("digits", place(s3))
    with here.datasets.open(f"{place(s3)}/digits", Dataset) as dataset:
        rows = iter(dataset)
        first = next(rows).features["image"]
        address = wire.endpoint
        wire.close()
        with pytest.raises(ObjectStoreError, match=rf"{address} cannot be read"):
            first.to_bytes()


def test_what_is_not_there_is_named_with_the_nearest(s3: S3Server, here: Instance) -> None:
    build(here, "digits", some_rows(3))
    here.datasets.copy("digits", place(s3))
    for uri, message in (
        (f"{place(s3)}/digts", "no dataset 'digts' in .* did you mean 'digits'"),
        (f"{place(s3)}/digits/version/nope", "no version 'nope' of"),
        (f"s3://{s3.bucket}/other/x", "copy one there with: swcli dataset copy"),
    ):
        with pytest.raises(NotFoundError, match=message):
            here.datasets.open(uri, Dataset)
    with pytest.raises(ObjectStoreError, match="no bucket 'no-such-bucket'"):
        here.datasets.info("s3://no-such-bucket/data/digits")
    for uri in ("s3://", f"s3://{s3.bucket}", f"s3://{s3.bucket}//digits"):
        with pytest.raises(InvalidUriError):
            here.datasets.open(uri, Dataset)


def test_changes_are_refused_with_the_way_out(s3: S3Server, here: Instance) -> None:
    build(here, "digits", some_rows(3))
    here.datasets.copy("digits", place(s3))
    uri = f"{place(s3)}/digits"
    with here.datasets.open(uri, Dataset) as dataset:
        assert dataset.readonly
        for change in (lambda: dataset.append({"label": 1}), lambda: dataset.tags.add("x"), dataset.clear):
            with pytest.raises(ReadOnlyError, match=rf"swcli dataset copy {uri} \."):
                change()
    for verb in (here.datasets.remove, here.datasets.recover, lambda uri: here.datasets.add_tags(uri, ["x"])):
        with pytest.raises(ReadOnlyError):
            verb(uri)
    with pytest.raises(ReadOnlyError):
        here.datasets.open(uri, Dataset, create="empty")
    with pytest.raises(UsageError, match="dest-local-project"):
        here.datasets.copy("digits", place(s3), project="self")
    assert len(here.datasets.history("digits")) == 1  # nothing was done to the one of that name here


def test_a_process_that_knows_the_keys_by_the_configuration_alone_opens_a_reference(
    s3: S3Server, here: Instance, opened: Callable[..., Instance], tmp_path: Path
) -> None:
    """As the spawned workers of a DataLoader do."""
    build(here, "ds", some_rows(2))
    here.datasets.copy("ds", f"s3://{s3.bucket}/sets")
    config = tmp_path / "config.yaml"
    keys = f"ak: {s3.access_key}, sk: {s3.secret}, region: us-east-1"
    config.write_text(f"link_auths: [{{type: s3, endpoint: '{s3.endpoint}', bucket: {s3.bucket}, {keys}}}]")
    instance = opened({"SW_CLI_CONFIG": str(config)}, root="other")
    with instance.datasets.open(f"s3://{s3.bucket}/sets/ds", Dataset, readonly=True) as dataset:
        ref = pickle.dumps(dataset._rows_ref())
    assert s3.secret.encode() not in ref
    done = subprocess.run(
        [sys.executable, "-c", OPENED_ELSEWHERE, ref.hex()],
        env={"SW_CLI_CONFIG": str(config), "HOME": str(tmp_path), "PATH": ""},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stdout == "[0, 1]\n", done.stderr
