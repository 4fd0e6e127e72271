"""Rows from other people's files, and one clear line about what cannot be read."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import pytest

from starwhale.datasets.build import RepeatedKeysWarning, build_version
from starwhale.datasets.importers import (
    CsvOptions,
    json_stream,
    read_csv,
    read_folder,
    read_json,
    read_json_text,
)
from starwhale.datasets.importers.folder import LeftOutWarning
from starwhale.errors import DatasetSourceError
from starwhale.handlers.dataset_rows import read_handler
from starwhale.media import Audio, Image, MIMEType, Video

if TYPE_CHECKING:
    from tests.datasets.conftest import Open


def write(path: Path, content: str | bytes) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


def features(rows: Iterator[tuple[int | str, dict[str, object]]]) -> list[dict[str, object]]:
    return [row for _, row in rows]


def refused(rows: Iterator[object]) -> DatasetSourceError:
    with pytest.raises(DatasetSourceError) as caught:
        list(rows)
    assert "\n" not in str(caught.value)
    return caught.value


# --------------------------------------------------------------------------------------------------------------- CSV


def test_csv_values_are_text_and_keys_are_positions(tmp_path: Path) -> None:
    path = write(tmp_path / "a.csv", 'label,Text\n1,"a, ""b""\nc"\n\n2,\n')
    assert list(read_csv(path)) == [(0, {"label": "1", "Text": 'a, "b"\nc'}), (1, {"label": "2", "Text": ""})]


def test_csv_directories_are_read_recursively_and_keys_go_on(tmp_path: Path) -> None:
    write(tmp_path / "d/b.csv", "x\n2\n")
    write(tmp_path / "d/a/z.CSV", "x\n1\n")
    write(tmp_path / "d/notes.txt", "no")
    last = write(tmp_path / "c.csv", "y\r\n3\r\n")
    assert list(read_csv([tmp_path / "d", str(last)])) == [(0, {"x": "1"}), (1, {"x": "2"}), (2, {"y": "3"})]


@pytest.mark.parametrize(
    ("content", "options"),
    [
        ("a\tb\n1\t2\n", CsvOptions(dialect="excel-tab")),
        ("a;b\n1;2\n", CsvOptions(delimiter=";")),
        ("a, b\n1, '2'\n", CsvOptions(skipinitialspace=True, quotechar="'")),
        ('"a","b"\n"1","2"\n', CsvOptions(dialect="unix", strict=True)),
        ("a,b\n1,2\n".encode("utf-16"), CsvOptions(encoding="utf-16")),
        (b"\xef\xbb\xbfa,b\n1,2", CsvOptions(encoding="UTF-8")),
        ("a,b\r1,2\r", CsvOptions()),
    ],
)
def test_csv_in_other_ways_of_writing(tmp_path: Path, content: str | bytes, options: CsvOptions) -> None:
    assert features(read_csv(write(tmp_path / "a.csv", content), options)) == [{"a": "1", "b": "2"}]


def test_csv_fields_may_be_long(tmp_path: Path) -> None:
    text = "x" * 300_000
    assert features(read_csv(write(tmp_path / "a.csv", f"t\n{text}\n"))) == [{"t": text}]


@pytest.mark.parametrize(
    ("content", "line", "says"),
    [
        ("a,b\n1,2\n1,2,3\n", 3, "3 fields, but the header has 2"),
        ('a,b\n"1\n\n",2\n3\n', 5, "1 fields, but the header has 2"),
        ("", None, "is empty"),
        ("a,a\n", 1, "two columns are called 'a'"),
        ("a,\n", 1, "column 2 has no name"),
        ('a\n"never\nclosed\n', 2, "never closed"),
        ("a\n1\n2\0\n", 3, "NUL"),
        ("a\n1\n".encode("utf-16-le"), 1, "NUL"),
        (b"a\n" + b"1\n" * 9000 + b"\xff\n" + b"2\n" * 9000, 9002, "utf-8"),
    ],
)
def test_malformed_csv_names_file_and_line(tmp_path: Path, content: str | bytes, line: int | None, says: str) -> None:
    path = write(tmp_path / "bad.csv", content)
    error = refused(read_csv(path))
    assert (error.path, error.line) == (str(path), line)
    assert says in str(error)
    assert str(path) in str(error)
    assert line is None or f"line {line}" in str(error)


def test_strict_csv_refuses_quotes_in_the_wrong_place(tmp_path: Path) -> None:
    path = write(tmp_path / "a.csv", 'a\n"1"2\n')
    assert features(read_csv(path)) == [{"a": "12"}]
    assert refused(read_csv(path, CsvOptions(strict=True))).line == 2


def test_rows_before_a_bad_line_are_given(tmp_path: Path) -> None:
    rows = read_csv(write(tmp_path / "a.csv", "a,b\n1,2\n3\n"))
    assert next(rows) == (0, {"a": "1", "b": "2"})
    with pytest.raises(DatasetSourceError):
        next(rows)


def test_missing_files_and_wrong_options_are_named(tmp_path: Path) -> None:
    write(tmp_path / "data.csv", "a\n")
    assert "did you mean 'data.csv'?" in str(refused(read_csv(tmp_path / "dta.csv")))
    assert "no file in the directory" in str(refused(read_json(tmp_path)))
    assert "did you mean 'excel'" in str(refused(read_csv(tmp_path / "data.csv", CsvOptions(dialect="exel"))))
    assert "cannot read CSV" in str(refused(read_csv(tmp_path / "data.csv", CsvOptions(delimiter="--"))))
    assert "no encoding 'utf-99'" in str(refused(read_csv(tmp_path / "data.csv", CsvOptions(encoding="utf-99"))))
    assert "only files, http" in str(refused(read_csv("ftp://host/a.csv")))


# -------------------------------------------------------------------------------------------------------------- JSON


@pytest.mark.parametrize(
    ("name", "content", "selector"),
    [
        ("a.json", '[{"x": 1}, {"x": null}]', ""),
        ("a.json", '{"sub": {"rows": [{"x": 1}, {"x": null}]}}', "sub.rows"),
        ("a.json", '[[{"x": 1}, {"x": null}]]', "0"),
        ("a.jsonl", '{"x": 1}\n\n{"x": null}\n', ""),
        ("a.JSONL", '{"r": [{"x": 1}, {"x": null}]}\n', "r"),
    ],
)
def test_json_rows(tmp_path: Path, name: str, content: str, selector: str) -> None:
    path = write(tmp_path / name, content)
    assert list(read_json(path, field_selector=selector)) == [(0, {"x": 1}), (1, {"x": None})]


def test_json_objects_are_one_row_and_text_is_read_too(tmp_path: Path) -> None:
    paths: Sequence[Path] = [write(tmp_path / "b.json", '{"x": 1.0}'), write(tmp_path / "a.jsonl", '{"x": 2}')]
    assert list(read_json(paths)) == [(0, {"x": 1.0}), (1, {"x": 2})]
    assert list(read_json_text('{"a": [{"x": 1}]}', field_selector="a")) == [(0, {"x": 1})]
    assert refused(read_json_text("[")).line == 1


@pytest.mark.parametrize(
    ("name", "content", "line", "column"),
    [("a.json", '[{"x": 1},\n {"x": }]', 2, 8), ("a.jsonl", '{"x": 1}\n\n{"x" 1}\n', 3, 6), ("a.json", "", 1, 1)],
)
def test_malformed_json_names_file_line_and_column(
    tmp_path: Path, name: str, content: str, line: int, column: int
) -> None:
    path = write(tmp_path / name, content)
    error = refused(read_json(path))
    assert (error.path, error.line, error.column) == (str(path), line, column)
    assert f"{path}, line {line}, column {column}: malformed JSON" in str(error)


@pytest.mark.parametrize(
    ("content", "selector", "says"),
    [
        ('{"rows": []}', "row", "did you mean 'rows'?"),
        ('{"a": {"b": 1}}', "a.x", "no 'x' in 'a'; there is 'b'"),
        ('{"a": 1}', "a.b", "a number in 'a'"),
        ('{"a": "text"}', "a", "not text"),
        ("[[1]]", "", "item 0 of the array is an array of 1 items"),
        ("3", "", "not a number"),
        ('{"x": 1}\n{"x": 2}\n', "", ".jsonl"),
        (b'{"x": "\xff"}', "", "not text in the encoding utf-8"),
        ("[" * 100_000, "", "cannot be read"),
    ],
)
def test_json_of_another_shape_is_refused(tmp_path: Path, content: str | bytes, selector: str, says: str) -> None:
    error = refused(read_json(write(tmp_path / "a.json", content), field_selector=selector))
    assert says in str(error)


# --------------------------------------------------------------------------------------------------------- addresses


@pytest.fixture
def address() -> Iterator[str]:
    answers = {"/a.csv": b"x\n1\n", "/a.jsonl": b'{"x": 1}\n', "/cut.csv": b"x\n1\n", "/a.json?v=1": b'{"x": 1}'}

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            content = answers.get(self.path)
            self.send_response(404 if content is None else 200)
            self.send_header("Content-Length", str(len(content or b"") + 100 * (self.path == "/cut.csv")))
            self.end_headers()
            self.wfile.write(content or b"")

        def log_message(self, format: str, *args: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


def test_addresses_are_read(address: str) -> None:
    assert list(read_csv(f"{address}/a.csv")) == [(0, {"x": "1"})]
    assert list(read_json([f"{address}/a.jsonl", f"{address}/a.json?v=1"])) == [(0, {"x": 1}), (1, {"x": 1})]


def test_addresses_that_fail_or_break_off_are_named(address: str) -> None:
    assert "404" in str(refused(read_csv(f"{address}/missing.csv")))
    assert refused(read_csv(f"{address}/cut.csv")).path == f"{address}/cut.csv"


# ----------------------------------------------------------------------------------------------------------- folders


def test_a_folder_of_images_with_labels_captions_and_metadata(tmp_path: Path) -> None:
    write(tmp_path / "cat/1.PNG", b"one")
    write(tmp_path / "cat/1.txt", "a cat\n")
    write(tmp_path / "root.jpg", b"two")
    write(tmp_path / "sound.mp3", b"no")
    write(tmp_path / "metadata.csv", "file_name,size\ncat/1.PNG,big\n")
    assert list(read_folder(tmp_path, "image")) == [
        (
            "cat/1.PNG",
            {
                "file_name": "cat/1.PNG",
                "file": Image(b"one", "1.PNG", mime_type=MIMEType.PNG),
                "label": "cat",
                "caption": "a cat",
                "size": "big",
            },
        ),
        ("root.jpg", {"file_name": "root.jpg", "file": Image(b"two", "root.jpg", mime_type=MIMEType.JPEG)}),
    ]
    assert all("label" not in row for row in features(read_folder(tmp_path, "image", auto_label=False)))


def test_folders_of_sounds_and_videos_with_metadata_lines(tmp_path: Path) -> None:
    write(tmp_path / "a.wav", b"sound")
    write(tmp_path / "b.webm", b"video")
    write(tmp_path / "metadata.jsonl", json.dumps({"file_name": "a.wav", "label": 3}) + "\n")
    (_, sound), (_, video) = *read_folder(tmp_path, "audio"), *read_folder(tmp_path, "video")
    assert (sound["file"], sound["label"]) == (Audio(b"sound", "a.wav", mime_type=MIMEType.WAV), 3)
    assert video["file"] == Video(b"video", "b.webm", mime_type=MIMEType.WEBM)


@pytest.mark.parametrize(
    ("kind", "names"),
    [
        ("image", ["a.gif", "b.avif", "c.ppm"]),
        ("audio", ["a.flac", "b.ogg", "c.oga", "d.opus"]),
        ("video", ["a.mov", "b.MKV"]),
    ],
)
def test_folders_have_every_format_that_has_a_mime_type(
    tmp_path: Path, kind: Literal["image", "audio", "video"], names: list[str]
) -> None:
    for name in names:
        write(tmp_path / name, b"content")
    values = [row["file"] for row in features(read_folder(tmp_path, kind))]
    assert [getattr(value, "display_name", None) for value in values] == names
    assert all(str(getattr(value, "mime_type", "")).startswith(f"{kind}/") for value in values)


def test_files_in_formats_that_are_not_read_are_counted(tmp_path: Path) -> None:
    for name in ("a.wav", "b.m4a", "c/d.M4A", "e.aac", "f.txt", "g.png"):
        write(tmp_path / name, "content")
    with pytest.warns(LeftOutWarning, match=r"left out of the folder .*: 1 \.aac, 2 \.m4a; read are \.mp3") as warned:
        assert [key for key, _ in read_folder(tmp_path, "audio")] == ["a.wav"]
    assert len(warned) == 1


def test_tables_that_nothing_is_read_from_are_named(tmp_path: Path) -> None:
    for name in ("a.png", "labels.csv", "b/other.csv"):
        write(tmp_path / name, "file,label\na.png,cat\n")
    with pytest.warns(LeftOutWarning, match=r": labels\.csv; columns of files come from metadata\.csv") as warned:
        assert [key for key, _ in read_folder(tmp_path, "image")] == ["a.png"]
    assert len(warned) == 1


@pytest.mark.parametrize(
    ("files", "says"),
    [
        ({}, "no image in the folder"),
        ({"metadata.csv": "file_name\n", "metadata.jsonl": ""}, "both metadata.csv and metadata.jsonl"),
        ({"metadata.csv": "file_name,x\na.png,1\nb.png,2\n"}, "line 3: there is no file 'b.png'"),
        ({"metadata.csv": "name\na.png\n"}, "line 2: there is no file_name"),
        ({"metadata.csv": "file_name\na.png\na.png\n"}, "line 3: 'a.png' stands in line 2 already"),
        ({"metadata.jsonl": '{"file_name": "a.png",}\n'}, "metadata.jsonl, line 1, column"),
        ({"a.txt": b"\xff"}, "a.txt, line 1: not text"),
    ],
)
def test_folders_that_cannot_be_read_say_why(tmp_path: Path, files: dict[str, str | bytes], says: str) -> None:
    if files:
        write(tmp_path / "a.png", b"")
    for name, content in files.items():
        write(tmp_path / name, content)
    assert says in str(refused(read_folder(tmp_path, "image")))


def test_a_missing_folder_is_named(tmp_path: Path) -> None:
    assert "does not exist" in str(refused(read_folder(tmp_path / "no", "image")))
    assert "not a directory" in str(refused(read_folder(write(tmp_path / "a", ""), "image")))


# ---------------------------------------------------------------------------------------------------------- handlers


@dataclass
class Row:
    index: int | str
    features: dict[str, object]


def test_handlers_may_give_rows_pairs_dicts_and_tuples_of_one() -> None:
    def handler() -> Iterator[object]:
        yield {"x": 0}
        yield Row("one", {"x": 1})
        yield ("two", {"x": 2})
        yield [3, {"x": 3}]
        yield ({"x": 4},)

    class Made:
        def __iter__(self) -> Iterator[object]:
            yield {"x": 0}

    assert list(read_handler(handler)) == [
        (0, {"x": 0}),
        ("one", {"x": 1}),
        ("two", {"x": 2}),
        (3, {"x": 3}),
        (4, {"x": 4}),
    ]
    assert list(read_handler(Made)) == list(read_handler(Made())) == list(read_handler([{"x": 0}])) == [(0, {"x": 0})]


@pytest.mark.parametrize(
    ("item", "says"),
    [
        (3, "item 1 is of type 'int', not a row"),
        ("text", "item 1 is of type 'str'"),
        ((1, 2, 3), "item 1 is of type 'tuple'"),
        ((1.5, {}), "the index of item 1 is of type 'float'"),
        ((True, {}), "the index of item 1 is of type 'bool'"),
        ((1, [2]), "the features of item 1 are of type 'list'"),
        ({1: 2}, "item 1 has a feature named 1"),
    ],
)
def test_what_is_no_row_is_named_with_its_position(item: object, says: str) -> None:
    assert says in str(refused(read_handler(lambda: [{"x": 0}, item])))


def test_handlers_that_give_no_rows_are_named() -> None:
    assert "'NoneType'" in str(refused(read_handler(lambda: None)))
    assert "'dict'" in str(refused(read_handler({"x": 1})))


def test_an_error_of_the_handler_is_its_own() -> None:
    def handler() -> Iterator[object]:
        yield {"x": 0}
        raise KeyError("mine")

    with pytest.raises(KeyError, match="mine"):
        list(read_handler(handler))


def test_keys_that_come_twice_are_counted_and_merged(open_: Open, recwarn: pytest.WarningsRecorder) -> None:
    with open_("ds") as made, pytest.warns(RepeatedKeysWarning, match="2 rows have a key that came before"):
        assert build_version(made, [(2, {"x": 1}), (1, {"x": 2}), (2, {"y": 3}), (2, {"x": 4})]) == 4
    assert [(row.index, dict(row.features)) for row in open_("ds")] == [(1, {"x": 2}), (2, {"x": 4, "y": 3})]
    with open_("other") as made:
        build_version(made, [(-1, {"x": 1}), (-2, {"x": 2}), (0, {"x": 3})])
    assert not recwarn.list


def test_json_of_any_length_is_read_in_pieces(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(json_stream, "CHUNK_CHARACTERS", 5)
    records = [{"n": 12345, "t": "ü\n" * k, "l": [1.5e10, None, True]} for k in range(20)]
    for indent in (None, 1):
        path = write(
            tmp_path / "a.json", json.dumps({"skip": [[1], {"a": "]"}], "rows": records, "z": 1}, indent=indent)
        )
        assert features(read_json(path, field_selector="rows")) == records
    text = json.dumps(records, indent=1)
    for cut in range(1, len(text), 97):
        assert "malformed JSON" in str(refused(read_json(write(tmp_path / "a.json", text[:-cut]))))


@pytest.mark.parametrize(
    ("name", "content", "line"),
    [("a.json", '[{"x": 1},\n {"x": 1, "x": 2}]', 2), ("a.jsonl", '{"x": 1}\n{"x": {"y": 1, "y": 1}}\n', 2)],
)
def test_an_object_with_two_members_of_one_name_is_refused(tmp_path: Path, name: str, content: str, line: int) -> None:
    error = refused(read_json(write(tmp_path / name, content)))
    assert error.line == line
    assert "two members called" in str(error)
