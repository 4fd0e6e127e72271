"""Links to objects, against a server that is not ours, and what users are told when one leads nowhere."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING
from urllib.parse import quote

import pytest
from tests.s3_server import S3Server, moto_server

from starwhale.errors import InvalidUriError, NotFoundError, ObjectStoreError, StarwhaleError, UsageError
from starwhale.media import Binary, Image, Link, MIMEType, Text
from starwhale.settings import S3Access, read_settings
from starwhale.storage.object_accounts import Accounts
from starwhale.storage.objects import Bucket
from starwhale.storage.objects.links import ObjectLinks, ObjectPlace, parse_link
from starwhale.storage.objects.signing import presign

if TYPE_CHECKING:
    from pathlib import Path

CONTENT = bytes(range(256)) * 64


# ------------------------------------------------------------------------------------------------ without any server


@pytest.mark.parametrize(
    ("uri", "place"),
    [
        ("s3://b/k", ObjectPlace(scheme="s3", bucket="b", key="k")),
        ("S3://my.bucket/a b/c?d#e%20f", ObjectPlace(scheme="s3", bucket="my.bucket", key="a b/c?d#e%20f")),
        ("minio://10.0.0.1/b/k", ObjectPlace(scheme="minio", bucket="b", key="k", endpoint="10.0.0.1")),
        ("s3://host:9000/b/a/k", ObjectPlace(scheme="s3", bucket="b", key="a/k", endpoint="host:9000")),
        ("s3://host:9000@b/a/k", ObjectPlace(scheme="s3", bucket="b", key="a/k", endpoint="host:9000")),
        ("s3://store.example/b/k", ObjectPlace(scheme="s3", bucket="b", key="k", endpoint="store.example")),
        ("s3://a:s%2Fs@b/k", ObjectPlace(scheme="s3", bucket="b", key="k", access_key="a", secret="s/s")),
        (
            "oss://a:s@localhost/b/k",
            ObjectPlace(scheme="oss", bucket="b", key="k", endpoint="localhost", access_key="a", secret="s"),
        ),
    ],
)
def test_a_link_says_bucket_object_and_if_need_be_store_and_keys(uri: str, place: ObjectPlace) -> None:
    assert parse_link(uri, ["store.example"]) == place
    assert "s%2Fs" not in repr(place)


@pytest.mark.parametrize("uri", ["s3://", "s3://b", "s3://b/", "s3:///k", "s3://host:1/b", "s3://key:secret@/k"])
def test_a_link_without_bucket_or_object_is_refused_without_showing_keys(uri: str) -> None:
    with pytest.raises(InvalidUriError, match=r"names no object; write s3://<bucket>/<key>") as caught:
        parse_link(uri)
    assert "secret" not in str(caught.value)


def test_a_signed_address_is_that_of_the_published_example() -> None:
    """The presigned URL of "Authenticating Requests: Using Query Parameters", Amazon S3 API Reference."""
    access = S3Access(
        access_key="AKIAIOSFODNN7EXAMPLE", secret="wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY", region="us-east-1"
    )
    query = presign(access, "/test.txt", "examplebucket.s3.amazonaws.com", expires_s=86400, now=1369353600)
    assert query.endswith("X-Amz-Signature=aeeed9bbccd4d02ee5c0109b86d86835f995330da4c265957d157751f604d404")


def reader(**variables: str) -> ObjectLinks:
    return ObjectLinks(lambda: read_settings({"HOME": "/", **variables}).s3)


def test_each_kind_of_store_has_its_address() -> None:
    usual = reader()
    assert usual.sign("s3://b/k") == "https://b.s3.us-east-1.amazonaws.com/k"
    assert usual.sign("s3://b/a b") == "https://b.s3.us-east-1.amazonaws.com/a%20b"
    assert usual.sign("minio://127.0.0.1:9000/b/k") == "http://127.0.0.1:9000/b/k"
    assert usual.sign("minio://127.0.0.1:443/b/k") == "https://127.0.0.1:443/b/k"
    assert reader(SW_S3_REGION="cn-hangzhou").sign("oss://b/k") == "https://b.oss-cn-hangzhou.aliyuncs.com/k"
    named = reader(SW_S3_ENDPOINT="https://store.example/")
    assert named.sign("s3://b/k") == named.sign("s3://store.example/b/k") == "https://store.example/b/k"
    virtual = reader(
        SW_S3_ENDPOINT="https://store.example", SW_S3_EXTRA_CONFIGS='{"s3":{"addressing_style":"virtual"}}'
    )
    assert virtual.sign("s3://b/k") == "https://b.store.example/k"
    for uri in ("minio://b/k", "aliyun://b/k"):
        with pytest.raises(InvalidUriError, match="does not say where the store is; set SW_S3_ENDPOINT"):
            usual.sign(uri)
    with pytest.raises(UsageError, match="SW_S3_EXTRA_CONFIGS"):
        reader(SW_S3_EXTRA_CONFIGS="[]").sign("s3://b/k")


def test_a_worker_uses_what_its_parent_passed_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "config.yaml"
    path.write_text("link_auths: [{type: s3, endpoint: 'http://file:1', bucket: mine, ak: fk, sk: fs, region: fr}]")
    monkeypatch.setenv("SW_CLI_CONFIG", str(path))
    parent, worker = Accounts(), Accounts()
    passed_on = json.loads(json.dumps(parent.pass_on()))
    path.unlink()
    worker.take_over(passed_on)
    assert worker().access("mine").access_key == "fk"
    assert worker().access("other").access_key == ""
    assert parent().access("mine").access_key == ""  # the file has gone


# -------------------------------------------------------------------------------------------------- against a server


@pytest.fixture
def server(s3: S3Server, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> S3Server:
    """A server that this process has keys for, with one object."""
    for name, value in {**s3.environment, "SW_CLI_CONFIG": str(tmp_path / "config.yaml")}.items():
        monkeypatch.setenv(name, value)
    s3.replace("a/ü b.png", CONTENT)
    return s3


@pytest.mark.needs_s3
def test_links_read_a_part_of_an_object(server: S3Server) -> None:
    uri = f"s3://{server.bucket}/a/ü b.png"
    assert Link(uri).to_bytes() == CONTENT
    assert Link(uri, 100, 50).to_bytes() == CONTENT[100:150]
    assert Link(uri, 16_000).to_bytes() == CONTENT[16_000:]
    assert Link(uri, 1, 0).to_bytes() == b""
    value = Image(link=Link(uri, 10))
    assert (value.size_bytes, value.mime_type) == (len(CONTENT) - 10, MIMEType.PNG)
    with value.open() as file:
        file.seek(500)
        assert file.read(10) == CONTENT[510:520]
    assert b"".join(value.chunks(1000)) == CONTENT[10:]
    host = server.endpoint.removeprefix("http://")
    for other in (f"minio://{host}/{server.bucket}/a/ü b.png", f"s3://{host}@{server.bucket}/a/ü b.png"):
        assert Link(other, 5, 5).to_bytes() == CONTENT[5:10]


def test_a_secret_that_was_not_encoded_is_said_and_not_shown() -> None:
    with pytest.raises(InvalidUriError, match=r"write / as %2F") as caught:
        parse_link("s3://AKIA:half/otherhalf@guarded/k")
    assert "half" not in str(caught.value)


@pytest.mark.needs_s3
def test_a_signed_address_needs_no_keys(server: S3Server) -> None:
    address = Link(f"s3://{server.bucket}/a/ü b.png").signed_uri
    assert address.startswith(f"{server.endpoint}/{server.bucket}/a/%C3%BC%20b.png?X-Amz-Algorithm=")
    assert Link(address, 3, 4).to_bytes() == CONTENT[3:7]


@pytest.mark.needs_s3
def test_a_server_that_checks_signatures_takes_ours_and_no_others() -> None:
    with moto_server({"INITIAL_NO_AUTH_ACTION_COUNT": "6"}) as endpoint:
        admin = S3Server(endpoint=endpoint, bucket="guarded")
        admin.client().create_bucket(Bucket="guarded")
        admin.replace("k", CONTENT)
        people = admin.client("iam")
        people.create_user(UserName="me")
        rights = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}]}
        people.put_user_policy(UserName="me", PolicyName="all", PolicyDocument=json.dumps(rights))
        mine = people.create_access_key(UserName="me")["AccessKey"]
        key, secret = mine["AccessKeyId"], mine["SecretAccessKey"]

        def links(**variables: str) -> ObjectLinks:
            return reader(SW_S3_ENDPOINT=endpoint, SW_S3_REGION="us-east-1", **variables)

        right = links(SW_S3_ACCESS_KEY=key, SW_S3_SECRET=secret)
        assert right.read("s3://guarded/k", 7, 3) == CONTENT[7:10]
        assert links().read(f"s3://{key}:{quote(secret, safe='')}@guarded/k", 7, 3) == CONTENT[7:10]
        for wrong in (links(SW_S3_ACCESS_KEY=key, SW_S3_SECRET="guessed"), links()):
            with pytest.raises(ObjectStoreError, match="keys") as caught:
                wrong.read("s3://guarded/k", 0, -1)
            assert "guessed" not in str(caught.value)


@pytest.mark.needs_s3
def test_what_is_missing_is_named(server: S3Server) -> None:
    cases: list[tuple[str, type[StarwhaleError], str]] = [
        (f"s3://{server.bucket}/lost", NotFoundError, "no such object"),
        ("s3://no-such-bucket-here/k", ObjectStoreError, "no bucket 'no-such-bucket-here'"),
        (f"s3://127.0.0.1:1/{server.bucket}/k", ObjectStoreError, "127.0.0.1:1"),
    ]
    for uri, kind, said in cases:
        with pytest.raises(kind, match=said):
            Link(uri).to_bytes()
    with pytest.raises(NotFoundError, match="ends before the link does"):
        Link(f"s3://{server.bucket}/a/ü b.png", 0, len(CONTENT) + 1).to_bytes()
    assert Bucket(server.bucket, read_settings().s3.access(server.bucket)).size("a/ü b.png") == len(CONTENT)


def test_values_with_links_stay_links(tmp_path: Path) -> None:
    value = Binary(link=Link("s3://b/k", 1, 2))
    assert value.carried_source is None
    assert Text(link=Link("s3://b/k")).to_state()["link"] == Link("s3://b/k").to_state()
