"""Recorded predictions of a real model on real pictures, through a dataset, a job and its report: every figure that was recorded beside them."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from starwhale.results.estimate import make_figures
from starwhale.results.metrics.examples import Examples
from starwhale.results.metrics.registry import find_metric

if TYPE_CHECKING:
    from tests.end_to_end.project import Project

pytestmark = [pytest.mark.needs_recorded_data, pytest.mark.needs_time]
BUILD = """
    import gzip
    import numpy as np
    from starwhale import GrayscaleImage, dataset

    with gzip.open({folder!r} + "/t10k-images-idx3-ubyte.gz") as lines:
        pixels = np.frombuffer(lines.read(), dtype=np.uint8, offset=16).reshape(-1, 28, 28)
    labels = np.load({folder!r} + "/mnist_test_set_original_labels.npy").astype(int).tolist()
    scores = np.load({folder!r} + "/mnist_test_set_pyx.npy")
    with dataset("mnist", create="empty") as ds:
        for n, (image, label) in enumerate(zip(pixels, labels)):
            ds[n] = {{"image": GrayscaleImage(image.tobytes(), shape=(28, 28, 1)), "label": label, "said": scores[n].tolist()}}
        ds.commit()
"""
REPLAY = """
    from starwhale import evaluation

    def brightness(row):
        return float(row["output"]["mean"])

    def squared(row):
        return float(row["output"]["square"])

    @evaluation.metrics("accuracy", "f1_macro", "kappa", "mcc", "auroc", "log_loss", "brier", "ece", "recall_per_class", brightness, squared)
    @evaluation.predict(replicas=2, log_dataset_features=["label"])
    def predict(row):
        pixels = row["image"].to_numpy().astype(float) / 255
        said = row["said"]
        return {"label": said.index(max(said)), "scores": said, "mean": pixels.mean(), "square": (pixels**2).mean()}
"""


def place() -> Path:
    return Path(os.environ["STARWHALE_TEST_DATA"]) / "mnist_t10k_replay"


def test_mnist_through_a_job_gives_the_recorded_figures(project: Project) -> None:
    expected = json.loads((place() / "expected.json").read_text())
    project.python(BUILD.format(folder=str(place())))
    project.write("replay.py", REPLAY)
    done = project.run("-d", "mnist", module="replay")
    assert done.returncode == 0, done.stderr
    report = project.info()["report"]
    figures = {each["metric"]: each for each in report["figures"] if not each["label"]}
    names = {"accuracy": "accuracy", "f1_macro": "macro_f1", "kappa": "cohen_kappa", "mcc": "mcc", "auroc": "auc_ovr_macro",
             "log_loss": "log_loss_sklearn", "brier": "brier_sum_over_classes", "ece": "ece15", "brightness": "pixel_mean"}  # fmt: skip
    for name, recorded in names.items():
        assert figures[name]["value"] == pytest.approx(expected[recorded], rel=1e-12), name
    variance = figures["squared"]["value"] - figures["brightness"]["value"] ** 2
    assert variance**0.5 == pytest.approx(expected["pixel_std"], rel=1e-12)
    assert [round(each, 6) for each in figures["accuracy"]["ci"]] == expected["wilson95"]
    recalls = [each["value"] for each in report["figures"] if each["metric"] == "recall_per_class"]
    assert recalls == pytest.approx(expected["per_class_recall"], rel=1e-14)
    assert report["confusions"][0]["counts"] == expected["confusion"]
    assert [each["support"] for each in report["labels"].values()] == expected["class_counts"]
    assert [(each["kind"], each["label"]) for each in report["curves"]] == [
        *(("roc", str(digit)) for digit in range(10)), ("reliability", ""),
    ]  # fmt: skip
    page = project.folder / "report.html"
    assert project.swcli("job", "info", "latest", "--output", str(page)).returncode == 0
    assert 'class="heat"' in page.read_text(encoding="utf-8")
    assert len(page.read_bytes()) < 200_000


def test_labels_that_people_looked_at_again_give_the_recorded_figures() -> None:
    np = pytest.importorskip("numpy")
    expected = json.loads((place() / "expected.json").read_text())["mturk"]
    labels = np.load(place() / "mnist_test_set_original_labels.npy").astype(int).tolist()
    said = np.load(place() / "mnist_test_set_pyx_argmax_predicted_labels.npy").astype(int).tolist()
    reviewed = json.loads((place() / "mnist_mturk.json").read_text())
    doubtful = [each["mturk"]["given"] < 3 for each in reviewed]
    share = make_figures(find_metric("accuracy"), Examples(labels=[True] * len(doubtful), predictions=doubtful))[0]
    assert (share.n, round(share.value * share.n)) == (expected["reviewed"], expected["label_errors_given_lt3votes"])
    corrected = [each for each, bad in zip(reviewed, doubtful, strict=True) if bad and each["mturk"]["guessed"] >= 3]
    assert len(corrected) == expected["corrected_to_guess_ge3votes"]
    for each in corrected:
        labels[each["id"]] = each["our_guessed_label"]
    found = make_figures(find_metric("accuracy"), Examples(labels=labels, predictions=said))[0]
    assert (found.value, round(found.value * found.n)) == (
        expected["accuracy_after_correcting"],
        expected["correct_after"],
    )
