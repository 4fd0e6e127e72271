"""How long the pages of the console take in a browser over a run of a million rows and ten thousand runs, and what the page and the server weigh.

    python benchmarks/console_pages.py [ROWS] [JOBS] [FOLDER]

What is looked at is made in FOLDER, and found there the next time; without one it is made anew and thrown away. Needs chromium and playwright, and `make ui` before. The limits are those of the console's issue: 1 s for first rows, sorting and filtering, 300 MB
for the page, 500 MB for the server.
"""

from __future__ import annotations

import dataclasses
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from console_api import make_jobs, make_rows, memory_mb

from starwhale.instances import open_instance
from starwhale.settings import read_settings

if TYPE_CHECKING:
    from playwright.sync_api import Locator, Page

LIMIT_S, PAGE_MB, SERVER_MB = 1.0, 300, 500
FLAGS = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-background-networking"]
LIVE = """
import time
from starwhale import dataset, evaluation

@evaluation.predict(batch_size=1)
def answer(row):
    time.sleep(0.5)
    return {"told": time.time()}

if __name__ == "__main__":
    with dataset("live") as rows:
        rows.extend([{"n": n} for n in range(60)])
        rows.commit()
"""


class Watched:
    """Prints what steps of a page take, and what page and server weigh then."""

    def __init__(self, page: Page, server: int) -> None:
        self.page, self.server = page, server
        self.is_within = True

    def __call__(
        self, title: str, act: Callable[[], object], seen: Callable[[], object], limit_s: float = LIMIT_S
    ) -> None:
        """Do something, wait until it is to be seen, and print."""
        began, before = time.monotonic(), self._cpu_s()
        act()
        seen()
        seconds, cpu = time.monotonic() - began, self._cpu_s() - before
        page, (_, server) = renderer_mb(), memory_mb(self.server)  # what the server has had at most
        is_within = seconds <= limit_s and page <= PAGE_MB and server <= SERVER_MB
        self.is_within &= is_within
        mark = "" if is_within else "   over the limit"
        print(
            f"{title:<46} {seconds:6.2f} s ({cpu:.2f} of CPU)   page {page:4.0f} MB   server {server:4.0f} MB{mark}",
            flush=True,
        )

    def _cpu_s(self) -> float:
        """Return what the server and all processes of the browser have computed; on a machine with other work the seconds are no measure."""
        return sum(map(_cpu_of, _started()))  # the server is one of them


def renderer_mb() -> float:
    """Return the memory of the heaviest page process of the browsers that this process has started, as Chromium's task manager counts it.

    That is what is the process's own: the program's code, which all processes of the browser share, is left out.
    """
    return max((_private_mb(each) for each in _started() if b"--type=renderer" in _words(each)), default=0.0)


def _started() -> list[int]:
    """Return the processes that this one has started, and those that they have."""
    return [int(each.name) for each in Path("/proc").glob("[0-9]*") if _is_ours(int(each.name))]


def _words(pid: int) -> bytes:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return b""  # it has ended


def _cpu_of(pid: int) -> float:
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return 0.0
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _private_mb(pid: int) -> float:
    try:
        fields = dict(line.split(":", 1) for line in Path(f"/proc/{pid}/status").read_text().splitlines())
    except OSError:
        return 0.0
    return (int(fields["RssAnon"].split()[0]) + int(fields["VmSwap"].split()[0])) / 1000


def _is_ours(pid: int) -> bool:
    if pid == os.getpid():
        return False
    while pid > 1:
        try:
            pid = int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])
        except OSError:
            return False
        if pid == os.getpid():
            return True
    return False


def watch_all(watch: Watched, job: str) -> None:
    """Go through the pages as a user does."""
    page = watch.page
    row = page.get_by_role("row").nth(1)
    watch("runs: first rows, just after the start", lambda: page.goto("/"), row.wait_for, 5)
    watch("runs: first rows", lambda: page.goto("/?"), row.wait_for)
    head = page.get_by_role("columnheader", name="f1").get_by_role("button")
    watch("runs: sorted by a metric", lambda: answered(page, head, "/jobs?"), row.wait_for)
    few = page.get_by_text(re.compile(r"^1,?\d{2,3} evaluations"))
    watch("runs: filtered", lambda: page.goto("/projects/self/jobs?where=summary%2Faccuracy+%3E+0.89"), few.wait_for)
    rows = f"/jobs/{job}/rows"
    watch("rows: first rows", lambda: page.goto(rows), page.get_by_text(re.compile("pictures_#@#_0$")).first.wait_for)
    sort = page.get_by_role("columnheader", name="score").get_by_role("button")
    watch("rows: sorted", lambda: answered(page, sort, "sort=score"), row.wait_for)
    watch(
        "rows: filtered",
        lambda: page.goto(f"{rows}?where=output+%21%3D+input%2Flabel"),
        page.get_by_text(re.compile(r"\d{3},\d{3} rows")).first.wait_for,
    )
    logged = f"/jobs/{job}/tables"
    weight = page.get_by_role("columnheader", name="weight").get_by_role("button")
    watch(
        "logged: first rows", lambda: page.goto(logged), page.get_by_text(re.compile("pictures_#@#_0$")).first.wait_for
    )
    watch("logged: sorted", lambda: answered(page, weight, "sort=weight"), row.wait_for)
    watch(
        "logged: filtered",
        lambda: page.goto(f"{logged}?where=correct+%3D%3D+false+and+weight+%3E+0.5"),
        page.get_by_text(re.compile(r"^\d{3},\d{3} rows")).first.wait_for,
    )
    page.goto(rows)
    row.wait_for()
    scroll_all(watch)


def answered(page: Page, button: Locator, words: str) -> None:
    """Press something, and wait for the answer that it asks for; what was there before stays to be seen until then."""
    with page.expect_response(lambda answer: words in answer.url and "sort=" in answer.url):
        button.click()


def scroll_all(watch: Watched) -> None:
    """Scroll from the first row to the last in two hundred steps; every place where nothing is drawn is a gap."""
    page = watch.page
    gaps = 0
    began = time.monotonic()
    for step in range(200):
        page.evaluate(
            "share => { const at = document.querySelector('.vt'); at.scrollTop = share * at.scrollHeight; }", step / 199
        )
        page.wait_for_timeout(20)
        gaps += page.evaluate("document.querySelectorAll('.vt-row').length < 5")
    watch(
        f"rows: scrolled to the end, {gaps} gaps",
        lambda: None,
        page.get_by_text(re.compile("pictures_#@#_9+$")).first.wait_for,
        5,
    )
    print(f"{'':<46} {time.monotonic() - began:6.2f} s for 200 steps", flush=True)


def watch_live(watch: Watched, folder: Path, env: dict[str, str]) -> None:
    """Say how long a committed row takes to its place on the page of a run in progress."""
    page = watch.page
    page.set_viewport_size({"width": 1440, "height": 1800})  # room for all rows that are waited for
    (folder / "live.py").write_text(LIVE, encoding="utf-8")
    name = f"live-{os.getpid()}"
    swcli = [sys.executable, "-m", "starwhale.cli", "model", "run", "live.py", "-d", "live", "--name", name]
    subprocess.run([sys.executable, "live.py"], cwd=folder, env=env, check=True)
    run = subprocess.Popen(swcli, cwd=folder, env=env, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        page.goto("/")
        page.get_by_role("link", name=name).click(timeout=60_000)
        page.get_by_role("link", name="Rows", exact=True).click()
        page.get_by_text(re.compile("live_#@#_0$")).first.wait_for(timeout=60_000)
        job = page.url.split("/jobs/")[1].split("/")[0]
        there = page.request.get(f"/api/v1/jobs/{job}/rows?limit=1").json()["total"]
        late: list[float] = []
        for n in range(
            there + 4, there + 10
        ):  # of rows that are committed from now on; the next few may be on their way
            page.get_by_text(re.compile(f"live_#@#_{n}$")).first.wait_for(timeout=60_000)
            shown = time.time()
            told = page.request.get(f"/api/v1/jobs/{job}/row?id=self/live_%23%40%23_{n}").json()
            late.append(shown - float(told.get("output/told") or told["output"]["told"]))
        print(
            f"{'a committed row shows after':<46} {sorted(late)[len(late) // 2]:6.2f} s (median), {max(late):.2f} s at most",
            flush=True,
        )
    finally:
        run.terminate()
        run.wait()


def make_all(folder: Path, env: dict[str, str], rows: int, jobs: int) -> str:
    """Make the runs, where they have not been made yet, and return the id of the long one."""
    made = folder / "job"
    if not made.exists():
        with open_instance(dataclasses.replace(read_settings(env))) as instance:
            job = make_rows(instance, rows)
            make_jobs(instance, jobs)
        print(f"made {rows:,} rows with pictures and {jobs:,} runs", flush=True)
        made.write_text(job)
    return made.read_text()


def look(folder: Path, rows: int, jobs: int) -> bool:
    """Serve, look and print; whether all was within the limits."""
    from playwright.sync_api import sync_playwright

    program = next(found for name in ("chromium", "google-chrome") if (found := shutil.which(name)))
    env = {**os.environ, "SW_LOCAL_STORAGE": f"{folder}/root", "SW_CLI_CONFIG": f"{folder}/config.yaml"}
    job = make_all(folder, env, rows, jobs)
    command = [sys.executable, "-m", "starwhale.server", "--say-json", "--port", "0"]
    server = subprocess.Popen(command, env=env, stdout=subprocess.PIPE, text=True)
    try:
        assert server.stdout is not None
        address = json.loads(server.stdout.readline())["address"]
        with sync_playwright() as playwright:
            browser = playwright.chromium.launch(executable_path=program, args=FLAGS)
            page = browser.new_context(viewport={"width": 1440, "height": 900}, base_url=address).new_page()
            watch = Watched(page, server.pid)
            watch_all(watch, job)
            watch_live(watch, folder, env)
            browser.close()
    finally:
        server.terminate()
        server.wait()
    return watch.is_within


def main(rows: str = "1000000", jobs: str = "10000", folder: str = "") -> int:
    """Look at what is in a folder, or at what is thrown away; 1 where a limit was passed."""
    if folder:
        Path(folder).mkdir(parents=True, exist_ok=True)
        return 0 if look(Path(folder), int(rows), int(jobs)) else 1
    with tempfile.TemporaryDirectory() as name:
        return 0 if look(Path(name), int(rows), int(jobs)) else 1


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
