"""One typed value of everything that the environment decides, read once at an entry point and passed down.

This is the only file that reads environment variables.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

VERSION = "0.1.0"
"""Version of the distribution `starwhale-evaluation`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class S3Access:
    """Where an object store that speaks the S3 protocol is, and with which keys. The secrets are never shown."""

    endpoint: str = ""
    """Address of the store; empty for Amazon's of the region."""
    access_key: str = ""
    """Name of the key; empty for none, which reads what everybody may read."""
    secret: str = field(default="", repr=False)
    """The key itself."""
    session_token: str = field(default="", repr=False)
    """Goes with keys that end after a while."""
    region: str = ""
    """Region of the bucket."""
    bucket: str = ""
    """Only bucket that it is for; empty for any."""
    addressing: str = ""
    """Where the bucket stands in an address: `path`, `virtual` (the host name), or empty for what the store is known to want."""
    connect_timeout_s: float = 10.0
    """How long making a connection may take."""
    read_timeout_s: float = 60.0
    """How long an answer may be silent."""
    attempts: int = 5
    """Tries of a request in all."""


@dataclass(frozen=True, slots=True, kw_only=True)
class S3Accounts:
    """Everything that the user has set about object stores."""

    environment: S3Access | None = None
    """From SW_S3_*."""
    configured: tuple[S3Access, ...] = ()
    """From `link_auths` of the configuration file, the entries of type s3."""
    usual: S3Access = S3Access()
    """From the variables that Amazon's own tools read: fills in what the others leave empty."""

    def access(self, bucket: str, *, endpoint: str = "") -> S3Access:
        """Choose for a bucket: what the environment says, else the first entry of the configuration that fits, else the usual.

        Args:
            bucket: Its name.
            endpoint: Address of the store, where that was named with it; only entries of that store fit then.
        """
        named = (each for each in (self.environment, *self.configured) if each is not None)
        found = next((each for each in named if _fits(each, bucket, endpoint)), None)
        usual = self.usual
        if found is None:
            return replace(usual, endpoint=endpoint or usual.endpoint, bucket=bucket, region=usual.region or _REGION)
        if found.access_key:  # keys belong together
            usual = replace(usual, access_key="", secret="", session_token="")
        return replace(
            found,
            bucket=bucket,
            endpoint=endpoint or found.endpoint or usual.endpoint,
            access_key=found.access_key or usual.access_key,
            secret=found.secret or usual.secret,
            session_token=found.session_token or usual.session_token,
            region=found.region or usual.region or _REGION,
        )

    def with_configured(self, entries: Iterable[S3Access]) -> S3Accounts:
        """Add what the configuration file says."""
        return replace(self, configured=tuple(entries))


_REGION = "us-east-1"


def _fits(access: S3Access, bucket: str, endpoint: str) -> bool:
    def bare(address: str) -> str:
        return address.rpartition("://")[2].rstrip("/").casefold()

    return access.bucket in {"", bucket} and (not endpoint or bare(access.endpoint) in {"", bare(endpoint)})


@dataclass(frozen=True, slots=True, kw_only=True)
class RuntimeSettings:
    """What the environment says of locking and restoring runtimes."""

    virtual_env: str = ""
    """Prefix of the environment that the shell has activated, from VIRTUAL_ENV."""
    conda_prefix: str = ""
    """The same of conda, from CONDA_PREFIX."""
    installer: str = ""
    """`uv` or `pip` where one is forced, from SW_RUNTIME_INSTALLER; empty takes uv where it is there."""
    runs_commands: bool = False
    """Whether `commands` of a runtime.yaml are run, from SW_RUNTIME_FORCE_RUN_COMMAND."""
    index_url: str = ""
    """Package index for all runtimes, from SW_PYPI_INDEX_URL."""
    extra_index_urls: tuple[str, ...] = ()
    """More of them, from SW_PYPI_EXTRA_INDEX_URL."""
    trusted_hosts: tuple[str, ...] = ()
    """Hosts without a valid certificate, from SW_PYPI_TRUSTED_HOST."""
    active: str = ""
    """URI of the runtime that this process runs in, from SW_ACTIVATED_RUNTIME_URI_IN_SUBPROCESS."""
    path: str = ""
    """Where programs are looked for, from PATH."""
    interpreters: tuple[Path, ...] = ()
    """Folders in which pyenv and uv keep a Python each, from PYENV_ROOT and UV_PYTHON_INSTALL_DIR, or where they have them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ContainerSettings:
    """What the environment says of containers on this machine."""

    engine: str = ""
    """`podman` or `docker`, or the path of one, from SW_CONTAINER_ENGINE; empty takes the first that works."""
    network: str = "none"
    """What the engine calls the network of a container, from SW_CONTAINER_NETWORK."""
    python: str = "python3"
    """Interpreter of the image, from SW_CONTAINER_PYTHON."""
    options: tuple[str, ...] = ()
    """More options of the engine's `run`, from SW_CONTAINER_OPTIONS, split as a shell does."""
    is_writable: bool = False
    """Whether user code may write to its working directory, which is the one outside then; from SW_CONTAINER_WRITABLE."""


@dataclass(frozen=True, slots=True, kw_only=True)
class KubernetesSettings:
    """What the environment says of the cluster that runs tasks."""

    context: str = ""
    """Context of the kubeconfig, from SW_KUBERNETES_CONTEXT; empty takes the account of the Pod that this is, else the current context."""
    kubeconfig: str = ""
    """Files that say which clusters there are, from KUBECONFIG; empty for ~/.kube/config."""
    namespace: str = ""
    """Where Pods are made, from SW_KUBERNETES_NAMESPACE; empty takes that of the context or Pod."""
    image: str = ""
    """Image of workers where neither the job nor its runtime names one, from SW_KUBERNETES_IMAGE."""
    template: str = ""
    """File with what is different from the built-in Job, from SW_KUBERNETES_TEMPLATE; empty for nothing."""
    python: str = "python3"
    """Interpreter of the image, from SW_KUBERNETES_PYTHON."""
    server: str = ""
    """Address of the server as Pods have to write it, from SW_KUBERNETES_SERVER; empty for the one that it has itself."""
    pending_s: float = 600.0
    """How long a Pod may find no node, or no image, before its attempt fails, from SW_KUBERNETES_PENDING_S; 0 waits for ever."""
    is_in_cluster: bool = False
    """Whether this is a Pod itself, from KUBERNETES_SERVICE_HOST."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RaySettings:
    """What the environment says of the Ray cluster that runs tasks. Ray itself reads RAY_AUTH_MODE and where its token is."""

    address: str = ""
    """`host:port` of its head, from SW_RAY_ADDRESS, else RAY_ADDRESS; empty takes one that this user runs here, else starts one for the job."""
    waits: bool = False
    """Whether tasks that no node can take now wait for nodes that come when they are needed, from SW_RAY_WAITS."""


@dataclass(frozen=True, slots=True, kw_only=True)
class QueueSettings:
    """What the environment of a server says of the jobs that are submitted to it."""

    jobs: int = 2
    """Jobs that run at the same time, from SW_SERVER_JOBS."""
    tasks: int = 0
    """Tasks of all of them, from SW_SERVER_TASKS; 0 for no limit."""
    executor: str = ""
    """Where their tasks run when a submission does not say so, from SW_SERVER_EXECUTOR; empty for threads."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """What the environment and the configuration file say."""

    config_path: Path
    """The configuration file; it need not exist."""
    root: Path | None
    """Storage root that the environment gives; None leaves it to the configuration file and then to the default."""
    default_root: Path
    """Storage root when nothing else is said."""
    is_root_blank: bool = False
    """Whether SW_LOCAL_STORAGE is there and empty, which is a mistake of whoever set it."""
    allow_network_root: bool = False
    """Whether the storage root may lie on a network file system, from SW_ALLOW_NETWORK_ROOT."""
    datasets: tuple[str, ...] = ()
    """Default of `model run --dataset`, from SW_DATASET_URI."""
    fixed_version: str = ""
    """Forces the version id of the next build or commit, from SW_BUILD_BUNDLE_FIXED_VERSION_FOR_TEST."""
    verbosity: int = 0
    """From SW_LOG_VERBOSE_COUNT."""
    progress: bool = True
    """Whether progress may be drawn on a terminal."""
    columns: int | None = None
    """Width that output is made for, from COLUMNS; None leaves it to the terminal."""
    colours: bool = True
    """Whether a terminal may be given colours; not with NO_COLOR."""
    home: Path = Path()
    """The user's home directory."""
    editor: str = ""
    """The user's editor, from VISUAL, else EDITOR."""
    zsh_home: Path = Path()
    """Where zsh looks for `.zshrc`, from ZDOTDIR, else the home directory."""
    fish_home: Path = Path()
    """Where fish keeps its files, from XDG_CONFIG_HOME, else below the home directory."""
    shell: str = ""
    """Name of the user's shell, from SHELL: bash, zsh, …"""
    runtimes: RuntimeSettings = RuntimeSettings()
    """What environments of runtimes depend on."""
    s3: S3Accounts = S3Accounts()
    """Object stores, from SW_S3_* and AWS_*."""
    queue: QueueSettings = QueueSettings()
    """What a server makes of the jobs that are submitted to it."""
    containers: ContainerSettings = ContainerSettings()
    """Where and how tasks run in containers."""
    server_address: str = ""
    """A server that needs no login of its own, from SW_INSTANCE_URI."""
    server_token: str = field(default="", repr=False)
    """Its token, from SW_TOKEN; also the token of `instance login` where none is given."""
    server_project: str = ""
    """Project of it that `model.build` copies to, from SW_PROJECT."""
    server_attempts: int = 5
    """Tries of a request to a server in all, from SW_CLIENT_RETRY_ATTEMPTS."""
    kubernetes: KubernetesSettings = KubernetesSettings()
    """How tasks run in a cluster."""

    @property
    def server_project_uri(self) -> str:
        """Where `model.build` copies what it has built; empty where the environment does not say so."""
        both = self.server_address and self.server_project
        return f"{self.server_address.rstrip('/')}/project/{self.server_project}" if both else ""

    ray: RaySettings = RaySettings()
    """Which cluster of Ray."""


def read_settings(environ: Mapping[str, str] | None = None) -> Settings:
    """Read the environment once.

    Args:
        environ: Variables to read; None means those of this process.
    """
    env = os.environ if environ is None else environ
    home = Path(env.get("HOME") or Path.home())
    config = env.get("SW_CLI_CONFIG")
    root = env.get("SW_LOCAL_STORAGE")
    count = env.get("SW_LOG_VERBOSE_COUNT", "0")
    columns = env.get("COLUMNS", "")
    return Settings(
        config_path=Path(config).expanduser()
        if config
        else _config_home(env, home) / "starwhale-evaluation" / "config.yaml",
        root=Path(root).expanduser().absolute() if root and root.strip() else None,
        default_root=_data_home(env, home) / "starwhale-evaluation",
        is_root_blank=root is not None and not root.strip(),
        allow_network_root=env.get("SW_ALLOW_NETWORK_ROOT") == "1",
        datasets=tuple(env.get("SW_DATASET_URI", "").split()),
        fixed_version=env.get("SW_BUILD_BUNDLE_FIXED_VERSION_FOR_TEST", ""),
        verbosity=int(count) if count.isdigit() else 0,
        progress=env.get("DISABLE_PROGRESS_BAR") != "1",
        columns=int(columns) if columns.isdecimal() and int(columns) else None,
        colours=not env.get("NO_COLOR"),
        home=home,
        editor=env.get("VISUAL") or env.get("EDITOR") or "",
        zsh_home=Path(env.get("ZDOTDIR") or home),
        fish_home=Path(env.get("XDG_CONFIG_HOME") or home / ".config") / "fish",
        shell=Path(env.get("SHELL", "")).name,
        runtimes=_read_runtimes(env, home),
        s3=_read_s3(env),
        queue=QueueSettings(
            jobs=int(_positive(env.get("SW_SERVER_JOBS", ""), 2)) or 1,
            tasks=int(_positive(env.get("SW_SERVER_TASKS", ""), 0)),
            executor=env.get("SW_SERVER_EXECUTOR", ""),
        ),
        containers=ContainerSettings(
            engine=env.get("SW_CONTAINER_ENGINE", ""),
            network=env.get("SW_CONTAINER_NETWORK") or "none",
            python=env.get("SW_CONTAINER_PYTHON") or "python3",
            options=tuple(_split(env.get("SW_CONTAINER_OPTIONS", ""))),
            is_writable=env.get("SW_CONTAINER_WRITABLE") == "1",
        ),
        server_address=env.get("SW_INSTANCE_URI", "").strip(),
        server_token=env.get("SW_TOKEN", "").strip(),
        server_project=env.get("SW_PROJECT", "").strip(),
        server_attempts=int(_positive(env.get("SW_CLIENT_RETRY_ATTEMPTS", ""), 5)) or 1,
        kubernetes=KubernetesSettings(
            context=env.get("SW_KUBERNETES_CONTEXT", ""),
            kubeconfig=env.get("KUBECONFIG", ""),
            namespace=env.get("SW_KUBERNETES_NAMESPACE", ""),
            image=env.get("SW_KUBERNETES_IMAGE", ""),
            template=env.get("SW_KUBERNETES_TEMPLATE", ""),
            python=env.get("SW_KUBERNETES_PYTHON") or "python3",
            server=env.get("SW_KUBERNETES_SERVER", "").strip().rstrip("/"),
            pending_s=_seconds(env.get("SW_KUBERNETES_PENDING_S", ""), 600.0),
            is_in_cluster=bool(env.get("KUBERNETES_SERVICE_HOST")),
        ),
        ray=RaySettings(
            address=(env.get("SW_RAY_ADDRESS") or env.get("RAY_ADDRESS", "")).strip(),
            waits=env.get("SW_RAY_WAITS") == "1",
        ),
    )


class SettingsReader:
    """Reads the environment again and again for one who asks often: unless a variable that counts has changed, at the price of a look."""

    def __init__(self) -> None:
        self._names: tuple[Any, ...] = ()  # Any: str or bytes, as the look at them needs
        self._seen: tuple[object, ...] = ()
        self._folder = ""
        self._settings: Settings | None = None

    def read(self) -> Settings:
        """Return what `read_settings` would; the same object while nothing changes."""
        folder = _current_folder()
        # What `os.environ` keeps its variables in: asked through itself, forty of them take as long as a query of the catalog.
        kept: dict[bytes, bytes] | None = getattr(os.environ, "_data", None) if os.name == "posix" else None
        look: Any = os.environ.get if kept is None else kept.get  # Any: of names as str or as bytes
        if self._settings is None or folder != self._folder or tuple(map(look, self._names)) != self._seen:
            noted = _Noted(os.environ)
            self._settings = read_settings(noted)
            self._names = tuple(noted.seen if kept is None else map(os.fsencode, noted.seen))
            self._seen, self._folder = tuple(map(look, self._names)), folder
        return self._settings


def _current_folder() -> str:
    """Return the folder that a relative root is below; empty for one that was deleted."""
    try:
        return os.getcwd()  # noqa: PTH109  asked often, and a Path costs as much as all the rest
    except FileNotFoundError:
        return ""


class _Noted(Mapping[str, str]):
    """Variables, and a note of those that were asked for."""

    def __init__(self, environ: Mapping[str, str]) -> None:
        self._environ = environ
        self.seen: dict[str, str | None] = {}

    def __getitem__(self, name: str) -> str:
        found = self._environ.get(name)
        self.seen[name] = found
        if found is None:
            raise KeyError(name)
        return found

    def __iter__(self) -> Iterator[str]:
        return iter(self._environ)

    def __len__(self) -> int:
        return len(self._environ)


def child_environment(additions: Mapping[str, str], *, without: Iterable[str] = ()) -> dict[str, str]:
    """Return the environment for a process that we start."""
    left_out = frozenset(without)
    return {**{name: value for name, value in os.environ.items() if name not in left_out}, **additions}


def forget_variables(names: Iterable[str]) -> None:
    """Take variables out of the environment of this process, and of what it starts from now on."""
    for name in names:
        os.environ.pop(name, None)


def _read_runtimes(env: Mapping[str, str], home: Path) -> RuntimeSettings:
    return RuntimeSettings(
        virtual_env=env.get("VIRTUAL_ENV", ""),
        conda_prefix=env.get("CONDA_PREFIX", ""),
        installer=env.get("SW_RUNTIME_INSTALLER", ""),
        runs_commands=env.get("SW_RUNTIME_FORCE_RUN_COMMAND") == "1",
        index_url=env.get("SW_PYPI_INDEX_URL", ""),
        extra_index_urls=tuple(env.get("SW_PYPI_EXTRA_INDEX_URL", "").split()),
        trusted_hosts=tuple(env.get("SW_PYPI_TRUSTED_HOST", "").split()),
        active=env.get("SW_ACTIVATED_RUNTIME_URI_IN_SUBPROCESS", ""),
        path=env.get("PATH", os.defpath),
        interpreters=(
            Path(env.get("PYENV_ROOT") or home / ".pyenv") / "versions",
            Path(env.get("UV_PYTHON_INSTALL_DIR") or home / ".local" / "share" / "uv" / "python"),
        ),
    )


def _split(text: str) -> list[str]:
    """Split words as a shell does; a quote that is not closed ends with the text."""
    if not text:
        return []
    import shlex

    try:
        return shlex.split(text)
    except ValueError:
        return text.split()  # whoever starts a container is told by its engine what is wrong


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskToken:
    """Where the token of the task that this process runs is."""

    text: str = field(default="", repr=False)
    """The token itself, from SW_TASK_TOKEN."""
    path: Path | None = None
    """A file with it, from SW_TASK_TOKEN_FILE."""

    def read(self) -> str:
        """Return the token; empty where there is none."""
        if self.path is None:
            return self.text
        try:
            return self.path.read_text(encoding="utf-8").strip()
        except (OSError, UnicodeDecodeError):
            return self.text


def read_task_token(environ: Mapping[str, str] | None = None) -> TaskToken:
    """Read where the token of a task is, and forget it: user code finds it in the environment no more.

    Args:
        environ: Variables to read; None means those of this process.
    """
    env = os.environ if environ is None else environ
    path = env.get("SW_TASK_TOKEN_FILE", "")
    found = TaskToken(text=env.get("SW_TASK_TOKEN", ""), path=Path(path) if path else None)
    if environ is None:
        os.environ.pop("SW_TASK_TOKEN", None)
    return found


def declared_values(names: Iterable[str], environ: Mapping[str, str] | None = None) -> dict[str, str | None]:
    """Return the values of environment variables that somebody has declared; None for one that is not set.

    Args:
        names: Their names.
        environ: Variables to read; None means those of this process.
    """
    env = os.environ if environ is None else environ
    return {name: env.get(name) for name in names}


def _read_s3(env: Mapping[str, str]) -> S3Accounts:
    own = {name.removeprefix("SW_S3_"): env.get(name, "").strip() for name in _S3_NAMES}
    limits = S3Access(
        addressing=_addressing(own["EXTRA_CONFIGS"]),
        connect_timeout_s=_positive(own["CONNECT_TIMEOUT"], 10.0),
        read_timeout_s=_positive(own["READ_TIMEOUT"], 60.0),
        attempts=int(_positive(own["TOTAL_MAX_ATTEMPTS"], 5)),
    )
    usual = replace(
        limits,
        endpoint=env.get("AWS_ENDPOINT_URL_S3") or env.get("AWS_ENDPOINT_URL") or "",
        access_key=env.get("AWS_ACCESS_KEY_ID", ""),
        secret=env.get("AWS_SECRET_ACCESS_KEY", ""),
        session_token=env.get("AWS_SESSION_TOKEN", ""),
        region=env.get("AWS_REGION") or env.get("AWS_DEFAULT_REGION") or "",
    )
    if not any(own[name] for name in ("ENDPOINT", "ACCESS_KEY", "SECRET", "REGION")):
        return S3Accounts(usual=usual)
    said = replace(
        limits,
        endpoint=own["ENDPOINT"],
        access_key=own["ACCESS_KEY"],
        secret=own["SECRET"],
        region=own["REGION"],
        bucket=own["BUCKET"],
    )
    return S3Accounts(environment=said, usual=usual)


_S3_NAMES = (
    "SW_S3_ENDPOINT",
    "SW_S3_ACCESS_KEY",
    "SW_S3_SECRET",
    "SW_S3_REGION",
    "SW_S3_BUCKET",
    "SW_S3_CONNECT_TIMEOUT",
    "SW_S3_READ_TIMEOUT",
    "SW_S3_TOTAL_MAX_ATTEMPTS",
    "SW_S3_EXTRA_CONFIGS",
)


def _addressing(text: str) -> str:
    """Find the one thing that counts here in options meant for boto: `{"s3": {"addressing_style": "virtual"}}`."""
    if not text:
        return ""
    import json

    try:
        style = json.loads(text).get("s3", {}).get("addressing_style", "auto")
    except (ValueError, AttributeError):
        return text  # whoever opens a store refuses it; commands that open none are not disturbed
    return "" if style == "auto" else str(style)


def _positive(text: str, otherwise: float) -> float:
    try:
        value = float(text)
    except ValueError:
        return otherwise
    return value if 0 < value < float("inf") else otherwise


def _seconds(text: str, otherwise: float) -> float:
    return 0.0 if text.strip() == "0" else _positive(text, otherwise)


def _config_home(env: Mapping[str, str], home: Path) -> Path:
    if sys.platform == "darwin":
        return home / "Library" / "Application Support"
    return Path(env.get("XDG_CONFIG_HOME") or home / ".config")


def _data_home(env: Mapping[str, str], home: Path) -> Path:
    if sys.platform == "darwin":
        return home / "Library" / "Application Support"
    return Path(env.get("XDG_DATA_HOME") or home / ".local" / "share")
