"""The conformance suite of importers: subclass `ImporterSuite`, say what is read, and run it with pytest.

class TestMine(ImporterSuite):
    kind = "mine"

    def places(self, folder):
        (folder / "a.mine").write_text("…")
        return [str(folder / "a.mine")]
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

from starwhale.datasets.importers import RowBlock, open_source
from starwhale.errors import StarwhaleError

Plain = tuple[list[int | str], list[dict[str, Any]]]


class ImporterSuite:
    """What every importer keeps to."""

    kind: ClassVar[str] = ""
    """Name of the importer, built in or of an entry point."""
    options: ClassVar[Mapping[str, object]] = {}
    """Options that it is read with."""

    def places(self, folder: Path) -> Sequence[str]:
        """Write something with at least two rows into an empty folder, and return the places."""
        raise NotImplementedError

    def test_keys_are_of_one_type_and_come_once(self, tmp_path: Path) -> None:
        keys, _ = self._read(tmp_path)
        assert len(keys) >= 2
        assert {type(key) for key in keys} in ({int}, {str})
        assert len(set(keys)) == len(keys)

    def test_rows_have_features_with_names(self, tmp_path: Path) -> None:
        _, rows = self._read(tmp_path)
        assert all(row and all(type(name) is str for name in row) for row in rows)

    def test_reading_again_gives_the_same_rows(self, tmp_path: Path) -> None:
        places = self.places(tmp_path)
        assert _plain(self.kind, places, self.options) == _plain(self.kind, places, self.options)

    def test_a_place_that_is_not_there_is_named_when_it_is_read(self, tmp_path: Path) -> None:
        missing = str(tmp_path / "not-there")
        rows = open_source(self.kind, [missing], self.options)  # nothing is opened yet
        try:
            list(rows)
        except StarwhaleError as error:
            assert missing in str(error)
        else:
            raise AssertionError(f"{self.kind} says nothing of a place that is not there")

    def _read(self, folder: Path) -> Plain:
        return _plain(self.kind, self.places(folder), self.options)


def _plain(kind: str, places: Sequence[str], options: Mapping[str, object]) -> Plain:
    """Return keys and rows; a block has columns as long as its keys."""
    keys: list[int | str] = []
    rows: list[dict[str, Any]] = []
    for chunk in open_source(kind, places, options):
        if not isinstance(chunk, RowBlock):
            keys.append(chunk[0])
            rows.append(dict(chunk[1]))
            continue
        keys.extend(chunk.keys)
        columns = {name: _values(column) for name, column in chunk.columns.items()}
        assert all(len(column) == len(chunk) for column in columns.values())
        rows.extend(dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True))
    return keys, rows


def _values(column: Any) -> list[Any]:  # Any: a list, or an Arrow array
    return column.to_pylist() if hasattr(column, "to_pylist") else list(column)


__all__ = ["ImporterSuite"]
