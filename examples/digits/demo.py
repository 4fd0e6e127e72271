"""Evaluate two real models on real handwritten digits, showing each command so that it can be typed by hand.

Everything it writes lies in `.demo` at the top of the clone.
"""

from __future__ import annotations

import json
import os
import shlex
import signal
import subprocess
import sys
from pathlib import Path
from urllib.request import urlopen

CLONE = Path(__file__).resolve().parents[2]
PYTHON = ".venv/bin/python"
SWCLI = ".venv/bin/swcli"
INSTANCE = {"SW_LOCAL_STORAGE": ".demo/storage", "SW_CLI_CONFIG": ".demo/config.yaml"}
FIRST_ADDRESS = "http://127.0.0.1:8848"
MODELS = {"k-nearest neighbours": "knn", "logistic regression": "logistic"}


def headline(text: str) -> None:
    print(f"\n\033[1m{text}\033[0m" if sys.stdout.isatty() else f"\n{text}", flush=True)


def run(*argv: str) -> None:
    """Show one command, run it at the top of the clone, and stop the demo where it fails."""
    print(f"$ {shlex.join(argv)}", flush=True)
    env = {**os.environ, **{name: str(CLONE / place) for name, place in INSTANCE.items()}}
    env.pop("PYTHONPATH", None)
    done = subprocess.run(argv, cwd=CLONE, env=env, check=False)
    if done.returncode != 0:
        print(f"\nThe demo stopped: that command ended with exit code {done.returncode}.", file=sys.stderr)
        raise SystemExit(done.returncode)


def built_console() -> str:
    """Build the pages, where that has not been done yet, and return the address at which they were seen to be served."""
    if subprocess.run([CLONE / "ui" / "make.sh", "build"], check=False).returncode != 0:
        print("The console could not be built; everything else works. Try again later: make ui", flush=True)
        return FIRST_ADDRESS
    env = {**os.environ, **{name: str(CLONE / place) for name, place in INSTANCE.items()}}
    server = subprocess.Popen([SWCLI, "ui"], cwd=CLONE, env=env, stdout=subprocess.PIPE, text=True)
    assert server.stdout is not None
    try:
        address = next(word for word in server.stdout.readline().split() if word.startswith("http://"))
        with urlopen(f"{address}/api/v1/jobs") as answer:  # noqa: S310 - our own server
            jobs = [each["name"] for each in json.load(answer)["items"]]
        with urlopen(address) as answer:  # noqa: S310 - our own server
            is_page = b'id="root"' in answer.read()
    finally:
        server.send_signal(signal.SIGINT)
        server.wait()
    print(
        f"{'The console' if is_page else 'The API'} was seen at {address}, with {', '.join(sorted(jobs))}", flush=True
    )
    return address


def main() -> None:
    settings = " ".join(f"{name}=$PWD/{place}" for name, place in INSTANCE.items())
    print("The commands below can be typed by hand, at the top of the clone, after this one:")
    print(f"$ export {settings}", flush=True)

    headline("1. Train two models on the first half of the digits")
    run(PYTHON, "examples/digits/train.py", ".demo/models")

    headline("2. Package them: code and weights, one immutable version each")
    for name in MODELS.values():
        run(SWCLI, "model", "build", f".demo/models/{name}")

    headline("3. Build a versioned dataset from the other half")
    run(PYTHON, "examples/digits/build_dataset.py")
    run(SWCLI, "dataset", "list")

    for number, (model, name) in enumerate(MODELS.items(), start=4):
        headline(f"{number}. Evaluate: {model}")
        run(SWCLI, "model", "run", name, "-d", "digits", "--name", name)

    headline("6. Both jobs")
    run(SWCLI, "job", "list")

    headline("7. Build the console")
    address = built_console()

    headline("What to type next (after the export above)")
    print(f"{SWCLI} job info knn                    # a report again; a job has its name, its id, or latest")
    print(f"{SWCLI} job compare knn logistic --metric graded.correct   # which is better, and on which digits")
    print(f"{SWCLI} job info knn -o json            # the same facts for a program")
    print(f"{SWCLI} job results knn --where 'output/label != input/label'   # the rows that are wrong")
    print(f"{SWCLI} dataset head digits --rows 3    # the first rows")
    print(f"{SWCLI} model info knn                  # what was packaged, and its handlers")
    print(f"{SWCLI} model run --help                # then your own functions: README.md has an evaluation in 15 lines")
    print("rm -rf .demo                                    # everything that this demo wrote")
    print(f"make console                            # all of it in a browser, at {address}; Ctrl-C ends it", flush=True)


if __name__ == "__main__":
    main()
