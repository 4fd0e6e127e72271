"""`swcli dataset …` and `swcli model run` with addresses on an object store, as a user types them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.conftest import Swcli
    from tests.s3_server import S3Server

pytestmark = pytest.mark.needs_s3

EVALUATION = """
from starwhale import evaluation

@evaluation.predict
def double(row):
    return row["number"] * 2

@evaluation.evaluate(needs=[double])
def score(results):
    evaluation.log_summary(total=sum(row["output"] for row in results))
"""


@pytest.fixture
def numbers(swcli: Swcli, s3: S3Server, tmp_path: Path) -> str:
    """Address of a dataset of 50 numbers, which is in the instance too."""
    rows = "".join(f'{{"number": {number}}}\n' for number in range(50))
    (tmp_path / "numbers.jsonl").write_text(rows)
    (tmp_path / "double.py").write_text(EVALUATION)
    assert swcli("dataset", "build", "--json", "numbers.jsonl", "--name", "numbers", "-t", "good").returncode == 0
    place = f"s3://{s3.bucket}/sets"
    copied = swcli("dataset", "copy", "numbers", place, env=s3.environment)
    assert (copied.returncode, copied.stderr) == (0, "")
    assert f"copied to {place}/numbers/version/" in copied.stdout
    return f"{place}/numbers"


def test_the_commands_that_read_take_an_address(swcli: Swcli, s3: S3Server, numbers: str) -> None:
    def told(*command: str) -> object:
        done = swcli("-o", "json", *command, env=s3.environment)
        assert done.returncode == 0, done.stdout + done.stderr
        return json.loads(done.stdout)

    version = told("dataset", "info", "numbers")["version"]  # type: ignore[index]  # JSON
    info = told("dataset", "info", numbers)
    assert isinstance(info, dict)
    assert info["uri"] == f"{numbers}/version/{version}"
    assert (info["rows"], info["tags"], info["path"]) == (50, ["good", "latest"], numbers)
    assert told("dataset", "summary", f"{numbers}/version/good")["rows"] == 50  # type: ignore[index]  # JSON
    assert [each["features"] for each in told("dataset", "head", "-n", "2", numbers)] == [  # type: ignore[attr-defined]  # JSON
        {"number": 0},
        {"number": 1},
    ]
    assert [each["version"] for each in told("dataset", "history", numbers)] == [version[:12]]  # type: ignore[attr-defined]  # JSON
    assert told("dataset", "verify", numbers)["whole"] is True  # type: ignore[index]  # JSON
    (fragment,) = (key for key in s3.objects() if key.endswith(".parquet"))
    whole = s3.content(fragment)
    s3.replace(fragment, whole[:60] + bytes([whole[60] ^ 1]) + whole[61:])
    damaged = swcli("dataset", "verify", numbers, env=s3.environment)
    assert (damaged.returncode, f"s3://{s3.bucket}/{fragment}" in damaged.stdout + damaged.stderr) == (1, True)
    s3.replace(fragment, whole)
    assert swcli("dataset", "diff", "numbers", numbers, env=s3.environment).returncode == 0


def test_a_copy_from_there_is_the_same(swcli: Swcli, s3: S3Server, numbers: str, tmp_path: Path) -> None:
    other = {**s3.environment, "SW_LOCAL_STORAGE": str(tmp_path / "other")}
    assert swcli("dataset", "copy", numbers, ".", env=other).returncode == 0
    assert json.loads(swcli("-o", "json", "dataset", "head", "numbers", env=other).stdout)[4]["features"] == {
        "number": 4
    }
    again = swcli("dataset", "copy", numbers, ".", env=other)
    assert "nothing to copy" in again.stdout


@pytest.mark.parametrize("executor", ["thread", "process"])
def test_a_job_reads_from_there_and_its_rows_are_named_like_those_of_a_copy(
    swcli: Swcli, s3: S3Server, numbers: str, executor: str
) -> None:
    ran = swcli("-o", "json", "model", "run", "double.py", "-d", numbers, "--executor", executor, env=s3.environment)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    there = swcli("-o", "json", "job", "results", "latest", env=s3.environment)
    assert swcli("model", "run", "double.py", "-d", "numbers").returncode == 0
    here = swcli("-o", "json", "job", "results", "latest")
    ids = [[row["id"] for row in json.loads(done.stdout)] for done in (there, here)]
    assert ids[0] == ids[1]
    assert len(ids[0]) > 10


def test_mistakes_get_one_line_that_says_what_to_do(swcli: Swcli, s3: S3Server, numbers: str) -> None:
    nobody = {**s3.environment, "SW_S3_ENDPOINT": "http://127.0.0.1:1", "SW_S3_TOTAL_MAX_ATTEMPTS": "1"}
    for command, env, code, text in (
        (("dataset", "info", numbers), nobody, 1, "http://127.0.0.1:1 cannot be read: Connection refused"),
        (("dataset", "info", f"{numbers}x"), s3.environment, 1, "did you mean 'numbers'?"),
        (("dataset", "remove", numbers), s3.environment, 1, "only read"),
        (("dataset", "tag", numbers, "x"), s3.environment, 1, "only read"),
        (("dataset", "copy", "numbers", numbers, "--overwrite"), s3.environment, 2, "copied there as it is"),
        (("dataset", "copy", "numbers", "s3://"), s3.environment, 2, "s3://<bucket>/<prefix>"),
        (("model", "run", "double.py", "-d", f"{numbers}x"), s3.environment, 1, "did you mean 'numbers'?"),
    ):
        done = swcli(*command, env=env)
        said = done.stdout + done.stderr
        assert (done.returncode, text in said, "Traceback" in said) == (code, True, False), (command, said)
        assert s3.secret not in said
