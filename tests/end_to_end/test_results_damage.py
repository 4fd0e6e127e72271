"""A damaged file of results: named, with what is still readable, and never shown as if nothing were missing."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.end_to_end.project import COUNTING, Project, assert_one_clear_message


def result_files(project: Project) -> list[Path]:
    """Files that hold the rows of results."""
    root = Path(project.swcli.env["SW_LOCAL_STORAGE"])
    return sorted(path for path in root.rglob("*") if path.suffix in {".seg", ".rows"})


@pytest.mark.parametrize(
    "harm",
    ["flip", pytest.param("cut", marks=pytest.mark.needs_time), pytest.param("remove", marks=pytest.mark.needs_time)],
)
def test_a_damaged_file_of_results_is_named(project: Project, harm: str) -> None:
    project.write("counting.py", COUNTING)
    project.make_numbers(100)
    assert project.run("--handler", "counting:evaluate", "--dataset", "numbers").returncode == 0
    files = result_files(project)
    assert files
    for path in files:
        content = bytearray(path.read_bytes())
        if harm == "flip":
            content[len(content) // 2] ^= 1
            path.write_bytes(content)
        elif harm == "cut":
            path.write_bytes(content[: len(content) // 2])
        else:
            path.unlink()
    for arguments in (("job", "info", "latest"), ("job", "info", "latest", "-o", "json")):
        done = project.swcli(*arguments)
        assert_one_clear_message(done, "still readable")
        assert any(path.name in done.stdout + done.stderr for path in files)
    done = project.python("""
        from starwhale import Job
        from starwhale.errors import CorruptedError
        job = Job.get("latest")
        assert job.status == "SUCCESS" and job.basic_info["datasets"] == ["numbers"]
        for table in ("results", "summary"):
            try:
                list(job.get_table_rows(table))
            except CorruptedError as error:
                print(error, error.hint)
            else:
                raise SystemExit(f"the damage in {table} was not seen")
    """)
    assert done.stdout.count("still readable") >= 2
    assert project.swcli("job", "list").returncode == 0, "other commands go on"
