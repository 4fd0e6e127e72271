"""`swcli runtime build` and `lock`: pin what a runtime.yaml, a shell or an environment has."""

from __future__ import annotations

import functools
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from starwhale.cli.app import CliApp
from starwhale.cli.command import SwCommand, SwOption
from starwhale.cli.push import check_push, push, push_options
from starwhale.cli.render.render_table import show_bytes
from starwhale.cli.render.stage_line import StageLine
from starwhale.domain.version import SHORT_VERSION
from starwhale.errors import NotBuiltYetError, UsageError

if TYPE_CHECKING:
    from starwhale.instances.runtimes import RuntimeSource
    from starwhale.runtimes.bundle import LockOptions

_source_option = functools.partial(click.option, cls=SwOption, panel="Source (one of them; runtime.yaml by default)")
_NO_CONDA = "list the packages under pip in a runtime.yaml, or install them with pip into a venv and give --venv"
_LATER = {
    "dump_pip_options": "keeping the options of pip's own configuration",
    "dump_condarc": "keeping the configuration of conda",
}
_local_options = (
    click.option("-ie", "--include-editable", is_flag=True, help="Pack editable installs as wheels."),
    click.option("-ilw", "--include-local-wheel", is_flag=True, help="Pack what came from local files as wheels."),
    click.option("-nc", "--no-cache", is_flag=True, help="Ask the index again, whatever was fetched before."),
    click.option("-dpo", "--dump-pip-options", is_flag=True, hidden=True),
)


def _with_local_options(command: Callable[..., None]) -> Callable[..., None]:
    for option in reversed(_local_options):
        command = option(command)
    return command


@click.command("build", cls=SwCommand)
@_source_option("-y", "--yaml", type=click.Path(), help="A runtime.yaml.")
@_source_option("-v", "--venv", metavar="PREFIX", help="A virtual environment: what it has installed.")
@_source_option("-s", "--shell", is_flag=True, help="The Python of this shell: what it has installed.")
@_source_option("-d", "--docker", metavar="IMAGE", help="A container image, which the runtime then only names.")
@_source_option("-c", "--conda", metavar="NAME", help="Refused: conda is not supported.")
@_source_option("-cp", "--conda-prefix", metavar="PREFIX", help="Refused: conda is not supported.")
@click.option("-n", "--name", default="", help="Name of the runtime; that of the runtime.yaml, or of the folder.")
@click.option("-p", "--project", default="", help="Project of the runtime; the current one by default.")
@click.option("-t", "--tag", "tags", multiple=True, help="Tag of the version; repeat for several.")
@click.option(
    "-del", "--disable-env-lock", is_flag=True, help="Pin nothing now: packages are chosen when it is first used."
)
@click.option("--cuda", default="", help="Version of CUDA that it is for.")
@click.option("--cudnn", default="", help="Version of cuDNN that it is for.")
@click.option("--arch", multiple=True, type=click.Choice(["amd64", "arm64", "noarch"]), help="Processor it is for.")
@_with_local_options
@click.option("-dcc", "--dump-condarc", is_flag=True, hidden=True)
@click.option(
    "-dad", "--download-all-deps", is_flag=True, help="Keep a wheel of every package in it: no network is needed then."
)
@push_options
@click.pass_obj
def build(app: CliApp, /, **given: Any) -> None:  # Any: one value per option
    """Lock an environment as a new version of a runtime.

    Every distribution is pinned with its hashes, for this platform and the Python that is asked for; nothing is installed yet.

    \b
    Example: swcli runtime build --yaml runtime.yaml
    """  # noqa: D301 - \b is click's mark for lines that stay as they are
    from starwhale.instances.runtimes import Overrides

    _refuse_later(given)
    check_push(app, given)
    source = _source(given, prefix=given["venv"])
    if source.image and not given["name"]:
        raise UsageError("a runtime of an image has no name of its own", hint="give one with --name")
    verbs = app.instance().runtimes
    with StageLine(app) as line:
        line.begin("resolving the requirements")
        version = verbs.build(
            source,
            line.beside(app.say),
            overrides=Overrides(name=given["name"], cuda=given["cuda"], cudnn=given["cudnn"], arch=given["arch"]),
            project=given["project"],
            tags=given["tags"],
            is_locked=not given["disable_env_lock"],
            options=_lock_options(given),
        )
    lock = version.manifest["environment"]["lock"]
    value = {
        "uri": version.uri.full,
        "name": version.name,
        "version": version.version,
        "tags": list(version.tags),
        "size": version.size_bytes,
        "python": version.manifest["environment"]["python"],
        "distributions": lock["distributions"],
        "lock_digest": lock["digest"],
    }
    value |= push(app, "runtime", version.uri.full, given)
    count = lock["distributions"]
    what = f"{count} distribution{'' if count == 1 else 's'} pinned, " if lock["files"] else "nothing pinned, "
    is_near = version.project == app.instance().project
    name = version.name if is_near else f"local/project/{version.project}/runtime/{version.name}"
    app.tell(
        value,
        f"{what}{show_bytes(version.size_bytes)}\nuri: {version.uri.full}\n"
        f"next: swcli runtime run {name} -- python\n      swcli runtime info {name}/version/{version.version[:SHORT_VERSION]}",
    )


@click.command("lock", cls=SwCommand)
@click.argument("target_dir", default=".")
@_source_option("-f", "--yaml-path", "yaml", type=click.Path(), help="A runtime.yaml; that of TARGET_DIR by default.")
@_source_option("-p", "--env-prefix-path", "venv", metavar="PREFIX", help="A virtual environment.")
@_source_option("-s", "--env-use-shell", "shell", is_flag=True, help="The Python of this shell.")
@_source_option("-n", "--env-name", "conda", metavar="NAME", help="Refused: conda is not supported.")
@click.option("-so", "--stdout", is_flag=True, help="Print the lock, and write nothing.")
@_with_local_options
@click.pass_obj
def lock(app: CliApp, /, **given: Any) -> None:  # Any: one value per option
    """Write a lock below TARGET_DIR, in .starwhale/lock/requirements-sw-lock.txt, without keeping a version."""
    _refuse_later(given)
    target = Path(given["target_dir"])
    source = _source(given, prefix=given["venv"], folder=target)
    out = None if given["stdout"] else target
    with StageLine(app) as line:
        line.begin("resolving the requirements")
        say = line.say if given["stdout"] else line.beside(app.say)
        text, path = app.instance().runtimes.lock(source, out, say, options=_lock_options(given))
    if path is None:
        app.emit({"lock": text}, lambda _console: click.echo(text, nl=False))
        return
    app.tell({"path": str(path.absolute())}, f"locked in {path.absolute()}")


def _source(given: dict[str, Any], *, prefix: str | None, folder: Path | None = None) -> RuntimeSource:
    from starwhale.instances.runtimes import RuntimeSource

    if given.get("conda") or given.get("conda_prefix"):
        raise UsageError("conda is not supported: nothing here can try what it makes", hint=_NO_CONDA)
    ways = [name for name in ("yaml", "venv", "shell", "docker") if given.get(name)]
    if len(ways) > 1:
        message = f"--{' and --'.join(ways)} are different sources of a runtime"
        raise UsageError(message, hint="give one of them")
    return RuntimeSource(
        yaml=Path(given["yaml"]) if given["yaml"] else folder / "runtime.yaml" if folder else None,
        venv=Path(prefix) if prefix else None,
        is_shell=given["shell"],
        image=given.get("docker") or "",
    )


def _lock_options(given: dict[str, Any]) -> LockOptions:
    from starwhale.runtimes.bundle import LockOptions

    return LockOptions(
        includes_editable=given["include_editable"],
        includes_local=given["include_local_wheel"],
        uses_cache=not given["no_cache"],
        keeps_packages=given.get("download_all_deps", False),
    )


def _refuse_later(given: dict[str, Any]) -> None:
    for name, purpose in _LATER.items():
        if given.get(name):
            message = f"{purpose} (--{name.replace('_', '-')}) is not built yet"
            raise NotBuiltYetError(message, hint=f"leave --{name.replace('_', '-')} out")
