"""Writes docs/reference/exit-codes.md from `starwhale.errors`: `python tests/docs/exit_codes.py docs/reference/exit-codes.md`."""

from __future__ import annotations

import inspect
import sys
from pathlib import Path

from starwhale import errors
from starwhale.cli.failures import BUG, INTERRUPTED
from starwhale.errors import StarwhaleError

MEANINGS = {
    0: ("done", "`swcli job wait latest` after a job that succeeded; every `--help`"),
    1: (
        "failed, or not found",
        "`swcli dataset info no-such-dataset`; a job whose predict raised; a `no` to a question",
    ),
    2: ("wrong usage: nothing was begun", "`swcli model run --no-such-option`; a name that breaks the rules"),
    3: (
        "cannot tell: what was asked for is not known yet",
        "`swcli job wait latest --timeout 10` while the job goes on; wait again",
    ),
    BUG: (
        "a bug of `swcli`: please report it with the lines on stderr",
        "any other exception; the only case with a traceback",
    ),
    INTERRUPTED: (
        "interrupted by Ctrl-C; what was done is kept",
        "`swcli model run`, then Ctrl-C; go on with `swcli job resume`",
    ),
}
"""Code → what it means, and an example (DECISIONS 21)."""

_HEAD = """# Exit codes

Made by `make docs` from the errors of the program; a test keeps it true. Every command of `swcli` ends with one of these:"""

_SCRIPT = """## In a script

```console
$ swcli job wait latest --timeout 600
```

```sh
case $? in
  0) echo "the job succeeded" ;;
  1) echo "the job failed, or there is none" ;;
  3) echo "it is still running: wait again" ;;
  *) echo "the call itself was wrong" ;;
esac
```

With `-o json` an error is one object on stdout, whatever the code: `{"error": {"code", "message", "hint"}}`, where `code` is the word in the
table below. In Python the same errors are raised as the classes of `starwhale.errors`; each carries `exit_code`, `code`, `message` and
`hint`."""


def error_classes() -> list[type[StarwhaleError]]:
    """Return every error of the tree, by exit code, in the order of the file."""
    found = [each for _, each in inspect.getmembers(errors, inspect.isclass) if issubclass(each, StarwhaleError)]
    lines = {each: inspect.getsourcelines(each)[1] for each in found}
    return sorted(found, key=lambda each: (each.exit_code, lines[each]))


def render() -> str:
    """The whole page."""
    classes = error_classes()
    lines = [_HEAD, "", "| code | meaning | for example |", "|---|---|---|"]
    lines += [f"| {code} | {meaning} | {example} |" for code, (meaning, example) in MEANINGS.items()]
    lines += ["", _SCRIPT, "", "## Which error gives which code", ""]
    lines += ["| code | error | word in JSON | when |", "|---|---|---|---|"]
    for each in classes:
        when = (inspect.getdoc(each) or "").partition("\n")[0].rstrip(".").replace("|", "\\|")
        lines.append(f"| {each.exit_code} | `{each.__name__}` | `{each.code}` | {when} |")
    return "\n".join([*lines, ""])


def main(target: Path) -> None:
    """Write the page."""
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_text(render(), encoding="utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
