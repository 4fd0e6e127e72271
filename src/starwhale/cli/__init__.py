"""`swcli`: one file per noun, one beside it per verb that takes more than a screen; each command parses, makes one call, and renders.

Doors: `main` (the console scripts `swcli`, `sw` and `starwhale`). `app.py` holds what every command gets (`CliApp`), `command.py` the click classes with
aliases, prefixes and options that may stand anywhere, `root.py` the table of nouns, `failures.py` how errors look and what they exit with.
What a command draws is in `render/`.

To add a command: `<noun>_<verb>.py`, a line in the table of lazy commands of `<noun>.py` (of a noun: in `root.COMMANDS`), a verb of that name on the instance and in
`api`, and a line in the table of README.md; `make docs` writes its page.

Who may enter: nobody but the console scripts and the tests. Rich is imported only while something is drawn.
Start reading at `root.py`.
"""

from __future__ import annotations


def main() -> None:
    """Run `swcli` with the arguments of this process and exit."""
    import sys

    if sys.version_info < (3, 11):  # noqa: UP036 - pip refuses it, a copied tree does not; before anything is imported that an older Python may not have
        sys.exit(f"Error: Python {sys.version_info[0]}.{sys.version_info[1]} is too old: 3.11 or newer is needed")
    import gc

    gc.set_threshold(
        20_000
    )  # imports make a hundred thousand objects that stay; looking through them each time is a tenth of a short command
    from starwhale.cli.root import run

    sys.exit(run(sys.argv[1:]))
