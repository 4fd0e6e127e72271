"""What the command line can do with a noun, a script can do with one call of the same name."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

import click
import pytest

from starwhale.cli.command import SwGroup
from starwhale.cli.root import swcli

if TYPE_CHECKING:
    from collections.abc import Iterator

SDK = {
    "dataset build": "starwhale:Dataset.from_dict_items",
    "dataset copy": "starwhale:Dataset.copy",
    "dataset diff": "starwhale:Dataset.diff",
    "dataset export": "starwhale:Dataset.export",
    "dataset import": "starwhale:Dataset.import_archive",
    "dataset head": "starwhale:Dataset.head",
    "dataset history": "starwhale:Dataset.history",
    "dataset info": "starwhale:Dataset.info",
    "dataset list": "starwhale:Dataset.list",
    "dataset recover": "starwhale:Dataset.recover",
    "dataset remove": "starwhale:Dataset.remove",
    "dataset summary": "starwhale:Dataset.summary",
    "dataset verify": "starwhale:Dataset.verify",
    "dataset tag": "starwhale:Dataset.tags",
    "instance info": "starwhale.api.instance:info",
    "instance list": "starwhale.api.instance:list",
    "instance login": "starwhale:login",
    "instance logout": "starwhale:logout",
    "instance select": "starwhale.api.instance:select",
    "job copy": "starwhale:Job.copy",
    "job export": "starwhale:Job.export",
    "job import": "starwhale:Job.import_archive",
    "job cancel": "starwhale:Job.cancel",
    "job compare": "starwhale:Job.compare",
    "job gate": "starwhale:Job.gate",
    "job note": "starwhale:Job.note",
    "job tag": "starwhale:Job.tag",
    "job info": "starwhale:Job.info",
    "job list": "starwhale:Job.list",
    "job logs": "starwhale:Job.logs",
    "job pause": "starwhale:Job.pause",
    "job recover": "starwhale:Job.recover",
    "job remove": "starwhale:Job.remove",
    "job reproduce": "starwhale:Job.reproduce",
    "job results": "starwhale:Job.results",
    "job resume": "starwhale:Job.resume",
    "job wait": "starwhale:Job.wait",
    "model build": "starwhale.api.model:build",
    "model copy": "starwhale.api.model:copy",
    "model diff": "starwhale.api.model:diff",
    "model extract": "starwhale.api.model:extract",
    "model export": "starwhale.api.model:export",
    "model import": "starwhale.api.model:import_archive",
    "model history": "starwhale.api.model:history",
    "model info": "starwhale.api.model:info",
    "model list": "starwhale.api.model:list",
    "model recover": "starwhale.api.model:recover",
    "model remove": "starwhale.api.model:remove",
    "model run": "starwhale:Job.run",
    "model serve": "starwhale.api.model:serve",
    "model tag": "starwhale.api.model:tag",
    "project create": "starwhale.api.project:create",
    "project info": "starwhale.api.project:info",
    "project list": "starwhale.api.project:list",
    "project recover": "starwhale.api.project:recover",
    "project remove": "starwhale.api.project:remove",
    "project select": "starwhale.api.project:select",
    "runtime activate": "starwhale.api.runtime:activate",
    "runtime build": "starwhale.api.runtime:build",
    "runtime copy": "starwhale.api.runtime:copy",
    "runtime diff": "starwhale.api.runtime:diff",
    "runtime export": "starwhale.api.runtime:export",
    "runtime extract": "starwhale.api.runtime:extract",
    "runtime history": "starwhale.api.runtime:history",
    "runtime import": "starwhale.api.runtime:import_archive",
    "runtime info": "starwhale.api.runtime:info",
    "runtime list": "starwhale.api.runtime:list",
    "runtime lock": "starwhale.api.runtime:lock",
    "runtime recover": "starwhale.api.runtime:recover",
    "runtime remove": "starwhale.api.runtime:remove",
    "runtime restore": "starwhale.api.runtime:restore",
    "runtime run": "starwhale.api.runtime:run",
    "runtime tag": "starwhale.api.runtime:tag",
}
"""`noun verb` → where the call is, as `module:attribute`."""
OTHER_NAMES = {
    "dataset build": "one call per source: from_csv, from_json, from_folder, from_dict_items",
    "dataset import": "import is a word of Python",
    "job import": "import is a word of Python",
    "model import": "import is a word of Python",
    "runtime import": "import is a word of Python",
    "dataset tag": "old scripts say tags.add",
}
"""Verbs whose call has another name, and why."""
OF_THE_TERMINAL = frozenset({"check", "completion", "config", "gc", "init", "server", "ui"})
"""Groups and commands that care for the machine rather than for a noun."""


def built_verbs(group: SwGroup = swcli, path: str = "") -> Iterator[str]:
    """Name the commands that work, as `noun verb`."""
    context = click.Context(group)
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        assert command is not None
        if name in OF_THE_TERMINAL or "(not built yet)" in (command.help or ""):
            continue
        whole = f"{path} {name}".strip()
        if isinstance(command, SwGroup):
            yield from built_verbs(command, whole)
        else:
            yield whole


def test_the_walk_finds_the_commands() -> None:
    assert {"dataset list", "job list", "model run"} <= set(built_verbs())


@pytest.mark.parametrize("verb", sorted(built_verbs()))
def test_a_verb_is_one_call_of_the_sdk(verb: str) -> None:
    assert verb in SDK, f"no call of the SDK is named for 'swcli {verb}'"
    module, _, path = SDK[verb].partition(":")
    found: Any = importlib.import_module(module)  # Any: whatever lies there
    for part in path.split("."):
        found = getattr(found, part)
    assert callable(found) or isinstance(found, property)
    assert path.rpartition(".")[2] == verb.rpartition(" ")[2] or verb in OTHER_NAMES
