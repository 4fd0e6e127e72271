"""Commands on a server: logging in, URIs that name it, copies both ways, and reading by ranges."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from tests.server.lab import SWCLI, Lab

from starwhale.datasets.dataset import Dataset
from starwhale.errors import AlreadyExistsError, CorruptedError, LoginError, NotFoundError, UsageError
from starwhale.instances.copy_across import CopyOptions
from starwhale.instances.instance import Instance, open_instance
from starwhale.instances.jobs.copy_job import JobCopyOptions
from starwhale.media import Binary
from starwhale.settings import read_settings

if TYPE_CHECKING:
    from tests.server.conftest import Root

CODE = "from starwhale import evaluation\n\n@evaluation.predict\ndef predict(row):\n    return row\n"


def fill(instance: Instance, name: str, rows: int, size: int = 10) -> str:
    with instance.datasets.open(name, Dataset) as made:
        for k in range(rows):
            made[k] = {"number": k, "blob": Binary(bytes([k % 256]) * size + os.urandom(size))}
        made.commit()
        return made.committed_version


def build(instance: Instance, folder: Path, name: str, big: int = 0) -> Any:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "evaluation.py").write_text(CODE)
    if big:
        (folder / "weights.bin").write_bytes(os.urandom(big))
    return instance.models.build(folder, modules=("evaluation",), name=name)


class Traffic:
    """Bytes that a client has sent and received since it was last looked at."""

    def __init__(self, instance: Instance) -> None:
        self._connection = instance.at("cloud://lab/project/self").stores.connection
        self._before = (0, 0)
        self.look()

    def look(self) -> tuple[int, int]:
        now = self._connection.sent_bytes, self._connection.received_bytes
        before, self._before = self._before, now
        return now[0] - before[0], now[1] - before[1]


def test_logging_in_selecting_and_out_by_command(lab: Lab, tmp_path: Path) -> None:
    env = {**lab.env, "SW_CLI_CONFIG": str(tmp_path / "config.yaml"), "SW_LOCAL_STORAGE": str(tmp_path / "storage")}

    def run(*words: str, token: str = "") -> tuple[int, Any]:
        done = subprocess.run(
            [SWCLI, "-o", "json", *words], env={**env, "SW_TOKEN": token}, capture_output=True, text=True, check=False
        )
        return done.returncode, json.loads(done.stdout)

    assert run("instance", "login", lab.address)[1]["error"]["code"] == "login"  # no token
    assert run("instance", "login", lab.address, "--token", "wrong")[1]["error"]["code"] == "login"
    assert run("instance", "login", "lab", "--token", "x")[1]["error"]["code"] == "usage"
    assert run("instance", "login", lab.address, "--alias", "local", "--token", lab.token)[0] == 2
    assert run("instance", "login", lab.address, "--username", "me")[0] == 2
    assert run("instance", "login", lab.address, "--alias", "lab", token=lab.token)[0] == 0
    file = tmp_path / "config.logins.json"
    assert file.stat().st_mode & 0o777 == 0o600
    listed = run("instance", "list")[1]
    assert [(each["name"], each["uri"], each["in_use"]) for each in listed][1:] == [("lab", lab.address, False)]
    assert lab.token not in json.dumps(listed)
    assert run("instance", "info", "lab")[1]["type"] == "server"
    assert run("instance", "select", "nope")[0] == 1
    assert run("instance", "select", "lab")[1]["name"] == "lab"
    run("project", "create", "of-the-lab")
    assert "of-the-lab" in [each["name"] for each in run("project", "list")[1]]
    assert "of-the-lab" not in [each["name"] for each in run("project", "list", "-i", "local")[1]]
    assert run("project", "select", "of-the-lab")[0] == 0
    assert run("instance", "list")[1][1]["current_project"] == "of-the-lab"
    assert run("instance", "logout", "lab")[0] == 0
    assert lab.token not in file.read_text()
    assert run("project", "list", "-i", "lab")[1]["error"]["code"] == "not_found"
    assert run("dataset", "list", "-p", f"{lab.address}/project/self")[1]["error"]["code"] == "login"
    assert run("instance", "list")[1][0]["in_use"]  # the local one again


def test_a_token_of_the_environment_needs_no_login(lab: Lab, tmp_path: Path) -> None:
    env = {**lab.env, "SW_CLI_CONFIG": str(tmp_path / "config.yaml"), "SW_INSTANCE_URI": lab.address}
    for token, code in ((lab.token, 0), ("wrong", 1)):
        done = subprocess.run(
            [SWCLI, "project", "list", "-i", lab.address],
            env={**env, "SW_TOKEN": token},
            capture_output=True,
            check=False,
        )
        assert done.returncode == code
    assert not (tmp_path / "config.logins.json").exists()


@pytest.mark.needs_time
def test_every_verb_of_versions_works_there(lab: Lab, tmp_path: Path) -> None:
    here = lab.open()
    try:
        version = build(here, tmp_path / "work", "verbs")
        copied = here.copy("model", "verbs", "cloud://lab/project/self")
        assert (copied.is_new, copied.version.version) == (True, version.version)
        assert copied.version.uri.full == f"lab/project/self/model/verbs/version/{version.version}"
        there = here.at("lab/project/self").models
        for uri in (
            "lab/project/self/model/verbs",
            f"{lab.address}/project/self/model/verbs/version/{version.version}",
        ):
            assert here.at(uri).models.info(uri).manifest["handlers"] == version.manifest["handlers"]
        assert [each.name for each in there.list("lab/project/self", name_prefix="VERBS")] == ["verbs"]
        assert there.add_tags("verbs", ["good"]).tags == ("good", "latest", "v0")
        assert there.tags("verbs/version/good") == ("good", "latest", "v0")
        assert there.remove_tags("verbs", ["good"]).tags == ("latest", "v0")
        assert len(there.history("verbs")) == 1
        assert [each.path for each in there.files(there.resolve("verbs")).files] == ["evaluation.py"]
        there.extract("verbs", tmp_path / "extracted")
        assert (tmp_path / "extracted" / "evaluation.py").read_text() == CODE
        there.remove("verbs")
        with pytest.raises(NotFoundError, match="verbs"):
            there.resolve("verbs")
        assert there.recover("verbs").version == version.version
    finally:
        here.close()


def test_a_copy_sends_only_what_is_not_there(lab: Lab, tmp_path: Path) -> None:
    here = lab.open()
    try:
        build(here, tmp_path / "work", "twice", big=3_000_000)
        traffic = Traffic(here)
        here.copy("model", "twice", "cloud://lab/project/self")
        assert traffic.look()[0] > 3_000_000
        assert not here.copy("model", "twice", "cloud://lab/project/self").is_new
        (tmp_path / "work" / "more.txt").write_text("more")
        here.models.build(tmp_path / "work", modules=("evaluation",), name="twice")
        assert here.copy("model", "twice", "cloud://lab/project/self").is_new
        assert traffic.look()[0] < 20_000

        fill(here, "rows", 100, 20_000)
        here.copy("dataset", "rows", "cloud://lab/project/self")
        traffic.look()
        with here.datasets.open("rows", Dataset) as more:
            more[1000] = {"number": 1000}
            more.commit()
        assert here.copy("dataset", "rows", "cloud://lab/project/self").is_new
        assert traffic.look()[0] < 50_000
        assert [each.row_count for each in here.at("cloud://lab/x").datasets.history("rows")] == [101, 100]
    finally:
        here.close()


def test_what_went_there_comes_back_as_it_was(lab: Lab, tmp_path: Path) -> None:
    """To a second root: equal ids, tags and bytes, and nothing again the second time."""
    here = lab.open()
    second = Lab(address=lab.address, token=lab.token, root=lab.root, env={**lab.env, "SW_LOCAL_STORAGE": str(tmp_path / "second")})  # fmt: skip
    other = second.open()
    try:
        version = build(here, tmp_path / "work", "roundtrip", big=9_000_000)  # more than one piece
        here.models.add_tags("roundtrip", ["mine"])
        fill(here, "roundtrip", 300, 3_000)
        for kind in ("model", "dataset"):
            here.copy(kind, "roundtrip", "cloud://lab/project/self")
            copied = other.copy(kind, f"cloud://lab/project/self/{kind}/roundtrip", ".")
            assert (copied.is_new, copied.version.instance) == (True, "local")
            assert not other.copy(kind, f"cloud://lab/project/self/{kind}/roundtrip", ".").is_new
        found = other.models.resolve("roundtrip")
        assert (found.version, found.tags) == (version.version, ("mine", "latest", "v0"))
        other.models.extract("roundtrip", tmp_path / "out")
        assert (tmp_path / "out" / "weights.bin").read_bytes() == (tmp_path / "work" / "weights.bin").read_bytes()
        assert other.datasets.verify("roundtrip").is_whole
        one, two = (each.datasets.reader(each.datasets.resolve("roundtrip")) for each in (here, other))
        assert one.row_digests(0, 300) == two.row_digests(0, 300)
        assert list((tmp_path / "second" / "tmp").iterdir()) == []
    finally:
        other.close()
        here.close()


@pytest.mark.needs_time
def test_what_cannot_be_copied_is_said(lab: Lab, tmp_path: Path) -> None:
    here = lab.open()
    try:
        build(here, tmp_path / "work", "refused")
        here.models.add_tags("refused", ["mine"])
        here.copy("model", "refused", "cloud://lab/project/self")
        (tmp_path / "work" / "new.txt").write_text("new")
        here.models.build(tmp_path / "work", modules=("evaluation",), name="refused", tags=["mine"])
        with pytest.raises(AlreadyExistsError, match="mine"):
            here.copy("model", "refused", "cloud://lab/project/self")
        assert here.copy("model", "refused", "cloud://lab/project/self", CopyOptions(force=True)).is_new
        for destination, kind in (
            ("cloud://lab/project/nope", NotFoundError),
            ("cloud://nope/project/self", NotFoundError),
            ("http://127.0.0.1:1/project/self", LoginError),
            ("cloud://lab/project/self/dataset/x", ValueError),
            ("s3://bucket/prefix", ValueError),
        ):
            with pytest.raises(kind):
                here.copy("model", "refused", destination)
        fill(here, "refused", 3)
        with pytest.raises(UsageError, match="as it is"):
            here.copy("dataset", "refused", "cloud://lab/project/self", CopyOptions(mode="patch"))
        with pytest.raises(UsageError, match="to this machine first"):
            here.copy("dataset", "cloud://lab/project/self/dataset/refused", "s3://bucket/prefix")
        path = next((here.root / "datasets" / here.datasets.resolve("refused").bundle_id / "fragments").iterdir())
        path.chmod(0o644)
        path.write_bytes(path.read_bytes()[:-9] + b"x" * 9)
        with pytest.raises(CorruptedError):
            here.copy("dataset", "refused", "cloud://lab/project/self/dataset/damaged")
        with pytest.raises(NotFoundError):
            here.at("lab/project/self").datasets.resolve("damaged")
    finally:
        here.close()


def test_a_dataset_is_read_by_ranges_and_not_copied(lab: Lab) -> None:
    here = lab.open()
    try:
        fill(here, "ranges", 2_000, 5_000)
        size = here.copy("dataset", "ranges", "cloud://lab/project/self").version.size_bytes
        there, local = here.at("lab/project/self").datasets, here.datasets
        traffic = Traffic(here)
        one, two = there.reader(there.resolve("ranges")), local.reader(local.resolve("ranges"))
        assert one.read(1_000, 1_010).columns["number"] == two.read(1_000, 1_010).columns["number"]
        assert one.read(7, 8).columns["blob"][0].to_bytes() == two.read(7, 8).columns["blob"][0].to_bytes()
        assert 0 < traffic.look()[1] < size / 20
        assert list(one.iter_batches()) == list(two.iter_batches())
        assert one.row_digests(0, 2_000) == two.row_digests(0, 2_000)
        with there.open("lab/project/self/dataset/ranges", Dataset) as opened:
            assert len(opened) == 2_000
            assert opened.uri.instance == "lab"
    finally:
        here.close()


def test_a_job_is_copied_there_and_back_with_what_it_ran_on(lab: Lab, root: Root, tmp_path: Path) -> None:
    config = {"SW_CLI_CONFIG": lab.env["SW_CLI_CONFIG"]}
    here = open_instance(read_settings({**root.env, **config}))
    third = open_instance(read_settings({**lab.env, "SW_LOCAL_STORAGE": str(tmp_path / "third")}))
    job = root.jobs[0]
    try:
        made = here.copy_job(job, "cloud://lab/project/self", JobCopyOptions(with_datasets=True))
        assert (made.job, made.is_new, made.uri) == (job, True, f"lab/project/self/job/{job}")
        assert [each.version.name for each in made.versions] == ["numbers"]
        again = here.copy_job(job, "cloud://lab/project/self", JobCopyOptions(with_datasets=True))
        assert (again.is_new, [each.is_new for each in again.versions]) == (False, [False])
        back = third.copy_job(f"cloud://lab/project/self/job/{job[:8]}", ".", JobCopyOptions(with_datasets=True))
        assert (back.job, back.is_new, back.uri) == (job, True, f"local/project/self/job/{job}")
        one, two = (each.jobs.report(each.jobs.get(job)) for each in (here, third))
        assert one.summary == two.summary != {}
        assert list((tmp_path / "third" / "tmp").iterdir()) == list((lab.root / "tmp").glob("upload-*")) == []
        for address, destination, kind in (
            (job, "local/project/self", UsageError),
            ("nope", "cloud://lab/project/self", NotFoundError),
            (job, "cloud://lab/project/nope", NotFoundError),
            (f"cloud://lab/project/self/job/{job}x", ".", NotFoundError),
        ):
            with pytest.raises(kind):
                here.copy_job(address, destination)
        with pytest.raises(UsageError, match="no packaged model"):
            here.copy_job(job, "cloud://lab/project/self", JobCopyOptions(with_model=True))
    finally:
        third.close()
        here.close()


@pytest.mark.needs_kills
@pytest.mark.parametrize("direction", ["there", "back"])
def test_a_copy_that_was_killed_goes_on_where_it_stopped(lab: Lab, tmp_path: Path, direction: str) -> None:
    """A file of 200 MB: the client is killed in its middle, and the next try sends the rest alone."""
    name = f"killed-{direction}"
    here = lab.open()
    try:
        build(here, tmp_path / "work", name, big=200_000_000)
        env, uri, place = dict(lab.env), f"cloud://lab/project/self/model/{name}", lab.root / "tmp"
        if direction == "back":
            here.copy("model", name, "cloud://lab/project/self")
            env["SW_LOCAL_STORAGE"] = str(tmp_path / "second")
            place = tmp_path / "second" / "tmp"
        words = ["model", "copy", *((name, "cloud://lab/project/self") if direction == "there" else (uri, "."))]
        process = subprocess.Popen([SWCLI, *words], env=env, stdout=subprocess.DEVNULL)
        kept = _wait_for_some(place, process)
        process.send_signal(signal.SIGKILL)
        process.wait()
        assert kept.exists()
        there = kept.stat().st_size
        assert 0 < there < 200_000_000
        client = Lab(address=lab.address, token=lab.token, root=lab.root, env=env).open()
        try:
            traffic = Traffic(client)
            copied = client.copy("model", words[2], words[3])
            assert copied.is_new
            assert traffic.look()[direction == "back"] < 200_000_000 - there + 100_000
            client.at(copied.version.uri.full).models.extract(copied.version.uri.full, tmp_path / "out")
        finally:
            client.close()
        assert (tmp_path / "out" / "weights.bin").read_bytes() == (tmp_path / "work" / "weights.bin").read_bytes()
        assert not kept.exists()
    finally:
        here.close()
        shutil.rmtree(tmp_path / "work")


def _wait_for_some(folder: Path, process: subprocess.Popen[bytes]) -> Path:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline and process.poll() is None:
        for each in folder.glob("*load-*") if folder.is_dir() else ():
            if each.stat().st_size > 20_000_000:
                return each
        time.sleep(0.005)
    raise AssertionError("nothing was sent")


@pytest.mark.needs_time
def test_versions_are_pushed_when_they_are_made_and_compared_across(lab: Lab, tmp_path: Path) -> None:
    place = "cloud://lab/project/self"
    (tmp_path / "rows.csv").write_text("n,label\n1,a\n2,b\n")
    work = tmp_path / "pushed"
    work.mkdir()
    (work / "code.py").write_text(CODE)

    def run(*words: str, code: int = 0) -> Any:
        done = subprocess.run([SWCLI, "-o", "json", *words], cwd=tmp_path, env=dict(lab.env), capture_output=True, text=True, check=False)  # fmt: skip
        assert done.returncode == code, done.stdout + done.stderr
        return json.loads(done.stdout)

    made = run("dataset", "build", "--csv", "rows.csv", "--name", "pushed", "--push", place)
    assert made["pushed"] == f"lab/project/self/dataset/pushed/version/{made['version']}"
    assert run("dataset", "build", "--csv", "rows.csv", "--name", "there", "-p", place)["uri"].startswith(
        "lab/project/self/dataset/there"
    )
    others = len(run("model", "list"))
    model = run("model", "build", str(work), "--push", place)
    assert run("model", "info", model["pushed"])["version"] == model["version"]
    for option, code in (("lab", 2), ("cloud://lab/project/none", 1)):
        assert run("model", "build", str(work), "--push", option, code=code)["error"]["hint"]
    assert len(run("model", "list")) == others + 1
    (tmp_path / "rows.csv").write_text("n,label\n1,a\n2,c\n3,d\n")
    run("dataset", "build", "--csv", "rows.csv", "--name", "pushed", "--overwrite")
    found = run("dataset", "diff", f"{place}/dataset/pushed", "pushed", "--show-details")
    assert [found["rows"][each]["count"] for each in ("added", "removed", "changed")] == [1, 0, 1]
    script = "from starwhale import model; model.build(['code'], remote_project_uri='cloud://lab/project/self', name='by-call')"
    subprocess.run([sys.executable, "-c", script], cwd=work, env=dict(lab.env), check=True)
    assert run("model", "info", f"{place}/model/by-call")["name"] == "by-call"
