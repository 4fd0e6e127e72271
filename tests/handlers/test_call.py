"""How user code is found and called, and what comes of it."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from textwrap import dedent
from typing import Any

import pytest

from starwhale.domain.job import DatasetInput, HandlerRecord
from starwhale.errors import GraphError, HandlerError, UsageError, UserCodeError
from starwhale.handlers.call import call_evaluate, load
from starwhale.handlers.calls.predict_rows import PredictRunner
from starwhale.handlers.calls.range_part import RowFailed, Rules
from starwhale.handlers.context import Context, set_runtime_context
from starwhale.handlers.decorators import evaluate
from starwhale.handlers.discover import discover, select
from starwhale.handlers.result_rows import page_rows
from starwhale.storage.part import RangeLease
from starwhale.storage.protocols import Rows, TablePage

DATASET = DatasetInput(
    uri="local/project/self/dataset/numbers/version/" + "a" * 40, given="numbers", dataset_id="d", project="self",
    name="numbers", version="a" * 40, manifest_digest="m", row_count=10,
)  # fmt: skip
COUNTER = iter(range(10_000))


@pytest.fixture
def context() -> Iterator[Context]:
    path = list(sys.path)
    made = Context(version="job", base_seed=1)
    set_runtime_context(made)
    yield made
    set_runtime_context(None)
    sys.path[:] = path


def found(folder: Path, code: str) -> tuple[str, dict[str, HandlerRecord]]:
    name = f"user_module_{next(COUNTER)}"
    (folder / f"{name}.py").write_text(dedent(code), encoding="utf-8")
    return name, discover(folder, [name])


def run(record: HandlerRecord, context: Context, count: int = 10, *, late_s: float = 60.0) -> Any:
    rows = Rows(keys=list(range(count)), columns={"number": list(range(count))})
    lease = RangeLease(
        job_id="job", step="s", dataset_position=0, start=0, stop=count, epoch=1, batch=record.batch_size
    )
    runner = PredictRunner(load(record), context, Rules.make(record, None))
    runner.late_s = late_s
    return runner.run(rows, lease, DATASET)


@pytest.mark.parametrize(
    ("signature", "seen"),
    [
        ("data", "data"), ("data, /", "data"), ("*args", "args[0], args[1]['index']"), ("**kw", "kw['data'], kw['external']['index']"),
        ("data, external", "data, external['index']"), ("data, **kw", "data, kw['external']['index']"),
        ("*args, **kw", "args[0], kw['external']['index']"), ("data, other=5", "data, other"),
        ("data, x=1, external=None", "data, external['index']"),
    ],
)  # fmt: skip
def test_calling_table(tmp_path: Path, context: Context, signature: str, seen: str) -> None:
    code = f"import starwhale.handlers.decorators as evaluation\n@evaluation.predict\ndef predict({signature}):\n    return [repr(({seen},))]\n"
    name, records = found(tmp_path, code)
    (table,) = run(records[f"{name}:predict"], context, 1).tables
    tail = {"data, other": "5"}.get(seen, "" if seen == "data" else "0")
    assert table.columns["output"] == [[f"({{'number': 0}}, {tail})" if tail else "({'number': 0},)"]]


def test_large_outputs_are_committed_before_the_end_of_the_range(tmp_path: Path, context: Context) -> None:
    code = """
    import starwhale.handlers.decorators as evaluation
    from starwhale.handlers.context import get_runtime_context

    @evaluation.predict
    def whole(data):
        return {"scores": [0.5, 0.5], "map": bytes(12 << 20)}

    @evaluation.predict(batch_size=2)
    def batches(data):
        return [bytes(12 << 20) for _ in data]

    @evaluation.predict
    def logged(data):
        get_runtime_context().log_buffer.log("maps", data["number"], {"map": bytes(12 << 20)})

    @evaluation.predict
    def small(data):
        return {"map": [0.5] * 1000}
    """
    name, records = found(tmp_path, code)
    assert run(records[f"{name}:whole"], context).stop == 3
    assert run(records[f"{name}:batches"], context).stop == 4, "a batch is not cut"
    assert run(records[f"{name}:logged"], context).stop == 3
    context.log_buffer.drain()
    assert run(records[f"{name}:small"], context).stop is None


@pytest.mark.parametrize("batch", [1, 2])
def test_a_range_that_takes_too_long_is_cut_behind_what_was_done(tmp_path: Path, context: Context, batch: int) -> None:
    code = f"""
    import starwhale.handlers.decorators as evaluation
    @evaluation.predict(batch_size={batch})
    def predict(data):
        return [7] * {batch}
    """
    name, records = found(tmp_path, code)
    record = records[f"{name}:predict"]
    draft = run(record, context, late_s=0.0)
    assert (draft.stop, draft.rows_done) == (batch, batch), "one call is made, whatever it takes"
    assert run(record, context, batch, late_s=0.0).stop is None, "there is no rest"


def test_failing_row_keeps_the_batches_before(tmp_path: Path, context: Context) -> None:
    name, records = found(
        tmp_path,
        """
        import starwhale.handlers.decorators as evaluation
        @evaluation.predict(batch_size=4, log_mode="plain")
        def predict(rows):
            if any(row.number == 6 for row in rows):
                raise ValueError("six")
            return [row["number"] for row in rows]
        """,
    )
    with pytest.raises(RowFailed) as caught:
        run(records[f"{name}:predict"], context)
    assert f"{name}.py:6" in caught.value.task_error.frame
    assert "numbers" in caught.value.task_error.key
    assert caught.value.draft is not None
    assert (caught.value.draft.stop, caught.value.draft.tables[0].ids) == (4, [0, 1, 2, 3])


def test_tolerated_row_is_recorded(tmp_path: Path, context: Context) -> None:
    name, records = found(
        tmp_path,
        """
        import starwhale.handlers.decorators as evaluation
        @evaluation.predict(fail_on_error=False, log_mode="plain")
        def predict(data):
            return None if data["number"] == 2 else 10 // (data["number"] - 4)
        """,
    )
    draft = run(records[f"{name}:predict"], context)
    predictions, errors = draft.tables
    assert predictions.ids == [0, 1, 3, 5, 6, 7, 8, 9]
    assert (draft.stop, draft.rows_done, draft.rows_failed) == (None, 10, 1)
    assert errors.ids == ["self/numbers_#@#_4"]
    assert "ZeroDivisionError" in errors.columns["exception"][0]


@pytest.mark.parametrize("mode", ["plain", "pickle"])
def test_a_coroutine_that_a_decorator_hides_is_named(tmp_path: Path, context: Context, mode: str) -> None:
    name, records = found(
        tmp_path,
        f"""
        import functools
        import starwhale.handlers.decorators as evaluation
        def traced(function):
            @functools.wraps(function)
            def wrapper(data): return function(data)
            return wrapper
        @evaluation.predict(log_mode="{mode}", fail_on_error=False)
        @traced
        async def predict(data): return 1
        """,
    )
    with pytest.raises(HandlerError, match="coroutine 'predict': a decorator around it hides that it is async"):
        run(records[f"{name}:predict"], context, 3)


def test_pickled_outputs_come_back(tmp_path: Path, context: Context) -> None:
    name, records = found(
        tmp_path,
        """
        import starwhale.handlers.decorators as evaluation
        @evaluation.predict
        def predict(data):
            return {1, data["number"]} if data["number"] else {"score": 0.5}
        """,
    )
    (table,) = run(records[f"{name}:predict"], context, 2).tables
    page = TablePage(columns={"id": ["a", "b"], "input/x/y": [1, 2], **table.columns}, row_count=2)
    first, second = page_rows(page)
    assert (first["output/score"], second["output"]) == (0.5, {1})
    assert first["input"]["x"]["y"] == first["input"]["x/y"] == first["input/x/y"] == 1


def test_pipeline_settings_are_known_without_running_the_constructor(tmp_path: Path, context: Context) -> None:
    name, records = found(
        tmp_path,
        """
        from starwhale import PipelineHandler
        class Model(PipelineHandler):
            def __init__(self):
                super().__init__(predict_batch_size=64, ignore_error=True)
                self.loaded = True
            def predict(self, data, **kw): return [1 for _ in data]
            def evaluate(self, results): return list(results), self.loaded, self.context.version
        """,
    )
    predict, judge = records[f"{name}:Model.predict"], records[f"{name}:Model.evaluate"]
    assert (predict.batch_size, predict.fail_on_error, judge.needs) == (64, False, (predict.name,))
    assert call_evaluate(load(judge), iter([1])) == ([1], True, "job")


def test_arguments_are_declared_and_filled(tmp_path: Path, context: Context) -> None:
    name, records = found(
        tmp_path,
        """
        import dataclasses
        from starwhale import argument, handler
        @dataclasses.dataclass
        class Options:
            scale: int = 1
            words: list[str] = dataclasses.field(default_factory=list)
        @argument(Options)
        @handler
        def go(argument): return argument.scale, argument.words
        """,
    )
    record = records[f"{name}:go"]
    assert set((record.arguments or {})[f"{name}:Options"]) == {"scale", "words"}
    context.arguments = ("--scale", "3", "--unknown", "--words", "a", "--words=b")
    assert load(record).function() == (3, ["a", "b"])


def test_bad_modules_and_needs_are_named(tmp_path: Path, context: Context) -> None:
    with pytest.raises(HandlerError, match="countign"):
        discover(tmp_path, ["countign"])
    with pytest.raises(UserCodeError, match="division") as caught:
        found(tmp_path, "import json\n1 / 0\n")
    assert ".py:2" in caught.value.frame
    with pytest.raises(UsageError, match="needs is required"):
        evaluate()
    with pytest.raises(GraphError, match="other"):
        found(tmp_path, "from starwhale import handler\ndef other(): ...\n@handler(needs=[other])\ndef go(): ...\n")


def test_selection() -> None:
    records = {name: HandlerRecord(name=name, kind="handler") for name in ("b:x", "a:y")}
    assert [select(records, wanted) for wanted in ("b:x", "B:X", "0", "1")] == ["b:x", "b:x", "a:y", "b:x"]


@pytest.mark.parametrize("signature", ["", "data, external, weights", "data, *, needed", "data, other, third"])
def test_parameters_that_nobody_gives_are_refused_before_the_first_row(
    tmp_path: Path, context: Context, signature: str
) -> None:
    code = f"import starwhale.handlers.decorators as evaluation\n@evaluation.predict\ndef predict({signature}):\n    return 1\n"
    name, records = found(tmp_path, code)
    with pytest.raises(UserCodeError) as raised:
        run(records[f"{name}:predict"], context, 1)
    assert f"{name}.py:3 in predict" in raised.value.frame
    assert f"> 3 │ def predict({signature})" in raised.value.source


def test_parameters_of_a_decorator_are_left_to_it(tmp_path: Path, context: Context) -> None:
    name, records = found(
        tmp_path,
        """
        import functools
        import starwhale.handlers.decorators as evaluation
        def weighted(func):
            @functools.wraps(func)
            def call(data, external):
                return func(data, external, weights=[external["index"]])
            return call
        @weighted
        @evaluation.predict(log_mode="plain")
        def predict(data, external, weights):
            return weights
        """,
    )
    (table,) = run(records[f"{name}:predict"], context, 1).tables
    assert table.columns["output"] == [[0]]
