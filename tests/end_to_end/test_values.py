"""Every value goes from a dataset through the pipe into user code, and from there into results, as it is."""

from __future__ import annotations

import inspect
import pickle
from typing import TYPE_CHECKING

import pytest
from tests.datasets.test_values import MEDIA_VALUES, NUMPY_TYPES, SCALARS, same, zeroes
from tests.end_to_end.project import assert_one_clear_message

if TYPE_CHECKING:
    from tests.end_to_end.project import Project

SAME = """
import pickle, struct, sys
from typing import Any, cast
import numpy as np
from starwhale.media.artifact import BaseArtifact

EXPECTED = pickle.load(open("expected.pkl", "rb"))

"""
HANDLERS = """

from starwhale import evaluation
from starwhale.errors import FieldNameError
from starwhale.media.flatten import flatten


def is_one_column(value):
    # dicts become several columns of a table, lists of media too; odd keys are no names of columns
    try:
        return list(flatten({"value": value})) == ["value"]
    except FieldNameError:
        return False


@evaluation.predict(log_mode="plain")
def predict(data):
    value = data.get("value")
    assert same(value, EXPECTED[data["row"]]), data["row"]
    if not is_one_column(value):
        return "several columns"
    evaluation.log("seen", data["row"], {"value": value})
    return value


@evaluation.evaluate(needs=[predict])
def evaluate(results):
    wrong, count = [], 0
    for row in results:
        wanted = EXPECTED[row["input"]["row"]]
        count += 1
        if type(wanted) is dict and not is_one_column(wanted) and (1, "x") in wanted and not same(row["input/value"], wanted):
            wrong.append("odd keys")
        if is_one_column(wanted) and not same(row.get("output"), wanted):
            wrong.append(row["input"]["row"])
    logged = {row["id"]: row.get("value") for row in evaluation.iter("seen")}
    for row, wanted in enumerate(EXPECTED):
        if is_one_column(wanted) and not same(logged.get(row), wanted):
            wrong.append(f"logged {row}")
    evaluation.log_summary({"wrong": wrong, "count": count, "logged": len(logged)})
"""
WITHOUT_OUR_PACKAGES = """
import sys
if any("starwhale.execution.worker" in each for each in sys.orig_argv):
    sys.modules.update(dict.fromkeys(["pyarrow", "blake3", "msgpack", "yaml"]))
    open(__file__ + ".seen", "w").close()
"""
"""A `sitecustomize`: the worker's Python has none of them, the driver's has all."""


@pytest.mark.needs_time
@pytest.mark.parametrize("site", ["", WITHOUT_OUR_PACKAGES], ids=["usual", "without our packages"])
def test_every_value_passes_through_a_worker_and_its_results(project: Project, site: str) -> None:
    arrays = [each for name in NUMPY_TYPES for each in zeroes(name)]
    values = [*SCALARS, *MEDIA_VALUES, *arrays, None, [MEDIA_VALUES[0], {"a": (MEDIA_VALUES[1],)}]]
    (project.folder / "expected.pkl").write_bytes(pickle.dumps(values))
    project.python("""
        import pickle
        from starwhale import dataset
        values = pickle.load(open("expected.pkl", "rb"))
        with dataset("values") as ds:
            for row, value in enumerate(values):
                ds.append({"row": row, "value": value})
            ds.commit()
    """)
    (project.folder / "passing.py").write_text(SAME + inspect.getsource(same) + HANDLERS, encoding="utf-8")
    (project.folder / "site").mkdir()
    (project.folder / "site" / "sitecustomize.py").write_text(site, encoding="utf-8")
    words = ("--handler", "passing:evaluate", "--dataset", "values", "-o", "json")
    done = project.run(*words, env={"PYTHONPATH": str(project.folder / "site")}, module="passing")
    assert done.returncode == 0, done.stderr
    assert (project.folder / "site" / "sitecustomize.py.seen").exists() == bool(site)
    assert '"wrong": []' in done.stdout, done.stdout
    assert f'"count": {len(values) - 1}' in done.stdout  # an output of None is none
    assert f'"logged": {len(values) - 3}' in done.stdout  # three become several columns


def test_a_picture_that_cannot_be_decoded_in_predict_names_the_row(project: Project) -> None:
    project.python("""
        from starwhale import dataset, Image
        with dataset("pictures") as ds:
            ds.append(("cat", {"image": Image(b"no picture at all", "cat.png")}))
            ds.commit()
    """)
    project.write(
        "looking.py",
        """
        from starwhale import evaluation

        @evaluation.predict
        def predict(data):
            return data["image"].to_pil().size
        """,
    )
    done = project.run("--handler", "looking:predict", "--dataset", "pictures", module="looking")
    assert_one_clear_message(done, "pictures: cat", "cat.png", "is not a picture that Pillow knows", "looking.py")
