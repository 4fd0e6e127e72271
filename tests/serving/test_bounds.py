"""What is bounded without a model that runs: what waits, what is being read, what could not be written; and what says why nothing starts."""

from __future__ import annotations

import asyncio
import json
import re
import sys
from typing import TYPE_CHECKING, cast

import pytest

from starwhale.errors import BusyError, MissingDependencyError, NoSpaceError, UserCodeError, WorkerDiedError
from starwhale.handlers.context import Context
from starwhale.instances import online_record
from starwhale.instances.online_record import FunctionRecord, Tried, Verdict
from starwhale.server.online import streaming
from starwhale.server.online.__main__ import main
from starwhale.server.online.streaming import Bits
from starwhale.serving.callables import load_callables
from starwhale.serving.endpoint import Endpoint
from starwhale.serving.gradio_page import open_gradio
from starwhale.serving.lanes import Bounds, Lane, Load
from starwhale.serving.model_host import ModelHost, ModelSource

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

INSTALL = "pip install 'starwhale-evaluation[serve]'"


def test_bodies_that_are_read_count_among_what_waits_and_one_that_is_alone_is_taken() -> None:
    async def ask() -> None:
        host, load = ModelHost(ModelSource(id="m", workdir="", modules=(), python="")), Load()
        bounds = Bounds(max_waiting=3, max_waiting_bytes=1000)
        lane = Lane(host, Endpoint(name="f", kind="api"), bounds, load, asyncio.Semaphore(1))
        with lane.reading(600) as count:
            with pytest.raises(BusyError):
                lane.put("a", b"x" * 401)
            with pytest.raises(BusyError), lane.reading(401):
                pass
            count(400)
            with pytest.raises(BusyError):
                count(1)
        assert load.reading == 0
        lane.put("b", b"x" * 2000)  # more than there is room for, but the only one
        with pytest.raises(BusyError, match="requests of 2,000 bytes wait for model 'm' already"):
            lane.put("c", b"x")
        await lane.close()

    asyncio.run(ask())


def test_of_an_answer_that_is_too_long_nothing_is_kept_and_all_is_given_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(streaming, "KEPT_BYTES", 10)

    async def give() -> None:
        bits = Bits()
        bits.keeps = True
        for bit in (b"12345", b"67890"):
            bits.put(bit)
        assert (bits.given, bits.is_cut) == ([b"12345", b"67890"], False)
        for _ in range(2):
            bits.put(b"x")
        assert (bits.given, bits.is_cut) == ([], True)
        assert [await bits.get() for _ in range(4)] == [b"12345", b"67890", b"x", b"x"]

    asyncio.run(give())


def test_a_model_whose_interpreter_is_not_there_says_so() -> None:
    async def start() -> None:
        host = ModelHost(ModelSource(id="m", workdir="/", modules=(), python="/nowhere/python"))
        with pytest.raises(WorkerDiedError, match=r"cannot be started: .*/nowhere/python"):
            await host.start()
        await host.close()

    asyncio.run(start())


class Disk(FunctionRecord):
    """A record whose disk is full at times."""

    def __init__(self) -> None:
        super().__init__(*cast("tuple[None, None, None, tuple[str]]", (None, None, None, ())))  # type: ignore[arg-type] - it writes nowhere
        self.is_full = True
        self.kept: list[str] = []

    def _commit(self, waiting: Iterable[tuple[str, Tried | Verdict]]) -> None:
        if self.is_full:
            message = "no room"
            raise NoSpaceError(message)
        self.kept += [row for row, _ in waiting]


@pytest.mark.parametrize(("rows", "size"), [(3, 1000), (1000, 30)])
def test_of_what_cannot_be_written_the_newest_wait_and_it_is_told_how_many_are_lost(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, rows: int, size: int
) -> None:
    monkeypatch.setattr(online_record, "WAITING_ROWS", rows)
    monkeypatch.setattr(online_record, "WAITING_BYTES", size)
    disk = Disk()
    for number in range(8):
        disk.add(str(number), Tried(trial=str(number), body=b"12345", answer=b"12345"))
    with pytest.raises(NoSpaceError):
        disk.flush()
    assert disk.lost == 5
    told = re.findall(r"could not be written: (\d+) request", caplog.text)
    assert sum(map(int, told)) == 5
    disk.is_full = False
    disk.flush()
    assert (disk.kept, disk.rows) == (["5", "6", "7"], 3)


def test_what_gradio_is_wanted_for_is_said_with_the_command_that_installs_it(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setitem(sys.modules, "gradio", None)  # as where it is not installed
    (tmp_path / "page_of_gradio.py").write_text("import gradio\n")
    (tmp_path / "components_alone.py").write_text(
        "from starwhale.api.service import api\n@api(inputs='text', outputs='text')\ndef upper(text: str): return text.upper()\n"
    )
    base = Context(workdir=str(tmp_path))
    with pytest.raises(UserCodeError) as raised:
        load_callables(str(tmp_path), ["page_of_gradio"], [], "", base)
    assert INSTALL in raised.value.hint
    callables = load_callables(str(tmp_path), ["components_alone"], [], "", base)
    assert callables.offer.is_gradio
    with pytest.raises(MissingDependencyError) as missing:
        open_gradio(callables, base, host="127.0.0.1", title="")
    assert "gradio" in missing.value.message
    assert INSTALL in missing.value.hint


def test_without_the_web_server_it_is_said_what_to_install(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, "fastapi", None)
    assert main(["{}"]) == 1
    assert INSTALL in json.loads(capsys.readouterr().out)["error"]["facts"]["hint"]
