"""Who has a folder open keeps it from being collected, and nobody who comes too late loses anything."""

from __future__ import annotations

import contextlib
import fcntl
import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from starwhale.storage.in_use import LOCK_NAME, claim, hold
from starwhale.storage.result_parts.segments import append_synced


def is_free(folder: Path) -> bool:
    with claim(folder) as found:
        return found


def test_any_number_hold_a_folder_and_one_claims_it_when_none_does(tmp_path: Path) -> None:
    first, second = hold(tmp_path), hold(tmp_path)
    assert not is_free(tmp_path)
    first.release()
    first.release()
    assert not is_free(tmp_path)
    with second:
        assert not is_free(tmp_path)
    assert is_free(tmp_path)
    with claim(tmp_path) as mine:
        assert (mine, is_free(tmp_path)) == (True, False)
    forgotten = hold(tmp_path)
    del forgotten
    assert is_free(tmp_path)


def test_a_folder_that_is_not_there_is_nobodys(tmp_path: Path) -> None:
    assert is_free(tmp_path / "missing")
    assert not (tmp_path / "missing").exists()
    with pytest.raises(FileNotFoundError):
        hold(tmp_path / "missing")


def test_who_waits_for_a_claim_finds_what_is_there_afterwards(tmp_path: Path) -> None:
    for is_kept in (True, False):
        folder = tmp_path / f"{is_kept}"
        folder.mkdir()
        found: list[bool] = []

        def wait(folder: Path = folder, found: list[bool] = found) -> None:
            try:
                with hold(folder):
                    found.append(not is_free(folder))
            except FileNotFoundError:
                found.append(False)

        with claim(folder) as mine:
            assert mine
            thread = threading.Thread(target=wait)
            thread.start()
            if not is_kept:
                (folder / LOCK_NAME).unlink()
                folder.rmdir()
        thread.join(30)
        assert found == [is_kept]


def test_a_process_that_is_killed_lets_go(tmp_path: Path) -> None:
    code = "import os, sys; from pathlib import Path; from starwhale.storage.in_use import hold\n"
    code += "held = hold(Path(sys.argv[1])); print('held', flush=True); sys.stdin.read()"
    with subprocess.Popen(
        [sys.executable, "-c", code, str(tmp_path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"held\n"
        assert not is_free(tmp_path)
        process.kill()
        process.wait(30)
    assert is_free(tmp_path)


def test_what_is_appended_to_a_segment_that_is_collected_lies_in_a_new_one(tmp_path: Path) -> None:
    path = tmp_path / "results" / "ab" / "job" / "a.seg"
    for _ in range(20):
        append_synced(path, b"old")
        collector = os.open(path, os.O_RDWR)
        fcntl.flock(collector, fcntl.LOCK_EX)
        offsets: list[int] = []
        threads = [threading.Thread(target=lambda: offsets.append(append_synced(path, b"new"))) for _ in range(2)]  # noqa: B023 - joined below
        for thread in threads:
            thread.start()
        path.unlink()
        with contextlib.suppress(OSError):  # one of them may have made the new segment already
            path.parent.rmdir()
        os.close(collector)
        for thread in threads:
            thread.join(30)
        assert (sorted(offsets), path.read_bytes()) == ([0, 3], b"newnew")
        path.unlink()
