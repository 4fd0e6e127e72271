"""Predictions whose comparison is known, and the commands that tell it: what `tests/golden/compare` holds.

`python -m tests.cli.compare_cases` from the root of the clone writes the golden files anew; read them before they are kept.
"""

from __future__ import annotations

import contextlib
import io
import os
import random
import tempfile
from collections.abc import Callable
from pathlib import Path

from starwhale.cli.root import run

GOLDEN = Path(__file__).resolve().parent.parent / "golden" / "compare"
CASES = {
    "two": "job compare ft.csv verif.csv",
    "two-full": "job compare ft.csv verif.csv --full",
    "worse": "job compare verif.csv ft.csv",
    "three": "job compare ft.csv verif.csv small.csv --metric correct",
    "slices": "job compare ft.csv verif.csv --by kind",
    "cannot-tell": "job compare few_ft.csv few_verif.csv",
    "margin": "job compare ft.csv same.csv --margin 0.02",
    "lower-is-better": "job compare ft_error.csv verif_error.csv --lower-is-better seconds",
    "gate-fail": 'job gate ft.csv --baseline verif.csv --rule correct>=baseline --rule "correct[kind=*] >= 20%"',
    "gate-cannot-tell": "job gate few_verif.csv --baseline few_ft.csv --rule correct>=baseline-0.01",
}


def write_predictions(folder: Path) -> None:
    """Write the files: 1,319 questions, of which 209 are gained and 152 lost, as two recorded models on GSM8K have it."""
    rng = random.Random(7)
    rows = [(1, 1)] * 306 + [(0, 1)] * 209 + [(1, 0)] * 152 + [(0, 0)] * 652
    rng.shuffle(rows)
    kinds = rng.choices(["arithmetic", "money", "time", "rare thing"], [60, 25, 14.6, 0.4], k=len(rows))
    same = [(base, base ^ (rng.random() < 0.004)) for base, _ in rows]
    _write(folder / "ft.csv", kinds, [base for base, _ in rows])
    _write(folder / "verif.csv", kinds, [ours for _, ours in rows])
    _write(folder / "small.csv", kinds, [ours & (rng.random() < 0.5) for _, ours in rows])
    _write(folder / "same.csv", kinds, [ours for _, ours in same])
    for name in ("ft", "verif"):
        lines = (folder / f"{name}.csv").read_text(encoding="utf-8").splitlines()
        (folder / f"few_{name}.csv").write_text("\n".join(lines[:31]) + "\n", encoding="utf-8")
    seconds = [rng.lognormvariate(0, 0.4) for _ in range(300)]
    for name, faster in (("ft", 0.0), ("verif", 0.2)):
        listed = [f"q{k},{each - faster * rng.random():.4f}" for k, each in enumerate(seconds)]
        (folder / f"{name}_error.csv").write_text("\n".join(["id,seconds", *listed]) + "\n", encoding="utf-8")


def _write(path: Path, kinds: list[str], right: list[int]) -> None:
    lines = ["id,question,label,kind,output,correct"]
    for k, (kind, is_right) in enumerate(zip(kinds, right, strict=True)):
        answer = k * 7 % 90 if is_right else k * 7 % 90 + 10
        lines.append(f'q{k},What is {k} times 7 modulo 90?,{k * 7 % 90},{kind},"So the answer is {answer}.",{is_right}')
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")


def words_of(command: str) -> list[str]:
    """Split a command at blanks outside quotes."""
    pieces = command.split('"')
    return [word for at, piece in enumerate(pieces) for word in ([piece] if at % 2 else piece.split())]


def main() -> None:
    """Write the golden files."""
    GOLDEN.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as name:
        os.environ |= {"SW_LOCAL_STORAGE": f"{name}/storage", "SW_CLI_CONFIG": f"{name}/config.yaml"}
        write_predictions(Path(name))
        with contextlib.chdir(name):
            _write_all(run)


def _write_all(command: Callable[[list[str]], int]) -> None:
    for case, line in CASES.items():
        out = io.StringIO()
        with contextlib.redirect_stdout(out):
            command(words_of(line))
        (GOLDEN / f"{case}.txt").write_text(f"$ swcli {line}\n{out.getvalue()}", encoding="utf-8")


if __name__ == "__main__":
    main()
