"""Which job or file is to pass a gate, against which baseline, by which rules: from names to one finding."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from starwhale.domain.row_id import told_apart
from starwhale.domain.status import Status
from starwhale.errors import NotFoundError, StatusError, UsageError, nearest
from starwhale.instances.jobs.job_compare import CellsOf, FindJob, cells_of, flips_of, found_jobs
from starwhale.results.compare.examples import Pair, rows_of_columns
from starwhale.results.compare.files import is_run_file, read_run_file
from starwhale.results.compare.flips_file import check_flips_path, write_flips
from starwhale.results.compare.job_runs import ROWS, check_pairing, read_job_run, split_metric, with_content
from starwhale.results.compare.measured_files import FileColumns, nearest_metric, with_measures
from starwhale.results.compare.measured_jobs import wanted_cluster
from starwhale.results.compare.metric_names import find_metric
from starwhale.results.compare.runs import Run
from starwhale.results.compare.told_flips import WITH_OUTPUTS
from starwhale.results.gate.findings import GateQuestion
from starwhale.results.gate.judge import Evidence, judge_gate
from starwhale.results.gate.report import Gate
from starwhale.results.gate.rules import Rule, parse_rule
from starwhale.results.gate.rules_file import RulesFile, read_rules_file
from starwhale.results.read import table_names

if TYPE_CHECKING:
    from starwhale.results.read import StoresOf
    from starwhale.storage.catalog.job_records import JobRecord


@dataclass(frozen=True, slots=True, kw_only=True)
class GateOptions:
    """How a run is judged; the names are those of the command line. What is said here goes before what a file of rules says."""

    rules: tuple[str, ...] = ()
    """Rules, besides those of the file."""
    rules_file: str = ""
    """A file of rules; empty for none."""
    baseline: str = ""
    """What rules mean by `baseline`: a job or a file of predictions."""
    lower_is_better: tuple[str, ...] = ()
    """Metrics of which less is better."""
    cluster: str | None = None
    """Column that says which rows are alike; None for the one that the rules file or the jobs name, empty for none."""
    key: str = ""
    """Column of files that says which example a row is; empty for `id`."""
    file_columns: FileColumns = field(default_factory=FileColumns)
    """Where files have labels, predictions and scores, for metrics that are computed of these."""
    allow_missing: bool = False
    """Leave rows without a score out, instead of taking them for as bad as can be."""
    examples: int = WITH_OUTPUTS
    """So many flips of each direction come with what lies behind them."""
    flips_file: str = ""
    """Where all flips are written with that (.csv, .jsonl, .parquet); empty for nowhere."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Asked:
    """A gate, with everything read that is said of it."""

    run: str
    baseline: str
    rules: tuple[Rule, ...]
    lower_is_better: tuple[str, ...]
    cluster: str | None
    key: str
    file_columns: FileColumns
    allow_missing: bool

    @property
    def runs(self) -> tuple[str, ...]:
        """What is compared: the run alone where no rule names the baseline."""
        return (self.run, self.baseline) if any(each.is_relative for each in self.rules) else (self.run,)

    def columns(self, rules: Sequence[Rule]) -> tuple[str, ...]:
        """Return the columns that slices and clusters need."""
        names = (*(column for rule in rules for column, _ in rule.where), self.cluster)
        return tuple(dict.fromkeys(filter(None, names)))


def gate(find: FindJob, run: str, options: GateOptions) -> Gate:
    """Judge a job, or a file of predictions, by rules; see `JobVerbs.gate`.

    Raises:
        UsageError: Flips are asked for, and no rule names the baseline.
    """
    asked = _read(run, options)
    if options.flips_file:
        check_flips_path(options.flips_file)
        if not any(each.is_relative for each in asked.rules):
            raise UsageError("no rule names the baseline, so that no row flips", hint="leave --flips out")
    if is_run_file(run):
        rules = [(rule, _file_evidence(asked)) for rule in asked.rules]
        found = judge_gate(rules, _question(asked, {}), paired_by=f"column {asked.key!r}")
        return _with_examples(found, rows_of_columns, options)
    if not asked.file_columns.is_empty:
        raise UsageError(
            "--label, --prediction, --scores and --positive are of files",
            hint="jobs say it: @evaluation.metrics(…, label=…)",
        )
    jobs, stores_of = found_jobs(find, asked.runs)
    if asked.cluster is None:
        asked = replace(asked, cluster=wanted_cluster(stores_of, jobs))
    return _with_examples(_gate_jobs(stores_of, jobs, asked), cells_of(stores_of, jobs), options)


def _with_examples(found: Gate, cells: CellsOf, options: GateOptions) -> Gate:
    """Add what lies behind flips; nothing is read where no rule names the baseline."""
    if found.baseline is None:
        return found
    gained, lost = found.flips
    pair = Pair(baseline=found.baseline, candidate=found.run, metric=found.flip_metric, gained=gained, lost=lost)
    flips = flips_of([pair], cells, None if options.flips_file else options.examples)
    if options.flips_file:
        write_flips(options.flips_file, flips)
    return replace(found, examples=tuple(flips))


def _read(run: str, options: GateOptions) -> _Asked:
    said = read_rules_file(options.rules_file) if options.rules_file else RulesFile(rules=())
    rules = (*said.rules, *(parse_rule(each) for each in options.rules))
    if not rules:
        raise UsageError(
            "there is no rule", hint='give one: --rule "accuracy >= baseline - 0.01", or --rules gate.yaml'
        )
    asked = _Asked(
        run=run,
        baseline=options.baseline or said.baseline,
        rules=rules,
        lower_is_better=options.lower_is_better or said.lower_is_better,
        cluster=(said.cluster or None) if options.cluster is None else options.cluster,
        key=options.key or said.key or "id",
        file_columns=options.file_columns,
        allow_missing=options.allow_missing or said.allow_missing,
    )
    metrics = [each.metric for each in rules]
    unknown = next((each for each in asked.lower_is_better if each not in metrics), None)
    if unknown is not None:
        raise UsageError(f"{unknown!r} is no metric of a rule", hint=f"they are {', '.join(dict.fromkeys(metrics))}")
    relative = next((each for each in rules if each.is_relative), None)
    if relative is not None and not asked.baseline:
        raise UsageError(f"{relative.text!r} names the baseline, and there is none", hint="say which: --baseline JOB")
    if relative is not None and is_run_file(run) != is_run_file(asked.baseline):
        raise UsageError(f"one of {run} and {asked.baseline} is a file, and the other a job", hint="give two of a kind")
    return asked


def _question(asked: _Asked, names: Mapping[str, str]) -> GateQuestion:
    return GateQuestion(
        lower_is_better=frozenset(names.get(each, each) for each in asked.lower_is_better),
        cluster=asked.cluster or "",
        allows_missing=asked.allow_missing,
    )


def _file_evidence(asked: _Asked) -> Evidence:
    """Read the files; a row that one of them lacks is a missing score there."""
    metrics = [each.metric for each in asked.rules]
    runs = [with_measures(read_run_file(each, asked.key), metrics, asked.file_columns) for each in asked.runs]
    for run in runs:
        for rule in asked.rules:
            _check_columns(run, rule, asked)
    if len(runs) == 1:
        return Evidence(run=runs[0])
    run, baseline = runs
    ours, theirs = set(run.ids), set(baseline.ids)
    if run.id == baseline.id:
        raise UsageError(f"{run.id} is compared with itself", hint="name another file: --baseline FILE")
    shared = bool(ours & theirs)
    return Evidence(
        run=run,
        baseline=baseline,
        run_missing=len(theirs - ours) if shared else 0,
        baseline_missing=len(ours - theirs) if shared else 0,
    )


def _check_columns(run: Run, rule: Rule, asked: _Asked) -> None:
    if rule.metric not in run.metrics:
        why = "holds no numbers" if rule.metric in run.columns else "is missing"
        there = (
            nearest_metric(rule.metric, run.metrics) or f"columns of numbers there: {', '.join(run.metrics) or 'none'}"
        )
        raise NotFoundError(f"column {rule.metric!r} of {run.id} {why}, which {rule.text!r} asks for", hint=there)
    lacking = next((each for each in asked.columns([rule]) if each not in run.columns), None)
    if lacking is not None:
        raise NotFoundError(f"no column {lacking!r} in {run.id}", hint=nearest(lacking, run.columns))


def _gate_jobs(stores_of: StoresOf, jobs: Sequence[JobRecord], asked: _Asked) -> Gate:
    if len({each.id for each in jobs}) < len(jobs):
        raise UsageError("the job is compared with itself", hint="name another one: --baseline JOB")
    for job in jobs:
        if job.status is not Status.SUCCESS:
            called = job.name or job.id[:12]
            raise StatusError(
                f"job {called} is {job.status}: a gate judges jobs that succeeded",
                hint=f"see why: swcli job info {called}",
            )
    names = {each: find_metric(stores_of, jobs, each) for each in dict.fromkeys(rule.metric for rule in asked.rules)}
    rules = [replace(rule, metric=names[rule.metric].name) for rule in asked.rules]
    tables = table_names(stores_of(jobs[0]), jobs[0])
    by_table: dict[str, list[Rule]] = {}
    for rule in rules:
        by_table.setdefault(split_metric(rule.metric, tables)[0], []).append(rule)
    read = {name: _job_evidence(stores_of, jobs, listed, asked) for name, listed in by_table.items()}
    pairs = [(rule, read[split_metric(rule.metric, tables)[0]][0]) for rule in rules]
    paired_by = next(iter(read.values()))[1]
    notes = [each.note for each in names.values() if each.note]
    resolved = {given: found.name for given, found in names.items()}
    return judge_gate(pairs, _question(asked, resolved), paired_by=paired_by, notes=notes)


def _job_evidence(
    stores_of: StoresOf, jobs: Sequence[JobRecord], rules: Sequence[Rule], asked: _Asked
) -> tuple[Evidence, str]:
    """Read what rules of one table need, and say what rows are paired by."""
    metrics = tuple(dict.fromkeys(each.metric for each in rules))
    needs_baseline = any(each.is_relative for each in rules)
    apart = told_apart(each.datasets for each in jobs)
    read = [
        read_job_run(stores_of(each), each, metrics, asked.columns(rules), apart=apart)
        for each in jobs[: 2 if needs_baseline else 1]
    ]
    if len(read) == 1:
        return Evidence(run=read[0].run, run_missing=read[0].run.failed), ""
    paired_by = check_pairing(read, metrics[0])
    runs = [each.run for each in read]
    if paired_by == ROWS and len({each.versions for each in read}) > 1:
        runs = [with_content(stores_of(job), job, each, apart) for job, each in zip(jobs, read, strict=True)]
        paired_by = f"{ROWS}, which have different versions"
    run, baseline = runs
    evidence = Evidence(run=run, baseline=baseline, run_missing=run.failed, baseline_missing=baseline.failed)
    return evidence, paired_by
