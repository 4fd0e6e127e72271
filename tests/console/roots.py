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


def add_hostile(root: Root) -> None:
    """Rows, outputs, errors, ids and names that would run if anything ran them; and pictures that are none."""
    (root.folder / "hostile.py").write_text(HOSTILE.format(text=SCRIPT), encoding="utf-8")
    root.python("hostile.py")
    root.swcli("model", "run", "hostile.py", "-d", "hostile", "--name", "hostile", "--max-errors", "5")


def add_slow(root: Root) -> None:
    """What a test can watch while it runs."""
    (root.folder / "slow.py").write_text(SLOW, encoding="utf-8")
    root.python("slow.py")
