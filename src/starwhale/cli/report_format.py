"""`--format` and `--output` of commands whose result is a report: Markdown, a page, or JSON, on stdout or into a file."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import click

from starwhale.cli.app import CliApp, json_text
from starwhale.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from rich.console import Console

FORMATS = ("markdown", "html", "json")
_BY_SUFFIX = {".md": "markdown", ".markdown": "markdown", ".html": "html", ".htm": "html", ".json": "json"}
_Callback = Callable[..., None]


class Report(Protocol):
    """What has every form."""

    def to_markdown(self) -> str:
        """Return it for a pull request."""
        ...

    def to_html(self) -> str:
        """Return it as a page that needs nothing."""
        ...

    def to_json(self) -> Mapping[str, object]:
        """Return it for a program."""
        ...


def _take_output(ctx: click.Context, _param: click.Parameter, value: str) -> str:
    if value == "json":  # as everywhere
        ctx.ensure_object(CliApp).wants_json = True
        return ""
    return value


def report_options(command: _Callback) -> _Callback:
    """Give a command `--format` and `--output`; the latter also takes `json`, as in every other command."""
    formats = click.option(
        "--format",
        "form",
        type=click.Choice(FORMATS),
        default=None,
        help="Markdown for a pull request, one HTML page that needs no network, or JSON.",
    )
    output = click.option(
        "--output",
        "output",
        default="",
        metavar="FILE",
        callback=_take_output,
        help="Write it there; the ending of its name says the format where --format does not.",
    )
    return formats(output(command))


def give_report(app: CliApp, report: Report, form: str | None, output: str, render: Callable[[Console], None]) -> None:
    """Give out a report as it was asked for; on a terminal with `render` where nobody asked.

    Raises:
        UsageError: Nobody said which format the file should have, or it cannot be written.
    """
    form = form or _BY_SUFFIX.get(Path(output).suffix.lower())
    if output and form is None:
        raise UsageError(f"nobody said which format {output} has", hint=f"add --format {', '.join(FORMATS)}")
    if form is None:
        app.emit(report.to_json(), render)
        return
    text = {"markdown": report.to_markdown, "html": report.to_html, "json": lambda: json_text(report.to_json()) + "\n"}[
        form
    ]()
    if output:
        write_report(output, text)
        app.tell({"written": output}, f"wrote {output}")
    else:
        click.echo(text, nl=False)


def write_report(path: str, text: str) -> None:
    """Write a report where the user wants it.

    Raises:
        UsageError: That cannot be written.
    """
    try:
        Path(path).write_text(text, encoding="utf-8")
    except OSError as error:
        message = f"{path} cannot be written: {error.strerror}"
        raise UsageError(message, hint="name a file in a folder that is there") from error
