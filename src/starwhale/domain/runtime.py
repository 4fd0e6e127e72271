"""What a runtime is: what its `runtime.yaml` asks for, and the interpreter that it is made with."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from starwhale.domain.json_shape import Json

OLDEST_PYTHON = (3, 11)
"""Workers run on this Python and newer ones."""


class DependencyKind(StrEnum):
    """Shapes of an entry of `dependencies`."""

    PIP_PKG = "pip_pkg"
    PIP_REQ_FILE = "pip_req_file"
    WHEEL = "wheel"
    NATIVE_FILE = "native_file"
    COMMAND = "command"


@dataclass(frozen=True, slots=True, kw_only=True)
class NativeFile:
    """A file or folder that is put into the environment."""

    src: str
    """Path relative to the `runtime.yaml`."""
    dest: str
    """Path below the environment."""
    name: str = ""
    """What the user calls it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Dependency:
    """One entry of `dependencies`."""

    kind: DependencyKind
    """Its shape."""
    values: tuple[str, ...] = ()
    """Requirements, paths relative to the `runtime.yaml`, or commands."""
    files: tuple[NativeFile, ...] = ()
    """Of the kind native_file."""

    def to_json(self) -> Json:
        """Return the shape of `raw_deps` in a manifest."""
        files = [{"src": each.src, "dest": each.dest, "name": each.name} for each in self.files]
        return {"kind": str(self.kind), "deps": files or list(self.values)}


@dataclass(frozen=True, slots=True, kw_only=True)
class Indexes:
    """Where packages come from: `configs.pip`."""

    index_url: str = ""
    """Instead of the installer's own."""
    extra_index_urls: tuple[str, ...] = ()
    """More of them."""
    trusted_hosts: tuple[str, ...] = ()
    """Hosts without a valid certificate."""

    def to_json(self) -> Json:
        """Return the shape of `configs.pip` in a manifest."""
        return {
            "index_url": self.index_url,
            "extra_index_url": list(self.extra_index_urls),
            "trusted_host": list(self.trusted_hosts),
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class RuntimeSpec:
    """What a `runtime.yaml` asks for."""

    name: str = ""
    """Name of the runtime; empty leaves it to the command."""
    python: str = ""
    """Version of Python, `3.12` or `3.12.1`; empty for the one that runs."""
    arch: tuple[str, ...] = ("noarch",)
    """Processors that it is for."""
    os: str = ""
    """System that it is for, as the user wrote it."""
    cuda: str = ""
    """Version of CUDA, for images."""
    cudnn: str = ""
    """Version of cuDNN, for images."""
    image: str = ""
    """Container image."""
    starwhale_version: str = ""
    """What the user asked for; the version that runs is what gets in."""
    dependencies: tuple[Dependency, ...] = ()
    """In the order in which they were written."""
    indexes: Indexes = Indexes()
    """Where packages come from."""

    def of_kind(self, kind: DependencyKind) -> tuple[str, ...]:
        """Return the values of all dependencies of a kind."""
        return tuple(value for each in self.dependencies if each.kind is kind for value in each.values)

    @property
    def native_files(self) -> tuple[NativeFile, ...]:
        """Files that are put into the environment."""
        return tuple(file for each in self.dependencies for file in each.files)


@dataclass(frozen=True, slots=True, kw_only=True)
class Interpreter:
    """A Python that runs."""

    path: str
    """Its executable."""
    version: str
    """`3.12.1`."""
    abi: str
    """What compiled packages must fit: `cpython-312-x86_64-linux-gnu`."""
    system: str
    """`linux`, `darwin`."""
    machine: str
    """`x86_64`, `aarch64`, `arm64`."""

    @property
    def minor(self) -> str:
        """`3.12`."""
        return ".".join(self.version.split(".")[:2])

    @property
    def platform(self) -> str:
        """`linux-x86_64`."""
        return f"{self.system}-{self.machine}"


def arch_of(machine: str) -> str:
    """Return the word that `runtime.yaml` has for a processor."""
    return {"x86_64": "amd64", "amd64": "amd64", "aarch64": "arm64", "arm64": "arm64"}.get(machine.lower(), machine)
