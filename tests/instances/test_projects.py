"""Projects: what is removed is hidden with everything in it, and comes back whole."""

from __future__ import annotations

import importlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from starwhale.datasets.dataset import Dataset, UncommittedChangesWarning
from starwhale.domain.job import Job, RunRequest
from starwhale.domain.status import Status
from starwhale.errors import AlreadyExistsError, ConflictError, InvalidNameError, NotFoundError
from starwhale.instances import Instance, open_instance
from starwhale.settings import Settings
from starwhale.storage.catalog.driver import this_driver


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(config_path=tmp_path / "config.yaml", root=tmp_path / "root", default_root=tmp_path / "default")


@pytest.fixture
def instance(settings: Settings) -> Iterator[Instance]:
    with open_instance(settings) as opened:
        yield opened


def build(instance: Instance, uri: str, rows: int = 3) -> None:
    with instance.datasets.open(uri, Dataset) as dataset:
        for key in range(rows):
            dataset.append((key, {"x": key}))
        dataset.commit()


def add_job(instance: Instance, project: str, name: str = "", *, is_running: bool = False) -> str:
    job = Job(
        id=instance.catalog.make_id(),
        request=RunRequest(workdir="/nowhere", modules=("m",), project=project, name=name),
        handler="m:f",
        steps=(),
        datasets=(),
        status=Status.CREATED,
    )
    instance.catalog.jobs.create(job, {}, this_driver() if is_running else None)
    instance.catalog.jobs.set_status(job.id, Status.RUNNING)
    if not is_running:
        instance.catalog.jobs.set_status(job.id, Status.SUCCESS)
    return job.id


def test_names_keep_their_case_and_are_matched_in_any(instance: Instance) -> None:
    assert instance.projects.create("Demo").name == "Demo"
    assert instance.projects.get("dEMO").name == "Demo"
    assert instance.projects.get("local/project/demo").name == "Demo"
    with pytest.raises(AlreadyExistsError, match="'Demo' already"):
        instance.projects.create("demo")
    with pytest.raises(InvalidNameError):
        instance.projects.create("1st")
    with pytest.raises(NotFoundError, match="did you mean 'Demo'"):
        instance.projects.get("Dmeo")


def test_pages_are_bounded_and_the_default_is_there_from_the_start(instance: Instance) -> None:
    names = [f"p{number}" for number in range(5)]
    assert [each.name for each in instance.projects.list()] == ["self"]
    for name in names:
        instance.projects.create(name)
    assert [each.name for each in instance.projects.list(limit=2, offset=2)] == ["p1", "p2"]
    assert [each.name for each in instance.projects.list()] == ["self", *names]


def test_a_removed_project_is_hidden_with_everything_in_it(instance: Instance) -> None:
    instance.projects.create("demo")
    build(instance, "local/project/demo/dataset/digits")
    job_id = add_job(instance, "demo", "mine")
    version = instance.datasets.resolve("local/project/demo/dataset/digits").version
    instance.projects.remove("DEMO")

    assert [each.name for each in instance.projects.list()] == ["self"]
    assert [each.name for each in instance.projects.list(removed=True)] == ["demo"]
    assert instance.catalog.versions.list_newest("demo", "dataset") == []
    assert instance.catalog.bundles.list("demo", "dataset") == []
    assert instance.catalog.jobs.list("demo") == instance.catalog.jobs.list() == []
    removed = "project 'demo' was removed.*swcli project recover demo"
    for use in (
        lambda: instance.projects.get("demo"),
        lambda: instance.projects.select("demo"),
        lambda: instance.datasets.list("demo"),
        lambda: instance.datasets.resolve("local/project/demo/dataset/digits"),
        lambda: instance.datasets.resolve(f"local/project/demo/dataset/digits/version/{version}"),
        lambda: build(instance, "local/project/demo/dataset/digits"),
        lambda: build(instance, "local/project/demo/dataset/other"),
        lambda: instance.jobs.list("demo"),
        lambda: instance.jobs.get("local/project/demo/job/mine"),
        lambda: instance.jobs.get("local/project/demo/job/latest"),
        lambda: instance.jobs.run(RunRequest(workdir="/nowhere", modules=("m",), project="demo")),
        lambda: add_job(instance, "demo"),
    ):
        with pytest.raises(NotFoundError, match=removed):
            use()
    for use in (instance.jobs.get, instance.jobs.remove, instance.jobs.recover, instance.jobs.resume):
        with pytest.raises(NotFoundError):
            use(job_id)
    with pytest.raises(AlreadyExistsError, match=r"which was removed.*recover"):
        instance.projects.create("Demo")

    assert instance.projects.recover("Demo").name == "demo"
    assert instance.datasets.resolve("local/project/demo/dataset/digits").version == version
    assert instance.jobs.get("local/project/demo/job/mine").id == instance.jobs.get(job_id).id == job_id


def test_what_was_removed_alone_stays_removed_when_its_project_comes_back(instance: Instance) -> None:
    instance.projects.create("demo")
    for rows in (1, 2):
        build(instance, "local/project/demo/dataset/digits", rows)
    instance.datasets.remove("local/project/demo/dataset/digits/version/v1")
    instance.projects.remove("demo")
    instance.projects.recover("demo")
    assert instance.datasets.resolve("local/project/demo/dataset/digits").tags == ("latest", "v0")


def test_a_version_built_while_its_project_is_removed_is_refused(instance: Instance) -> None:
    instance.projects.create("demo")
    build(instance, "local/project/demo/dataset/digits")
    dataset = instance.datasets.open("local/project/demo/dataset/digits", Dataset)
    dataset.append((9, {"x": 9}))
    instance.projects.remove("demo")
    with pytest.raises(NotFoundError, match="'demo' was removed"):
        dataset.commit()
    with pytest.warns(UncommittedChangesWarning):
        dataset.close()
    instance.projects.recover("demo")
    assert instance.datasets.resolve("local/project/demo/dataset/digits").row_count == 3


def test_the_default_the_current_and_a_busy_project_are_not_removed(instance: Instance) -> None:
    with pytest.raises(ConflictError, match="'self' cannot be removed"):
        instance.projects.remove("SELF")
    instance.projects.create("demo")
    instance.select_project("demo")
    assert instance.project == "demo"
    with pytest.raises(ConflictError, match=r"current one.*swcli project select self"):
        instance.projects.remove("Demo")
    instance.select_project("self")
    job_id = add_job(instance, "demo", is_running=True)
    with pytest.raises(ConflictError, match=f"job {job_id[:12]} is running"):
        instance.projects.remove("demo")
    instance.catalog.jobs.set_status(job_id, Status.FAILED)
    assert instance.projects.remove("demo").name == "demo"


def test_recovering_what_is_not_removed_says_so(instance: Instance) -> None:
    instance.projects.create("demo")
    with pytest.raises(NotFoundError, match="'demo' was not removed"):
        instance.projects.recover("demo")
    with pytest.raises(NotFoundError, match=r"no removed project 'other'.*no project was removed"):
        instance.projects.recover("other")
    instance.projects.remove("demo")
    with pytest.raises(NotFoundError, match="did you mean 'demo'"):
        instance.projects.recover("demmo")


def test_a_project_removed_elsewhere_while_it_is_current_is_named(instance: Instance, settings: Settings) -> None:
    instance.projects.create("demo")
    instance.select_project("demo")
    instance.catalog.projects.remove("demo")  # as another configuration file over the same root would
    with open_instance(settings) as again:
        assert [each.name for each in again.projects.list()] == ["self"]
        with pytest.raises(NotFoundError, match="'demo' was removed"):
            build(again, "digits")
        for use in (again.datasets.list, again.jobs.list):
            with pytest.raises(NotFoundError, match="'demo' was removed"):
                use()


def test_the_functions_of_the_sdk_and_the_class_of_old_scripts_do_the_same(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    from starwhale.api import project

    view: Any = importlib.import_module("starwhale.core.project.view").ProjectTermView  # Any: found by a finder
    monkeypatch.setenv("SW_CLI_CONFIG", str(settings.config_path))
    monkeypatch.setenv("SW_LOCAL_STORAGE", str(settings.root))
    assert project.create("Demo").name == "Demo"
    assert project.select("demo") == project.info("DEMO")
    assert [row["in_use"] for row in view.list()] == [False, True]
    assert view().info()["name"] == "Demo"  # this process knows what it selected
    view("self").select()
    view("demo").remove()
    assert [each.name for each in project.list()] == ["self"]
    assert project.recover("demo").name == "Demo"
    assert [each.name for each in project.list(page=2, size=1)] == ["Demo"]
