"""The console in a browser, over a real server with real runs. The screenshots of a run lie in `.cache/console`."""

from __future__ import annotations

import fcntl
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from tests.console.roots import (
    CLONE,
    Root,
    add_answers,
    add_digits,
    add_hostile,
    add_mnist,
    add_scenes,
    add_slow,
    add_versions,
)

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

SHOTS = CLONE / ".cache" / "console"
FLAGS = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--use-fake-device-for-media-stream",  # a microphone that beeps
    "--use-fake-ui-for-media-stream",
]


class Console:
    """A server over one root, and the pages that a browser shows of it."""

    def __init__(self, root: Root) -> None:
        """Start it on a free port."""
        self.root = root
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        self.address = f"http://127.0.0.1:{self.port}"
        self.jobs: dict[str, str] = {}
        self.process = self.start()

    def start(self) -> subprocess.Popen[str]:
        process = subprocess.Popen(
            [sys.executable, "-m", "starwhale.server", "--port", str(self.port)],
            cwd=self.root.folder,
            env=self.root.env,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        assert process.stdout is not None
        lines: list[str] = []
        for line in process.stdout:
            lines.append(line)
            if re.search(r"http://127\.0\.0\.1:\d+", line):
                return process
        raise AssertionError("".join(lines))

    def stop(self, sign: int = signal.SIGTERM) -> None:
        self.process.send_signal(sign)
        self.process.wait(timeout=20)
        if self.process.stdout is not None:
            self.process.stdout.close()

    def restart(self) -> None:
        self.process = self.start()


def build_console() -> None:
    """Build it where something has changed; tests run in several processes."""
    SHOTS.mkdir(parents=True, exist_ok=True)
    with (SHOTS / "building").open("w") as only_one:
        fcntl.flock(only_one, fcntl.LOCK_EX)
        subprocess.run([CLONE / "ui" / "make.sh", "build"], cwd=CLONE, check=True)


@pytest.fixture(scope="session")
def console(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Console]:
    """A console over digits, recorded answers where they are here, hostile rows, and a job that can be watched."""
    build_console()
    root = Root(tmp_path_factory.mktemp("console") / "root")
    add_digits(root)
    add_hostile(root)
    add_slow(root)
    add_scenes(root)
    add_versions(root)
    data = Path(os.environ.get("STARWHALE_TEST_DATA") or "there-is-none")
    if data.is_dir():
        add_answers(root, data)
        add_mnist(root, data / "mnist_t10k_replay")
    found = Console(root)
    found.jobs = root.jobs()
    try:
        yield found
    finally:
        found.stop()


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """A browser. It ends with its module: playwright's event loop counts as running in this thread, where other tests run loops of their own."""
    from playwright.sync_api import sync_playwright

    program = next(found for name in ("chromium", "google-chrome") if (found := shutil.which(name)))
    with sync_playwright() as playwright:
        opened = playwright.chromium.launch(executable_path=program, args=FLAGS)
        yield opened
        opened.close()


@pytest.fixture
def page(browser: Browser, console: Console) -> Iterator[Page]:
    """A page at 1,440 pixels that fails its test where the page itself reports an error."""
    yield from open_page(browser, console, 1440, "light")


def open_page(browser: Browser, console: Console, width: int, colours: Any) -> Iterator[Page]:
    context = browser.new_context(
        viewport={"width": width, "height": 900}, color_scheme=colours, base_url=console.address
    )
    context.set_default_timeout(60_000)
    page = context.new_page()
    problems: list[str] = []
    page.on("pageerror", lambda error: problems.append(str(error)))
    yield page
    context.close()
    assert problems == []
