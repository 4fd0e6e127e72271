"""What the tests share: an isolated instance, a way to run `swcli`, the recorded data, and which tests run when.

Every test runs in `make test` unless it is marked with a need that is dear (`needs_ray`, …: `make test-all`; `make test-rest`
runs those alone) or `soak` (`make soak`). A test whose need is not met is skipped and says so; it fails instead where
STARWHALE_REQUIRE names the need.
"""

from __future__ import annotations

import importlib.util
import os
import shutil
import signal
import subprocess
import sys
import uuid
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from tests.s3_server import S3Server


@dataclass(frozen=True, slots=True, kw_only=True)
class Need:
    """Something that a test needs beyond a clone with its virtual environment."""

    present: Callable[[], bool]
    """Whether it is there."""
    help: str
    """What to do about it."""
    dear: bool = True
    """Whether only `make test-all` runs such tests."""


def _has(*modules: str) -> Callable[[], bool]:
    return lambda: all(importlib.util.find_spec(module) is not None for module in modules)


def _has_program(*names: str) -> Callable[[], bool]:
    return lambda: any(shutil.which(name) for name in names)


def _data_folder() -> Path:
    return Path(os.environ.get("STARWHALE_TEST_DATA") or "there-is-no-recorded-data")


def _has_postgres() -> bool:
    return any(Path("/usr/lib/postgresql").glob("*/bin/initdb")) or shutil.which("initdb") is not None


def _may_make_namespaces() -> bool:
    return sys.platform == "linux" and os.geteuid() == 0 and shutil.which("ip") is not None


def _may_mount() -> bool:
    """Whether this process has CAP_SYS_ADMIN, which root of a container often lacks."""
    status = Path("/proc/self/status")
    found = [line for line in (status.read_text().splitlines() if status.exists() else []) if line.startswith("CapEff")]
    return bool(found) and bool(int(found[0].split()[1], 16) >> 21 & 1) and shutil.which("mount") is not None


NEEDS: Mapping[str, Need] = {
    "recorded_data": Need(
        present=lambda: _data_folder().is_dir(), help="point STARWHALE_TEST_DATA at the recorded data", dear=False
    ),
    "venv": Need(present=_has("venv", "ensurepip"), help="a Python with its venv module"),
    "ray": Need(present=_has("ray"), help="pip install ray"),
    "postgres": Need(present=_has_postgres, help="install PostgreSQL"),
    "browser": Need(
        present=lambda: _has("playwright")() and _has_program("chromium", "google-chrome")(),
        help="install chromium, and pip install playwright",
    ),
    "netns": Need(present=_may_make_namespaces, help="root on Linux, with the program ip"),
    "mount": Need(present=_may_mount, help="root on Linux, with the right to mount"),
    "shells": Need(present=lambda: _has_program("zsh")() and _has_program("fish")(), help="install zsh and fish"),
    "time": Need(present=lambda: True, help="takes a minute or two with the others of its kind"),
    "kills": Need(present=lambda: True, help="takes a minute or two"),
    "notebook": Need(present=_has("nbclient", "ipykernel"), help="pip install nbclient ipykernel"),
    "widgets": Need(present=_has("nbclient", "ipykernel", "ipywidgets"), help="pip install ipywidgets"),
    "audio": Need(present=_has("soundfile"), help="pip install soundfile"),
    "video": Need(present=_has("av"), help="pip install av"),
    "torch": Need(present=_has("torch"), help="pip install torch"),
    "tensorflow": Need(present=_has("tensorflow"), help="pip install tensorflow"),
    "huggingface": Need(present=_has("datasets"), help="pip install datasets"),
    "lance": Need(present=_has("lance"), help="pip install pylance"),
    "polars": Need(present=_has("polars"), help="pip install polars"),
    "openai": Need(present=_has("openai"), help="pip install openai"),
    "schemathesis": Need(present=_has("schemathesis"), help="pip install schemathesis"),
    "duckdb": Need(present=_has("duckdb"), help="pip install duckdb"),
    "s3": Need(present=_has("moto", "flask", "boto3"), help="pip install 'moto[s3,server]' boto3"),
    "kubernetes": Need(
        present=_has("kubernetes", "kubernetes_validate"), help="pip install kubernetes kubernetes-validate"
    ),
    "podman": Need(present=_has_program("podman"), help="install podman"),
}
NOT_RUN = pytest.StashKey[Counter[str]]()


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--everything", action="store_true", help="run the tests with dear needs too")
    parser.addoption("--rest", action="store_true", help="run the tests with dear needs, and no others")
    parser.addoption("--soak", action="store_true", help="run the tests with full counts too")


def pytest_configure(config: pytest.Config) -> None:
    config.stash[NOT_RUN] = Counter()
    if (
        signal.getsignal(signal.SIGINT) is signal.SIG_IGN
    ):  # started in the background of a script: programs under test would inherit it
        signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out what this command does not run, and count it by reason."""
    kept: list[pytest.Item] = []
    left_out: list[pytest.Item] = []
    for item in items:
        reason = _left_out_because(config, item)
        if reason:
            config.stash[NOT_RUN][reason] += 1
            left_out.append(item)
        else:
            kept.append(item)
    if left_out:
        config.hook.pytest_deselected(items=left_out)
        items[:] = kept


def needs_of(item: pytest.Item) -> list[str]:
    """Return the needs of a test by name, from its marks and its fixtures."""
    marked = [mark.name.removeprefix("needs_") for mark in item.iter_markers() if mark.name.startswith("needs_")]
    if "recorded_data" in getattr(item, "fixturenames", ()) and "recorded_data" not in marked:
        marked.append("recorded_data")
    return marked


def _required() -> set[str]:
    return set(os.environ.get("STARWHALE_REQUIRE", "").replace(",", " ").split())


def _left_out_because(config: pytest.Config, item: pytest.Item) -> str:
    if item.get_closest_marker("soak") and not config.getoption("--soak"):
        return "the full counts: make soak"
    needs = needs_of(item)
    if config.getoption("--rest") and not any(NEEDS[name].dear for name in needs):
        return "run already: make test"
    for name in needs:
        need = NEEDS[name]
        if need.dear and not (config.getoption("--everything") or config.getoption("--rest")):
            return f"{name.replace('_', ' ')}: make test-all ({need.help})"
        if not need.present() and name not in _required():
            return f"{name.replace('_', ' ')}: not here ({need.help})"
    return ""


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Fail a test whose need was required and is not met."""
    for name in needs_of(item):
        if name in _required() and not NEEDS[name].present():
            pytest.fail(f"STARWHALE_REQUIRE names {name}, which is not here: {NEEDS[name].help}", pytrace=False)


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session: pytest.Session) -> None:
    """Send the counts of a worker process to the one that prints them."""
    output: dict[str, Any] | None = getattr(session.config, "workeroutput", None)
    if output is not None:
        output["not_run"] = dict(session.config.stash[NOT_RUN])


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any, error: object) -> None:
    """Take the counts of a worker process; every worker collects all tests, so one of them is enough."""
    counted: dict[str, int] = getattr(node, "workeroutput", {}).get("not_run", {})
    node.config.stash[NOT_RUN] |= Counter(counted)


def pytest_terminal_summary(terminalreporter: Any, config: pytest.Config) -> None:
    """Name what was not run, and how to get it."""
    not_run = config.stash[NOT_RUN]
    if not not_run:
        terminalreporter.write_line("not run: nothing, this was every test")
        return
    for reason, count in sorted(not_run.items()):
        terminalreporter.write_line(f"not run: {count} test{'s' if count > 1 else ''} — {reason}")


# ------------------------------------------------------------------------------------------------------------ fixtures


@pytest.fixture
def instance_root(tmp_path: Path) -> dict[str, str]:
    """An environment whose Standalone instance lives under the test's own folder and nowhere else."""
    home = tmp_path / "home"
    home.mkdir()
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("SW_", "STARWHALE_", "XDG_"))}
    kept.pop("PYTHONPATH", None)
    return kept | {
        "HOME": str(home),
        "SW_CLI_CONFIG": str(tmp_path / "config.yaml"),
        "SW_LOCAL_STORAGE": str(tmp_path / "storage"),
    }


@dataclass(frozen=True, slots=True, kw_only=True)
class Swcli:
    """Runs `swcli` as a user does, in a process of its own, on an isolated instance."""

    env: Mapping[str, str]
    """The environment it runs in."""
    cwd: Path
    """The folder it runs in."""

    def __call__(
        self,
        *args: str,
        cwd: Path | None = None,
        env: Mapping[str, str] | None = None,
        stdin: str = "",
        timeout_s: float = 120,
    ) -> subprocess.CompletedProcess[str]:
        """Run one command to its end; the caller looks at `returncode`, `stdout` and `stderr`."""
        return subprocess.run(
            [*swcli_command(), *args],
            cwd=cwd or self.cwd,
            env={**self.env, **(env or {})},
            input=stdin,
            capture_output=True,
            text=True,
            timeout=timeout_s,
            check=False,
        )

    def start(self, *args: str, cwd: Path | None = None) -> subprocess.Popen[str]:
        """Start one command in a session of its own; the caller ends it."""
        return subprocess.Popen(
            [*swcli_command(), *args],
            cwd=cwd or self.cwd,
            env=dict(self.env),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )


def swcli_command() -> list[str]:
    """Return what starts `swcli` in the environment that runs the tests."""
    return [str(Path(sys.executable).parent / "swcli")]


@pytest.fixture
def swcli(instance_root: dict[str, str], tmp_path: Path) -> Swcli:
    """`swcli` on an isolated instance: `swcli("dataset", "list")`."""
    return Swcli(env=instance_root, cwd=tmp_path)


@pytest.fixture
def recorded_data() -> Callable[[str], Path]:
    """The folder of one recorded data set: `recorded_data("optdigits_knn")`."""

    def folder(name: str) -> Path:
        path = _data_folder() / name
        if not path.is_dir():
            message = f"there is no recorded data set {name!r} in {_data_folder()}"
            if "recorded_data" in _required():
                pytest.fail(message, pytrace=False)
            pytest.skip(message)
        return path

    return folder


@pytest.fixture(scope="session")
def s3_endpoint() -> Iterator[str]:
    """Address of an S3-compatible server on loopback; tests that use it are marked `needs_s3`."""
    from tests.s3_server import moto_server

    with moto_server() as address:
        yield address


@pytest.fixture
def s3(s3_endpoint: str) -> S3Server:
    """That server with an empty bucket of the test's own."""
    from tests.s3_server import S3Server

    server = S3Server(endpoint=s3_endpoint, bucket=f"bucket-{uuid.uuid4().hex[:12]}")
    server.client().create_bucket(Bucket=server.bucket)
    return server


@pytest.fixture(scope="session")
def podman_variables(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """What makes podman work here, with an image for tests; who uses it is marked `needs_podman`."""
    from tests import podman

    folder = tmp_path_factory.mktemp("podman")
    variables = podman.configure(folder)
    podman.make_image(folder, variables)
    return variables


@pytest.fixture(autouse=True)
def _same_folder() -> Iterator[None]:
    """Fail a test that leaves the working directory changed."""
    folder = Path.cwd()
    yield
    assert Path.cwd() == folder
