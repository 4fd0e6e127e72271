"""A cell that is interrupted and run again, in a real kernel; and jobs of a script inside of an event loop."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.end_to_end.project import Project

SCRIPT = '''
    import json
    import time
    from pathlib import Path
    from jupyter_client.manager import start_new_kernel

    DEFINE = """
    import asyncio, sys, time
    from pathlib import Path
    asyncio.get_running_loop()
    sys.modules["ipywidgets"] = None
    from starwhale import Job, dataset, evaluation
    OFFSET = 0

    @evaluation.predict
    def predict(row):
        with open("seen", "a") as file:
            file.write(f"{row['n']}\\\\n")
        while row["n"] >= 50 and not Path("go").exists():
            time.sleep(0.01)
        return row["n"] + OFFSET
    """
    BUILD = """
    with dataset("numbers", create="empty") as made:
        made.extend({"n": n} for n in range(200))
        made.commit()
    """
    RUN = "done = Job.run(predict, datasets='numbers'); print(done.id, done.status, done.to_pandas()['output'].sum().item())"

    def start(code):
        return client.execute(code)

    def outputs(message_id, until=None):
        """Collect what a cell shows, until it has ended or shows a text."""
        found = []
        while True:
            message = client.get_iopub_msg(timeout=20)
            if message["parent_header"].get("msg_id") != message_id:
                continue
            content = message["content"]
            found.append(json.dumps(content))
            if until and until in found[-1]:
                return found
            if message["msg_type"] == "status" and content["execution_state"] == "idle":
                return found

    def run(code):
        return "".join(outputs(start(code)))

    def seen():
        return Path("seen").read_text().split() if Path("seen").exists() else []

    manager, client = start_new_kernel()
    try:
        told = {"defined": run(DEFINE) + run(BUILD)}
        assert '"ename"' not in told["defined"], told
        cell = start(RUN)
        while len(seen()) < 51:
            time.sleep(0.01)
        manager.interrupt_kernel()
        stopping = outputs(cell, until="stopping at the next batch")
        Path("go").touch()
        told["interrupted"] = "".join(stopping + outputs(cell))
        told["status"] = run("print(Job.get('latest').status)")
        told["seen"] = len(seen())
        run(DEFINE)
        told["again"] = run(RUN)
        told["all"] = seen()
        told["once_more"] = run(RUN)
        told["jobs"] = run("print(len(Job.list()[0]), 'jobs')")
    finally:
        client.stop_channels()
        manager.shutdown_kernel(now=True)
    print(json.dumps(told))
'''


@pytest.mark.needs_notebook
def test_a_cell_that_was_interrupted_goes_on_when_it_is_run_again(project: Project) -> None:
    told = json.loads(project.python(SCRIPT).stdout)
    assert "InterruptedJobError" in told["interrupted"]
    assert "what was done is kept" in told["interrupted"]
    assert "INTERRUPTED" in told["status"]
    assert 51 <= told["seen"] < 200
    assert "going on with job" in told["again"]
    assert "SUCCESS 19900" in told["again"]
    assert sorted(map(int, told["all"])) == list(range(200)), "each row once"
    assert "going on" not in told["once_more"], "a job that has succeeded is run anew"
    assert "2 jobs" in told["jobs"]


CELL = """
    from starwhale import evaluation

    class Model:
        size = 3
        def __call__(self, n):
            return n * self.size

    def helper(n):
        return n + OFFSET

    @evaluation.predict
    def predict(row):
        return [helper(row["n"]) * WEIGHTS, MODEL(1), OPTIONS["a"], Model()(2)]
"""
GLOBALS = """
    import numpy as np
    OFFSET, WEIGHTS, MODEL, OPTIONS = 1, np.arange(3), print, {"a": [1, 2.5]}
"""
COMPARE = """
    from pathlib import Path
    from starwhale.api.job_again import code_digest
    from starwhale.api.job_code import make_request

    CELL = Path("cell.py").read_text()
    exec(Path("globals.py").read_text())

    def digest_after(change):
        exec(change, globals())
        return code_digest(make_request(predict, None, None, {"datasets": ("numbers",)}))

    found = [digest_after(CELL), digest_after(CELL), digest_after("WEIGHTS = np.arange(3)")]
    assert found[0] and len(set(found)) == 1, "the same cell, run again, with an equal array"
    for change in [
        "OFFSET = 2", "WEIGHTS = np.arange(4)", "MODEL = object()", "OPTIONS['a'].append(3)", "Model.size = 4",
        CELL.replace("n + OFFSET", "n - OFFSET"), CELL.replace("@evaluation.predict", "@evaluation.predict(batch_size=2)"),
        CELL.replace("n * self.size", "n / self.size"),
    ]:
        found.append(digest_after(change))
        assert found[-1] != found[-2], change
"""


def test_code_is_the_same_as_long_as_it_does_the_same_with_the_same(project: Project) -> None:
    project.write("cell.py", CELL)
    project.write("globals.py", GLOBALS)
    project.python(COMPARE)


IN_A_LOOP = """
    import asyncio
    from starwhale import Job, dataset, evaluation

    WEIGHT = 2

    @evaluation.predict
    def double(row):
        return row["n"] * WEIGHT

    @evaluation.predict(concurrency=4)
    async def triple(row):
        await asyncio.sleep(0)
        return row["n"] * 3

    async def main():
        with dataset("numbers", create="empty") as made:
            made.extend({"n": n} for n in range(10))
            made.commit()
        job = Job.run(double, datasets="numbers")
        assert asyncio.get_running_loop().is_running()
        print(job.status, job.to_pandas()["output"].tolist())
        print(Job.run(triple, datasets="numbers").to_pandas()["output"].sum())

    asyncio.run(main())
"""


def test_a_job_runs_inside_of_a_running_event_loop(project: Project) -> None:
    project.write("script.py", IN_A_LOOP)
    done = project.python("import runpy; runpy.run_path('script.py', run_name='__main__')")
    assert done.stdout == f"SUCCESS {[n * 2 for n in range(10)]}\n135\n"
