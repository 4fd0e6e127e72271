"""Real runs for the console to show: digits with two classifiers, recorded answers to questions, and what should not be trusted."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

CLONE = Path(__file__).resolve().parents[2]
SCRIPT = "<script>window.hacked = 1</script><img src=x onerror='window.hacked = 1'>\"'`${alert(1)}"
"""What must be shown as the text that it is."""

HOSTILE = """
from starwhale import Image, dataset, evaluation

TEXT = {text!r}

@evaluation.predict
def answer(row):
    if row["n"] == 3:
        raise ValueError(TEXT)
    return {{"said": TEXT, "n": row["n"]}}

@evaluation.evaluate(needs=[answer])
def score(results):
    for row in results:
        evaluation.log("graded", id=TEXT + str(row["_index"]), metrics={{"correct": True, "why": TEXT}})
    evaluation.log_summary({{"note": TEXT, "accuracy": 1.0}})

if __name__ == "__main__":
    with dataset("hostile") as rows:
        rows.extend([{{"n": n, "text": TEXT, "image": Image(b"no image at all", mime_type=None)}} for n in range(5)])
        rows.commit(message=TEXT)
"""

SLOW = """
import time

from starwhale import dataset, evaluation

@evaluation.predict
def answer(row):
    print("row", row["n"], flush=True)
    time.sleep(0.2)
    return row["n"] * 2

@evaluation.evaluate(needs=[answer])
def score(results):
    evaluation.log_summary(rows=len(list(results)))

if __name__ == "__main__":
    with dataset("slow") as rows:
        rows.extend([{"n": n} for n in range(400)])
        rows.commit()
"""

SCENES = """
import io, json, math, os, struct, wave
from starwhale import Audio, BoundingBox, COCOObjectAnnotation, GrayscaleImage, Image, Line, Link, Point, Polygon, Text, Video, dataset, evaluation
import numpy as np

@evaluation.predict
def find(row):
    shift = int(os.environ["SHIFT"])
    x = 8 + row["n"] % 5 + shift
    mask = np.zeros((48, 64), np.uint8)
    mask[10:30, x:x + 20] = 1
    mask[30:40, x:x + 10] = 2
    return {
        "found": [{"label": "cat", "box": BoundingBox(x, 10, 20, 20)}, {"label": "dog", "box": BoundingBox(40, 4 + shift, 12, 12)}],
        "mask": Image(mask, as_mask=True), "score": ((row["n"] * 7 + 3 * shift) % 20) / 20,
    }

@evaluation.evaluate(needs=[find])
def score(results):
    for row in results:
        hit = (row["output"]["score"] >= 0.5) == row["input"]["has_cat"]
        evaluation.log("graded", id=row["id"], metrics={"correct": hit, "score": row["output"]["score"], "has_cat": row["input"]["has_cat"]})
    evaluation.log_summary(accuracy=0.5 + int(os.environ["SHIFT"]) / 10, cats=3)

def sound():
    held = io.BytesIO()
    with wave.open(held, "wb") as out:
        out.setnchannels(1), out.setsampwidth(2), out.setframerate(8000)
        out.writeframes(b"".join(struct.pack("<h", int(20000 * math.sin(n / 9) * (n < 4000))) for n in range(8000)))
    return Audio(held.getvalue(), mime_type="audio/wav", display_name="half of it is silent")

def film():
    import av
    held = io.BytesIO()
    with av.open(held, "w", format="webm") as out:
        stream = out.add_stream("libvpx", rate=5)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        for n in range(10):
            for packet in stream.encode(av.VideoFrame.from_ndarray(np.full((48, 64, 3), n * 25, np.uint8), format="rgb24")):
                out.mux(packet)
        for packet in stream.encode():
            out.mux(packet)
    return Video(held.getvalue(), mime_type="video/webm")

def scene(n):
    pixels = np.full((48, 64, 3), 235, np.uint8)
    pixels[10:30, 8 + n % 5:28 + n % 5] = (200, 120, 40)
    mask = np.zeros((48, 64), np.uint8)
    mask[10:30, 8:28] = 1
    mask[30:40, 8:18] = 2
    return {
        "n": n, "has_cat": n % 2 == 0, "image": Image(b"no image at all", mime_type=None) if n == 1 else Image(pixels),
        "objects": [{"label": "cat", "box": BoundingBox(8, 10, 20, 20)}, {"label": "tree", "outline": Polygon([Point(40, 2), Point(60, 2), Point(50, 30)])}],
        "mask": Image(mask, as_mask=True), "street": Line([Point(0, 44), Point(63, 44)]),
        "coco": COCOObjectAnnotation(category_id=7, bbox=[30, 30, 8, 8], segmentation={"size": [48, 64], "counts": [48 * 30 + 30, 8, 40, 8, 48 * 64 - 48 * 31 - 46]}),
    }

if __name__ == "__main__":
    with dataset("scenes") as rows:
        rows.extend([scene(n) for n in range(24)])
        rows.commit()
    with dataset("kinds") as rows:
        rows.append({
            "sound": sound(), "film": film(),
            "chat": [{"role": "user", "content": "Is a whale a fish?"}, {"role": "assistant", "content": "No: it is a mammal."}],
            "code": Text("def add(a, b):\\n    return a + b\\n"), "json": {"a": {"b": [1, 2, {"c": None}]}},
            "link": Link("https://example.invalid/elsewhere.png"), "page": Image(link=Link("s3://bucket/far.png")), "vector": [0.1, 0.7, 0.2], "text": "plain words",
        })
        rows.commit()
    with dataset("kinds") as rows:
        rows.append({"text": "a second row, and no more"})
        rows.commit(message="one more")
"""


class Root:
    """An instance of its own, used through `swcli` and scripts as a user would."""

    def __init__(self, folder: Path) -> None:
        """Make it below a folder."""
        self.folder = folder
        (folder / "home").mkdir(parents=True)
        self.env = {
            **{name: value for name, value in os.environ.items() if not name.startswith("PYTHON")},
            "HOME": str(folder / "home"),
            "SW_LOCAL_STORAGE": str(folder / "storage"),
            "SW_CLI_CONFIG": str(folder / "config.yaml"),
        }

    def run(self, *argv: str | Path, **env: str) -> str:
        done = subprocess.run(
            [*map(str, argv)],
            cwd=self.folder,
            env={**self.env, **env},
            capture_output=True,
            text=True,
            check=False,
            timeout=300,
        )
        assert done.returncode == 0, f"{argv}: {done.stdout}{done.stderr}"
        return done.stdout

    def python(self, *argv: str | Path, **env: str) -> str:
        return self.run(sys.executable, *argv, **env)

    def swcli(self, *argv: str | Path, **env: str) -> str:
        return self.run(sys.executable, "-m", "starwhale.cli", *argv, **env)

    def jobs(self) -> dict[str, str]:
        """Ids of jobs by name."""
        listed = json.loads(self.swcli("-o", "json", "job", "list"))
        return {each["manifest"]["name"]: each["manifest"]["version"] for each in listed}


def add_digits(root: Root) -> None:
    """Two classifiers on handwritten digits, as `make demo` runs them."""
    example = CLONE / "examples" / "digits"
    root.python(example / "train.py", root.folder / "models")
    root.python(example / "build_dataset.py")
    for name in ("knn", "logistic"):
        root.swcli("model", "build", root.folder / "models" / name)
        root.swcli("model", "run", name, "-d", "digits", "--name", name)


def add_answers(root: Root, data: Path) -> None:
    """Two models' recorded answers to the questions of GSM8K."""
    (root.folder / "answers.py").write_text(
        """
import json, os, sys
from pathlib import Path
from starwhale import dataset, evaluation

def final(text):
    lines = [line[2:].strip().replace("$", "").replace(",", "").rstrip(".") for line in text.splitlines() if line.startswith("A:")]
    return lines[-1] if lines else None

@evaluation.predict
def answer(row):
    return row[os.environ["REPLAY"]]

@evaluation.evaluate(needs=[answer])
def grade(results):
    n = right = 0
    for row in results:
        n += 1
        correct = final(row["output"]) == final(row["input"]["ground_truth"])
        right += correct
        evaluation.log("graded", id=n, metrics={"correct": correct})
    evaluation.log_summary(accuracy=right / n, n=n)

if __name__ == "__main__":
    with dataset("gsm8k") as rows:
        for n, line in enumerate(Path(sys.argv[1]).read_text(encoding="utf-8").splitlines()):
            one = json.loads(line)
            rows[n] = {"question": one["question"], "ground_truth": one["ground_truth"], "small": one["6b_finetuning"]["solution"], "large": one["175b_verification"]["solution"]}
        rows.commit()
""",
        encoding="utf-8",
    )
    root.python("answers.py", data / "gsm8k_replay" / "example_model_solutions.jsonl")
    for name in ("small", "large"):
        root.swcli("model", "run", "answers.py", "-d", "gsm8k", "--name", name, REPLAY=name)


def add_mnist(root: Root, data: Path, rows: int = 2000) -> None:
    """Probabilities that a model gave for the first pictures of MNIST, as they were recorded."""
    (root.folder / "mnist.py").write_text(
        f"""
import gzip, os, sys
from pathlib import Path
import numpy as np
from starwhale import GrayscaleImage, dataset, evaluation, multi_classification

RECORDED = Path({str(data)!r})

@evaluation.predict(batch_size=500, replicas=1)
def replay(rows):
    given = np.load(RECORDED / "mnist_test_set_pyx.npy")
    return [{{"label": int(given[each["n"]].argmax()), "probabilities": given[each["n"]].tolist()}} for each in rows]

@evaluation.evaluate(needs=[replay])
@multi_classification(all_labels=list(range(10)))
def report(results):
    labels, found, scores = [], [], []
    for row in results:
        labels.append(row["input"]["label"]), found.append(row["output/label"]), scores.append(row["output/probabilities"])
    return labels, found, scores

if __name__ == "__main__":
    images = np.frombuffer(gzip.open(RECORDED / "t10k-images-idx3-ubyte.gz").read(), np.uint8, offset=16).reshape(-1, 28, 28)
    labels = np.frombuffer(gzip.open(RECORDED / "t10k-labels-idx1-ubyte.gz").read(), np.uint8, offset=8)
    with dataset("mnist") as rows:
        rows.extend([{{"n": n, "label": int(labels[n]), "image": GrayscaleImage(images[n].tobytes(), shape=(28, 28, 1))}} for n in range({rows})])
        rows.commit()
""",
        encoding="utf-8",
    )
    root.python("mnist.py")
    root.swcli("model", "run", "mnist.py", "-d", "mnist", "--name", "mnist")


def add_hostile(root: Root) -> None:
    """Rows, outputs, errors, ids and names that would run if anything ran them; and pictures that are none."""
    (root.folder / "hostile.py").write_text(HOSTILE.format(text=SCRIPT), encoding="utf-8")
    root.python("hostile.py")
    root.swcli("model", "run", "hostile.py", "-d", "hostile", "--name", "hostile", "--max-errors", "5")


def add_slow(root: Root) -> None:
    """What a test can watch while it runs."""
    (root.folder / "slow.py").write_text(SLOW, encoding="utf-8")
    root.python("slow.py")


def add_scenes(root: Root) -> None:
    """Pictures with boxes, outlines and masks, found by two runs; and one row of every other kind of cell."""
    (root.folder / "scenes.py").write_text(SCENES, encoding="utf-8")
    root.python("scenes.py")
    for name, shift in (("near", "0"), ("far", "4")):
        root.swcli("model", "run", "scenes.py", "-d", "scenes", "--name", name, SHIFT=shift)


def add_versions(root: Root) -> None:
    """Two versions of a model and of a runtime, for what differs between them. Nothing is locked: that needs an index of packages."""
    folder = root.folder / "tiny"
    folder.mkdir()
    for answer, package, cuda in (("1", "six", "11.8"), ("2", "idna", "12.1")):
        code = f"from starwhale import evaluation\n\n@evaluation.predict\ndef answer(row):\n    return {answer}\n"
        (folder / "evaluation.py").write_text(code, encoding="utf-8")
        root.swcli("model", "build", folder, "-m", "evaluation", "--name", "tiny")
        asked = f"name: env\nmode: venv\ndependencies:\n  - pip:\n    - {package}\n"
        (folder / "runtime.yaml").write_text(asked, encoding="utf-8")
        root.swcli("runtime", "build", "--disable-env-lock", "--cuda", cuda, "--yaml", folder / "runtime.yaml")
        (folder / "runtime.yaml").unlink()
