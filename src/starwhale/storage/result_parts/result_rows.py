"""The table `results` of a job: what predict logged by itself, in row order, with the inputs joined and the user's rows merged in."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from heapq import heappop, heappush
from itertools import pairwise
from typing import Any, NamedTuple

from starwhale.domain.job import DatasetInput, HandlerRecord, Step
from starwhale.domain.row_id import find_key, id_ends
from starwhale.errors import FieldNameError, NotFoundError
from starwhale.media.flatten import flatten
from starwhale.media.weight import weigh
from starwhale.storage.columns.encode import decode_batch
from starwhale.storage.part import PartRecord, PartTable
from starwhale.storage.protocols import HIDDEN_COLUMNS, RETRIED, DatasetReader, Key, TableQuery, Value
from starwhale.storage.result_parts.part_codec import ID_COLUMN
from starwhale.storage.result_parts.result_table import STORED_ID, Columns, TableView, join_columns
from starwhale.storage.result_parts.stored_parts import StoredParts

PREDICTIONS = "predictions"
"""Physical table of what predict logs by itself."""
RESULTS = "results"
"""Name under which readers see it, and physical table of what users log there."""
PAGE_ROWS = 4096
"""Most rows of a page."""
PAGE_BYTES = 16 << 20
"""About the most bytes of a page, the content of media included."""
TAIL = 1 << 40
"""The `position` of rows that only the user logged: after every dataset."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ResultScope:
    """Whose results are read, and what is needed to present them."""

    owner: str
    """Job id, or the id of a free-standing Evaluation."""
    steps: tuple[Step, ...] = ()
    """Steps of the job, needs first."""
    datasets: tuple[DatasetInput, ...] = ()
    """Datasets of the job, in the order of the request."""
    open_dataset: Callable[[DatasetInput], DatasetReader] | None = field(default=None, compare=False)
    """Opens a dataset to join its features; rows come without inputs where it is missing or raises NotFoundError."""


class ResultPosition(NamedTuple):
    """A point in row order; comes before the row that it names."""

    position: int
    """Position of the dataset, or TAIL."""
    rank: int
    """Rank in the dataset, or position among the tail's rows."""
    step: int = 0
    """Position of the predict step."""


FIRST = ResultPosition(0, 0)
LAST = ResultPosition(TAIL, TAIL)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Piece:
    """Predictions of consecutive ranks by one step, in one stretch of a file."""

    start: int
    stop: int
    table: PartTable
    low: int
    """The stretch holds the rows from this rank …"""
    high: int
    """… to this one; more than the piece where some of them were tried again."""
    retry: int = 0
    """Number of the commit, where the rows were tried again; 0 otherwise."""

    def follows(self, other: _Piece) -> bool:
        """Whether the rows lie right behind those of `other`, in the file and in the dataset."""
        mine, before = self.table, other.table
        same = (mine.file, mine.offset) == (before.file, before.offset)
        return same and mine.first_row == before.first_row + before.row_count and self.start == other.stop


class RowsView:
    """The rows of `results` in the given parts; nothing but the user's own rows is held."""

    def __init__(self, store: StoredParts, scope: ResultScope, parts: Sequence[PartRecord]) -> None:
        self._store = store
        self._scope = scope
        known = {step.name: step for step in scope.steps}
        names = dict.fromkeys(step.name for step in scope.steps if step.consumes_rows)
        names.update(dict.fromkeys(part.step for part in parts if _has_predictions(part)))
        self._steps = [known.get(name) or _unknown_step(name) for name in names]
        self._pieces = _collect(parts, {name: index for index, name in enumerate(names)})
        self._readers: dict[int, DatasetReader | None] = {}
        self._page_rows: dict[int, int] = {}
        has_own = any(table.table_name == RESULTS for part in parts for table in part.tables)
        self._own = TableView(store, scope.owner, RESULTS, parts, is_looked_up=True) if has_own else None
        self._tail = self._only_own() if self._own else []

    def bounds(self, query: TableQuery) -> tuple[ResultPosition, ResultPosition]:
        """Return the points between which a query's rows lie.

        A bound that names a row of a dataset is that row's place; any other is a place among the user's own rows, by value.
        """
        first = FIRST if query.start is None else self._locate(query.start)
        if query.end is None:
            return first, LAST
        last = self._locate(query.end, after=query.end_inclusive)
        return first, max(first, last)

    def page(
        self, at: ResultPosition, end: ResultPosition, max_rows: int
    ) -> tuple[Columns, int, ResultPosition | None]:
        """Read rows from a point on.

        Returns:
            The columns, the number of rows, and where the next page begins or None.
        """
        pages: list[tuple[Columns, int]] = []
        count = 0
        here: ResultPosition | None = self._skip(at, end)
        while here is not None and here.position < TAIL:
            left = min(max_rows, self._rows_of_page(here.position)) - count
            steps = self._steps_behind(here)
            if left < (steps if count else 1):
                break  # a rank is never torn apart: a page may be larger than asked for by the steps that share its last rank
            window_end = ResultPosition(here.position, here.rank + max(left // steps, 1))
            rows = self._window(here, min(window_end, end))
            if rows[1]:
                pages.append(rows)
                count += rows[1]
            here = self._skip(window_end, end)
        if here is not None and here.position == TAIL and count < max_rows:
            stop = min(here.rank + max_rows - count, end.rank, len(self._tail))
            ids = self._tail[here.rank : stop]
            if ids and self._own is not None:
                pages.append(({"id": list(ids), **self._own.rows(ids)}, len(ids)))
                count += len(ids)
            here = ResultPosition(TAIL, stop) if stop < min(end.rank, len(self._tail)) else None
        return (join_columns(pages) if pages else {}), count, here

    # --------------------------------------------------------------------------------------- for whole columns (result_columns)

    @property
    def has_own(self) -> bool:
        """Whether the user logged rows of this table."""
        return self._own is not None

    @property
    def tail_count(self) -> int:
        """Rows that only the user logged."""
        return len(self._tail)

    @property
    def positions(self) -> list[int]:
        """Positions of the datasets that rows are of."""
        return sorted(self._pieces)

    def stretches(self) -> Iterator[tuple[int, int, Any, Step]]:
        """Give what predict gave, undecoded: dataset, position of the step, batch and step; ranks rise within each."""
        for position in sorted(self._pieces):
            for index, pieces in enumerate(self._pieces[position]):
                for piece in pieces:
                    yield position, index, self._slice(piece, piece.start, piece.stop), self._steps[index]

    def id_ends(self, position: int, step: Step) -> tuple[str, str]:
        """Return what stands before and behind the key in the ids of rows."""
        return id_ends(self._scope.datasets[position], step.id_step)

    def joins(self, index: int, feature: str) -> bool:
        """Whether rows of a step have a feature of the dataset as input."""
        wanted = self._steps[index].record.log_features
        return wanted is None or feature in wanted

    def reader(self, position: int) -> DatasetReader | None:
        """Return the rows of a dataset; None where it is gone."""
        return self._reader(position)

    # ------------------------------------------------------------------------------------------------ finding the way

    def _skip(self, place: ResultPosition, end: ResultPosition) -> ResultPosition | None:
        """Return the next point at or behind `place` where rows may be; None when there is none before the end."""
        for position in sorted(each for each in self._pieces if each >= place.position):
            rank = place.rank if position == place.position else 0
            later = [
                max(pieces[index].start, rank)
                for pieces in self._pieces[position]
                if (index := _first_behind(pieces, rank)) < len(pieces)
            ]
            if later:
                found = max(place, ResultPosition(position, min(later)))
                return found if found < end else None
        tail = max(place, ResultPosition(TAIL, 0))
        return tail if tail < end and tail.rank < len(self._tail) else None

    def _steps_behind(self, here: ResultPosition) -> int:
        """Count the steps that have rows of this dataset from a point on."""
        return sum(1 for pieces in self._pieces[here.position] if _first_behind(pieces, here.rank) < len(pieces))

    def _locate(self, id: Key, *, after: bool = False) -> ResultPosition:
        for position, dataset in enumerate(self._scope.datasets):
            for index, step in enumerate(self._steps):
                key = find_key(id, dataset, step.id_step)
                if key is not None and (rank := self._rank(position, key)) is not None:
                    return ResultPosition(position, rank, index + after)
        own = self._tail and self._own
        if not own:
            return ResultPosition(TAIL, 0)
        query = TableQuery(table=RESULTS, end=id, end_inclusive=after)
        return ResultPosition(TAIL, bisect_left(self._tail, True, key=query.is_behind))

    def _rank(self, position: int, text: str) -> int | None:
        reader = self._reader(position)
        if reader is None:
            message = f"the data of dataset {self._scope.datasets[position].uri} is gone, so that its rows cannot be found by id"
            raise NotFoundError(message, hint="read the whole table")
        rank = reader.rank(text)
        if rank is None and text.lstrip("-").isdigit():
            rank = reader.rank(int(text))
        return rank

    # ------------------------------------------------------------------------------------------------- reading rows

    def _window(self, low: ResultPosition, high: ResultPosition) -> tuple[Columns, int]:
        """Read the rows between two points of one dataset, merged by rank where several steps have some."""
        pages: list[tuple[Columns, int]] = []
        order: list[tuple[int, int]] = []
        for index, pieces in enumerate(self._pieces[low.position]):
            first = low.rank + (index < low.step)
            last = high.rank + (index < high.step)
            for number in range(_first_behind(pieces, first), len(pieces)):
                if pieces[number].start >= last:
                    break
                batch = self._slice(pieces[number], first, last)
                if batch.num_rows:
                    ranks, columns = self._present(low.position, index, batch)
                    if pieces[number].retry:
                        columns[RETRIED] = [True] * len(ranks)
                    pages.append((columns, len(ranks)))
                    order.extend((rank, index) for rank in ranks)
        if not pages:
            return {}, 0
        columns = join_columns(pages)
        if order != (wanted := sorted(order)):
            places = sorted(range(len(order)), key=order.__getitem__)
            columns = {name: [values[place] for place in places] for name, values in columns.items()}
        return self._merge_own(columns), len(wanted)

    def _slice(self, piece: _Piece, low: int, high: int) -> Any:  # Any: a pyarrow record batch
        batch = self._store.batch(self._scope.owner, piece.table)
        low, high = max(low, piece.start), min(high, piece.stop)
        if (low, high) == (piece.low, piece.high):
            return batch
        if batch.num_rows == piece.high - piece.low:
            return batch.slice(low - piece.low, high - low)
        ranks = batch.column(STORED_ID).to_pylist()
        first = bisect_left(ranks, low)
        return batch.slice(first, bisect_left(ranks, high) - first)

    def _present(self, position: int, index: int, batch: Any) -> tuple[list[int], Columns]:
        """Turn stored predictions into rows as readers see them."""
        stored = decode_batch(batch)
        ranks: list[int] = stored.pop(ID_COLUMN)
        dataset, step = self._scope.datasets[position], self._steps[index]
        keys = stored.pop("_index", None) or self._keys(position, ranks)
        count = len(ranks)
        seconds = stored.pop("duration_seconds", None)
        pickled = stored.pop("__pickled", None)
        columns: Columns = {
            "id": _row_ids(dataset, step, keys),
            "_index": keys,
            "_mode": [step.record.log_mode] * count,
            **({"duration_seconds": seconds} if seconds is not None else {}),
            **stored,
            **self._inputs(position, step, ranks),
            **({"__pickled": pickled} if pickled is not None else {}),
            "__dataset": [f"{dataset.project}/{dataset.name}"] * count,
            "__dataset_version": [dataset.version] * count,
            "__key": keys,
            "__step": [step.name] * count,
        }
        return ranks, columns

    def _inputs(self, position: int, step: Step, ranks: list[int]) -> Columns:
        wanted = step.record.log_features
        reader = self._reader(position) if wanted is None or wanted else None
        if reader is None:
            return {}
        kinds = reader.columns
        names = [name for name in (kinds if wanted is None else wanted) if name in kinds]
        is_dense = ranks[-1] - ranks[0] + 1 == len(ranks)
        rows = reader.read(ranks[0], ranks[-1] + 1, names) if is_dense else reader.take(ranks, names)
        joined: Columns = {}
        for name, values in rows.columns.items():
            if kinds[name].startswith(("struct", "variant")):
                joined.update(_spread(f"input/{name}", values))
            else:
                joined[f"input/{name}"] = list(values)
        return joined

    def _merge_own(self, columns: Columns) -> Columns:
        own = self._own
        if own is None:
            return columns
        hits = [slot for slot, row_id in enumerate(columns["id"]) if row_id in own]
        for name, values in own.rows([columns["id"][slot] for slot in hits]).items() if hits else ():
            if name in HIDDEN_COLUMNS:
                continue  # hidden columns say how the system stored a row; a user's row says nothing of that
            column = columns.setdefault(name, [None] * len(columns["id"]))
            for slot, value in zip(hits, values, strict=True):
                if value is not None:
                    column[slot] = value
                    if name == "output" and "__pickled" in columns:
                        columns["__pickled"][slot] = None  # these bytes are the user's own, whatever was there
        return columns

    def _only_own(self) -> list[Key]:
        """Return the ids of the user's rows that no prediction has, in order."""
        assert self._own is not None  # noqa: S101 - the caller has looked
        heads = tuple(id_ends(dataset)[0] for dataset in self._scope.datasets)
        alike = {each for each in self._own.ids if isinstance(each, str) and each.startswith(heads)}
        predicted: set[Key] = set()
        for position, steps in self._pieces.items() if alike else ():
            for index, pieces in enumerate(steps):
                for piece in pieces:
                    batch = self._store.batch(self._scope.owner, piece.table)
                    stored = decode_batch(
                        batch.select([name for name in (STORED_ID, "_index") if name in batch.schema.names])
                    )
                    keys = stored.get("_index") or self._keys(position, stored[ID_COLUMN])
                    ids = _row_ids(self._scope.datasets[position], self._steps[index], keys)
                    predicted.update(alike.intersection(ids))
        return [each for each in self._own.ids if each not in predicted]

    def _keys(self, position: int, ranks: Sequence[int]) -> list[Key]:
        reader = self._reader(position)
        return list(ranks) if reader is None else reader.take(ranks, []).keys

    def _reader(self, position: int) -> DatasetReader | None:
        if position not in self._readers:
            opened = None
            if self._scope.open_dataset is not None:
                try:
                    opened = self._scope.open_dataset(self._scope.datasets[position])
                except (NotFoundError, FileNotFoundError):
                    opened = None  # the dataset was removed; what was found about its rows is still worth reading
            self._readers[position] = opened
        return self._readers[position]

    def _rows_of_page(self, position: int) -> int:
        """Return how many rows of a dataset make a page of bounded size, judged by its first rows."""
        if position not in self._page_rows:
            tables = [piece.table for pieces in self._pieces[position] for piece in pieces]
            # Stored rows are compressed and shared stretches are counted once per piece: four times is on the safe side.
            weight = 4 * max(
                (table.length // max(table.row_count + table.first_row, 1) for table in tables[:64]), default=0
            )
            for pieces in filter(None, self._pieces[position]):  # what compresses well is larger than that
                heaviest = max(pieces[:64], key=lambda piece: piece.table.length // max(piece.stop - piece.start, 1))
                for piece in (pieces[0], heaviest):
                    batch = self._store.batch(self._scope.owner, piece.table)
                    weight = max(weight, 2 * batch.nbytes // max(batch.num_rows, 1))
            used = {index for index, pieces in enumerate(self._pieces[position]) if pieces}
            for index in used:
                sample = self._inputs(position, self._steps[index], list(range(min(8, self._total(position)))))
                weight += sum(max(map(weigh, values), default=0) for values in sample.values())
            self._page_rows[position] = max(min(PAGE_ROWS, PAGE_BYTES // max(weight, 1)), 1)
        return self._page_rows[position]

    def _total(self, position: int) -> int:
        reader = self._reader(position)
        return max(1 if reader is None else reader.row_count, 1)


def _collect(parts: Iterable[PartRecord], step_index: dict[str, int]) -> dict[int, list[list[_Piece]]]:
    """Sort the predictions by dataset, step and rank; pieces that lie behind each other become one."""
    found: dict[int, list[list[_Piece]]] = {}
    for part in parts:
        for table in part.tables:
            if table.table_name == PREDICTIONS and part.dataset_position is not None:
                steps = found.setdefault(part.dataset_position, [[] for _ in step_index])
                start, stop = part.start or 0, part.stop or 0
                retry = part.id if part.is_retry else 0
                piece = _Piece(start=start, stop=stop, table=table, low=start, high=stop, retry=retry)
                steps[step_index[part.step]].append(piece)
    return {position: [_lay_out(pieces) for pieces in steps] for position, steps in sorted(found.items())}


def _lay_out(pieces: list[_Piece]) -> list[_Piece]:
    """Bring pieces into an order in which none reaches into another: rows that were tried again stand as the latest commit has them."""
    retries = [piece for piece in pieces if piece.retry]
    joined = _join_pieces([piece for piece in pieces if not piece.retry])
    if not retries:
        return joined
    waiting = sorted([*joined, *retries], key=lambda each: each.start, reverse=True)
    here: list[tuple[int, int, _Piece]] = []  # those that reach to where we are, the latest commit first
    laid: list[_Piece] = []
    for start, stop in pairwise(sorted({bound for each in waiting for bound in (each.start, each.stop)})):
        while waiting and waiting[-1].start <= start:
            piece = waiting.pop()
            heappush(here, (-piece.retry, len(waiting), piece))
        while here and here[0][2].stop <= start:
            heappop(here)
        if not here:
            continue
        seen = here[0][2]
        if laid and laid[-1].stop == start and laid[-1].table is seen.table:
            laid[-1] = replace(laid[-1], stop=stop)
        else:
            laid.append(replace(seen, start=start, stop=stop))
    return laid


def _join_pieces(pieces: list[_Piece]) -> list[_Piece]:
    joined: list[_Piece] = []
    for piece in sorted(pieces, key=lambda each: each.start):
        if joined and piece.follows(joined[-1]):
            before = joined.pop()
            rows = before.table.row_count + piece.table.row_count
            piece = replace(piece, start=before.start, low=before.low, table=replace(before.table, row_count=rows))
        joined.append(piece)
    return joined


def _first_behind(pieces: Sequence[_Piece], rank: int) -> int:
    """Return the position of the first piece that reaches behind a rank."""
    return bisect_left(pieces, rank + 1, key=lambda piece: piece.stop)


def _row_ids(dataset: DatasetInput, step: Step, keys: Iterable[Key]) -> list[str]:
    head, tail = id_ends(dataset, step.id_step)
    return [f"{head}{key}{tail}" for key in keys]


def _spread(name: str, values: Sequence[Value]) -> Columns:
    """Flatten nested dicts into columns of their own."""
    if not any(isinstance(value, dict) for value in values):
        return {name: list(values)}
    spread: Columns = {}
    for row, value in enumerate(values):
        for column, cell in _columns_of(name, value).items():
            spread.setdefault(column, [None] * len(values))[row] = cell
    return spread


def _columns_of(name: str, value: Value) -> Mapping[str, Value]:
    if not isinstance(value, dict):
        return {name: value}
    try:
        return flatten({name: value})
    except FieldNameError:  # its keys are no names of columns, so it stays one value
        return {name: value}


def _has_predictions(part: PartRecord) -> bool:
    return any(table.table_name == PREDICTIONS for table in part.tables)


def _unknown_step(name: str) -> Step:
    return Step(name=name, record=HandlerRecord(name=name, kind="predict"), consumes_rows=True)
