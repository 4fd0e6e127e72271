"""What `job compare` and `job gate` print at 80 columns, as text that was read; `python -m tests.cli.compare_cases` writes it anew."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from tests.cli.compare_cases import CASES, GOLDEN, words_of, write_predictions

from starwhale.cli.root import run

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture(scope="module")
def predictions(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    folder = tmp_path_factory.mktemp("golden")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SW_LOCAL_STORAGE", str(folder / "storage"))
        patch.setenv("SW_CLI_CONFIG", str(folder / "config.yaml"))
        patch.chdir(folder)
        write_predictions(folder)
        yield folder


@pytest.mark.parametrize("case", CASES)
def test_what_is_printed_is_what_was_read(case: str, predictions: Path, capfd: pytest.CaptureFixture[str]) -> None:
    run(words_of(CASES[case]))
    printed = capfd.readouterr().out
    assert f"$ swcli {CASES[case]}\n{printed}" == (GOLDEN / f"{case}.txt").read_text(encoding="utf-8")


@pytest.mark.parametrize("case", [each for each in CASES if not each.endswith("-full")])
def test_one_sentence_and_twelve_lines_of_eighty_columns(case: str) -> None:
    command, *lines = (GOLDEN / f"{case}.txt").read_text(encoding="utf-8").splitlines()
    assert command.startswith("$ swcli job ")
    assert max(map(len, lines)) <= 80
    sentence = 2 if len(lines[0]) > 65 and not lines[1][:1].isdigit() else 1
    assert len(lines) - sentence <= 12


def test_every_golden_file_belongs_to_a_case() -> None:
    assert {each.stem for each in GOLDEN.glob("*.txt")} == set(CASES)


@pytest.mark.parametrize(
    ("name", "start"), [("a.html", "<!DOCTYPE html>"), ("a.md", "**verif is better"), ("a.json", "{")]
)
def test_the_ending_of_a_file_says_its_format(
    name: str, start: str, predictions: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    words = ["job", "compare", "ft.csv", "verif.csv"]
    assert run([*words, "--output", name]) == 0
    assert capfd.readouterr().out == f"wrote {name}\n"
    written = (predictions / name).read_text(encoding="utf-8")
    assert written.startswith(start)
    form = {"a.html": "html", "a.md": "markdown", "a.json": "json"}[name]
    assert run([*words, "--format", form]) == 0
    assert capfd.readouterr().out == written


def test_output_takes_json_as_everywhere_and_else_a_file_whose_format_is_known(
    predictions: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    words = ["job", "compare", "ft.csv", "verif.csv"]
    assert run([*words, "--output", "json"]) == 0
    as_json = capfd.readouterr().out
    assert run([*words, "-o", "json"]) == 0
    assert capfd.readouterr().out == as_json
    assert run([*words, "--output", "report.txt"]) == 2
    assert "add --format markdown, html, json" in capfd.readouterr().err
    assert run([*words, "--output", "no/such/folder.md"]) == 2
    assert "no/such/folder.md cannot be written: No such file or directory" in capfd.readouterr().err
    assert not (predictions / "report.txt").exists()
