"""The tables of the catalog. A change here needs a migration under `migrations/versions/`."""

from __future__ import annotations

from sqlalchemy import (
    JSON,
    Boolean,
    Column,
    Float,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    Text,
    UniqueConstraint,
)

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "fk": "fk_%(table_name)s_%(column_0_name)s",
        "pk": "pk_%(table_name)s",
    }
)

projects = Table(
    "projects",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("name", String(80), nullable=False),
    Column("name_folded", String(80), nullable=False, unique=True),
    Column("created_at", Float, nullable=False),
    Column("removed_at", Float),
)

# A bundle is a named dataset, model or runtime; its versions are immutable.
bundles = Table(
    "bundles",
    metadata,
    Column("id", String(40), primary_key=True),
    Column("project_id", ForeignKey("projects.id"), nullable=False),
    Column("kind", String(8), nullable=False),
    Column("name", String(80), nullable=False),
    Column("name_folded", String(80), nullable=False),
    Column("created_at", Float, nullable=False),
    Column("last_auto_tag", Integer, nullable=False, default=-1),
    UniqueConstraint("project_id", "kind", "name_folded"),
)

versions = Table(
    "versions",
    metadata,
    Column("version", String(40), primary_key=True),
    Column("bundle_id", ForeignKey("bundles.id"), nullable=False),
    Column("sequence", Integer, nullable=False),  # order of commits within the bundle, from 0
    Column("auto_tag", Integer, nullable=False),  # the k of its v<k>
    Column("created_at", Float, nullable=False),
    Column("message", Text, nullable=False, default=""),
    Column("size_bytes", Integer, nullable=False, default=0),
    Column("row_count", Integer),
    Column("content_digest", String(64), nullable=False),  # datasets: the manifest's digest
    Column("manifest", JSON, nullable=False),
    Column("removed_at", Float),
    Column("checksum", String(32), nullable=False, server_default=""),  # `row_sums.version_sum`
    UniqueConstraint("bundle_id", "sequence"),
)

tags = Table(
    "tags",
    metadata,
    Column("bundle_id", ForeignKey("bundles.id"), primary_key=True),
    Column("tag", String(80), primary_key=True),
    Column("version", ForeignKey("versions.version"), nullable=False, index=True),
    Column("checksum", String(32), nullable=False, server_default=""),  # `row_sums.sum_of` the other three
)

jobs = Table(
    "jobs",
    metadata,
    Column("id", String(40), primary_key=True),
    Column("project_id", ForeignKey("projects.id"), nullable=False),
    Column("name", String(80), nullable=False, default=""),
    Column("handler", Text, nullable=False),
    Column("status", String(16), nullable=False),
    Column("request", JSON, nullable=False),  # RunRequest.to_json()
    Column("datasets", JSON, nullable=False),  # [DatasetInput.to_json()]
    Column(
        "record", JSON, nullable=False
    ),  # versions of us and of Python, platform, git state, argv, seed, source digest
    Column("driver", JSON),  # {pid, start_time, boot_id, host} of the process that runs it
    Column("created_at", Float, nullable=False),
    Column("finished_at", Float),
    Column("error", JSON),  # TaskError.to_json()
    Column("removed_at", Float),
    Column("checksum", String(16), nullable=False, server_default=""),  # kept by triggers: `kept_sums`
)

steps = Table(
    "steps",
    metadata,
    Column("job_id", ForeignKey("jobs.id"), primary_key=True),
    Column("position", Integer, primary_key=True),
    Column("name", Text, nullable=False),
    Column("step", JSON, nullable=False),  # Step as JSON
    Column("status", String(16), nullable=False),
    Column("started_at", Float),
    Column("finished_at", Float),
    Column("checksum", String(16), nullable=False, server_default=""),  # kept by triggers: `kept_sums`
)

tasks = Table(
    "tasks",
    metadata,
    Column("id", String(64), primary_key=True),
    Column("job_id", ForeignKey("jobs.id"), nullable=False, index=True),
    Column("step", Text, nullable=False),
    Column("task_index", Integer, nullable=False),
    Column("status", String(16), nullable=False),
    Column("checksum", String(16), nullable=False, server_default=""),  # kept by triggers: `kept_sums`
)

attempts = Table(
    "attempts",
    metadata,
    Column("task_id", ForeignKey("tasks.id"), primary_key=True),
    Column("number", Integer, primary_key=True),
    Column("executor", String(32), nullable=False),
    Column("status", String(16), nullable=False),
    Column("started_at", Float, nullable=False),
    Column("finished_at", Float),
    Column("error", JSON),
    Column("timings", JSON),
    Column("checksum", String(16), nullable=False, server_default=""),  # kept by triggers: `kept_sums`
)

# The ledger: rows of one dataset that one step consumes (domain.ledger.Queue) …
queues = Table(
    "queues",
    metadata,
    Column("job_id", ForeignKey("jobs.id"), primary_key=True),
    Column("step", Text, primary_key=True),
    Column("queue", String(80), primary_key=True),
    Column("dataset_position", Integer, primary_key=True),
    Column("total", Integer, nullable=False),
    Column("batch", Integer, nullable=False),
    Column("cursor", Integer, nullable=False, default=0),
    Column("checksum", String(16), nullable=False, server_default=""),  # kept by triggers: `kept_sums`
)

# … and the ranges that were cut off it (domain.ledger.RowRange).
ranges = Table(
    "ranges",
    metadata,
    Column("job_id", ForeignKey("jobs.id"), primary_key=True),
    Column("step", Text, primary_key=True),
    Column("queue", String(80), primary_key=True),
    Column("dataset_position", Integer, primary_key=True),
    Column("start", Integer, primary_key=True),
    Column("stop", Integer, nullable=False),
    Column("state", String(8), nullable=False),
    Column("epoch", Integer, nullable=False),
    Column("holder", String(80), nullable=False, default=""),
    Column("deadline_s", Float),
    Column("crashes", Integer, nullable=False, default=0),
    Column("deaths", Integer, nullable=False, server_default="0"),
    Column("retries", Integer, nullable=False, server_default="0"),
    Column("rows_done", Integer, nullable=False, default=0),
    Column("rows_failed", Integer, nullable=False, default=0),
    Column("seconds", Float, nullable=False, default=0.0),
    Column("part_id", Integer),
    Column("checksum", String(16), nullable=False, server_default=""),  # kept by triggers: `kept_sums`
    # the next free range is found without reading the others: suspects apart, each in row order
    Index(None, "job_id", "step", "queue", "state", "crashes", "dataset_position", "start"),
)

# A part is immutable; `id` is the commit sequence. `owner` is a job id or the id of a free-standing Evaluation.
parts = Table(
    "parts",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=True),
    Column("owner", String(80), nullable=False),
    Column("step", Text, nullable=False, default=""),
    Column("task_id", String(64), nullable=False, default=""),
    Column("attempt", Integer, nullable=False, default=0),
    Column("dataset_position", Integer),  # null for parts without rows
    Column("start", Integer),
    Column("stop", Integer),
    Column("visible", Boolean, nullable=False),
    Column("provisional", Boolean, nullable=False),
    Column("is_retry", Boolean, nullable=False, server_default="0"),
    Column("created_at", Float, nullable=False),
    Column("checksum", String(32), nullable=False, server_default=""),  # `part_sums.part_sum`, of its tables too
    Index(None, "owner"),
    sqlite_autoincrement=True,
)

# Where each table of a part lies: a stretch of a file, with the digest that is verified when it is read.
part_tables = Table(
    "part_tables",
    metadata,
    Column("part_id", ForeignKey("parts.id"), primary_key=True),
    Column("table_name", Text, primary_key=True),
    Column("file", Text, nullable=False),  # below the job's results directory
    Column("offset", Integer, nullable=False),
    Column("length", Integer, nullable=False),
    Column("digest", LargeBinary(32), nullable=False),
    Column("row_count", Integer, nullable=False),
    Column("first_row", Integer, nullable=False, default=0),  # within the file, once it was compacted to Parquet
)

# The right of a worker elsewhere to act for an attempt that runs, and what it has asked for: gone with the attempt.
task_access = Table(
    "task_access",
    metadata,
    Column("task_id", String(64), primary_key=True),
    Column("attempt", Integer, primary_key=True),
    Column("job_id", String(40), nullable=False, index=True),
    Column("tasks", Integer, nullable=False),
    Column("token_digest", String(64), nullable=False, unique=True),
    Column("lease_s", Float, nullable=False),
    Column("created_at", Float, nullable=False),
    Column("renewed_at", Float, nullable=False),
    Column("wants_stop", Boolean, nullable=False, default=False),
    Column("answered", Integer, nullable=False, default=0),  # answers to requests below this number have arrived
    Column("answers", JSON, nullable=False, default=dict),  # request → leases that it was answered with
    Column("ended", JSON(none_as_null=True)),  # TaskUpdate.to_json(), until the driver of the job takes it
)

events = Table(
    "events",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=True),
    Column("job_id", String(40), index=True),
    Column("time", Float, nullable=False),
    Column("kind", String(40), nullable=False),
    Column("detail", JSON, nullable=False),
    sqlite_autoincrement=True,
)
