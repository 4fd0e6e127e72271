from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from starwhale.errors import InvalidUriError, NotFoundError, RootError, UsageError
from starwhale.instances import Instance, open_instance
from starwhale.instances.place.root import STALE_S, prepare_root
from starwhale.settings import Settings
from starwhale.storage.catalog.records import VersionDraft
from starwhale.storage.layout import ROOT_FORMAT, Layout
from starwhale.storage.stores import StoresRef, open_stores


def _settings(tmp_path: Path, *, root: Path | None = None) -> Settings:
    return Settings(config_path=tmp_path / "config" / "config.yaml", root=root, default_root=tmp_path / "default")


def _configure(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "config" / "config.yaml"
    path.parent.mkdir()
    path.write_text(text)
    return path


def _root(instance: Instance) -> Path:
    return instance.stores.layout.root


def test_the_environment_wins_over_the_file_and_the_file_over_the_default(tmp_path: Path) -> None:
    with open_instance(_settings(tmp_path)) as instance:
        assert _root(instance) == tmp_path / "default"
    _configure(tmp_path, f"storage: {{root: {tmp_path / 'file'}}}\n")
    with open_instance(_settings(tmp_path)) as instance:
        assert _root(instance) == tmp_path / "file"
    with open_instance(_settings(tmp_path, root=tmp_path / "environment")) as instance:
        assert _root(instance) == tmp_path / "environment"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("storage: here\n", "storage is 'here' and not a mapping"),
        ("storage: {root: 7}\n", "storage.root is 7 and not a path"),
        ("instances: 3\n", "instances is 3 and not a mapping"),
        ("instances: {local: [x]}\n", r"instances.local is \['x'\] and not a mapping"),
        ("instances: {local: {current_project: [x]}}\n", r"instances.local.current_project is \['x'\] and not a name"),
    ],
)
def test_a_key_that_holds_another_kind_is_refused_by_name(tmp_path: Path, text: str, said: str) -> None:
    path = _configure(tmp_path, text)
    with pytest.raises(UsageError, match=f"{re.escape(str(path))}, {said}"):
        open_instance(_settings(tmp_path))
    assert not (tmp_path / "default").exists()


def test_keys_without_a_value_and_keys_of_others_are_as_if_they_were_not_there(tmp_path: Path) -> None:
    _configure(tmp_path, "storage:\ninstances: {local: , cloud: [7]}\nlink_auths: 3\n")
    with open_instance(_settings(tmp_path)) as instance:
        assert (_root(instance), instance.project) == (tmp_path / "default", "self")


def test_a_new_root_is_private_and_opens_again(tmp_path: Path) -> None:
    root = tmp_path / "deep" / "root"
    for _ in range(2):
        with open_instance(_settings(tmp_path, root=root)) as instance:
            assert [each.name for each in instance.projects.list()] == ["self"]
            assert instance.jobs.list() == []
    assert [each.stat().st_mode & 0o777 for each in (root, root / "tmp", root / "datasets", root / "blobs")] == [
        0o700
    ] * 4
    assert not (tmp_path / "config").exists()


@pytest.mark.parametrize(("name", "said"), [("self/", "original Starwhale"), ("notes.txt", "holds notes.txt")])
def test_a_directory_of_somebody_else_is_refused_untouched(tmp_path: Path, name: str, said: str) -> None:
    root = tmp_path / "theirs"
    root.mkdir()
    (root / name).mkdir() if name.endswith("/") else (root / name).write_text("mine")
    with pytest.raises(RootError, match=f"{said}.*SW_LOCAL_STORAGE"):
        open_instance(_settings(tmp_path, root=root))
    assert [each.name for each in root.iterdir()] == [name.rstrip("/")]


def test_a_file_in_the_place_of_a_root_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(RootError, match="not a directory"):
        open_instance(_settings(tmp_path, root=tmp_path / "file"))


def test_a_newer_format_is_refused_and_both_are_named(tmp_path: Path) -> None:
    open_instance(_settings(tmp_path)).close()
    marker = Layout(tmp_path / "default").marker
    marker.write_text(f"format: {ROOT_FORMAT + 1}\n")
    with pytest.raises(RootError, match=f"format {ROOT_FORMAT + 1}.*knows format {ROOT_FORMAT}"):
        open_instance(_settings(tmp_path))
    marker.write_text("nonsense")
    with pytest.raises(RootError, match="does not say which format"):
        open_instance(_settings(tmp_path))


def test_only_stale_files_are_swept(tmp_path: Path) -> None:
    tmp = prepare_root(tmp_path / "root", now=0.0).tmp
    for name, age in (("old", STALE_S + 1), ("new", 10.0)):
        (tmp / name).write_text("")
        os.utime(tmp / name, (1e9 - age, 1e9 - age))
    prepare_root(tmp_path / "root", now=1e9)
    assert [each.name for each in tmp.iterdir()] == ["new"]


def test_selecting_a_project_keeps_what_others_wrote(tmp_path: Path) -> None:
    path = _configure(
        tmp_path, "version: '2.0'\nlink_auths: [{type: s3}]\ninstances: {local: {user_name: me}, far: {uri: x}}\n"
    )
    with open_instance(_settings(tmp_path)) as instance:
        assert instance.project == "self"
        instance.projects.create("Demo")
        assert instance.projects.select("demo").name == "Demo"
        with pytest.raises(NotFoundError, match=r"no project 'dmo'; did you mean 'Demo'\?"):
            instance.projects.select("dmo")
    assert yaml.safe_load(path.read_text()) == {
        "version": "2.0",
        "link_auths": [{"type": "s3"}],
        "instances": {"local": {"user_name": "me", "current_project": "Demo"}, "far": {"uri": "x"}},
    }
    assert path.stat().st_mode & 0o777 == 0o600
    with open_instance(_settings(tmp_path)) as instance:
        assert instance.project == "Demo"


@pytest.mark.parametrize("text", ["a: [", "- a\n- b\n", "\x00"])
def test_an_unreadable_configuration_is_named_and_kept(tmp_path: Path, text: str) -> None:
    path = _configure(tmp_path, text)
    with pytest.raises(UsageError, match=r"configuration file .*config\.yaml"):
        open_instance(_settings(tmp_path))
    assert path.read_text() == text


def test_verbs_of_datasets(tmp_path: Path) -> None:
    with open_instance(_settings(tmp_path)) as instance:
        bundle = instance.catalog.bundles.create(instance.project, "dataset", "mnist")
        first, second = (instance.catalog.versions.add(bundle, VersionDraft(content_digest=d)) for d in "ab")
        assert instance.datasets.resolve("mnist").version == second.version
        assert instance.datasets.info("mnist/v0") == instance.catalog.versions.get(first.version)
        assert [each.version for each in instance.datasets.history("mnist")] == [second.version, first.version]
        assert [each.name for each in instance.datasets.list(name_prefix="MN")] == ["mnist"]
        assert instance.datasets.list(name_prefix="x") == []
        assert instance.datasets.add_tags("mnist/v0", ["best"]).tags == ("best", "v0")
        assert instance.datasets.tags("mnist/best") == ("best", "v0")
        assert instance.datasets.remove_tags("mnist/best", ["best"]).tags == ("v0",)
        assert instance.datasets.remove("mnist").version == second.version
        assert instance.datasets.resolve("mnist").version == first.version
        assert instance.datasets.recover("mnist").tags == ("latest", "v1")
        assert instance.models.list() == []
        with pytest.raises(InvalidUriError):
            instance.datasets.resolve("model/mnist")
        with pytest.raises(NotFoundError):
            instance.datasets.list("no-such-instance/project/self")


def test_a_reference_opens_the_same_stores(tmp_path: Path) -> None:
    with open_instance(_settings(tmp_path)) as instance:
        instance.catalog.projects.ensure("demo")
        ref = StoresRef.from_json(instance.stores.ref.to_json())
        stores = open_stores(ref)
        assert [each.name for each in stores.catalog.projects.list()] == ["demo"]
        stores.close()


def test_processes_that_open_a_fresh_root_at_once_all_get_it(tmp_path: Path) -> None:
    openers = [subprocess.Popen([sys.executable, __file__, str(tmp_path)]) for _ in range(6)]
    assert [opener.wait(120) for opener in openers] == [0] * 6
    assert not [each.name for each in (tmp_path / "default").iterdir() if each.name.startswith(".STAR")]


if __name__ == "__main__":
    with open_instance(_settings(Path(sys.argv[1]))) as opened:
        opened.projects.list()
