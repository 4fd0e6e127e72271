"""A small project of a user, and what the end-to-end tests do with it."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import dataclass
from textwrap import dedent
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from tests.conftest import Swcli

COUNTING = """
    from starwhale import evaluation

    @evaluation.predict(replicas=3, log_mode="plain")
    def predict(data):
        return data["number"] * 2

    @evaluation.evaluate(needs=[predict])
    def evaluate(results):
        total = count = 0
        for row in results:
            total += row["output"]
            count += 1
            assert row["input"]["number"] * 2 == row["output"]
        evaluation.log_summary({"count": count, "total": total})
"""
"""Handlers whose summary is known: count rows, total of twice their number."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Project:
    """A folder with a user's files, and the instance that its commands work on."""

    swcli: Swcli
    """Runs commands in the folder."""
    folder: Path
    """The user's files."""

    def write(self, name: str, text: str) -> Path:
        """Write one file, without the indentation of the test."""
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(dedent(text), encoding="utf-8")
        return path

    def python(self, code: str) -> subprocess.CompletedProcess[str]:
        """Run a script of the user's on the instance; it must succeed."""
        done = subprocess.run(
            [sys.executable, "-c", dedent(code)],
            cwd=self.folder,
            env=dict(self.swcli.env),
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return done

    def make_numbers(self, count: int, name: str = "numbers") -> None:
        """Build a dataset whose row k holds the number k."""
        self.python(f"""
            from starwhale import dataset
            with dataset({name!r}, create="empty") as ds:
                ds.extend([{{"number": k}} for k in range({count})])
                ds.commit()
        """)

    def run(
        self, *options: str, env: Mapping[str, str] | None = None, module: str = "counting"
    ) -> subprocess.CompletedProcess[str]:
        """`swcli model run` in the folder."""
        return self.swcli("model", "run", "--workdir", str(self.folder), "--module", module, *options, env=env)

    def jobs(self) -> list[dict[str, Any]]:
        """Manifests of all jobs, newest first."""
        done = self.swcli("-o", "json", "job", "list")
        assert done.returncode == 0, done.stderr
        return [each["manifest"] for each in json.loads(done.stdout)]

    def info(self, job: str = "latest") -> dict[str, Any]:
        """`job info` as JSON."""
        done = self.swcli("job", "info", job, "-o", "json")
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    def rows(self, table: str = "results", job: str = "latest") -> list[dict[str, Any]]:
        """Rows of a table of a job."""
        job_id = self.jobs()[0]["version"] if job == "latest" else job
        done = self.python(f"""
            import json
            from starwhale import Job
            print(json.dumps(list(Job.get({job_id!r}).get_table_rows({table!r})), default=repr))
        """)
        return json.loads(done.stdout)


def assert_one_clear_message(done: subprocess.CompletedProcess[str], *words: str, exit_code: int = 1) -> None:
    """The command failed, without a traceback, and its message names each of the words."""
    assert done.returncode == exit_code, f"exit {done.returncode}\n{done.stdout}\n{done.stderr}"
    said = done.stdout + done.stderr
    assert "Traceback" not in said, said
    for word in words:
        assert word in said, f"{word!r} is not in:\n{said}"
