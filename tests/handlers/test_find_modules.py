"""A folder with one evaluation file needs to say nothing; what is read here is never run."""

from __future__ import annotations

from pathlib import Path

import pytest

from starwhale.errors import UsageError
from starwhale.handlers.find_modules import find_evaluation_modules, has_handlers

PREDICT = (
    "from starwhale import evaluation\nraise SystemExit('read, not run')\n@evaluation.predict\ndef predict(data): ...\n"
)


def write(folder: Path, **files: str) -> None:
    for name, text in files.items():
        path = folder / (name.replace("__", "/") + ".py")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")


@pytest.mark.parametrize(
    "source",
    [
        "from starwhale import handler\n@handler(replicas=2)\ndef f(): ...",
        "from starwhale import handler as step\n@step\ndef f(): ...",
        "import starwhale\n@starwhale.evaluation.predict(batch_size=2)\ndef f(data): ...",
        "import starwhale as sw\n@sw.handler()\nasync def f(): ...",
        "from starwhale.evaluation import predict\n@predict\ndef f(data): ...",
        "from starwhale import evaluation\nclass A:\n    @evaluation.evaluate(needs=[])\n    def f(self, rows): ...",
        "from starwhale import finetune\n@finetune()\ndef f(): ...",
        "from starwhale import PipelineHandler\nclass A(PipelineHandler): ...",
        "import starwhale.api.model\nclass A(starwhale.PipelineHandler): ...",
        "from starwhale import *\nclass A(PipelineHandler): ...",
        "def make():\n    from starwhale import handler\n    @handler\n    def f(): ...",
    ],
)
def test_what_has_handlers(source: str) -> None:
    assert has_handlers(source)


@pytest.mark.parametrize(
    "source",
    [
        "from starwhale import dataset\nwith dataset('a') as ds: ds.append({'x': 1})",
        "from flask import handler\n@handler\ndef f(): ...",
        "import starwhale\nimport other\n@other.predict\ndef f(): ...",
        "from .starwhale import handler\n@handler\ndef f(): ...",
        "# @handler from starwhale\n",
        "import starwhale\n@(lambda f: f)\ndef f(): ...",
    ],
)
def test_what_has_none(source: str) -> None:
    assert not has_handlers(source)


def test_one_file_among_others(tmp_path: Path) -> None:
    write(
        tmp_path,
        evaluation=PREDICT,
        build_dataset="from starwhale import dataset",
        test_evaluation=PREDICT,
        tests__evaluation=PREDICT,
    )
    write(tmp_path / ".hidden", evaluation=PREDICT)
    write(tmp_path / "myenv", lib__evaluation=PREDICT)
    (tmp_path / "myenv" / "pyvenv.cfg").touch()
    assert find_evaluation_modules(tmp_path) == ("evaluation",)


def test_the_level_nearest_to_the_top_goes_first(tmp_path: Path) -> None:
    write(tmp_path, src__digits__evaluation=PREDICT, src__digits__old__evaluation=PREDICT)
    assert find_evaluation_modules(tmp_path) == ("src.digits.evaluation",)
    write(tmp_path, run=PREDICT)
    assert find_evaluation_modules(tmp_path) == ("run",)


def test_a_package_is_named_without_init(tmp_path: Path) -> None:
    (tmp_path / "digits").mkdir()
    (tmp_path / "digits" / "__init__.py").write_text(PREDICT, encoding="utf-8")
    assert find_evaluation_modules(tmp_path) == ("digits",)


def test_several_files_are_listed_with_the_way_out(tmp_path: Path) -> None:
    write(tmp_path, first=PREDICT, second=PREDICT)
    with pytest.raises(UsageError, match=r"several files of .* have handlers: first\.py, second\.py") as caught:
        find_evaluation_modules(tmp_path)
    assert "--module first" in caught.value.hint


def test_none_says_what_to_name(tmp_path: Path) -> None:
    write(tmp_path, model="import starwhale")
    with pytest.raises(UsageError, match=r"no file in .* has handlers") as caught:
        find_evaluation_modules(tmp_path)
    assert "swcli init" in caught.value.hint


def test_a_file_that_does_not_parse_is_named_only_where_it_is_the_only_one(tmp_path: Path) -> None:
    write(tmp_path, broken="from starwhale import handler\n@handler\ndef f(:\n")
    assert find_evaluation_modules(tmp_path) == ("broken",), "importing it shows the error"
    write(tmp_path, whole=PREDICT)
    assert find_evaluation_modules(tmp_path) == ("whole",)


@pytest.mark.skipif(
    not Path("/proc/self/task").is_dir(), reason="Linux shows processes as folders that nobody may read"
)
def test_a_file_is_read_in_the_encoding_that_it_names(tmp_path: Path) -> None:
    (tmp_path / "marked.py").write_bytes(b"\xef\xbb\xbf" + PREDICT.encode())
    write(tmp_path, broken=PREDICT + "def (")
    assert find_evaluation_modules(tmp_path) == ("marked",)
    (tmp_path / "marked.py").write_bytes(b"# coding: latin-1\n# \xe9\n" + PREDICT.encode())
    assert find_evaluation_modules(tmp_path) == ("marked",)


def test_folders_and_files_that_cannot_be_read_are_passed_over(tmp_path: Path) -> None:
    write(tmp_path, evaluation=PREDICT)
    (tmp_path / "nowhere.py").symlink_to(tmp_path / "gone")
    (tmp_path / "circle.py").symlink_to(tmp_path / "circle.py")
    assert find_evaluation_modules(tmp_path) == ("evaluation",)
    with pytest.raises(UsageError, match="no file in /proc has handlers"):
        find_evaluation_modules(Path("/proc"))


def test_a_circle_of_links_ends(tmp_path: Path) -> None:
    write(tmp_path, a__evaluation=PREDICT)
    (tmp_path / "a" / "again").symlink_to(tmp_path, target_is_directory=True)
    assert find_evaluation_modules(tmp_path) == ("a.evaluation",)
