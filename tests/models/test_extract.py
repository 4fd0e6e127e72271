"""Files of a version in a folder of the user's."""

from __future__ import annotations

from pathlib import Path

import pytest

from starwhale.errors import AlreadyExistsError, CorruptedError, UsageError
from starwhale.models.extract import extract
from starwhale.models.ignore import read_rules
from starwhale.models.listing import Listing
from starwhale.models.package import package
from starwhale.storage.blobs.local import LocalBlobStore


@pytest.fixture
def blobs(tmp_path: Path) -> LocalBlobStore:
    return LocalBlobStore(tmp_path / "blobs")


@pytest.fixture
def listing(tmp_path: Path, blobs: LocalBlobStore) -> Listing:
    work = tmp_path / "work"
    (work / "src").mkdir(parents=True)
    (work / "src/a.py").write_text("a")
    (work / "run.sh").write_text("#!/bin/sh\n")
    (work / "run.sh").chmod(0o755)
    (work / "link").symlink_to("src/a.py")
    (work / "empty").mkdir()
    return package(work, read_rules(work), blobs).listing


def below(root: Path) -> dict[str, str]:
    """Everything below a folder: text of files, target of links, slash of folders."""
    return {
        str(path.relative_to(root)): f"-> {path.readlink()}"
        if path.is_symlink()
        else "/"
        if path.is_dir()
        else path.read_text()
        for path in sorted(root.rglob("*"))
    }


WHOLE = {"empty": "/", "link": "-> src/a.py", "run.sh": "#!/bin/sh\n", "src": "/", "src/a.py": "a"}


def test_a_folder_is_made_or_filled_beside_what_is_there(
    listing: Listing, blobs: LocalBlobStore, tmp_path: Path
) -> None:
    extract(listing, blobs, tmp_path / "new/deep")
    assert below(tmp_path / "new/deep") == WHOLE
    assert (tmp_path / "new/deep/run.sh").stat().st_mode & 0o777 == 0o755
    there = tmp_path / "there"
    (there / "src").mkdir(parents=True)
    (there / "src/mine.py").write_text("mine")
    extract(listing, blobs, there)
    assert below(there) == {**WHOLE, "src/mine.py": "mine"}


def test_nothing_is_overwritten_unless_asked(listing: Listing, blobs: LocalBlobStore, tmp_path: Path) -> None:
    there = tmp_path / "there"
    there.mkdir()
    (there / "run.sh").write_text("mine")
    (tmp_path / "secret").write_text("of somebody else")
    (there / "link").symlink_to(tmp_path / "secret")
    before = below(there)
    with pytest.raises(AlreadyExistsError, match=r"2 of 4 files are there already: 'link', 'run\.sh'"):
        extract(listing, blobs, there)
    assert below(there) == before
    extract(listing, blobs, there, overwrite=True)
    assert below(there) == WHOLE
    assert (tmp_path / "secret").read_text() == "of somebody else", "the link was replaced, not followed"


@pytest.mark.parametrize("kind", ["link", "file", "folder for a file", "file for a folder"])
def test_what_is_in_the_way_is_named_and_stays(
    listing: Listing, blobs: LocalBlobStore, tmp_path: Path, kind: str
) -> None:
    there = tmp_path / "there"
    there.mkdir()
    (tmp_path / "outside").mkdir()
    name = "src"
    match kind:
        case "link":
            (there / "src").symlink_to(tmp_path / "outside")
        case "file":
            (there / "src").write_text("mine")
        case "folder for a file":
            (there / "run.sh").mkdir()
            name = "run.sh"
        case _:
            (there / "empty").write_text("mine")
            name = "empty"
    before = below(there)
    with pytest.raises(AlreadyExistsError, match=f"'{name}'"):
        extract(listing, blobs, there)
    if kind != "file for a folder":
        with pytest.raises(AlreadyExistsError, match=f"'{name}' is"):
            extract(listing, blobs, there, overwrite=True)
    assert below(there) == before
    assert list((tmp_path / "outside").iterdir()) == []


def test_a_damaged_model_changes_nothing(listing: Listing, blobs: LocalBlobStore, tmp_path: Path) -> None:
    there = tmp_path / "there"
    there.mkdir()
    (there / "run.sh").write_text("mine")
    place = blobs.path(listing.files[-1].digest)
    place.chmod(0o644)
    place.write_bytes(b"b")
    for target in (there, tmp_path / "new"):
        with pytest.raises(CorruptedError, match=r"'src/a\.py' is damaged"):
            extract(listing, blobs, target, overwrite=True)
    assert below(there) == {"run.sh": "mine"}
    assert not (tmp_path / "new").exists()


def test_a_place_that_cannot_be_written_is_named(listing: Listing, blobs: LocalBlobStore, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(AlreadyExistsError, match="no folder"):
        extract(listing, blobs, tmp_path / "file")
    with pytest.raises(UsageError, match="cannot write into"):
        extract(listing, blobs, tmp_path / "file/below")
