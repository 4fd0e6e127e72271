"""Our client of object stores against a server that is not ours, and what users are told when it fails."""

from __future__ import annotations

import json
import random
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.s3_server import S3Server, Wire, moto_server

from starwhale.errors import NotFoundError, ObjectStoreError, UsageError
from starwhale.instances.place.configuration import read_configuration
from starwhale.settings import S3Access, S3Accounts, read_settings
from starwhale.storage.objects import Bucket, open_bucket
from starwhale.storage.objects.signing import EMPTY, encode_query, sign


def bucket_of(server: S3Server, **changes: str) -> Bucket:
    return open_bucket(server.bucket, read_settings({**server.environment, "HOME": "/", **changes}).s3)


# ------------------------------------------------------------------------------------------------ without any server


def test_signatures_are_those_of_the_published_example() -> None:
    """The GET of the section "Examples: Signature Calculations" of the Amazon S3 API Reference."""
    access = S3Access(
        access_key="AKIAIOSFODNN7EXAMPLE",
        secret="wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY",
        region="us-east-1",
    )
    headers = {"Host": "examplebucket.s3.amazonaws.com", "Range": "bytes=0-9"}
    signed = sign(access, "GET", "/test.txt", headers, body_hash=EMPTY, now=1369353600)
    assert signed["Authorization"].endswith(
        "Signature=f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41"
    )
    query = encode_query({"prefix": "J", "max-keys": "2"})
    listed = sign(access, "GET", f"/?{query}", {"Host": headers["Host"]}, body_hash=EMPTY, now=1369353600)
    assert listed["Authorization"].endswith(
        "Signature=34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7"
    )


def test_our_variables_win_then_the_file_then_the_usual_ones(tmp_path: Path) -> None:
    path = tmp_path / "config.yaml"
    path.write_text("link_auths: [{type: s3, endpoint: 'http://file:1', bucket: mine, ak: fk, sk: fs, region: fr}]")
    usual = {"AWS_ACCESS_KEY_ID": "ak", "AWS_SECRET_ACCESS_KEY": "as", "AWS_SESSION_TOKEN": "at", "AWS_REGION": "ar"}
    own = {"SW_S3_ENDPOINT": "http://own:1", "SW_S3_ACCESS_KEY": "ok", "SW_S3_SECRET": "os", "SW_S3_BUCKET": "own"}
    configured = read_configuration(path).s3
    accounts = read_settings({"HOME": "/", **usual, **own}).s3.with_configured(configured)

    def told(bucket: str) -> tuple[str, str, str, str, str]:
        access = accounts.access(bucket)
        return access.endpoint, access.access_key, access.secret, access.session_token, access.region

    assert told("own") == ("http://own:1", "ok", "os", "", "ar")
    assert told("mine") == ("http://file:1", "fk", "fs", "", "fr")
    assert told("other") == ("", "ak", "as", "at", "ar")
    assert read_settings({"HOME": "/"}).s3.access("any").region == "us-east-1"


def test_limits_are_read_and_nonsense_in_them_is_left_out() -> None:
    env = {"HOME": "/", "SW_S3_CONNECT_TIMEOUT": "1.5", "SW_S3_READ_TIMEOUT": "x", "SW_S3_TOTAL_MAX_ATTEMPTS": "2"}
    access = read_settings(env).s3.access("any")
    assert (access.connect_timeout_s, access.read_timeout_s, access.attempts) == (1.5, 60.0, 2)


def test_secrets_are_not_shown() -> None:
    env = {"HOME": "/", "SW_S3_ACCESS_KEY": "name", "SW_S3_SECRET": "hush", "AWS_SESSION_TOKEN": "hush"}
    assert "hush" not in repr(read_settings(env))


def test_link_auths_of_another_shape_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "config.yaml"
    path.write_text("link_auths: {a: b}")
    with pytest.raises(UsageError, match="link_auths"):
        _ = read_configuration(path).s3


def test_addresses_of_buckets() -> None:
    assert Bucket("b", S3Access(region="eu-west-1")).address == "https://b.s3.eu-west-1.amazonaws.com"
    assert Bucket("b.c", S3Access(region="eu-west-1")).address == "https://s3.eu-west-1.amazonaws.com"
    assert Bucket("b", S3Access(endpoint="minio.example:9000")).address == "https://minio.example:9000"
    with pytest.raises(UsageError, match="no address"):
        Bucket("b", S3Access(endpoint="ftp://x"))


def test_nobody_listening_is_said_with_the_address() -> None:
    bucket = Bucket("b", S3Access(endpoint="http://127.0.0.1:1", attempts=2))
    with pytest.raises(ObjectStoreError, match=r"http://127\.0\.0\.1:1 cannot be read: Connection refused \(tried 2"):
        bucket.read("k")


def test_a_server_that_is_silent_is_given_up() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:  # takes connections and says nothing
        address = f"http://127.0.0.1:{listener.getsockname()[1]}"
        bucket = Bucket("b", S3Access(endpoint=address, attempts=2, read_timeout_s=0.05))
        with pytest.raises(ObjectStoreError, match=rf"{address} cannot be read: no answer within 0\.05 s"):
            bucket.read("k")


# ----------------------------------------------------------------------------------------------------- with a server


@pytest.mark.needs_s3
class TestServer:
    def test_what_is_put_is_read_in_ranges(self, s3: S3Server) -> None:
        bucket = bucket_of(s3)
        content = random.Random(1).randbytes(300_000)
        assert bucket.put("a folder/ä+b&c=d.bin", content)
        assert s3.objects() == {"a folder/ä+b&c=d.bin": 300_000}
        read = [bucket.read("a folder/ä+b&c=d.bin", *span) for span in ((0, -1), (5, 10), (299_990, 50), (300_000, 5))]
        assert read == [content, content[5:15], content[299_990:], b""]
        assert bucket.has("a folder/ä+b&c=d.bin")
        assert not bucket.has("nothing")
        with pytest.raises(NotFoundError, match=r"s3://.*/nothing"):
            bucket.read("nothing")

    def test_a_conditional_put_writes_once(self, s3: S3Server) -> None:
        bucket = bucket_of(s3)
        assert bucket.put("k", b"first", if_absent=True)
        assert not bucket.put("k", b"second", if_absent=True)
        assert bucket.read("k") == b"first"

    def test_more_than_a_thousand_objects_are_listed(self, s3: S3Server) -> None:
        bucket = bucket_of(s3)
        names = [f"many/{number:05}" for number in range(1203)]
        for name in names:
            bucket.put(name, b"x")
        assert [each.key for each in bucket.list("many/")] == names
        assert bucket.folders("") == ["many"]

    def test_a_bucket_that_is_not_there_is_named(self, s3: S3Server) -> None:
        bucket = open_bucket("no-such-bucket", read_settings({**s3.environment, "HOME": "/"}).s3)
        for ask in (lambda: bucket.read("k"), lambda: list(bucket.list("")), lambda: bucket.put("k", b"")):
            with pytest.raises(ObjectStoreError, match=r"no bucket 'no-such-bucket' at http://127"):
                ask()

    def test_an_answer_that_breaks_off_is_asked_again(self, s3: S3Server) -> None:
        s3.replace("k", bytes(400_000))
        with Wire(s3.endpoint) as wire:
            bucket = bucket_of(s3, SW_S3_ENDPOINT=wire.endpoint)
            breaks = iter([True, False, True])
            wire.damage = lambda content: None if len(content) > 10_000 and next(breaks, False) else content
            assert bucket.read("k") == bytes(400_000)

    def test_a_server_that_always_breaks_off_is_named(self, s3: S3Server) -> None:
        s3.replace("k", bytes(400_000))
        with Wire(s3.endpoint) as wire:
            bucket = bucket_of(s3, SW_S3_ENDPOINT=wire.endpoint, SW_S3_TOTAL_MAX_ATTEMPTS="2")
            wire.damage = lambda content: None if len(content) > 10_000 else content
            with pytest.raises(ObjectStoreError, match=rf"{wire.endpoint} cannot be read: .*tried 2 times"):
                bucket.read("k")


@pytest.fixture(scope="module")
def strict() -> Iterator[S3Server]:
    """A server that checks keys and signatures, with a user who may do everything."""
    with moto_server({"INITIAL_NO_AUTH_ACTION_COUNT": "4"}) as address:
        open_ = S3Server(endpoint=address, bucket="strict")
        iam = open_.client("iam")
        iam.create_user(UserName="u")
        everything = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}]}
        iam.put_user_policy(UserName="u", PolicyName="all", PolicyDocument=json.dumps(everything))
        key = iam.create_access_key(UserName="u")["AccessKey"]
        open_.client().create_bucket(Bucket="strict")
        yield S3Server(endpoint=address, bucket="strict", access_key=key["AccessKeyId"], secret=key["SecretAccessKey"])


@pytest.mark.needs_s3
def test_a_server_that_checks_signatures_takes_ours(strict: S3Server) -> None:
    bucket = bucket_of(strict)
    bucket.put("a folder/ä+b.bin", b"content", if_absent=True)
    assert bucket.read("a folder/ä+b.bin", 1, 3) == b"ont"
    assert [each.key for each in bucket.list("a f")] == ["a folder/ä+b.bin"]


@pytest.mark.needs_s3
@pytest.mark.parametrize("change", [{"SW_S3_SECRET": "wrong"}, {"SW_S3_ACCESS_KEY": "nobody"}])
def test_wrong_keys_are_said_to_be_wrong_and_not_shown(strict: S3Server, change: dict[str, str]) -> None:
    with pytest.raises(ObjectStoreError, match=r"refuses the keys.*SW_S3_ACCESS_KEY") as caught:
        bucket_of(strict, **change).read("k")
    assert all(value not in str(caught.value) for value in change.values())


def test_accounts_say_what_is_for_a_store_that_was_named_too() -> None:
    one = S3Access(endpoint="http://one:1", access_key="k1")
    two = S3Access(endpoint="https://two:2/", access_key="k2")
    accounts = S3Accounts(configured=(one, two))
    assert accounts.access("b", endpoint="two:2").access_key == "k2"
    assert accounts.access("b").access_key == "k1"
