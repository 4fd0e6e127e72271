"""Every path on disk below a Standalone root, in one file.

<root>/
├── STARWHALE-EVALUATION    format marker: a root without it that is not empty is never written
├── catalog.db              SQLite: what exists, and the ledger
├── .lock, .lock-gc         held by who migrates the catalog, and by who collects garbage
├── datasets/<id>/          fragments, packs, manifests and kept statistics of one dataset; its .in-use is held by who has it open (`in_use`)
├── blobs/<2>/<digest>      content-addressed bytes
├── results/<2>/<job>/      segments and compacted parts of one job
├── logs/<2>/<job>/         one text file per task attempt
├── runtimes/               environments/<key>, one per lock; cache/ of packages; tools/ (pip); ours/, links to this program
├── jobs/<2>/<job>/         whatever else belongs to one job (snapshot, sockets)
├── console.json            address and process of the console that runs, or ran last
├── summaries.json         what jobs logged as their summaries, for lists of many; disposable
├── server.json             the same of the server; .lock-server is held while it runs, server.log is what it said in the background
├── access.json             digest of the administrator's token, and what signs sessions; mode 0600
├── seen/                   what the files of work directories were when they were packaged last; disposable
└── tmp/                    files being written; swept when a root is opened
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

ROOT_FORMAT = 1
"""Number in the marker; a higher one belongs to a newer program."""


@dataclass(frozen=True, slots=True)
class Layout:
    """Where each kind of thing lies below one root."""

    root: Path
    """The Standalone root."""

    @property
    def marker(self) -> Path:
        """The format marker."""
        return self.root / "STARWHALE-EVALUATION"

    @property
    def collection_lock(self) -> Path:
        """Held by the one who collects garbage."""
        return self.root / ".lock-gc"

    @property
    def catalog(self) -> Path:
        """The SQLite database."""
        return self.root / "catalog.db"

    @property
    def console(self) -> Path:
        """Where the console of this root is, while one runs."""
        return self.root / "console.json"

    @property
    def server(self) -> Path:
        """Where the server of this root is, while one runs."""
        return self.root / "server.json"

    @property
    def server_lock(self) -> Path:
        """Held by the server that runs."""
        return self.root / ".lock-server"

    @property
    def server_log(self) -> Path:
        """What a server in the background says."""
        return self.root / "server.log"

    @property
    def access(self) -> Path:
        """Who may ask the server."""
        return self.root / "access.json"

    @property
    def summaries(self) -> Path:
        """Summaries of jobs that were read before."""
        return self.root / "summaries.json"

    @property
    def datasets(self) -> Path:
        """Fragments, packs and manifests, a directory per dataset."""
        return self.root / "datasets"

    @property
    def blobs(self) -> Path:
        """Content-addressed bytes."""
        return self.root / "blobs"

    @property
    def seen(self) -> Path:
        """What the files of work directories were when they were packaged last."""
        return self.root / "seen"

    @property
    def tmp(self) -> Path:
        """Files being written."""
        return self.root / "tmp"

    @property
    def runtimes(self) -> Path:
        """Environments, the cache of packages that they share, and what makes them."""
        return self.root / "runtimes"

    def results(self, job_id: str) -> Path:
        """Segments and compacted parts of one job."""
        return self.root / "results" / job_id[:2] / job_id

    def logs(self, job_id: str) -> Path:
        """One text file per task attempt."""
        return self.root / "logs" / job_id[:2] / job_id

    def job(self, job_id: str) -> Path:
        """Whatever else belongs to one job."""
        return self.root / "jobs" / job_id[:2] / job_id
