"""`@evaluation.metrics` in real jobs: figures in the report, the summary and the SDK, the same for any executor, and what bad input gets."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from tests.end_to_end.project import Project, assert_one_clear_message

if TYPE_CHECKING:
    from collections.abc import Mapping

MEASURED = """
    import os
    from starwhale import evaluation

    def near(row):
        return abs(row["output"]["size"] - row["input"]["number"]) < 0.5

    @evaluation.metrics("accuracy", "f1_macro", "auroc", "log_loss", "recall_per_class", near, label="label", scores="sure")
    @evaluation.predict(replicas=3, fail_on_error=False)
    def predict(row):
        number = row["number"]
        if number % 97 == 5:
            raise ValueError("no answer")
        wrong = (number * 7919) % 11 == 0
        sure = ((number * 104729) % 1000) / 1000
        label = row["label"] ^ wrong
        return {"label": label, "sure": 0.4 + sure * 0.6 if label else sure * 0.6, "size": number + sure}
"""


@pytest.fixture
def measured(project: Project) -> Project:
    project.write("measured.py", MEASURED)
    make(project, "numbers", 300)
    return project


def make(project: Project, name: str, count: int) -> None:
    project.python(f"""
        from starwhale import dataset
        with dataset({name!r}, create="empty") as ds:
            ds.extend([{{"number": k, "label": k % 3 == 0, "kind": "odd" if k % 2 else "even"}} for k in range({count})])
            ds.commit()
    """)


def figures(project: Project) -> list[dict[str, Any]]:
    return project.info()["report"]["figures"]


def by_key(found: list[dict[str, Any]]) -> dict[str, dict[str, Any]]:
    def key(each: Mapping[str, Any]) -> str:
        return f"{each['metric']}[{each['label']}]{each['slice']}"

    return {key(each): each for each in found}


@pytest.mark.needs_time
def test_figures_are_the_same_for_any_executor_and_number_of_tasks(measured: Project) -> None:
    stored: list[str] = []
    for options in (("--replicas", "1"), ("--replicas", "3"), ("--executor", "process", "--replicas", "2")):
        done = measured.run("-d", "numbers", *options, module="measured")
        assert done.returncode == 0, done.stderr
        stored.append(json.dumps(figures(measured)))
    assert stored[0] == stored[1] == stored[2]


@pytest.mark.needs_time
def test_figures_are_in_the_report_the_summary_and_the_sdk(measured: Project) -> None:
    assert measured.run("-d", "numbers", module="measured").returncode == 0
    found = by_key(figures(measured))
    accuracy = found["accuracy[]"]
    kept = [k for k in range(300) if k % 97 != 5]
    right = sum((k * 7919) % 11 != 0 for k in kept)
    assert (accuracy["n"], accuracy["failed"], accuracy["value"]) == (len(kept), 4, right / len(kept))
    assert accuracy["method"] == "exact (Clopper–Pearson) 95%"
    assert accuracy["bounds"] == [right / 300, (right + 4) / 300]
    assert found["near[]"]["value"] == sum(((k * 104729) % 1000) / 1000 < 0.5 for k in kept) / len(kept)
    assert {"recall_per_class[True]", "recall_per_class[False]", "auroc[]", "log_loss[]", "f1_macro[]"} <= set(found)
    assert list(accuracy["digests"]) == ["dataset numbers", "source"] or "dataset numbers" in accuracy["digests"]
    summary = measured.info()["report"]["summary"]
    assert summary["accuracy"] == accuracy["value"]
    shown = measured.swcli("job", "info", "latest").stdout
    assert "0.9088" in shown or f"{accuracy['value']:.4f}" in shown
    assert "4 rows failed, not counted" in shown
    check_forms(measured)
    said = measured.python("""
        from starwhale import job
        found = job("latest").figures
        print(found[0].name, found[0].value == job("latest").summary["accuracy"], found[0].has_interval)
        rows = list(job("latest").get_table_rows("metrics"))
        print(len(rows), sorted(rows[0]))
    """).stdout.split("\n")
    assert said[:2] == ["accuracy True True", "296 ['id', 'near']"]


def test_rows_that_failed_are_counted_for_their_own_step(project: Project) -> None:
    project.write(
        "steps.py",
        """
        from starwhale import evaluation

        @evaluation.metrics("accuracy", label="label")
        @evaluation.predict(fail_on_error=False)
        def first(row):
            if row["number"] in (1, 2, 3):
                raise ValueError("no answer")
            return row["label"]

        @evaluation.metrics("accuracy", label="label")
        @evaluation.predict(fail_on_error=False, needs=[first])
        def second(row):
            if row["number"] == 7:
                raise ValueError("no answer")
            return row["label"]
        """,
    )
    make(project, "numbers", 20)
    assert project.run("-d", "numbers", "--handler", "steps:second", module="steps").returncode == 0
    found = {each["slice"]: (each["n"], each["failed"]) for each in figures(project)}
    assert found == {"step=first": (17, 3), "step=second": (19, 1)}
    judged = project.swcli("job", "gate", "latest", "--rule", "accuracy >= 0.5")
    assert "accuracy is that of step steps:first, the first of 2 that name metrics" in judged.stdout
    misspelt = project.swcli("job", "gate", "latest", "--rule", "acuracy >= 0.5")
    assert misspelt.returncode == 1
    assert "did you mean 'accuracy'?" in misspelt.stderr


def check_forms(measured: Project) -> None:
    """The job gives its report in every form, with the matrix and the curve that were computed at its end."""
    report = measured.info()["report"]
    kept = [k for k in range(300) if k % 97 != 5]
    truth = [(k % 3 == 0, (k % 3 == 0) ^ ((k * 7919) % 11 == 0)) for k in kept]
    counts = [[truth.count((a, b)) for b in (False, True)] for a in (False, True)]
    assert report["confusions"] == [{"labels": ["False", "True"], "slice": "", "counts": counts}]
    assert [round(each["support"]) for each in report["labels"].values()] == list(map(sum, counts))
    assert [(each["metric"], each["kind"], each["label"]) for each in report["curves"]] == [("auroc", "roc", "True")]
    path = measured.folder / "report.html"
    done = measured.swcli("job", "info", "latest", "--output", str(path))
    assert (done.returncode, done.stdout) == (0, f"wrote {path}\n")
    assert f"{report['figures'][0]['value']:.4f}" in path.read_text(encoding="utf-8")


@pytest.mark.needs_time
def test_several_datasets_slices_and_clusters(project: Project) -> None:
    project.write(
        "sliced.py",
        """
        from starwhale import evaluation

        @evaluation.predict
        @evaluation.metrics("accuracy", "f1", by="kind", cluster="group")
        def predict(row):
            return row["label"] ^ (row["number"] % 10 == 0)
        """,
    )
    for name, count in (("a", 200), ("b", 60)):
        project.python(f"""
            from starwhale import dataset
            with dataset({name!r}, create="empty") as ds:
                ds.extend([{{"number": k, "label": k % 3 == 0, "kind": "odd" if k % 2 else "even", "group": k // 2}} for k in range({count})])
                ds.commit()
        """)
    done = project.run("-d", "a", "-d", "b", module="sliced")
    assert done.returncode == 0, done.stderr
    found = by_key(figures(project))
    assert found["accuracy[]"]["n"] == 260
    assert found["accuracy[]"]["clusters"] == 100
    assert found["accuracy[]dataset=a"]["value"] == 0.9
    both = [found[f"accuracy[]dataset={each}"]["value"] for each in ("a", "b")]
    assert found["accuracy[]mean over datasets"]["value"] == pytest.approx(sum(both) / 2)
    assert found["accuracy[]kind=odd"]["value"] == 1.0
    assert found["f1[True]kind=even"]["n"] == 130


@pytest.mark.needs_time
def test_a_classification_report_has_figures(project: Project) -> None:
    project.write(
        "classified.py",
        """
        from starwhale import evaluation, multi_classification

        @evaluation.predict
        def predict(row):
            number = row["number"]
            return (number + (number % 7 == 0)) % 3, [0.6 if k == number % 3 else 0.2 for k in range(3)]

        @evaluation.evaluate(needs=[predict])
        @multi_classification(all_labels=[0, 1, 2], confusion_matrix_normalize="true")
        def evaluate(results):
            rows = [(row["input"]["number"] % 3, *row["output"]) for row in results]
            return [a for a, _, _ in rows], [b for _, b, _ in rows], [c for _, _, c in rows]
        """,
    )
    project.make_numbers(210)
    done = project.run("-d", "numbers", module="classified")
    assert done.returncode == 0, done.stderr
    found = by_key(figures(project))
    report = project.info()["report"]
    assert found["accuracy[]"]["value"] == report["summary"]["accuracy"]
    assert found["kappa[]"]["value"] == pytest.approx(report["summary"]["cohen_kappa_score"])
    assert found["recall_per_class[1]"]["value"] == report["labels"]["1"]["recall"]
    assert found["auroc_per_class[2]"]["value"] == report["labels"]["2"]["auc"]
    assert found["accuracy[]"]["n"] == 210


@pytest.mark.needs_time
@pytest.mark.parametrize(
    ("metrics", "said"),
    [
        ('"accuracy", label="truth"', "no label: there is no column 'truth'"),
        ('"mae"', "is no number"),
        ('"auroc"', "no scores"),
    ],
)
def test_what_cannot_be_computed_fails_the_job_and_says_why(project: Project, metrics: str, said: str) -> None:
    project.write(
        "broken.py",
        f"""
        from starwhale import evaluation

        @evaluation.metrics({metrics})
        @evaluation.predict
        def predict(row):
            return {{"label": "yes"}}
        """,
    )
    make(project, "numbers", 20)
    done = project.run("-d", "numbers", module="broken")
    assert done.returncode == 1
    assert_one_clear_message(done)
    assert said in done.stderr
    assert project.jobs()[0]["status"] == "failed"


@pytest.mark.needs_time
def test_jobs_are_compared_and_gated_by_the_metrics_that_they_name(project: Project) -> None:
    for name, wrong in (("old", 4), ("new", 9)):
        project.write(
            f"{name}.py",
            f"""
            from starwhale import evaluation

            @evaluation.metrics("f1", "auroc", scores="sure")
            @evaluation.predict
            def predict(row):
                label = row["label"] ^ (row["number"] % {wrong} == 1)
                return {{"label": label, "sure": 0.9 - row["number"] % 7 / 10 if label else 0.3}}
            """,
        )
    make(project, "numbers", 300)
    for name in ("old", "new"):
        assert project.run("-d", "numbers", "--name", name, module=name).returncode == 0
    found = json.loads(project.swcli("job", "compare", "old", "new", "-o", "json").stdout)
    assert [each["name"] for each in found["metrics"]] == ["f1"]
    delta = next(iter(found["metrics"][0]["deltas"].values()))
    assert (delta["test"], delta["verdict"]) == ("paired bootstrap", "better")
    for metric, test in (
        ("auroc", "DeLong's paired test"),
        ("kappa", "paired bootstrap"),
        ("accuracy", "McNemar's exact test"),
    ):
        found = json.loads(
            project.swcli("job", "compare", "old", "new", "--metric", metric, "--by", "kind", "-o", "json").stdout
        )
        delta = next(iter(found["metrics"][0]["deltas"].values()))
        assert delta["test"] == test
        assert len(found["metrics"]) == 3
    done = project.swcli("job", "compare", "old", "new", "--metric", "log_loss", "--metric", "mae")
    assert done.returncode == 0, done.stderr
    done = project.swcli("job", "compare", "old", "new", "--metric", "token_f2")
    assert done.returncode == 1
    done = project.swcli(
        "job", "gate", "new", "--baseline", "old", "--rule", "f1 > baseline", "--rule", "f1 >= 0.5", "-o", "json"
    )
    gate = json.loads(done.stdout)
    assert gate["verdict"] == "pass", done.stdout
    assert gate["rules"][1]["value"] == pytest.approx(by_key(figures(project))["f1[True]"]["value"])


@pytest.mark.needs_time
def test_own_metrics_go_with_their_predict_whatever_handler_is_run(project: Project) -> None:
    """An evaluate of the user's own, the predict alone, and no handler named."""
    project.write(
        "both.py",
        """
        from starwhale import evaluation

        def half(row):
            return row["output"] % 2 == 0

        @evaluation.metrics(half, "accuracy", label="number")
        @evaluation.predict
        def predict(row):
            return row["number"]

        @evaluation.evaluate(needs=[predict])
        def evaluate(results):
            evaluation.log_summary(rows=sum(1 for _ in results))
        """,
    )
    project.make_numbers(40)
    for options in ((), ("--handler", "predict"), ("--handler", "evaluate")):
        done = project.run("-d", "numbers", *options, module="both")
        assert done.returncode == 0, done.stderr
        found = by_key(figures(project))
        assert (found["half[]"]["value"], found["accuracy[]"]["value"]) == (0.5, 1.0)


@pytest.mark.needs_time
def test_a_misspelt_column_is_noticed_before_predict_is_called_and_a_label_is_not_the_prediction(
    project: Project,
) -> None:
    code = """
        from starwhale import evaluation

        @evaluation.metrics("accuracy", {words})
        @evaluation.predict
        def predict(row):
            open("called", "w").close()
            return {{"{name}": row["number"] % 2}}
    """
    make(project, "numbers", 60)
    for words, said in (('label="lable"', "did you mean 'label'"), ('by=["kinds"]', "did you mean 'kind'")):
        project.write("misspelt.py", code.format(words=words, name="label"))
        done = project.run("-d", "numbers", module="misspelt")
        assert_one_clear_message(done, "the datasets have no column", said, exit_code=2)
        assert not (project.folder / "called").exists()
    assert project.jobs() == []
    project.write("same.py", code.format(words='label="answer", prediction="answer"', name="answer"))
    done = project.run("-d", "numbers", module="same")
    assert_one_clear_message(
        done, "the datasets have no column 'answer', and output/answer is the prediction", exit_code=1
    )
