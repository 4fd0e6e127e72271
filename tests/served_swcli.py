"""`swcli` for the acceptance cases, whose `model run` is a submission to a server: `python served_swcli.py model run …`. Everything else is `swcli` as it is.

The server is started for each run, because cases say in the environment what to run; it keeps its root beside the user's. SERVED_HOST and SERVED_PORT say where it
listens, SERVED_IN is a command that it is started with (`ip netns exec NAME`).
"""

from __future__ import annotations

import json
import os
import shlex
import subprocess
import sys
from pathlib import Path

SWCLI = str(Path(sys.executable).parent / "swcli")
ALIAS = "lab"
PLACE = f"cloud://{ALIAS}/project/self"
TOKEN = "an-example-of-a-token-that-nobody-should-use"


def main(words: list[str]) -> int:
    """Do what the words say; `model run` at the server."""
    if words[:2] != ["model", "run"]:
        return subprocess.run([SWCLI, *words], check=False).returncode
    root = Path(os.environ["SW_LOCAL_STORAGE"]).parent / "server"
    root.mkdir(exist_ok=True)
    token = root / "token.txt"
    token.write_text(TOKEN, encoding="utf-8")
    host, port = os.environ["SERVED_HOST"], os.environ["SERVED_PORT"]
    served = [*shlex.split(os.environ.get("SERVED_IN", "")), SWCLI, "server"]
    theirs = {**os.environ, "SW_LOCAL_STORAGE": str(root / "storage"), "SW_CLI_CONFIG": str(root / "config.yaml")}
    check([*served, "start", "-d", "--host", host, "--port", port, "--token-file", str(token)], theirs)
    try:
        return run_there(words[2:], f"http://{host}:{port}")
    finally:
        check([*served, "stop"], theirs)


def run_there(words: list[str], address: str) -> int:
    """Bring the datasets there, submit, wait, and bring the job here."""
    check([SWCLI, "instance", "login", address, "--alias", ALIAS, "--token", TOKEN])
    for place, word in enumerate(words):
        if word in {"-d", "--dataset"}:
            check([SWCLI, "dataset", "copy", words[place + 1], PLACE])
    submitted = json.loads(check([SWCLI, "-o", "json", "model", "run", *words, "--run-project", PLACE]))
    uri: str = submitted["uri"]
    check([SWCLI, "job", "logs", "--follow", uri])
    status = json.loads(check([SWCLI, "-o", "json", "job", "info", uri]))["manifest"]["status"]
    check([SWCLI, "job", "copy", uri, "."])
    return 0 if status == "success" else 1


def check(command: list[str], env: dict[str, str] | None = None) -> str:
    """Run a command that has to succeed; returns what it says."""
    done = subprocess.run(command, env=env, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True, check=False)
    if done.returncode:
        sys.exit(f"exit {done.returncode}: {shlex.join(command)}\n{done.stdout}")
    return done.stdout


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
