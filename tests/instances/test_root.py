"""Which directories are taken as a storage root, and what is said of the others."""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest

from starwhale.errors import RootError, UsageError
from starwhale.instances import open_instance
from starwhale.instances.place import file_system
from starwhale.instances.place.file_system import Mount, check_local, mount_of
from starwhale.instances.place.root import prepare_root
from starwhale.settings import read_settings

MOUNTS = r"""22 27 0:21 / /proc rw,relatime - proc proc rw
27 1 254:0 / / rw,relatime - ext4 /dev/vda rw,discard
30 27 0:28 / /home rw,relatime shared:5 master:1 - nfs4 box:/export/home rw,vers=4.2
31 27 0:29 / /home/ann/local rw - tmpfs tmpfs rw
32 27 0:30 / /mnt/my\040data\011x\134y rw - cifs //box/my\040share rw
33 27 0:31 / /mnt/over rw - ext4 /dev/vdb rw
34 33 0:32 / /mnt/over rw - fuse.sshfs me@box:/data rw
35 27 0:33 / /mnt/c rw - 9p C:\134 rw
36 27 0:34 / /homestead rw - ext4 /dev/vdc rw
a line that the kernel did not write
"""


@pytest.mark.parametrize(
    ("path", "kind", "is_network"),
    [
        ("/var/root", "ext4", False),
        ("/home", "nfs4", True),
        ("/home/ann", "nfs4", True),
        ("/home/ann/local/root", "tmpfs", False),
        ("/homestead/root", "ext4", False),
        ("/mnt/my data\tx\\y/root", "cifs", True),
        ("/mnt/over/root", "fuse.sshfs", True),
        ("/mnt/c/root", "9p", True),
    ],
)
def test_the_mount_of_a_path_is_the_deepest_and_the_last(path: str, kind: str, is_network: bool) -> None:
    found = mount_of(MOUNTS, path)
    assert found is not None
    assert (found.kind, found.is_network) == (kind, is_network)


@pytest.mark.parametrize(
    "kind", ["nfs", "nfs4", "cifs", "smb3", "lustre", "glusterfs", "fuse.glusterfs", "ceph", "beegfs"]
)
def test_each_network_file_system_is_known(kind: str) -> None:
    assert Mount(point="/", kind=kind, source="x").is_network


def test_a_sandbox_whose_own_root_is_9p_is_local() -> None:
    assert not Mount(point="/", kind="9p", source="none").is_network


@pytest.mark.parametrize("text", ["", "\n", "1 2 3 - \n", "1 2 0:1 / /elsewhere rw - nfs box rw\n"])
def test_a_list_of_mounts_that_does_not_tell_gives_none(text: str) -> None:
    assert mount_of(text, "/data") is None


@pytest.fixture
def on_network(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of which the system says that it is mounted from another machine; only the disk's own number is made up."""
    folder = (tmp_path / "my share").resolve()
    folder.mkdir()
    mounts = tmp_path / "mountinfo"
    escaped = str(folder).replace(" ", r"\040")
    mounts.write_text(f"27 1 254:0 / / rw - ext4 /dev/vda rw\n30 27 0:28 / {escaped} rw - nfs4 box:/export rw\n")
    check = check_local
    monkeypatch.setattr(file_system, "_is_on_device", lambda _path: False)
    monkeypatch.setattr("starwhale.instances.place.root.check_local", lambda root: check(root, mounts))
    return folder


def test_a_root_on_a_network_is_refused_untouched_with_two_ways_out(on_network: Path, tmp_path: Path) -> None:
    env = {"HOME": str(tmp_path), "SW_LOCAL_STORAGE": str(on_network / "deep" / "root")}
    with pytest.raises(RootError, match=re.escape("(nfs4, box:/export on ")) as caught:
        open_instance(read_settings(env))
    assert "SW_LOCAL_STORAGE" in caught.value.hint
    assert "SW_ALLOW_NETWORK_ROOT=1" in caught.value.hint
    assert list(on_network.iterdir()) == []
    with open_instance(read_settings(env | {"SW_ALLOW_NETWORK_ROOT": "1"})) as instance:
        assert [each.name for each in instance.projects.list()] == ["self"]


def test_a_link_to_a_network_is_seen_through(on_network: Path, tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(on_network)
    with pytest.raises(RootError, match="network file system"):
        prepare_root(tmp_path / "link" / "root", now=0.0)


@pytest.mark.parametrize("value", ["", "  "])
def test_an_empty_variable_is_said_as_a_mistake(value: str, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"SW_LOCAL_STORAGE is set and names no directory.*unset SW_LOCAL_STORAGE"):
        open_instance(read_settings({"HOME": str(tmp_path), "SW_LOCAL_STORAGE": value}))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_root_that_this_user_may_not_write_says_so(tmp_path: Path) -> None:
    root = prepare_root(tmp_path / "root", now=0.0).root
    root.chmod(0o500)
    try:
        with pytest.raises(RootError, match=r"is read-only: this user may not write there.*SW_LOCAL_STORAGE"):
            prepare_root(root, now=0.0)
    finally:
        root.chmod(0o700)


def test_a_root_where_nothing_can_be_made_says_so(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(RootError, match=r"storage root .* cannot be used: Not a directory.*SW_LOCAL_STORAGE"):
        prepare_root(tmp_path / "file" / "root", now=0.0)
