"""The command that tries a failure again with the terminal attached, made from the request that failed."""

from __future__ import annotations

import os
import shlex
from collections.abc import Sequence
from pathlib import Path

from starwhale.domain.job import DatasetInput, RunRequest
from starwhale.domain.row_id import key_in


def debug_command(
    request: RunRequest, *, row: str = "", datasets: Sequence[DatasetInput] = (), folder: Path, project: str
) -> str:
    """Return the command, quoted for a shell.

    Args:
        request: What was asked for.
        row: The row to try, as `NAME:KEY`; empty tries the rows from the first on.
        datasets: The job's datasets; the name of a single one is left out.
        folder: Where the user is.
        project: Project of commands that name none.
    """
    words = ["swcli", "model", "run", *_model(request, folder, project)]
    if request.handler:
        words += ["-h", request.handler]
    for each in request.datasets:
        words += ["-d", each]
    if request.step:
        words += ["--step", request.step]
    if not row and request.dataset_head:
        words += ["-dh", str(request.dataset_head)]
    if not row and request.limit:
        words += ["--limit", str(request.limit)]
    if request.seed:
        words += ["--seed", str(request.seed)]
    if request.project and request.project != project:
        words += ["-p", request.project]
    words.append("--debug")
    if row:
        key = row if len({each.version for each in datasets}) > 1 else key_in(row)
        words += [f"--row={key}"] if key.startswith("-") else ["--row", key]
    arguments = request.handler_arguments
    return shlex.join([*words, *(["--", *arguments] if arguments else [])])


def _model(request: RunRequest, folder: Path, project: str) -> list[str]:
    """Name the model as shortly as it can be: a packaged one, a file, or a folder with its modules."""
    if request.model_uri:
        is_near = request.model_uri.startswith(f"local/project/{project}/model/") and request.project in {"", project}
        is_short = is_near and request.model_version
        return [f"{request.model_name}/version/{request.model_version[:12]}" if is_short else request.model_uri]
    workdir = Path(request.workdir)
    if len(request.modules) == 1:
        file = workdir / f"{request.modules[0].partition(':')[0]}.py"
        if file.is_file():
            return [_shown(file, folder)]
    modules = [word for module in request.modules for word in ("--module", module)]
    return ["--workdir", _shown(workdir, folder), *modules]


def _shown(path: Path, folder: Path) -> str:
    """Write a path as seen from a folder where it lies below or close beside it."""
    relative = os.path.relpath(path, folder)
    return str(path) if Path(relative).parts[:2] == ("..", "..") else relative
