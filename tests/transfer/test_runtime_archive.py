"""A runtime goes to another machine in one file; what of it decides over an environment is computed again there."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from blake3 import blake3
from tests.runtimes.index import publish, serve
from tests.transfer.conftest import Entries, Rebuild, left_behind

from starwhale.errors import CorruptedError, UsageError
from starwhale.instances import Instance
from starwhale.instances.runtimes import RuntimeSource
from starwhale.transfer.archive_index import canonical

if TYPE_CHECKING:
    from tests.conftest import Swcli

YAML = """
name: rt
environment: {python: "3.11"}
dependencies:
  - pip: [tiny==1.0]
  - reqs.txt
  - files:
      - {src: data.txt, dest: etc/data.txt, name: data}
  - commands: [echo hello]
"""
Change = Callable[[dict[str, Any]], object]


@pytest.fixture
def archive(here: Instance, tmp_path: Path) -> Path:
    """An archive of a runtime that is not locked, since a lock needs an index."""
    work = tmp_path / "work"
    work.mkdir()
    (work / "runtime.yaml").write_text(YAML)
    (work / "reqs.txt").write_text("small==3.1\n")
    (work / "data.txt").write_text("some data")
    source = RuntimeSource(yaml=work / "runtime.yaml")
    here.runtimes.build(source, lambda _: None, tags=["gold"], is_locked=False)
    here.runtimes.export("rt", tmp_path / "rt.swrt")
    return tmp_path / "rt.swrt"


def test_everything_travels_and_the_id_stays(archive: Path, here: Instance, there: Instance, tmp_path: Path) -> None:
    made = there.runtimes.import_archive(archive)
    source = here.runtimes.resolve("rt")
    assert (made.is_new, made.version.version, made.version.tags[0]) == (True, source.version, "gold")
    assert there.runtimes.files(made.version) == here.runtimes.files(source)
    assert {**made.version.manifest, "imported_from": ""} == {**source.manifest, "imported_from": ""}
    there.runtimes.extract("rt", tmp_path / "out")
    assert (tmp_path / "out" / "files" / "data.txt").read_text() == "some data"
    assert not there.runtimes.import_archive(archive).is_new
    with pytest.raises(UsageError, match="swcli runtime import"):
        there.models.import_archive(archive)


def forged(change: Change) -> Callable[[Entries], object]:
    """Change the manifest among the files, with all digests and sizes made to fit."""

    def spoil(entries: Entries) -> None:
        state, listing = json.loads(entries[0][1]), json.loads(entries[1][1])
        entry = next(each for each in listing["entries"] if each["path"] == "_manifest.yaml")
        at = next(n for n, (tar, _) in enumerate(entries) if tar.name == f"files/blobs/{entry['digest']}")
        manifest = json.loads(entries[at][1])
        change(manifest)
        text = json.dumps(manifest).encode()
        entry.update(digest=blake3(text).hexdigest(), size=len(text))
        entries[at][0].name = f"files/blobs/{entry['digest']}"
        entries[at] = entries[at][0], text
        entries[1] = entries[1][0], canonical(listing)
        state["content_digest"] = blake3(entries[1][1]).hexdigest()
        state["files"] = [[tar.name.removeprefix("files/"), len(data)] for tar, data in entries[1:-1]]
        entries[0] = entries[0][0], json.dumps(state).encode()
        sums = {tar.name: blake3(data).hexdigest() for tar, data in entries[:-1]}
        entries[-1] = entries[-1][0], canonical(sums)

    return spoil


FORGED: dict[str, Change] = {
    "the place of another environment": lambda said: said.update(content="0" * 64),
    "a folder above": lambda said: said.update(content="../../escaped"),
    "more commands": lambda said: said["dependencies"]["commands"].append("touch escaped"),
    "a file that goes elsewhere": lambda said: said["dependencies"]["raw_deps"][2]["deps"][0].update(dest="/escaped"),
    "a file from elsewhere": lambda said: said["dependencies"]["raw_deps"][2]["deps"][0].update(src="../../escaped"),
    "requirements elsewhere": lambda said: said["dependencies"]["pip_files"].append("../../escaped"),
    "another Python": lambda said: said["environment"].update(python="3.13"),
    "a newer format": lambda said: said.update(format=2),
    "no environment": lambda said: said.pop("environment"),
    "dependencies are a list": lambda said: said.update(dependencies=[]),
    "indexes are a text": lambda said: said["configs"].update(pip="x"),
    "a host is a list": lambda said: said["configs"]["pip"].update(trusted_host=[[]]),
    "no lock is told of": lambda said: said["environment"].pop("lock"),
    "a Python that is none": lambda said: said["environment"].update(python="3.x"),
    "a file without a name": lambda said: said["dependencies"]["raw_deps"][2]["deps"][0].pop("name"),
}


@pytest.mark.parametrize("forgery", FORGED)
def test_a_forged_runtime_is_refused_although_all_checksums_fit(
    archive: Path, there: Instance, rebuilt: Rebuild, tmp_path: Path, forgery: str
) -> None:
    with pytest.raises(CorruptedError) as caught:
        there.runtimes.import_archive(rebuilt(archive, forged(FORGED[forgery])))
    assert "\n" not in caught.value.message
    assert left_behind(there) == []
    assert list(tmp_path.rglob("escaped*")) == []


def test_the_same_manifest_passes(archive: Path, there: Instance, rebuilt: Rebuild) -> None:
    assert there.runtimes.import_archive(rebuilt(archive, forged(lambda _: None))).is_new


@pytest.mark.needs_venv
def test_a_locked_runtime_is_run_on_another_root(swcli: Swcli, tmp_path: Path) -> None:
    publish(tmp_path / "index", "tiny", "1.0")
    (tmp_path / "runtime.yaml").write_text("name: rt\ndependencies:\n  - pip: [tiny]\n")
    with serve(tmp_path / "index") as address:
        env = {"SW_PYPI_INDEX_URL": address, "PIP_FIND_LINKS": "", "PIP_EXTRA_INDEX_URL": ""}
        other = {**env, "SW_LOCAL_STORAGE": str(tmp_path / "other"), "SW_CLI_CONFIG": str(tmp_path / "other.yaml")}
        for words, where in (
            (("build", "-y", str(tmp_path / "runtime.yaml")), env),
            (("export", "rt", "rt.swrt"), env),
            (("import", "rt.swrt"), other),
        ):
            done = swcli("runtime", *words, env=where)
            assert done.returncode == 0, done.stdout + done.stderr
        done = swcli("runtime", "run", "rt", "--", "say-tiny", env=other)
        assert done.stdout.strip().endswith("1.0"), done.stdout + done.stderr
