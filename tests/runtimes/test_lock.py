from __future__ import annotations

from pathlib import Path

import pytest

from starwhale.domain.runtime import Interpreter
from starwhale.errors import CorruptedError, RestoreError, UsageError
from starwhale.runtimes.interpreters import find_interpreter, probe
from starwhale.runtimes.lock import Pin, make_lock, parse_lock, parse_pins, without_ours
from starwhale.runtimes.requirements import check_requirements, read_requirements

PYTHON = Interpreter(path="python", version="3.12.1", abi="cpython-312", system="linux", machine="x86_64")
ONE, TWO = "sha256:" + "1" * 64, "sha256:" + "2" * 64


def test_a_lock_comes_back_from_its_text_and_names_no_host() -> None:
    lock = make_lock(
        [Pin(name="six", version="1.17.0", hashes=(ONE, TWO)), Pin(name="a", version="2", hashes=(TWO,))], PYTHON
    )
    text = lock.to_text()
    assert parse_lock(text) == lock
    assert text.splitlines()[1:5] == ["# python: 3.12.1", "# platform: linux-x86_64", "a==2 \\", f"    --hash={TWO}"]
    assert "http" not in text


def test_distributions_with_our_import_name_are_left_out() -> None:
    lock = make_lock(
        [Pin(name="starwhale", version="0.6.15", hashes=(ONE,)), Pin(name="a", version="2", hashes=(TWO,))], PYTHON
    )
    assert [each.name for each in lock.pins] == ["a"]
    assert without_ours(
        ["numpy", "Starwhale>=0.6 ; python_version > '3'", "starwhale_evaluation[media]", "# starwhale"]
    ) == (
        ["numpy", "# starwhale"],
        ["Starwhale>=0.6 ; python_version > '3'", "starwhale_evaluation[media]"],
    )


def test_pins_are_read_as_a_resolver_writes_them() -> None:
    text = f"Foo.Bar[x]==1.0+local ; python_version > '3' \\\n    --hash={TWO} \\\n    --hash={ONE}\n# via y\n"
    assert parse_pins(text) == [Pin(name="foo-bar", version="1.0+local", hashes=(ONE, TWO))]


def test_a_lock_without_digests_is_none() -> None:
    with pytest.raises(CorruptedError, match="cannot be read"):
        parse_lock("six==1.17.0\n")


@pytest.mark.parametrize("line", ["-e .", "./a", "git+ssh://x/y", "a @ file:///x", "a @ https://t:s@x/a.zip", "a.whl"])
def test_what_no_lock_can_pin_is_refused_with_its_line(line: str) -> None:
    with pytest.raises(
        UsageError, match=r"req.txt:2: .* of which no lock can say what it will be; build its wheel"
    ) as error:
        check_requirements(["numpy", line], "req.txt")
    assert "t:s" not in str(error.value)


def test_requirement_files_bring_those_that_they_include(tmp_path: Path) -> None:
    (tmp_path / "sub").mkdir()
    (tmp_path / "a.txt").write_text("--index-url https://u:p@index.example/simple\n-r sub/b.txt\nnumpy\n")
    (tmp_path / "sub" / "b.txt").write_text("starwhale\nsix\n")
    found = read_requirements(tmp_path, ["a.txt"])
    assert found.files == {"a.txt": "-r sub/b.txt\nnumpy\n", "sub/b.txt": "six\n"}
    assert found.kept["a.txt"].startswith("--index-url https://index.example/simple\n")
    assert found.indexes.index_url == "https://u:p@index.example/simple"
    assert found.ours == ["starwhale"]
    with pytest.raises(UsageError, match="lies outside"):
        read_requirements(tmp_path / "sub", ["../a.txt"])
    with pytest.raises(UsageError, match="cannot read the requirement file"):
        read_requirements(tmp_path, ["c.txt"])


def test_a_python_that_is_not_here_is_named_with_those_that_are(tmp_path: Path) -> None:
    here = probe_here()
    with pytest.raises(
        RestoreError, match=r"there is no Python 3\.99 on this machine; .*" + here.version.replace(".", r"\.")
    ):
        find_interpreter("3.99", folders=(tmp_path,))
    with pytest.raises(UsageError, match=r"workers need 3\.11 or newer"):
        find_interpreter("3.7", folders=(tmp_path,))
    assert find_interpreter(here.minor, folders=(tmp_path,)).minor == here.minor


def probe_here() -> Interpreter:
    import sys

    found = probe(sys.executable)
    assert found is not None
    return found
