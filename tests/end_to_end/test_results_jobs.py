"""`Job`: make, find and read jobs from a script."""

from __future__ import annotations

from tests.end_to_end.project import COUNTING, Project

MANIFEST_KEYS = {
    "version", "project", "model", "model_src_dir", "handler_name", "datasets", "finetune_validation_datasets",
    "scheduler_run_args", "status", "created_at", "finished_at", "error_message",
}  # fmt: skip
"""Keys that scripts rely on."""


def test_a_job_is_made_found_and_read_from_a_script(project: Project) -> None:
    project.write("counting.py", COUNTING)
    project.make_numbers(30)
    project.python("""
        from starwhale import Evaluation, Job, job
        made = Job.create_local(".", "counting:evaluate", datasets=["numbers"], dataset_head=20)
        other = Job.create("self", ".", "counting:evaluate", datasets=["numbers"])
        assert made.status == other.status == "SUCCESS"
        assert made.summary == {"count": 20, "total": 380} and other.summary == {"count": 30, "total": 870}

        jobs, page = Job.list()
        assert [each.id for each in jobs] == [other.id, made.id], "the newest first"
        first, page = Job.list(page_index=2, page_size=1)
        assert [each.id for each in first] == [made.id]
        for address in (made.id, made.id[:8], "latest~1", str(made.uri.full)):
            assert Job.get(address).id == job(address).id == made.id, address
        assert job("latest").id == other.id

        assert made.tables == ["results"]
        rows = list(made.get_table_rows("results"))
        assert [row["output"] for row in rows] == [k * 2 for k in range(20)]
        id_of = [row["id"] for row in rows]
        def between(*args, **kw):
            return [row["id"] for row in made.get_table_rows("results", *args, **kw)]
        assert between(start=id_of[9]) == id_of[9:], "in row order, where 9 comes before 10"
        assert between(id_of[2], id_of[11]) == id_of[2:11]
        assert between(id_of[2], id_of[11], end_inclusive=True) == id_of[2:12]
        assert list(made.get_table_rows("unknown")) == []

        info = made.info()
        assert info.manifest == made.basic_info and info.manifest["version"] == made.id
        assert info.to_json()["report"]["summary"] == made.summary
        store = made.evaluation_store
        assert isinstance(store, Evaluation) and store.get_summary() == made.summary
        assert sum(1 for _ in store.scan_results()) == 20
        try:
            Job.get("nothing-like-it")
        except LookupError as error:
            assert "nothing-like-it" in str(error)
        else:
            raise SystemExit("an unknown job was found")
    """)


def test_json_of_list_and_info_has_the_shapes_that_scripts_rely_on(project: Project) -> None:
    project.write(
        "classes.py",
        """
        from starwhale import evaluation, multi_classification

        @evaluation.predict(log_mode="plain")
        def predict(data):
            return data["number"] % 2

        @multi_classification(show_roc_auc=False, all_labels=[0, 1])
        @evaluation.evaluate(needs=[predict])
        def evaluate(results):
            rows = list(results)
            return [row["input"]["number"] % 2 for row in rows], [row["output"] for row in rows]
        """,
    )
    project.make_numbers(10)
    done = project.run("--handler", "classes:evaluate", "--dataset", "numbers", module="classes")
    assert done.returncode == 0, done.stderr
    (manifest,) = project.jobs()
    info = project.info()
    assert info["manifest"] == manifest
    assert set(manifest) >= MANIFEST_KEYS
    assert len(manifest["version"]) == 40
    assert manifest["project"] == "self"
    assert manifest["datasets"] == ["numbers"]
    assert manifest["handler_name"] == "classes:evaluate"
    assert manifest["model_src_dir"] == str(project.folder)
    assert set(manifest["scheduler_run_args"]) == {"step_name", "task_index", "task_num"}
    assert (manifest["status"], manifest["error_message"]) == ("success", "")
    report = info["report"]
    assert report["kind"] == "multi_classification"
    assert report["summary"]["accuracy"] == 1.0
    assert set(report["labels"]) == {"0", "1"}
    assert report["labels"]["0"]["precision"] == 1.0
    matrix = report["confusion_matrix"]["binarylabel"]
    assert [[row["id"], row["0"], row["1"]] for row in matrix] == [[0, 0.5, 0.0], [1, 0.0, 0.5]]
    assert [sorted(row) for row in matrix] == [["0", "1", "id"]] * 2, "what the system keeps beside is not shown"
    assert report["confusion_matrix"]["labels"] == ["0", "1"]
