"""`examples/notebook.ipynb` does what its text says: as plain code in `make test`, and in a real kernel in `make test-all`."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.end_to_end.project import Project

NOTEBOOK = Path(__file__).parents[2] / "examples" / "notebook.ipynb"
RUN_CELLS = """
    import ast
    import json
    from pathlib import Path


    def run(source, name):
        if source.startswith("%%writefile "):
            first, _, text = source.partition("\\n")
            Path(first.split()[1]).write_text(text)
            return None
        tree = ast.parse(source)
        last = ast.Expression(tree.body.pop().value) if isinstance(tree.body[-1], ast.Expr) else None
        exec(compile(tree, name, "exec"), globals())
        value = None if last is None else eval(compile(last, name, "eval"), globals())
        return value._repr_html_() if hasattr(value, "_repr_html_") else None


    cells = [cell for cell in json.loads(Path("notebook.ipynb").read_text())["cells"] if cell["cell_type"] == "code"]
    shown = {cell["id"]: run("".join(cell["source"]), cell["id"]) for cell in cells}
    print(json.dumps(shown))
"""
IN_KERNEL = """
    import json
    import nbclient
    import nbformat

    notebook = nbformat.read("notebook.ipynb", as_version=4)
    nbclient.NotebookClient(notebook, timeout=120).execute()
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    shown = {cell.id: "".join(each.data.get("text/html", "") for each in cell.outputs if "data" in each) for cell in code}
    print(json.dumps(shown))
"""


@pytest.fixture
def folder(project: Project) -> Project:
    shutil.copy(NOTEBOOK, project.folder)
    return project


def test_its_cells_run_as_plain_code(folder: Project) -> None:
    check(json.loads(folder.python(RUN_CELLS).stdout), folder)


@pytest.mark.needs_notebook
def test_it_runs_in_a_kernel(folder: Project) -> None:
    check(json.loads(folder.python(IN_KERNEL).stdout), folder)


def check(shown: dict[str, str], folder: Project) -> None:
    """The first job is wrong on two rows, the second on none, and the third ran in other processes."""
    for cell in ("first", "processes"):
        assert "SUCCESS" in shown[cell]
    assert "sentiment: 10 of 10 done" in shown["first"]
    assert "LOVED IT" in shown["wrong"]
    assert "boring from" not in shown["wrong"]
    for figure in ("0.8", "1.0", "accuracy", "before", "after"):
        assert figure in shown["compared"]
    third, second, first = folder.jobs()
    assert [each["handler_name"] for each in (first, second, third)] == ["__main__:report"] * 2 + ["evaluation:length"]
    assert (second["executor"], third["executor"]) == ("caller", "process")
