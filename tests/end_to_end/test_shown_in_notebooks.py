"""What datasets, evaluations and running jobs show in a notebook; what users wrote can never become part of the page."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from starwhale.api.notebook.job_board import StepSpeed, make_board, table_html
from starwhale.domain.status import Status
from starwhale.execution.outcome import JobProgress, StepView
from starwhale.storage.protocols import StepProgress

if TYPE_CHECKING:
    from tests.end_to_end.project import Project

HOSTILE = "<script>alert(1)</script>"


def test_a_running_job_is_drawn_with_its_rows() -> None:
    def job(done: int) -> JobProgress:
        rows = StepProgress(step=f"m:{HOSTILE}", done=done, failed=2, total=1000)
        predict = StepView(name=f"m:{HOSTILE}", status=Status.RUNNING, rows=rows)
        return JobProgress(job_id="k" * 40, steps=(predict, StepView(name="m:evaluate", status=Status.CREATED)))

    seconds = iter((10.0, 12.0))
    speed = StepSpeed(lambda: next(seconds))
    assert "rows/s" not in table_html(job(20), "", speed)
    shown = table_html(job(120), "stopping at the next batch", speed)
    assert '<progress max="1000" value="120"></progress>' in shown
    assert "120 of 1,000 rows, 2 failed, 50 rows/s" in shown
    assert "stopping at the next batch" in shown
    assert HOSTILE not in shown
    assert "&lt;script&gt;" in shown


def test_there_is_no_board_outside_of_a_notebook() -> None:
    assert make_board() is None


def test_datasets_and_evaluations_show_themselves(project: Project) -> None:
    done = project.python(f"""
        from starwhale import Evaluation, dataset
        hostile = {HOSTILE!r}
        with dataset("pages", create="empty") as made:
            print(made._repr_html_())
            made.extend({{"page": n, hostile: hostile, "long": "x" * 5000, "many": n / 3}} for n in range(9))
            print(made._repr_html_())
            made.commit()
        print(dataset("pages")._repr_html_())
        found = Evaluation("mine")
        found.log_summary({{"accuracy": 2 / 3, "note": hostile}})
        found.log("rows", 1, {{"x": 1}})
        found.flush_all()
        print(repr(found), found._repr_html_())
    """)
    empty, changed, committed, evaluation = done.stdout.splitlines()
    assert "0 rows" in empty
    assert "changes that were not committed" in changed
    assert "9 rows" in committed
    assert "tags latest, v0" in committed
    assert committed.count("<tr>") == 1 + 5
    assert len(committed) < 4000, "long values are cut"
    assert "0.666667" in evaluation
    assert "tables: rows" in evaluation
    assert evaluation.startswith("Evaluation('mine', 'self') <div")
    for shown in (changed, committed, evaluation):
        assert HOSTILE not in shown
        assert "&lt;script&gt;" in shown


IN_KERNEL = """
    import json
    import nbclient
    import nbformat

    cells = [
        "import sys\\nif {without_widgets}: sys.modules['ipywidgets'] = None\\n"
        "from starwhale import Job, dataset, evaluation\\n"
        "with dataset('numbers', create='empty') as made:\\n"
        "    made.extend({{'n': n}} for n in range(40))\\n"
        "    made.commit()\\n"
        "@evaluation.predict\\n"
        "def predict(row): return row['n']",
        "done = Job.run(predict, datasets='numbers')",
        "done.to_pandas()[['output']].sum().item()",
    ]
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(each) for each in cells])
    nbclient.NotebookClient(notebook, timeout=120).execute()
    outputs = [each.data for cell in notebook.cells[1:] for each in cell.outputs if "data" in each]
    print(json.dumps([outputs, notebook.metadata.get("widgets")]))
"""


@pytest.mark.needs_notebook
def test_progress_is_a_table_below_the_cell(project: Project) -> None:
    outputs, _ = json.loads(project.python(IN_KERNEL.format(without_widgets=True)).stdout)
    assert "40 of 40 rows" in "".join(outputs[0]["text/html"])
    assert outputs[1]["text/plain"] == "780"


@pytest.mark.needs_widgets
def test_progress_is_a_widget_where_ipywidgets_is_installed(project: Project) -> None:
    outputs, widgets = json.loads(project.python(IN_KERNEL.format(without_widgets=False)).stdout)
    assert "application/vnd.jupyter.widget-view+json" in outputs[0]
    states = [each["state"] for each in widgets["application/vnd.jupyter.widget-state+json"]["state"].values()]
    assert [each["value"] for each in states if each.get("_model_name") == "IntProgressModel"] == [40]
    assert "40 of 40 rows" in [each["value"] for each in states if each.get("_model_name") == "LabelModel"]
