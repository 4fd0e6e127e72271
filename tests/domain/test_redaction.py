"""What is a secret, and what only looks like one."""

from __future__ import annotations

import pytest

from starwhale.domain.redaction import fill_in, is_secret_name, redact_json, redact_text, redact_words
from starwhale.errors import UsageError

CANARY = "canary-0123456789"


@pytest.mark.parametrize(
    "name",
    [
        "api_key",
        "--api-key",
        "OPENAI_API_KEY",
        "HF_TOKEN",
        "dbPassword",
        "client-secret",
        "x-auth",
        "aws_access_key_id",
        "apikey",
        "AZURE_CREDENTIALS",
    ],
)
def test_a_name_says_that_it_is_a_secret(name: str) -> None:
    assert is_secret_name(name)


@pytest.mark.parametrize(
    "name",
    [
        "max_tokens",
        "--max-new-tokens",
        "eos_token",
        "label_key",
        "--sort-key",
        "key",
        "monkey",
        "author",
        "tokenizer",
        "rounds",
        "",
    ],
)
def test_a_name_that_looks_alike_is_left_alone(name: str) -> None:
    assert not is_secret_name(name)


@pytest.mark.parametrize(
    "text",
    [
        f"https://me:{CANARY}@host/x.git",
        f"https://{CANARY}@host/x.git",
        f"postgresql://me:p@{CANARY}@host/db",
        f"https://host/x?page=2&sig={CANARY}",
        f"s3://bucket/p/digits?X-Amz-Signature={CANARY}&X-Amz-Security-Token={CANARY}",
        f"https://host/x#access_token={CANARY}",
        f"Authorization: Bearer {CANARY}",
        f'{{"api_key": "{CANARY}"}}',
        f"PASSWORD={CANARY} swcli",
        "a ghp_abcdefghijklmnopqrstuvwxyz0123 b",
        "-----BEGIN PRIVATE KEY-----\nabcd\n-----END PRIVATE KEY-----",
    ],
)
def test_a_text_loses_its_secrets(text: str) -> None:
    redacted = redact_text(text)
    assert "<redacted>" in redacted
    assert not any(each in redacted for each in (CANARY, "ghp_", "abcd"))
    assert redact_text(redacted).count(CANARY) == 0


@pytest.mark.parametrize(
    "text",
    [
        "git@github.com:me/x.git",
        "ssh://git@host/x",
        "local/project/self/dataset/digits/version/abc",
        "https://host/x?page=2",
        "a: 3, b=4",
    ],
)
def test_a_text_without_secrets_stays_as_it_is(text: str) -> None:
    assert redact_text(text) == text


def test_words_lose_the_values_of_secret_options_alone() -> None:
    words = ["run", "--api-key", "a b", "--rounds", "-3", "--hf_token=x", "--password", "--quiet", "--label-key", "y"]
    assert redact_words(words) == (
        *(
            "run",
            "--api-key",
            "<redacted>",
            "--rounds",
            "-3",
            "--hf_token=<redacted>",
            "--password",
            "--quiet",
            "--label-key",
            "y",
        ),
    )


def test_a_json_value_loses_secrets_at_any_depth() -> None:
    assert redact_json({"a": [{"token": "x", "n": 1}], "url": "http://u:p@h"}) == {
        "a": [{"token": "<redacted>", "n": 1}],
        "url": "http://<redacted>@h",
    }


def test_values_are_put_back_from_the_caller_first_and_then_from_declared_variables() -> None:
    kept = redact_words(["--api-key", CANARY, "--rounds", "3", f"--url=https://u:{CANARY}@h"])
    assert CANARY not in " ".join(kept)
    whole = fill_in(kept, ["--api_key", "one", "--url", "https://u:v@h"], {"API_KEY": "two"})
    assert whole == ("--api-key", "one", "--rounds", "3", "--url=https://u:v@h")
    assert fill_in(kept, ["--url=https://h"], {"API_KEY": "two"})[1] == "two"
    with pytest.raises(UsageError, match="the value of --url is a secret"):
        fill_in(kept, [], {"API_KEY": "two"})
    with pytest.raises(UsageError, match="--rounds is no option whose value was left out"):
        fill_in(kept, ["--rounds", "4"], {})
