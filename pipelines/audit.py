"""The audit: what is expected of tables, and whether the layers of a span agree, by identity.

Each distinct message of the archive must have its event in a curated table, or be late, or be in
the quarantine with a reason; each row must come from a message; metrics must count the events that
are there, and Bigtable serve what they add up to. What was found goes to `ops.audit` and to the
terminal.

    python -m pipelines.audit --input_archive=archive --rows=rows --quarantine=quarantine \
        --from=2026-01-31T00:00:00Z --to=2026-02-01T00:00:00Z

BigQuery does the work of the checks, and the archive is read here; on Dataflow by one worker.
"""

import functools
import sys
from collections.abc import Callable, Iterator, Sequence
from typing import TypeAlias

import apache_beam as beam
from apache_beam.options.pipeline_options import StandardOptions

from pipelines.audit_launch import Declared, declared_of, prepare, require_all_credentials
from pipelines.audit_options import AuditConfig, AuditOptions
from pipelines.counters import AUDIT
from pipelines.job import Job, LeftUndoneError
from pipelines.options import exit_status, parse_options, runs_here
from schemas.audit_lines import audit_lines
from schemas.audit_rows import AuditedSpan, audit_rows
from schemas.contract_set import Contracts
from schemas.coverage import Coverage
from schemas.curated_records import CuratedRecords
from schemas.feature_set import FeatureSet
from schemas.fold_findings import fold_finding
from schemas.identify import Identify
from schemas.layer_counts import comparable
from schemas.layer_findings import layer_findings
from schemas.metric import Metric
from schemas.metric_tables import GOLD
from schemas.quality import Check, Finding, judged
from transforms.audit_bigquery import AuditBigQuery
from transforms.audit_files import AuditFiles
from transforms.audit_layers import audit_layers, late_for_tiles
from transforms.call_once import CallOnce
from transforms.compare_folds import Sampling, compare_folds, feature_row_paths
from transforms.judge_audit import JudgeAudit, Outcome
from transforms.read_tiles import read_tiles

__all__ = ["JOB", "Tell", "audit", "build", "main", "run"]

Tell: TypeAlias = Callable[[Sequence[Finding]], None]
"""Takes what was found, before it is kept: that may fail."""


def build(pipeline: beam.Pipeline, config: AuditConfig) -> None:
    """Put the job together: the whole audit is the work of one worker."""
    work = functools.partial(_outcome, config, declared_of(config))
    outcome = pipeline | "Audit" >> CallOnce[Outcome](work)
    _ = outcome | "JudgeAudit" >> JudgeAudit()


def audit(config: AuditConfig, tell: Tell) -> None:
    """Audit; what was found is told, and then appended to `ops.audit`. Nothing else is written.

    Raises:
        UsageError: messages of the span may still come.
        CredentialsError: a service of Google is named, and there are no credentials.
        QualityError, MetricError, FeatureError, ContractError: a declaration cannot be used.
        TableError, NothingWrittenError: BigQuery refused something.
        ObjectStoreError, BadArchiveError, UnreadableTableError: a place cannot be read.
    """
    require_all_credentials(config)
    config = prepare(config)
    # Wrong declarations are told before anything is read.
    _kept(config, declared_of(config), tell)


def _outcome(config: AuditConfig, declared: Declared) -> Outcome:
    findings: list[Finding] = []
    _kept(config, declared, findings.extend)
    return Outcome.of(findings)


def _kept(config: AuditConfig, declared: Declared, tell: Tell) -> None:
    tables = _tables(config, declared.contracts)
    tables.check()
    findings = [
        *_reconciled(config, tables, declared.contracts),
        *_compared(config, tables, declared.metrics),
        *_checked(config, tables, declared.checks),
        *_served(config, tables, declared.contracts, declared.sets),
    ]
    tell(findings)
    span = AuditedSpan(config.run, config.places.start, config.places.end, config.now)
    tables.keep(audit_rows(findings, span))


def _tables(config: AuditConfig, contracts: Contracts) -> AuditFiles | AuditBigQuery:
    if config.rows_folder is not None:
        return AuditFiles(config.rows_folder, contracts)
    assert config.datasets is not None
    declared = {"contracts": config.contracts, "metrics": config.metrics}
    return AuditBigQuery(config.datasets, contracts, declared)


def _reconciled(
    config: AuditConfig, tables: AuditFiles | AuditBigQuery, contracts: Contracts
) -> Iterator[Finding]:
    identify = Identify(contracts, config.max_future, config.max_event_bytes)
    found, names = audit_layers(config.places, identify, tables.curated, tables.late)
    return layer_findings(found, names, ", ".join(config.places.sources))


def _compared(
    config: AuditConfig, tables: AuditFiles | AuditBigQuery, metrics: Sequence[Metric]
) -> Iterator[Finding]:
    for metric in filter(comparable, metrics):
        found = tables.count_layers(metric, config.places.start, config.places.end)
        yield from found or [_unmeasured(metric)]


def _unmeasured(metric: Metric) -> Finding:
    table = f"{GOLD}.{metric.name}"
    detail = "no panes of it are there"
    return Finding("curated_counts", table, "audit", "warn", None, "at most 0", False, detail)


def _served(
    config: AuditConfig,
    tables: AuditFiles | AuditBigQuery,
    contracts: Contracts,
    sets: Sequence[FeatureSet],
) -> Iterator[Finding]:
    """Compare what is served of a sample of entities with what their curated events add up to."""
    table, paths = config.served, feature_row_paths(sets)
    if table is None or not paths:
        return
    span = Coverage(config.places.start, config.places.end)
    found = compare_folds(
        contracts,
        sets,
        tables.records(CuratedRecords(contracts, paths), span),
        late_for_tiles(config.places.late) if config.places.late else set(),
        functools.partial(read_tiles, table),
        Sampling(span, config.sample_entities, config.now),
    )
    yield fold_finding(found, table.table)


def _checked(
    config: AuditConfig, tables: AuditFiles | AuditBigQuery, checks: Sequence[Check]
) -> Iterator[Finding]:
    # Those of a table together: of files, the last ones that were read are kept.
    for check in sorted(checks, key=lambda each: each.relation.name):
        measured = tables.measure(check, config.places.start, config.places.end)
        yield judged(check, measured)


JOB = Job(
    "python -m pipelines.audit --input_archive=... --from=... --to=... [options]",
    AuditOptions,
    AuditConfig.of,
    build,
    AUDIT,
    prepare,
)


def run(argv: Sequence[str]) -> None:
    """Audit here, and print what was found; or launch the audit, where an engine is elsewhere.

    Raises:
        ValueError: wrong usage, a wrong declaration, or no credentials, in one line.
        LeftUndoneError: a check of severity `error` failed.
    """
    options = parse_options(argv, AuditOptions, JOB.usage)
    if not runs_here(options.view_as(StandardOptions).runner or ""):
        JOB.run(argv)
        return
    findings: list[Finding] = []

    def tell(found: Sequence[Finding]) -> None:
        findings.extend(found)
        sys.stdout.writelines(f"{line}\n" for line in audit_lines(found))
        sys.stdout.flush()

    audit(AuditConfig.of(options), tell)
    failed = sum(each.is_error for each in findings)
    if failed:
        msg = f"{failed} checks of severity error failed; docs/audit.md says what to do"
        raise LeftUndoneError(msg)


def main(argv: Sequence[str] | None = None) -> int:
    """Run from a command line; return the exit status."""
    return exit_status(run, argv)


if __name__ == "__main__":
    sys.exit(main())
