"""What a name on the command line means: URIs of projects, datasets, models, runtimes and jobs, parsed without looking anything up.

    <name>[/version/<ver>]   <name>/<ver>   version/<ver>   <word>               the kind is known from context
    <kind>/<name>[/version/<ver>]
    <instance>/project/<project>/[<kind>/]<name>[/version/<ver>]

A bare word stays what it is, a name, although it may turn out to be a tag or the beginning of a version: that is for the catalog to find
out, names first.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from starwhale.domain.object_uri import SCHEME
from starwhale.errors import InvalidUriError, NotFoundError, nearest

DEFAULT_PROJECT = "self"
"""The project that every instance has."""
KINDS = ("dataset", "model", "runtime", "job")
"""What a URI can name inside a project."""

_SPELLINGS = {**{kind: kind for kind in KINDS}, "evaluation": "job"}
_WORD = re.compile(r"^[A-Za-z0-9_.~:-]+$")
_REMOTE = re.compile(r"^(https?|cloud)://([^/]+)(?:/(.*))?$")
_FORMS = (
    "write <name>, <name>/version/<version>, <kind>/<name> or local/project/<project>/<kind>/<name>/version/<version>"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Uri:
    """A thing in an instance, as the user named it."""

    instance: str = "local"
    """Alias of the instance."""
    project: str = "self"
    """Name of the project."""
    kind: str
    """`dataset`, `model`, `runtime`, `job`, or `project`."""
    name: str = ""
    """Name or, for a bare word, perhaps a tag or version; the id of a job; empty when only a version was given."""
    version: str = ""
    """Version id, its beginning or a tag; empty means the latest."""
    place: str = ""
    """Address of the folder that it lies in where it is in no instance: `s3://<bucket>/<prefix>`."""

    @property
    def full(self) -> str:
        """The URI with nothing left out."""
        if self.place:
            return f"{self.place}/{self.name}/version/{self.version or 'latest'}"
        place = f"{self.instance}/project/{self.project}"
        if self.kind == "project":
            return place
        if self.kind == "job":
            return f"{place}/job/{self.name}"
        return f"{place}/{self.kind}/{self.name}/version/{self.version or 'latest'}"

    @property
    def full_uri(self) -> str:
        """The same as `full`, under the name that handlers know."""
        return self.full

    def __str__(self) -> str:
        return self.full


def as_instance(name: str) -> str:
    """Return the URI of an instance that is named by its alias or address; nothing where none is.

    Example:
        >>> [as_instance(each) for each in ("", "local", "lab", "http://lab:8082")]
        ['', 'cloud://local', 'cloud://lab', 'http://lab:8082']
    """
    return f"cloud://{name}" if name and "://" not in name else name


def parse_uri(
    text: str, *, kind: str | None = None, default_project: str = "self", instances: Sequence[str] = ("local",)
) -> Uri:
    """Read a URI.

    Args:
        text: What the user wrote.
        kind: What it has to name, where the context says so; None asks for it in the URI.
        default_project: Project of a URI that names none.
        instances: Aliases that are known.

    Raises:
        InvalidUriError: The text has another form, or names another kind.
        NotFoundError: It names an instance that is not known.
    """
    wanted = None if kind is None else _SPELLINGS.get(kind, kind)
    alias, segments = _split(text)
    needed = 5 if wanted is None else 4
    if alias or (len(segments) >= needed and segments[1] == "project"):
        instance, project, rest = _place(text, alias, segments, instances)
    else:
        instance, project, rest = "local", default_project, segments
    found, name, version = _resource(text, rest, wanted)
    if wanted is not None and found != wanted:
        message = f"{text!r} names a {found}, not a {wanted}"
        raise InvalidUriError(message, hint=f"give the URI of a {wanted}")
    if found == "job" and version:
        message = f"{text!r} names a version of a job, and jobs have none"
        raise InvalidUriError(message, hint="write job/<id>")
    return Uri(instance=instance, project=project, kind=found, name=name, version=version)


def parse_project_uri(text: str, *, instances: Sequence[str] = ("local",)) -> Uri:
    """Read the URI of a project: `<name>` or `<instance>/project/<name>`.

    Raises:
        InvalidUriError: The text has another form.
        NotFoundError: It names an instance that is not known.
    """
    alias, segments = _split(text)
    if len(segments) == 1 and not alias:
        return Uri(project=segments[0], kind="project")
    instance, project, rest = _place(text, alias, segments, instances)
    if rest:
        message = f"{text!r} names more than a project"
        raise InvalidUriError(message, hint="write <project> or local/project/<project>")
    return Uri(instance=instance, project=project, kind="project")


def _split(text: str) -> tuple[str, list[str]]:
    """Return the alias or address of a remote instance, if one is written as such, and the segments."""
    if text.startswith(SCHEME):
        message = f"{text!r} is an address on an object store, which has no place here"
        hint = "copy what lies there with: swcli dataset copy s3://<bucket>/<prefix>/<dataset> <name>, or the other way round"
        raise InvalidUriError(message, hint=hint)
    remote = _REMOTE.match(text)
    path = (remote[3] or "") if remote else text
    segments = path.split("/")
    if not path or "" in segments:
        what = "is empty" if not text else "has an empty segment"
        message = f"{text!r} is not a URI: it {what}"
        raise InvalidUriError(message, hint=_FORMS)
    for segment in segments:
        if not _WORD.match(segment):
            message = f"{text!r} is not a URI: {segment!r} has other characters than letters, digits, '_', '-' and '.'"
            raise InvalidUriError(message, hint=_FORMS)
    if remote is None:
        return "", segments
    return (remote[2] if remote[1] == "cloud" else f"{remote[1]}://{remote[2].lower()}"), segments


def _place(text: str, alias: str, segments: list[str], instances: Sequence[str]) -> tuple[str, str, list[str]]:
    """Return instance, project and what follows them."""
    if not alias:
        alias, segments = segments[0], segments[1:]
    if alias not in instances:
        message = f"no instance {alias!r} within reach of this (in {text!r})"
        hint = nearest(alias, instances)
        if instances:  # who parses it works on one instance
            hint = f"{hint}; what lies on another one is copied first: swcli dataset, model, runtime or job copy"
        raise NotFoundError(message, hint=hint)
    if len(segments) < 2 or segments[0] != "project":
        message = f"{text!r} is not a URI: after the instance comes project/<project>"
        raise InvalidUriError(message, hint=_FORMS)
    return alias, segments[1], segments[2:]


def _resource(text: str, rest: list[str], wanted: str | None) -> tuple[str, str, str]:
    """Return kind, name and version of the part below the project."""
    kind = _SPELLINGS.get(rest[0]) if rest else None
    match rest:
        case [_, name] if kind is not None:
            return kind, name, ""
        case [_, name, "version", version] if kind is not None:
            return kind, name, version
        case [word] if wanted is not None:
            return wanted, word, ""
        case ["version", version] if wanted is not None:
            return wanted, "", version
        case [name, version] if wanted is not None and version != "version":
            return wanted, name, version
        case [name, "version", version] if wanted is not None:
            return wanted, name, version
        case [_, _, _]:
            message = f"{text!r} is not a URI: of three parts the middle one is 'version', and the kind has to be known"
        case [_] | [_, _]:
            message = f"{text!r} does not say what it names"
        case _:
            message = f"{text!r} is not a URI"
    raise InvalidUriError(message, hint=_FORMS)
