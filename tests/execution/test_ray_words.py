"""What is said to Ray and read of it, without Ray: placement, addresses, errors, and what is shipped."""

from __future__ import annotations

import os
import socket
import tarfile
from pathlib import Path

import pytest

from starwhale.domain.machine import Accelerator, Demand, Fit, Machine, check_demand, fit_tasks
from starwhale.domain.resources import parse_resources
from starwhale.errors import ExecutionError, HandlerError, LoginError, UsageError, VersionMismatchError
from starwhale.execution.cluster.joining import CURRENT, explain, find_running, reach
from starwhale.execution.cluster.placement import SHARE, actor_options, read_nodes
from starwhale.execution.cluster.shipping import pack_program, pack_workdir
from starwhale.execution.cluster.task_actor import ARCHIVE
from starwhale.execution.executors.ray_cluster import check_address

GIB = 2**30
NODES = [
    {
        "Alive": True,
        "NodeName": "a",
        "Resources": {"CPU": 4.0, "memory": 8.0 * GIB, "object_store_memory": 1e8, "node:10.0.0.1": 1.0, "tpu": 2.0},
        "Labels": {"ray.io/node-id": "f00", "zone": "west"},
    },
    {
        "Alive": True,
        "NodeName": "b",
        "Resources": {"CPU": 2.0, "GPU": 2.0, "memory": 4.0 * GIB, "accelerator_type:T4": 1.0},
        "Labels": {},
    },
    {"Alive": False, "NodeName": "c", "Resources": {"CPU": 64.0}},
]
A = Machine(name="a", cores=4, memory_bytes=8 * GIB, custom=(("tpu", 2.0),), labels=(("zone", "west"),))
B = Machine(
    name="b",
    cores=2,
    memory_bytes=4 * GIB,
    accelerators=(Accelerator(id="0", name="T4"), Accelerator(id="1", name="T4")),
)
CLUSTER = Machine(
    cores=6,
    memory_bytes=12 * GIB,
    accelerators=B.accelerators,
    custom=(("tpu", 2.0),),
    nodes=(A, B),
)


def _demand(**resources: object) -> Demand:
    asked = {name.replace("__", "/"): value for name, value in resources.items()}
    return Demand.of([{"type": e.type, "request": e.request, "limit": e.limit} for e in parse_resources(asked)])


def test_nodes_are_read_as_the_machines_of_a_cluster() -> None:
    assert read_nodes(NODES) == CLUSTER
    assert read_nodes(NODES[:1]) == Machine(
        cores=4, memory_bytes=8 * GIB, custom=(("tpu", 2.0),), labels=(("zone", "west"),)
    )
    head = {"Alive": True, "NodeName": "head", "Resources": {"memory": 8.0 * GIB}, "Labels": {}}
    assert read_nodes([head, *NODES]) == CLUSTER, "a head without processors takes no task"
    assert CLUSTER.describe() == (
        "2 nodes (a: 4 cores, 8.0 GiB of memory and no accelerators, with 2 custom/tpu, label/zone=west; "
        "b: 2 cores, 4.0 GiB of memory and 2 accelerators (T4))"
    )


def test_a_task_is_placed_by_what_it_asks_for() -> None:
    assert actor_options(Demand(), has_accelerators=True) == {"num_cpus": 1}
    assert actor_options(Demand(accelerators=2), has_accelerators=True) == {"num_cpus": 0, "num_gpus": 2}
    assert actor_options(Demand(shared_accelerators=1), has_accelerators=True) == {"num_cpus": 1, "num_gpus": SHARE}
    assert actor_options(Demand(shared_accelerators=1), has_accelerators=False) == {"num_cpus": 1}
    asked = _demand(cpu=2, memory="1Gi", custom__tpu=1, label__zone="west")
    assert actor_options(asked, has_accelerators=False) == {
        "num_cpus": 2,
        "memory": GIB,
        "resources": {"tpu": 1.0},
        "label_selector": {"zone": "west"},
    }


@pytest.mark.parametrize("name", ["custom/", "custom/a b", "label/", "tpu"])
def test_other_names_of_resources_are_refused(name: str) -> None:
    with pytest.raises(HandlerError, match="unknown resource"):
        parse_resources({name: 1})


def test_a_label_is_text() -> None:
    with pytest.raises(HandlerError, match="label/zone"):
        parse_resources({"label/zone": 1})


@pytest.mark.parametrize(
    ("demand", "lacks"),
    [
        (_demand(cpu=5), "5 cores"),
        (_demand(cpu=3, custom__tpu=3), "3 custom/tpu"),
        (_demand(label__zone="east"), "label/zone=east"),
        (Demand(accelerators=3), "3 accelerators"),
        (Demand(cpu=4, accelerators=1), "1 accelerator"),
    ],
)
def test_what_no_one_node_has_is_refused_with_what_they_have(demand: Demand, lacks: str) -> None:
    with pytest.raises(UsageError, match=r"no one node has that: 2 nodes \(a: 4 cores") as caught:
        check_demand("predict", demand, CLUSTER)
    assert lacks in caught.value.message


def test_what_one_node_has_is_taken() -> None:
    for demand in (_demand(cpu=4), _demand(custom__tpu=2, label__zone="west"), Demand(accelerators=2), Demand()):
        check_demand("predict", demand, CLUSTER)
    with pytest.raises(UsageError, match="custom/tpu"):
        check_demand("predict", _demand(custom__tpu=1), Machine(cores=64))


def test_as_many_tasks_fit_as_fit_each_node() -> None:
    assert fit_tasks(Demand(), CLUSTER) == Fit(count=6, reason="2 nodes")
    assert fit_tasks(Demand(cpu=3), CLUSTER) == Fit(count=1, reason="2 nodes"), "two thirds of a node are none"
    assert fit_tasks(Demand(), CLUSTER, batches=2) == Fit(count=2, reason="2 batches of rows")


def test_addresses_that_are_none_are_refused() -> None:
    with pytest.raises(UsageError, match=r"ray://head:10001 is for clients of Ray.*ray job submit"):
        check_address("ray://head:10001")
    with pytest.raises(UsageError, match="'head' is no address of a Ray cluster"):
        check_address("head")
    for good in ("", "local", "auto", "10.0.0.1:6379", "[::1]:6379"):
        check_address(good)


def test_an_address_where_nobody_listens_is_named() -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{free.getsockname()[1]}"
        with pytest.raises(ExecutionError, match=rf"no Ray answers at {address}: Connection refused"):
            reach(address)


def test_a_cluster_that_runs_here_is_found_and_one_that_has_gone_is_not(tmp_path: Path) -> None:
    assert find_running(tmp_path) == ""
    noted = tmp_path / CURRENT
    noted.parent.mkdir()
    with socket.create_server(("127.0.0.1", 0)) as there:
        address = f"127.0.0.1:{there.getsockname()[1]}"
        noted.write_text(address)
        assert find_running(tmp_path) == find_running(tmp_path, is_own=True) == address
        if os.getuid() == 0:
            os.chown(noted, 12345, 12345)
            assert (find_running(tmp_path), find_running(tmp_path, is_own=True)) == (address, "")
    assert find_running(tmp_path) == ""


MISMATCH = """Version mismatch: The cluster was started with:
    Ray: 2.49.0
    Python: 3.11.9
This process on node 10.0.0.2:0 was started with:
    Ray: 2.60.0
    Python: 3.12.1
"""


def test_errors_of_ray_are_told_in_words_that_help() -> None:
    found = explain(RuntimeError(MISMATCH), "h:1")
    assert isinstance(found, VersionMismatchError)
    assert (
        found.message
        == "the cluster at h:1 is of Ray 2.49.0 with Python 3.11.9, and this is Ray 2.60.0 with Python 3.12.1"
    )
    outer = ConnectionError("Failed to connect to Ray cluster at h:1")
    outer.__cause__ = RuntimeError("No node info found matching attributes: '10.0.0.9'")
    assert "this machine is no node of it" in explain(outer, "h:1").message
    assert isinstance(
        explain(RuntimeError("Unauthenticated: Invalid or missing authentication token"), "h:1"), LoginError
    )
    assert explain(RuntimeError("a\nsomething else"), "h:1").message == "Ray at h:1 cannot be used: something else"


def test_the_program_is_packed_without_its_console(tmp_path: Path) -> None:
    place = pack_program(tmp_path)
    assert (place / "execution" / "worker.py").is_file()
    assert not (place / "server" / "static").exists()
    assert not list(place.rglob("__pycache__"))


def test_a_work_directory_is_packed_as_a_model_would_be_and_equal_content_alike(tmp_path: Path) -> None:
    work = tmp_path / "work"
    (work / "weights").mkdir(parents=True)
    (work / "evaluation.py").write_text("x = 1\n")
    (work / "weights" / "w.bin").write_bytes(b"w" * 1000)
    (work / ".gitignore").write_text("weights/\n")
    (work / "run.sh").write_text("#!/bin/sh\n")
    (work / "run.sh").chmod(0o755)
    (work / "latest").symlink_to("weights/w.bin")
    (work / "__pycache__").mkdir()
    (work / "__pycache__" / "evaluation.pyc").touch()
    logs = work / "storage" / "logs" / "job"
    logs.mkdir(parents=True)
    (logs / "0.txt").write_text("said")
    packed: list[bytes] = []
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        packed.append((pack_workdir(work, tmp_path / name, own=logs) / ARCHIVE).read_bytes())
        os.utime(work / "evaluation.py", (1, 1))
    assert packed[0] == packed[1], "when a file was written says nothing of what is in it"
    target = tmp_path / "there"
    with tarfile.open(tmp_path / "one" / "starwhale_shipped" / ARCHIVE) as archive:
        archive.extractall(target, filter="data")
    assert sorted(str(each.relative_to(target)) for each in target.rglob("*")) == [
        ".gitignore", "evaluation.py", "latest", "run.sh", "weights", "weights/w.bin",
    ]  # fmt: skip
    assert (target / "latest").readlink() == Path("weights/w.bin")
    assert os.access(target / "run.sh", os.X_OK)
