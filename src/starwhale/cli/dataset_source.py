"""Which source a `swcli dataset build` reads: from the options, or from a dataset.yaml."""

from __future__ import annotations

import re
import secrets
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from starwhale.domain.version import NAME, check_name
from starwhale.errors import InvalidNameError, UsageError, nearest

Options = Mapping[str, Any]  # Any: one value per option

FROM_JOB = "job"
"""Kind of a source that is a job of the instance."""
PLACES: Mapping[str, str] = {
    "from_job": FROM_JOB,
    "image": "image",
    "audio": "audio",
    "video": "video",
    "csv_files": "csv",
    "json_files": "json",
    "parquet": "parquet",
    "arrow": "arrow",
    "lance": "lance",
    "coco": "coco",
    "webdataset": "webdataset",
    "huggingface": "huggingface",
}
"""Option that names places → kind of importer."""
_OTHER_NAMES: Mapping[str, str] = {"coco_images": "images", "subset": "subsets", "add_hf_info": "add_info"}
"""Option of the command line → the importer's name for it, where that is another one."""
_OF_HANDLERS = {"workdir": "workdir", "runtime": "runtime"}
_ALL_SOURCES = (
    "use one of --csv, --json, --parquet, --arrow, --lance, --image, --audio, --video, --coco, --webdataset, --huggingface, "
    "--python-handler, --from-job, or write a dataset.yaml"
)
_SUFFIXES: Mapping[str, str] = {".tsv": "dialect excel-tab --csv", **dict.fromkeys((".yaml", ".yml"), "dataset-yaml")}
"""Ending of a file → options that read it, where no importer says that its files end so."""
YAML_KEYS = ("name", "handler", "desc", "version", "attr", "project_uri", "runtime_uri")
"""What a dataset.yaml can say; other keys are left alone."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BuildSource:
    """Where the rows of a build come from."""

    kind: str
    """Kind of importer, or `handler`."""
    places: tuple[str, ...]
    """Files, folders, addresses; or the handler."""
    options: Options
    """Options of the importer."""

    @property
    def shown(self) -> str:
        """The places, for messages."""
        return ", ".join(self.places)

    @property
    def default_name(self) -> str:
        """Name of the dataset when none is given."""
        place = self.places[0]
        if self.kind in {"image", "audio", "video"}:
            return Path(place).absolute().name
        if self.kind == FROM_JOB:
            return f"job-{secrets.token_hex(4)}"
        if self.kind == "handler":
            return Path(str(self.options["workdir"])).absolute().name
        if self.kind == "huggingface":
            return Path(place).absolute().name if Path(place).is_dir() else place.replace("/", "-")
        own = Path(place).absolute()
        name = own.name if own.is_dir() and own.suffix != ".lance" else own.name.partition(".")[0]
        is_usable = self.kind not in {"csv", "json"} and len(self.places) == 1 and NAME.match(name)
        return name if is_usable else f"{self.kind}-{secrets.token_hex(4)}"

    def rows(self) -> Iterator[Any]:  # Any: rows and blocks
        """Read the rows of files and other people's data; those of a handler are read by the instance."""
        from starwhale.datasets.importers import open_source

        return open_source(self.kind, self.places, self.options)


def find_source(options: Options, about: frozenset[str], typed: frozenset[str]) -> BuildSource:
    """Return the one source that the options name.

    Args:
        options: Values of all options.
        about: Those that say something about a source, whatever its kind.
        typed: Those that stand on the command line.

    Raises:
        UsageError: There is no source, or more than one, or an option that says nothing about it.
    """
    given = [name for name in (*PLACES, "handler", "sources") if options[name]]
    if len(given) != 1:
        message = f"give exactly one source, not {_listed(given)}" if given else "no source is given"
        raise UsageError(
            message,
            hint=_ALL_SOURCES,
        )
    value = options[given[0]]
    if given[0] == "sources":
        return _named_source(value, options["source_options"])
    kind = PLACES.get(given[0], "handler")
    own = _own_options(kind, about)
    strangers = sorted(name for name in typed if name in about | _OF_HANDLERS.keys() and name not in own)
    strangers += ["source_options"] if options["source_options"] else []
    if strangers:
        message = f"{_listed(strangers)} says nothing about the source {_listed(given)}"
        raise UsageError(message, hint="leave it out")
    places = value if isinstance(value, tuple) else (value,)
    return BuildSource(kind=kind, places=places, options={name: options[key] for key, name in own.items()})


def _own_options(kind: str, about: frozenset[str]) -> Mapping[str, str]:
    """Return the options of the command line that a kind has, with the importer's names for them."""
    if kind in {"handler", FROM_JOB}:
        return _OF_HANDLERS if kind == "handler" else {}
    from starwhale.datasets.importers.registry import option_names

    known = option_names(kind)
    return {name: _OTHER_NAMES.get(name, name) for name in about if _OTHER_NAMES.get(name, name) in known}


def refuse_bare(places: Sequence[str]) -> None:
    """Refuse places that stand on the command line without an option, and name the option that reads them.

    Raises:
        UsageError: There is one.
    """
    if not places:
        return
    from starwhale.datasets.importers.registry import kind_of

    place, path = places[0], Path(places[0])
    suffix = path.suffix.lower()
    if path.is_dir() and suffix != ".lance":
        hint = (
            f"write --image {place}, --audio {place}, --video {place} or --huggingface {place}, after what lies in it"
        )
    elif option := _SUFFIXES.get(suffix) or kind_of(suffix):
        hint = f"write --{option} {place}"
    elif ":" in place and "://" not in place:
        hint = f"write --handler {place}"
    else:
        hint = _ALL_SOURCES
    message = f"{place!r} stands without an option that says what it is"
    raise UsageError(message, hint=hint)


def pick_name(options: Options, source: BuildSource) -> str:
    """Return the name of the dataset: the one that is given, else (also for an empty one) the source's own.

    Raises:
        InvalidNameError: It breaks the naming rule.
    """
    if options["name"]:
        return check_name("dataset", options["name"])
    try:
        return check_name("dataset", source.default_name)
    except InvalidNameError as error:
        error.hint = f"give it one with --name; {error.hint}"
        raise


def read_yaml(options: Options) -> dict[str, Any]:
    """Fill in what a dataset.yaml says, where no source is given; options of the command line win.

    Raises:
        UsageError: The file cannot be read, names no handler, or a value in it has the wrong type.
    """
    path = Path(options["dataset_yaml"] or "dataset.yaml")
    has_source = any(options[name] for name in (*PLACES, "handler", "sources"))
    if has_source and options["dataset_yaml"]:
        message = "give exactly one source: --dataset-yaml names a handler, and there is another source"
        raise UsageError(message, hint="leave one of them out")
    if has_source or not (options["dataset_yaml"] or path.is_file()):
        return dict(options)
    if options["workdir"] != ".":
        message = f"--workdir says nothing about {path}, whose handlers are looked for beside it"
        raise UsageError(
            message, hint=f"leave it out, or name another file: --dataset-yaml {options['workdir']}/dataset.yaml"
        )
    said = _load_yaml(path)
    own = {"name": "name", "desc": "desc", "project": "project_uri", "runtime": "runtime_uri"}
    filled = {name: options[name] or said[key] for name, key in own.items()}
    return {**options, **filled, "handler": said["handler"], "workdir": str(path.absolute().parent)}


def _load_yaml(path: Path) -> dict[str, str]:
    import yaml

    try:
        said: Any = yaml.safe_load(path.read_text(encoding="utf-8"))  # Any: whatever the user wrote
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        said_error = error.strerror if isinstance(error, OSError) else " ".join(str(error).split())
        message = f"cannot read {path}: {said_error}"
        raise UsageError(message, hint="mend it; it should hold: handler: module:object") from error
    if not isinstance(said, dict) or not said.get("handler"):
        message = f"{path} names no handler"
        near = nearest("handler", map(str, said)) if isinstance(said, dict) else ""
        raise UsageError(message, hint=near if "did you mean" in near else "write it like: handler: module:object")
    attr = said.get("attr")
    if attr is not None and not isinstance(attr, dict):
        message = f"{path}: attr is {attr!r}"
        raise UsageError(message, hint="it holds volume_size and alignment_size, which mean nothing here; leave it out")
    if str(said.get("version") or "1.0") != "1.0":
        message = f"{path}: version is {said['version']!r}, and only the form 1.0 is known"
        raise UsageError(message, hint="write version: '1.0', or upgrade this program")
    texts: dict[str, str] = {}
    for key in YAML_KEYS:
        value = said.get(key)
        if key not in {"version", "attr"}:
            if isinstance(value, (dict, list)):
                message = f"{path}: {key} is {value!r}, and should be text"
                raise UsageError(message, hint=f"write it like: {key}: text")
            texts[key] = "" if value is None else str(value)
    return texts


def _named_source(sources: tuple[tuple[str, str], ...], given: tuple[str, ...]) -> BuildSource:
    kinds = list(dict.fromkeys(kind for kind, _ in sources))
    if len(kinds) > 1:
        message = f"--from names the importers {' and '.join(map(repr, kinds))}"
        raise UsageError(message, hint="build them one after the other, with the same --name")
    options: dict[str, str] = {}
    for each in given:
        name, sign, value = each.partition("=")
        if not sign:
            message = f"--option {each!r} has no value"
            raise UsageError(message, hint="write it as name=value")
        options[name] = value
    return BuildSource(kind=kinds[0], places=tuple(place for _, place in sources), options=options)


_FLAGS = {"csv_files": "csv", "json_files": "json", "sources": "from", "source_options": "option", "columns": "column"}


def _listed(names: list[str]) -> str:
    return " and ".join("--" + re.sub("_", "-", _FLAGS.get(name, name)) for name in names)
