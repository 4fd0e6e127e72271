"""Whatever people type: no traceback, the thing is named, and a way out is given."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from tests.end_to_end.mistakes import FILES, MISTAKES, Mistake

from starwhale.cli.root import run

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


WAYS_OUT = ("Try:", "Hint:", "\n  > ")
"""What to try, what may be meant, or the user's own line that raised."""


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A folder with the user's files, and an instance with a dataset, a model, a job that succeeded and one that failed."""
    folder = tmp_path_factory.mktemp("mistakes")
    for name, content in FILES.items():
        path = folder / name
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
    (folder / "numbers.json").write_text('[{"number": 1}, {"number": 2}, {"number": 3}]', encoding="utf-8")
    (folder / "here").mkdir()
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SW_LOCAL_STORAGE", str(folder / "storage"))
        patch.setenv("SW_CLI_CONFIG", str(folder / "config.yaml"))
        patch.chdir(folder / "here")
        assert run(["dataset", "build", "--json", str(folder / "numbers.json"), "--name", "numbers"]) == 0
        assert run(["model", "build", str(folder / "good"), "--name", "parity"]) == 0
        assert run(["model", "run", str(folder / "good"), "-d", "numbers", "--name", "good"]) == 0
        assert run(["model", "run", str(folder / "failing"), "-d", "numbers", "--name", "bad"]) == 1
        yield folder


@pytest.mark.parametrize("mistake", MISTAKES, ids=lambda mistake: mistake.argv)
def test_a_mistake_is_named_with_a_way_out(mistake: Mistake, place: Path, capfd: pytest.CaptureFixture[str]) -> None:
    argv = [word.format(place=place) for word in mistake.argv.split()]
    if any("two words" in said or "my tag" in said for said in mistake.says):
        argv = [word.replace("two_words", "two words").replace("my_tag", "my tag") for word in argv]

    exit_code = run(argv)

    printed = capfd.readouterr()
    said = printed.out + printed.err
    assert "Traceback" not in said, said
    for word in mistake.says:
        assert word in said, f"{word!r} is not in:\n{said}"
    assert any(way in said for way in WAYS_OUT), said
    assert exit_code == mistake.exit_code, said


def test_there_are_more_than_a_hundred_of_them() -> None:
    assert len({mistake.argv for mistake in MISTAKES}) > 100
