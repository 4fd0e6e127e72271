"""The user's configuration file: ours are a few keys of it; what others wrote there stays, and the file is never replaced.

storage: {root: <path>}
instances: {local: {current_project: <name>}}
link_auths: [{type: s3, endpoint, bucket, ak, sk, region, connect_timeout, read_timeout}]
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from starwhale.errors import UsageError
from starwhale.settings import S3Access

Section = Mapping[str, Any]  # Any: a mapping of YAML, of which we read a few keys


@dataclass(frozen=True, slots=True, kw_only=True)
class Configuration:
    """What the configuration file says."""

    path: Path
    """The file; it need not exist."""
    data: Section = field(default_factory=dict[str, Any])
    """All of it."""

    @property
    def storage_root(self) -> Path | None:
        """Storage root that the file gives."""
        root = _section(self.data, "storage").get("root")
        return Path(str(root)).expanduser().absolute() if root else None

    @property
    def current_project(self) -> str:
        """Project of URIs that name none."""
        local = _section(_section(self.data, "instances"), "local")
        return str(local.get("current_project") or "self")

    @property
    def s3(self) -> tuple[S3Access, ...]:
        """Object stores that the file gives keys for.

        Raises:
            UsageError: `link_auths` is no list of mappings.
        """
        entries = self.data.get("link_auths") or []
        if not isinstance(entries, list) or not all(isinstance(each, dict) for each in entries):
            message = f"link_auths in {self.path} is not a list of mappings"
            raise UsageError(message, hint="write it like: link_auths: [{type: s3, bucket: b, ak: …, sk: …}]")
        return tuple(_s3_access(each) for each in entries if str(each.get("type") or "s3").casefold() == "s3")


def read_configuration(path: Path) -> Configuration:
    """Read the file, if there is one.

    Raises:
        UsageError: It is not a mapping in YAML, or cannot be read.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        return Configuration(path=path)
    except (OSError, UnicodeDecodeError) as error:
        message = f"the configuration file {path} cannot be read: {error}"
        raise UsageError(message, hint="correct it, or name another one with SW_CLI_CONFIG") from error
    import yaml

    try:
        data = yaml.safe_load(text)
    except yaml.YAMLError as error:
        message = f"the configuration file {path} is not YAML: {' '.join(str(error).split())}"
        raise UsageError(message, hint="correct it, or name another one with SW_CLI_CONFIG") from error
    if data is not None and not isinstance(data, dict):
        message = f"the configuration file {path} is not a mapping"
        raise UsageError(message, hint="correct it, or name another one with SW_CLI_CONFIG")
    _check_kinds(path, data or {})
    return Configuration(path=path, data=data or {})


def _check_kinds(path: Path, data: Section) -> None:
    """Refuse keys of ours that hold what they cannot mean; of others' keys nothing is known.

    Raises:
        UsageError: Names the key.
    """
    for keys, text in ((("storage", "root"), "a path"), (("instances", "local", "current_project"), "a name")):
        found: Any = data  # Any: whatever the user wrote
        for depth, key in enumerate(keys, start=1):
            kind, what = (str, text) if depth == len(keys) else (dict, "a mapping")
            found = found.get(key)
            if found is None:
                break
            fits = isinstance(found, kind)
            if not fits:
                message = f"in the configuration file {path}, {'.'.join(keys[:depth])} is {found!r} and not {what}"
                raise UsageError(message, hint="correct it, or name another one with SW_CLI_CONFIG")


def read_accounts(path: Path) -> tuple[S3Access, ...]:
    """Return the object stores that the file gives keys for.

    Raises:
        UsageError: It cannot be read.
    """
    return read_configuration(path).s3


def write_current_project(path: Path, project: str) -> Configuration:
    """Set the current project and keep everything else; comments are lost, because YAML readers drop them.

    Raises:
        UsageError: The file cannot be read or written.
    """
    import yaml

    data = dict(read_configuration(path).data)
    instances = dict(_section(data, "instances"))
    instances["local"] = {**_section(instances, "local"), "current_project": project}
    data["instances"] = instances
    try:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        draft = path.with_name(f".{path.name}.{os.getpid()}.draft")
        descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            yaml.safe_dump(data, file, sort_keys=False, allow_unicode=True)
            file.flush()
            os.fsync(file.fileno())
        replace_configuration(path, draft)
    except OSError as error:
        raise not_writable(path, error) from error
    return Configuration(path=path, data=data)


def not_writable(path: Path, error: OSError) -> UsageError:
    """Say that the file, or the folder that it lies in, cannot be written."""
    message = f"the configuration file {path} cannot be written: {error.strerror or error}"
    return UsageError(message, hint="name another one with SW_CLI_CONFIG, or make its folder writable")


def replace_configuration(path: Path, draft: Path) -> None:
    """Put a draft in the place of the file, whole or not at all; a link stays a link."""
    draft.replace(path.resolve())


def _s3_access(entry: Section) -> S3Access:
    def text(name: str) -> str:
        return str(entry.get(name) or "")

    default = S3Access()
    limits = {
        f"{name}_s": float(entry[name])
        for name in ("connect_timeout", "read_timeout")
        if isinstance(entry.get(name), int | float) and entry[name] > 0
    }
    return replace(
        default,
        endpoint=text("endpoint"),
        bucket=text("bucket"),
        access_key=text("ak"),
        secret=text("sk"),
        region=text("region"),
        **limits,
    )


def _section(data: Section, name: str) -> Section:
    value = data.get(name)
    return value if isinstance(value, dict) else {}
