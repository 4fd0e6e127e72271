"""Where the console is, for whoever wants to open a page."""

from __future__ import annotations

import dataclasses
import json
from typing import TYPE_CHECKING

import pytest

from starwhale.errors import NotFoundError
from starwhale.instances.console import Console
from starwhale.instances.instance import open_instance
from starwhale.settings import read_settings
from starwhale.storage.catalog.driver import this_driver

if TYPE_CHECKING:
    from tests.conftest import Swcli


def test_a_page_is_named_as_long_as_the_console_lives(instance_root: dict[str, str]) -> None:
    with open_instance(read_settings(instance_root)) as instance:
        stores = instance.stores
        assert Console(stores).address == ""
        Console(stores).note("http://127.0.0.1:8848")
        assert Console(stores).job_page("abc") == "http://127.0.0.1:8848/jobs/abc"
        dead = dataclasses.replace(this_driver(), start_time="0")
        stores.layout.console.write_text(json.dumps({"address": "http://x", "process": dataclasses.asdict(dead)}))
        Console(stores).forget()  # another one wrote it
        assert stores.layout.console.exists()
        assert Console(stores).address == ""
        with pytest.raises(NotFoundError, match="swcli ui"):
            Console(stores).job_page("abc")
        stores.layout.console.write_text("[")
        assert Console(stores).address == ""
        Console(stores).note("http://127.0.0.1:8848")
        Console(stores).forget()
        assert not stores.layout.console.exists()


def test_job_info_web_says_how_to_start_a_console(swcli: Swcli) -> None:
    (swcli.cwd / "m.py").write_text("from starwhale import handler\n\n@handler()\ndef work():\n    pass\n")
    assert swcli("model", "run", "m.py").returncode == 0
    done = swcli("job", "info", "latest", "--web")
    assert (done.returncode, "no console runs for this root" in done.stderr) == (1, True)
    assert "start it in another terminal: swcli ui" in done.stderr


def test_words_on_a_job_are_kept_with_it(swcli: Swcli) -> None:
    (swcli.cwd / "m.py").write_text("from starwhale import handler\n\n@handler()\ndef work():\n    pass\n")
    assert swcli("model", "run", "m.py").returncode == 0
    assert swcli("job", "tag", "latest", "good", "old").stdout == "good, old\n"
    assert swcli("job", "tag", "latest", "old", "-r").stdout == "good\n"
    assert swcli("job", "note", "latest", "learning rate halved").stdout == "noted\n"
    manifest = json.loads(swcli("job", "info", "latest", "-o", "json").stdout)["manifest"]
    assert (manifest["tags"], manifest["note"]) == (["good"], "learning rate halved")
    refused = swcli("job", "tag", "latest", "no good")
    assert (refused.returncode, "no good" in refused.stderr) == (2, True)
