"""The rules of the house: every room has its guide, the floors are complete, what must be light is light."""

from __future__ import annotations

import ast
import os
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from itertools import takewhile
from pathlib import Path

import pytest
from tests.house_drawing import FLOORS, circles, draw
from tests.tail import Tail, look

HOUSE = Path(__file__).resolve().parent.parent
SOURCE = HOUSE / "src" / "starwhale"
ROOMS = sorted(path for path in SOURCE.rglob("__init__.py") if path.parent != SOURCE and "migrations" not in path.parts)
LIGHT = (
    "starwhale",
    "starwhale.errors",
    "starwhale.settings",
    "starwhale.domain.job",
    "starwhale.domain.ledger",
    "starwhale.domain.graph",
    "starwhale.media",
    "starwhale.handlers",
    "starwhale.storage.protocols",
    "starwhale.storage.task_contract",
    "starwhale.execution.worker",
    "starwhale.execution.tasks.task_entry",
)
IN_WORDS = {
    "api": "a file per noun, as users know them",
    "cli": "<noun>_<verb>.py, as users type them",
    "compat": "a file per old import path",
    "server": "what every route needs, and the programs that serve them",
    "server/routes": "a file per noun",
}
"""Rooms whose guide says in words what their files are, and why; the others name every file."""
LONG = {
    "storage/catalog/migrations/versions/r0001_first_tables.py upgrade": "the tables as they were, one statement each"
}
"""Functions of more than 60 lines without their docstring, and why."""
LONG_MODULES = {
    "errors.py": "one tree, drawn at its top; hardly a line of code",
    "settings.py": "every variable of the environment, each with what it says; hardly a rule",
}
"""Modules of more than 500 lines, and why; in others look for the verb that wants out."""
WIDE = {
    "api/dataset_sources.py BuiltDataset.from_csv": "0.6 has it so",
    "api/dataset_sources.py BuiltDataset.from_huggingface": "0.6 has it so",
    "api/job.py Job.create": "0.6 has it so",
    "api/job.py Job.create_remote": "the same",
    "api/job.py Job.run": "a script says by name what the command takes as options",
    "api/job.py Job.compare": "the same",
    "api/job.py Job.gate": "the same",
    "api/model.py build": "0.6 has it so",
    "api/model.py serve": "as `Job.run`",
    "api/runtime.py build": "as `Job.run`",
    "handlers/decorators.py predict": "0.6 has it so",
    "handlers/decorators.py handler": "0.6 has it so",
    "instances/models.py ModelVerbs.build": "the verb of `model.build` and `swcli model build`, one parameter for each of their options",
    "testing/gate_plugin.py GateFixture.__call__": "as `Job.gate`",
}
"""Functions that take more than 8 parameters, and why; a command and a route take one for each of their options."""
MOST_PATCHES = 3.0
"""Attributes that tests replace, per 100 test functions."""


def _room(path: Path) -> str:
    return path.parent.relative_to(SOURCE).as_posix()


def _tracked() -> list[Path]:
    listed = subprocess.run(["git", "ls-files"], cwd=HOUSE, capture_output=True, text=True, check=False)
    if listed.returncode != 0:
        pytest.skip("not a git clone")
    return [HOUSE / name for name in listed.stdout.splitlines() if (HOUSE / name).is_file()]


@pytest.mark.parametrize("guide", ROOMS, ids=_room)
def test_every_folder_opens_with_a_guide(guide: Path) -> None:
    text = ast.get_docstring(ast.parse(guide.read_text(encoding="utf-8")))
    assert text, f"{guide} says nothing"
    assert len(text.splitlines()) <= 25
    assert "may enter" in text.lower() or "may import" in text.lower(), f"{guide} does not say who may enter"


@pytest.mark.parametrize("guide", [each for each in ROOMS if _room(each) not in IN_WORDS], ids=_room)
def test_a_guide_names_the_files_of_its_room(guide: Path) -> None:
    text = ast.get_docstring(ast.parse(guide.read_text(encoding="utf-8"))) or ""
    named = {part for word in re.findall(r"`([^`]+)`", text) for part in re.split(r"\W+", word)}
    files = {path.stem for path in guide.parent.glob("*.py")} - {"__init__", "__main__"}
    assert files <= named, f"{_room(guide)}/__init__.py does not name {sorted(files - named)}"


def test_rooms_that_say_their_files_in_words_are_there() -> None:
    assert {_room(each) for each in ROOMS} >= IN_WORDS.keys()


@pytest.mark.parametrize("guide", ROOMS, ids=_room)
def test_a_guide_names_nothing_that_is_not_there(guide: Path) -> None:
    text = ast.get_docstring(ast.parse(guide.read_text(encoding="utf-8"))) or ""
    plain = {word.rstrip("/") for word in re.findall(r"`([a-z_./]+)`", text)}
    known = {path.stem for path in SOURCE.rglob("*.py")} | {path.name for path in SOURCE.rglob("*") if path.is_dir()}
    source = "\n".join(path.read_text(encoding="utf-8") for path in guide.parent.rglob("*.py") if path != guide)
    missing = {
        word for word in plain if not set(re.split(r"[./]", word.removesuffix(".py"))) & known and word not in source
    }
    assert not missing, f"{_room(guide)}/__init__.py names {sorted(missing)}, which nothing is called"


def test_every_folder_with_code_is_a_room() -> None:
    folders = {path.parent for path in SOURCE.rglob("*.py")}
    with_guide = {path.parent for path in SOURCE.rglob("__init__.py")}
    migrations = {folder for folder in folders if "migrations" in folder.parts or folder.name == "versions"}
    assert folders - with_guide - migrations == set()


def test_the_floors_name_exactly_the_folders_that_are_there() -> None:
    config = tomllib.loads((HOUSE / "pyproject.toml").read_text(encoding="utf-8"))
    floors = config["tool"]["importlinter"]["contracts"][0]
    assert floors["exhaustive"] is True
    named = {room.strip(" ()") for layer in floors["layers"] for room in layer.split("|")}
    there = {path.parent.name for path in SOURCE.glob("*/__init__.py")}
    there |= {path.stem for path in SOURCE.glob("*.py") if path.stem not in {"__init__", "__main__"}}
    assert named == there


def test_the_drawing_shows_every_room_on_its_floor() -> None:
    config = tomllib.loads((HOUSE / "pyproject.toml").read_text(encoding="utf-8"))
    floors = config["tool"]["importlinter"]["contracts"][0]["layers"]
    assert [set(re.findall(r"\w+", floor)) for floor in floors] == [set(floor) for floor in FLOORS]
    shown = draw(SOURCE)
    assert all(f"{name} " in shown for floor in FLOORS for name in floor)


def _tree() -> Iterator[tuple[Path, str]]:
    """Yield every path that the trees of ARCHITECTURE.md draw, with its whole line; the console's tree is of another language."""
    blocks = re.findall(r"```\n((?:\.|src/starwhale/)\n.*?)```", _text(HOUSE / "ARCHITECTURE.md"), flags=re.DOTALL)
    for block in blocks:
        head, *lines = block.splitlines()
        folders = [HOUSE / head]
        for line in lines:
            drawn = re.match(r"((?:│   )*)[├└]── (\S.*)", line)
            if drawn is None:  # a description that goes on
                continue
            depth = len(drawn[1]) // 4
            for name in takewhile(re.compile(r"[\w./]+(/|\.\w+)").fullmatch, re.split(r"\s{2,}", drawn[2])[0].split()):
                yield folders[depth] / name, line
                folders[depth + 1 :] = [folders[depth] / name]


def test_what_the_architecture_draws_is_there() -> None:
    drawn = list(_tree())
    assert len(drawn) > 60
    assert [str(path) for path, line in drawn if not path.exists() and "(later)" not in line] == []


def test_what_the_architecture_calls_later_is_not_there_yet() -> None:
    promised = [
        (path, re.split(r"[;:]", line.split(" (later)")[0])[-1]) for path, line in _tree() if " (later)" in line
    ]
    assert promised
    for path, words in promised:
        named = set(re.findall(r"\w+", words)) if path.exists() else {path.stem}
        there = {each.stem for each in (path if path.exists() else SOURCE).rglob("*")}
        assert not named & there, f"ARCHITECTURE.md says that something of {path.name} comes later, and it is there"


def test_no_files_import_each_other_in_a_circle_not_even_inside_functions() -> None:
    assert circles(SOURCE) == []


def test_a_circle_of_imports_inside_functions_is_found(tmp_path: Path) -> None:
    (tmp_path / "first.py").write_text("def run():\n    from starwhale import second\n")
    (tmp_path / "second.py").write_text("from starwhale.third import name\n")
    (tmp_path / "third.py").write_text("from starwhale.first import run\n\nname = run\n")
    (tmp_path / "fourth.py").write_text("from starwhale import first\n")
    assert circles(tmp_path) == [["starwhale.first", "starwhale.second", "starwhale.third"]]


@pytest.mark.parametrize("room", ["api", "cli", "server"])
def test_people_and_programs_ask_an_instance_and_not_its_stores(room: str) -> None:
    reaching = [
        f"{path.relative_to(SOURCE)}:{number}"
        for path in sorted((SOURCE / room).rglob("*.py"))
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1)
        if re.search(r"instance(\(\))?\.stores\b", line)
    ]
    assert not reaching, "a verb of the noun says it (instances/)"


def test_no_module_has_a_name_that_says_nothing() -> None:
    empty_words = {"utils", "util", "helpers", "helper", "common", "base", "core", "misc", "manager"}
    found = [path for path in SOURCE.rglob("*.py") if path.stem in empty_words or path.parent.name in empty_words]
    assert found == []


def test_only_settings_reads_the_environment() -> None:
    readers = [
        path.relative_to(SOURCE).as_posix()
        for path in SOURCE.rglob("*.py")
        if re.search(r"\bos\.(environ|getenv)\b|from os import .*environ", path.read_text(encoding="utf-8"))
    ]
    assert readers == ["settings.py"]


@pytest.mark.parametrize("module", LIGHT)
def test_what_runs_beside_user_code_needs_the_standard_library_only(module: str) -> None:
    """A fresh interpreter without site-packages imports it."""
    program = f"import sys; sys.path.insert(0, {str(SOURCE.parent)!r}); import {module}"
    done = subprocess.run(
        [sys.executable, "-I", "-S", "-c", program], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("module", LIGHT)
def test_light_modules_import_no_heavy_package(module: str) -> None:
    heavy = ["alembic", "blake3", "click", "msgpack", "numpy", "PIL", "pyarrow", "rich", "sqlalchemy", "xxhash", "yaml"]
    program = f"import {module}, sys; print([name for name in {heavy!r} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=False)
    assert done.stdout.strip() == "[]", done.stdout + done.stderr


@pytest.mark.parametrize("name", ["demo", "dev"])
def test_pinned_files_have_a_hash_for_each_package_and_name_no_host(name: str) -> None:
    text = (HOUSE / "requirements" / f"{name}.txt").read_text(encoding="utf-8")
    entries = re.findall(
        r"^([A-Za-z0-9._-]+)==\S+ .*?((?:\\\n\s+--hash=sha256:[0-9a-f]{64} ?)+)", text, flags=re.MULTILINE
    )
    pinned = re.findall(r"^[A-Za-z0-9._-]+==", text, flags=re.MULTILINE)
    assert len(pinned) > 15
    assert len(entries) == len(pinned)
    assert not re.search(r"https?:|file:|--index|--find-links|--extra-index", text)


def test_each_dependency_that_is_asked_for_is_pinned() -> None:
    project = tomllib.loads((HOUSE / "pyproject.toml").read_text(encoding="utf-8"))
    asked = [*project["project"]["dependencies"], *project["project"]["optional-dependencies"]["demo"]]
    pinned = (HOUSE / "requirements" / "demo.txt").read_text(encoding="utf-8").lower()
    names = [re.split(r"[\[>=<~ ]", line)[0].lower() for line in asked]
    missing = [name for name in names if f"\n{name}==" not in pinned]
    assert missing == []


def test_the_version_is_said_once_in_the_package_and_the_same_in_the_project() -> None:
    project = tomllib.loads((HOUSE / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert f'VERSION = "{project["version"]}"' in (SOURCE / "settings.py").read_text(encoding="utf-8")


def test_no_file_holds_a_path_of_one_machine() -> None:
    places = re.compile(rf"{re.escape(str(HOUSE.parent))}/|{re.escape(os.path.expanduser('~'))}/")  # noqa: PTH111 - text
    found = [path.relative_to(HOUSE).as_posix() for path in _tracked() if places.search(_text(path))]
    assert found == []


def test_every_relative_link_in_the_documents_leads_somewhere() -> None:
    broken: list[str] = []
    for path in _tracked():
        if path.suffix != ".md":
            continue
        targets = re.findall(r"\]\(([^)#\s]+)", _text(path))
        broken.extend(
            f"{path.relative_to(HOUSE)}: {target}"
            for target in targets
            if not re.match(r"[a-z]+:", target) and not (path.parent / target).exists()
        )
    assert broken == []


def test_decision_records_are_numbered_and_say_what_was_rejected() -> None:
    records = sorted((HOUSE / "docs" / "decisions").glob("*.md"))
    numbers = [int(path.name[:4]) for path in records]
    assert numbers == list(range(1, len(records) + 1))
    for path in records:
        text = _text(path).lower()
        assert "reject" in text or "instead of" in text or "not taken" in text, path


def test_changelog_fragments_say_one_sentence_of_a_known_kind() -> None:
    for path in (HOUSE / "changelog.d").glob("*.md"):
        if path.name == "README.md":
            continue
        assert re.fullmatch(r"[a-z0-9-]+\.(added|changed|fixed|removed|security)\.md", path.name), path
        text = _text(path).strip()
        assert text.endswith("."), path
        assert "\n" not in text, path


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except UnicodeDecodeError:
        return ""


@pytest.fixture(scope="module")
def tail() -> Tail:
    """The longest, widest and least documented pieces; `python tests/tail.py` prints them."""
    return look(SOURCE, HOUSE / "tests")


def test_functions_fit_on_a_screen(tail: Tail) -> None:
    assert tail.share_within(30) > 0.95
    assert {each.name for each in tail.functions if each.body > 60} == set(LONG)


def test_modules_are_one_idea(tail: Tail) -> None:
    assert {name for lines, name in tail.modules if lines > 500} <= set(LONG_MODULES)


def test_many_parameters_have_a_reason(tail: Tail) -> None:
    assert {each.name for each in tail.functions if each.parameters > 8 and not each.is_entry} == set(WIDE)


def test_every_field_says_what_it_is(tail: Tail) -> None:
    assert not tail.mute_fields


def test_what_raises_an_error_of_ours_says_so(tail: Tail) -> None:
    assert tail.mute_raises == [], "give the docstring a section Raises:"


def test_tests_run_real_parts(tail: Tail) -> None:
    assert tail.patches_per_100 <= MOST_PATCHES, tail.patches.most_common(20)
