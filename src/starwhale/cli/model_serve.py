"""`swcli model serve`: try models online."""

from __future__ import annotations

import functools
from typing import Any

import click

from starwhale.cli.app import CliApp
from starwhale.cli.command import SwCommand, SwOption
from starwhale.cli.complete_names import completes
from starwhale.cli.serve_until_end import LOOPBACK, serve_until_end
from starwhale.errors import UsageError

_load_option = functools.partial(click.option, cls=SwOption, panel="Load")
_model_option = functools.partial(click.option, cls=SwOption, panel="Model")


@click.command("serve", cls=SwCommand)
@click.option("--host", default="127.0.0.1", show_default=True, metavar="ADDRESS", help="Address to listen on.")
@click.option(
    "--port", type=click.IntRange(1, 65535), default=None, help="Port; by default the first free one from 8080 on."
)
@click.option("--open", "opens", is_flag=True, help="Open its page in a browser.")
@click.option("-h", "--handler", default="", metavar="NAME", help="Serve this api or handler alone; all by default.")
@click.option("--record", "is_recorded", is_flag=True, help="Keep requests, answers and verdicts as jobs.")
@click.option(
    "-r",
    "--runtime",
    default="",
    metavar="URI",
    shell_complete=completes("runtime"),
    help="Run your code in the environment of this runtime.",
)
@_model_option(
    "-w",
    "--workdir",
    "workdirs",
    type=click.Path(exists=True, file_okay=False),
    multiple=True,
    metavar="DIR",
    help="The same as a folder as TARGET.",
)
@_model_option("-u", "--uri", "uris", multiple=True, metavar="URI", help="The same as a packaged model as TARGET.")
@_model_option(
    "-m", "--module", "modules", multiple=True, metavar="NAME", help="Module of the folder; repeat for several."
)
@_model_option(
    "-f", "--model-yaml", type=click.Path(), metavar="FILE", help="Default: model.yaml in the folder, if there is one."
)
@_model_option(
    "-fpr", "--forbid-packaged-runtime", is_flag=True, help="Leave the runtime alone that a packaged model carries."
)
@_load_option(
    "--max-batch-size",
    type=click.IntRange(1, 4096),
    metavar="N",
    help="Requests that one call of a batch handler takes; by default its batch_size.",
)
@_load_option(
    "--max-wait-ms",
    type=click.FloatRange(0, 10_000),
    default=5.0,
    show_default=True,
    metavar="MS",
    help="How long the first request of a batch waits for others.",
)
@_load_option(
    "--concurrency",
    type=click.IntRange(1, 1024),
    metavar="N",
    help="Calls at a time; by default one, and of an async function as many as its handler says.",
)
@_load_option(
    "--max-waiting",
    type=click.IntRange(1, 1_000_000),
    default=1024,
    show_default=True,
    metavar="N",
    help="Requests that wait for a model; more get 429.",
)
@_load_option(
    "--max-body-mb",
    type=click.IntRange(1, 1024),
    default=32,
    show_default=True,
    metavar="N",
    help="Size of a request; a longer one gets 413.",
)
@_load_option(
    "--drain",
    "drain_s",
    type=click.FloatRange(1, 3600),
    default=30.0,
    show_default=True,
    metavar="SECONDS",
    help="How long what has begun may take when it is stopped.",
)
@click.argument("targets", nargs=-1, metavar="[TARGET]...", shell_complete=completes("target"))
@click.pass_obj
def serve(app: CliApp, /, **given: Any) -> None:  # Any: click's values, typed by the options above
    """Try models online: their functions over HTTP, and a page that asks them.

    TARGET is a .py file, a folder or a packaged model; the current folder where it is left out. Several are served side by side. What is
    declared with @api is served, and every predict handler.

    \b
    Example: swcli model serve digits/version/v1 digits/version/v2
    """  # noqa: D301 - \b is click's mark for lines that stay as they are
    from starwhale.instances.online import OnlineOptions, OnlineRequest
    from starwhale.serving.lanes import Bounds

    targets = (*given["targets"], *given["workdirs"], *given["uris"]) or (".",)
    if given["modules"] and len(targets) > 1:
        message = "--module is for one folder, and several models are named"
        raise UsageError(message, hint="name the modules in a model.yaml of each")
    app.instance()  # what is wrong with the root is said here, before anything is started
    app.close()
    host: str = given["host"]
    if host not in LOOPBACK:
        click.echo(
            f"Warning: whoever reaches {host} can call these models and read your datasets, and there is no login",
            err=True,
        )
    options = OnlineOptions(
        request=OnlineRequest(
            targets=targets,
            modules=given["modules"],
            model_yaml=given["model_yaml"] or "",
            runtime_uri=given["runtime"],
            forbids_packaged_runtime=given["forbid_packaged_runtime"],
            handler=given["handler"],
            concurrency=given["concurrency"],
        ),
        bounds=Bounds(
            max_batch_size=given["max_batch_size"],
            max_wait_ms=given["max_wait_ms"],
            concurrency=given["concurrency"],
            max_waiting=given["max_waiting"],
        ),
        host=host,
        port=given["port"],
        body_bytes=given["max_body_mb"] << 20,
        drain_s=given["drain_s"],
        record=given["is_recorded"],
    )

    def tell(said: dict[str, Any]) -> None:
        app.tell(said, _spell(said))

    serve_until_end("starwhale.server.online", [options.to_json()], tell, opens=given["opens"])


def _spell(said: dict[str, Any]) -> str:
    address = said["address"]
    lines = [f"the page is at {address} (Ctrl-C ends it)"]
    for model in said["models"]:
        lines += [f"  {model['id']}: POST {address}/api/{name}" for name in model["apis"]]
    return "\n".join(lines)
