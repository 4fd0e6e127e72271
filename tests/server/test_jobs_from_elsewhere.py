"""Jobs of a server, looked at from another machine: the same commands and calls say the same as they do there."""

from __future__ import annotations

import dataclasses
import json
import subprocess
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from tests.server.conftest import Root, serving
from tests.server.lab import SWCLI, environment

from starwhale.errors import LoginError, NotFoundError, UsageError
from starwhale.instances.instance import Instance, open_instance
from starwhale.instances.jobs.job_compare import CompareOptions
from starwhale.instances.place import servers
from starwhale.instances.place.access import Access
from starwhale.settings import read_settings
from starwhale.storage.protocols import TableQuery


@dataclass(frozen=True, slots=True, kw_only=True)
class Far:
    """A server `far` with two runs, and a client that has logged in to it."""

    root: Root
    """What it serves."""
    env: Mapping[str, str]
    """Environment of the client."""

    def here(self) -> Instance:
        """Open the client's instance; the caller closes it."""
        return open_instance(read_settings(self.env))

    def ask(self, *words: str, code: int = 0) -> Any:  # Any: JSON
        """Run a command of the client."""
        return ask(self.env, *words, code=code)

    def ask_there(self, *words: str) -> Any:  # Any: JSON
        """Run a command on the server's machine."""
        return ask(self.root.env, *words)


def ask(env: Mapping[str, str], *words: str, code: int = 0) -> Any:  # Any: JSON
    """Run a command, and read what it says as JSON."""
    command = [SWCLI, "-o", "json", *words]
    done = subprocess.run(command, env=dict(env), capture_output=True, text=True, check=False)
    assert done.returncode == code, done.stdout + done.stderr
    return json.loads(done.stdout)


@pytest.fixture(scope="module")
def far(root: Root, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Far]:
    env = environment(tmp_path_factory.mktemp("near"))
    with serving(root.env, "--login") as (address, _):
        token = Access(Path(root.env["SW_LOCAL_STORAGE"]) / "access.json").make_token()
        servers.login(read_settings(env), address, token=token, alias="far")
        yield Far(root=root, env=env)


def uri(job: str) -> str:
    return f"cloud://far/project/self/job/{job}"


def test_the_verbs_of_jobs_say_the_same_as_on_the_server(far: Far) -> None:
    """Steps, figures, rows, tables, failed rows and logs, through the same classes over HTTP."""
    here, there = far.here(), far.root.open()
    try:
        remote, local = here.at("cloud://far").jobs, there.jobs
        for name in ("worse", far.root.jobs[1], "latest~1"):
            mine, theirs = remote.get(uri(name)), local.get(name)
            assert mine == theirs
            assert remote.steps(uri(name)) == local.steps(name)
            assert remote.report(mine).to_json() == local.report(theirs).to_json()
            assert list(remote.tables(mine)) == list(local.tables(theirs))
            for table in (*local.tables(theirs), "summary"):
                found = [
                    list(each.rows(each_job, TableQuery(table=table)))
                    for each, each_job in ((remote, mine), (local, theirs))
                ]
                assert repr(found[0]) == repr(found[1])
                assert found[0]
            where = "input/number > 55 and output == true"
            assert repr(remote.results(mine, where=where)) == repr(local.results(theirs, where=where))
            assert remote.results(mine, failed=True).rows[0]["_index"] == 13
            assert [(each.title, each.lines) for each in remote.logs(uri(name))] == [
                (each.title, each.lines) for each in local.logs(name)
            ]
            (last,) = remote.logs(uri(name), limit=2)[:1]
            assert (len(last.lines), last.has_more) == (2, True)
            assert [each.lines for each in remote.follow_logs(uri(name), limit=3)] == [
                each.lines for each in local.follow_logs(name, limit=3)
            ]
            assert remote.wait(uri(name)) == theirs
        assert [each.id for each in remote.list("cloud://far/project/self")] == [each.id for each in local.list()]
    finally:
        here.close()
        there.close()


def test_records_of_jobs_cross_as_they_are(far: Far) -> None:
    here, there = far.here(), far.root.open()

    def walk(catalog: Any) -> list[Any]:  # Any: two catalogs of one contract
        job = catalog.jobs.get("better")
        return [
            job,
            catalog.jobs.find(job.id),
            list(catalog.jobs.list("self", limit=1, offset=1)),
            list(catalog.jobs.list(removed=True)),
            list(catalog.jobs.steps(job.id)),
            list(catalog.jobs.attempts(job.id)),
            catalog.jobs.is_driven(job),
            list(catalog.ledger.progress(job.id)),
        ]

    try:
        catalog = here.at("cloud://far").catalog
        assert walk(catalog) == walk(there.catalog)
        with pytest.raises(NotFoundError, match="did you mean 'better'"):
            catalog.jobs.get("bettr")
        with pytest.raises(NotFoundError, match="no instance"):
            catalog.jobs.get("cloud://other/project/self/job/better")
        assert list(catalog.jobs.list(limit=5000)) == list(there.catalog.jobs.list(limit=5000))
        for limit in (1001, -1):  # SQLite takes the latter for all
            with pytest.raises(UsageError, match="jobs are asked for at once"):
                here.at("cloud://far").stores.connection.ask("POST", "/stores/catalog/jobs/list", {"limit": limit})
    finally:
        here.close()
        there.close()


def test_a_login_that_is_renewed_counts_at_once(far: Far) -> None:
    settings = read_settings(far.env)
    logins = servers.read_logins(settings)
    here = far.here()
    try:
        (login,) = logins.servers
        servers.write_logins(settings, logins.with_login(dataclasses.replace(login, token="no longer good")))
        with pytest.raises(LoginError):
            here.at("cloud://far").jobs.list()
        servers.write_logins(settings, logins)
        assert len(here.at("cloud://far").jobs.list()) == 2
    finally:
        servers.write_logins(settings, logins)
        here.close()


def test_runs_of_several_instances_are_compared_by_columns_alone(far: Far) -> None:
    here, there = far.here(), far.root.open()
    try:
        first, second = far.root.jobs
        options = CompareOptions(metrics=("graded/by row.correct",), by=("number",))
        expected = there.jobs.compare(first, second, options=options)
        found = here.compare(uri(first), uri(second), options=options)
        assert found.to_json() == expected.to_json()
        read = here.at("cloud://far").stores.connection.received_bytes
        here.copy_job(uri(first), ".")
        by_none = CompareOptions(metrics=options.metrics)  # the rows themselves were not copied
        mixed = here.compare(first, uri(second), options=by_none)
        assert mixed.to_json() == there.jobs.compare(first, second, options=by_none).to_json()
        assert read < 200_000
        assert here.jobs.list()[0].id == first
    finally:
        here.close()
        there.close()


@pytest.mark.needs_time
def test_commands_with_a_uri_or_a_selected_server_say_what_they_say_there(far: Far) -> None:
    first, second = far.root.jobs
    for words in (["info"], ["results", "--where", "output == false"], ["results", "--failed"], ["wait"]):
        assert far.ask("job", words[0], uri("better"), *words[1:]) == far.ask_there(
            "job", words[0], "better", *words[1:]
        )
    metric = ["--metric", "graded/by row.correct"]
    compared = far.ask("job", "compare", uri(first), uri(second), *metric)
    assert compared == far.ask_there("job", "compare", first, second, *metric)
    for refused in (["job", "reproduce"], ["job", "resume", "--executor", "process"]):
        assert far.ask(*refused, uri(first), code=2)["error"]["hint"]
    elsewhere = far.ask("job", "resume", "cloud://far/project/other/job/latest", code=1)
    assert "other" in elsewhere["error"]["message"]  # and not the latest one of the default project
    far.ask("instance", "select", "far")
    try:
        assert far.ask("job", "info", "worse") == far.ask_there("job", "info", "worse")
        far.ask("job", "tag", "worse", "seen")
        assert far.ask_there("job", "info", "worse")["manifest"]["tags"] == ["seen"]
        far.ask("job", "remove", "worse", "--force")
        assert [each["manifest"]["name"] for each in far.ask("job", "list")] == ["better"]
        far.ask("job", "recover", first)
    finally:
        far.ask("instance", "select", "local")


@pytest.mark.needs_time
def test_a_job_object_of_a_server_reads_there(far: Far) -> None:
    code = f"""
from starwhale import Job, job
found = job({uri("better")!r})
print(found.status, found.uri, sorted(found.tables), found.summary["kind"])
rows = list(found.get_table_rows("results", start=None))
print(len(rows), rows[3]["input/number"], rows[3]["output"], len(found.results(limit=5)), len(found.logs(limit=2)[0].lines))
print(found.info().manifest["name"], found.evaluation_store.get_summary()["kind"])
print([each.id for each in Job.list("cloud://far/project/self")[0]] == {list(reversed(far.root.jobs))!r})
try:
    Job.run(model={str(far.root.folder / "better")!r}, project="cloud://far/project/self")
except ValueError as error:
    print("Job.create" in error.hint, end=" ")
try:
    found.reproduce()
except ValueError as error:
    print("job copy" in error.hint)
print(Job.compare(found, job({uri("worse")!r}), metric='graded/by row.correct').sentence)
"""
    done = subprocess.run(
        [SWCLI.replace("swcli", "python"), "-c", code], env=dict(far.env), capture_output=True, text=True, check=False
    )
    lines = done.stdout.splitlines()
    assert lines[:4] == [
        f"SUCCESS far/project/self/job/{far.root.jobs[1]} ['errors', 'graded/by row', 'results'] parity",
        "59 3 False 5 2",
        "better parity",
        "True",
    ], done.stdout + done.stderr
    assert lines[4] == "True True", done.stdout + done.stderr
    assert "worse" in lines[5]


@pytest.mark.needs_time
def test_a_job_here_reads_a_dataset_there_by_ranges_and_verifies_them(far: Far, tmp_path: Path) -> None:
    rows = "cloud://far/project/self/dataset/numbers"
    code = far.root.folder / "better"
    made = far.ask("model", "run", str(code), "-d", rows, "--name", "near")["manifest"]
    here, there = far.here(), far.root.open()
    try:
        mine, theirs = here.jobs.get("near"), there.jobs.get("better")
        (read,) = mine.datasets
        assert read.dataset_id == f"{here.at('cloud://far').stores.ref.server}/{theirs.datasets[0].dataset_id}"
        assert read.manifest_digest == theirs.datasets[0].manifest_digest
        assert made["dataset_uris"] == [read.uri]
        assert here.datasets.list() == []
        found = [{row["id"]: (row["output"], row["input/number"]) for row in jobs.rows(job, TableQuery(table="results"))} for jobs, job in ((here.jobs, mine), (there.jobs, theirs))]  # fmt: skip
        assert found[0] == found[1]
        assert here.jobs.reproduce("near").found is not None
        folder = Path(far.root.env["SW_LOCAL_STORAGE"]) / "datasets" / theirs.datasets[0].dataset_id
        (fragment,) = (folder / "fragments").iterdir()
        whole = fragment.read_bytes()
        try:
            fragment.write_bytes(
                whole[:64] + bytes(each ^ 1 for each in whole[64 : len(whole) // 2]) + whole[len(whole) // 2 :]
            )
            said = far.ask("model", "run", str(code), "-d", rows, code=1)["error"]
            assert "checksum" in said["message"] + said["hint"] or "damaged" in said["message"], said
        finally:
            fragment.write_bytes(whole)
    finally:
        here.close()
        there.close()
