"""The audit: what is expected of tables, and whether the layers of a span agree, by identity.

Each distinct message of the archive must have its event in a curated table, or be late, or be in
the quarantine with a reason; each row must come from a message; metrics must count the events that
are there, and Bigtable serve what they add up to. What was found goes to `ops.audit` and to the
terminal.

    python -m pipelines.audit --input_archive=archive --rows=rows --quarantine=quarantine \
        --from=2026-01-31T00:00:00Z --to=2026-02-01T00:00:00Z

No Beam pipeline: BigQuery does the work of the checks, and the archive is read here.
"""

import functools
import sys
from collections.abc import Callable, Iterator, Sequence
from typing import TypeAlias

from pipelines.audit_options import AuditConfig, AuditOptions
from pipelines.job import LeftUndoneError
from pipelines.options import exit_status, parse_options
from schemas.audit_lines import audit_lines
from schemas.audit_rows import AuditedSpan, audit_rows
from schemas.contract import load_contracts
from schemas.contract_set import Contracts
from schemas.coverage import Coverage
from schemas.curated_records import CuratedRecords
from schemas.feature_set import FeatureSet, load_features
from schemas.fold_findings import fold_finding
from schemas.identify import Identify
from schemas.layer_counts import comparable
from schemas.layer_findings import layer_findings
from schemas.metric import Metric
from schemas.metric_set import load_metrics
from schemas.metric_tables import GOLD
from schemas.quality import Check, Finding, judged
from schemas.quality_set import load_checks
from schemas.table_set import TableSet
from transforms.audit_bigquery import AuditBigQuery
from transforms.audit_files import AuditFiles
from transforms.audit_layers import audit_layers, late_for_tiles
from transforms.compare_folds import Sampling, compare_folds, feature_row_paths
from transforms.read_tiles import read_tiles

__all__ = ["Tell", "audit", "main", "run"]

Tell: TypeAlias = Callable[[Sequence[Finding]], None]
"""Takes what was found, before it is kept: that may fail."""

_USAGE = "python -m pipelines.audit --input_archive=... --from=... --to=... [options]"


def audit(config: AuditConfig, tell: Tell) -> None:
    """Audit; what was found is told, and then appended to `ops.audit`. Nothing else is written.

    Raises:
        QualityError, MetricError, FeatureError, ContractError: a declaration cannot be used.
        TableError, NothingWrittenError: BigQuery refused something.
        ObjectStoreError, BadArchiveError, UnreadableTableError: a place cannot be read.
    """
    contracts = load_contracts(config.contracts)
    metrics = load_metrics(config.metrics, contracts)
    # Wrong features are told before anything is read.
    sets = load_features(config.features, contracts) if config.served else []
    checks = load_checks(config.quality, TableSet.of(contracts, metrics))
    tables = _tables(config, contracts)
    tables.check()
    findings = [
        *_reconciled(config, tables, contracts),
        *_compared(config, tables, metrics),
        *_checked(config, tables, checks),
        *_served(config, tables, contracts, sets),
    ]
    tell(findings)
    span = AuditedSpan(config.run, config.places.start, config.places.end, config.now)
    tables.keep(audit_rows(findings, span))


def _tables(config: AuditConfig, contracts: Contracts) -> AuditFiles | AuditBigQuery:
    if config.rows is not None:
        return AuditFiles(config.rows, contracts)
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


def run(argv: Sequence[str]) -> None:
    """Audit, and print what was found.

    Raises:
        ValueError: wrong usage, a wrong declaration, or no credentials, in one line.
        LeftUndoneError: a check of severity `error` failed.
    """
    findings: list[Finding] = []

    def tell(found: Sequence[Finding]) -> None:
        findings.extend(found)
        sys.stdout.writelines(f"{line}\n" for line in audit_lines(found))
        sys.stdout.flush()

    audit(AuditConfig.of(parse_options(argv, AuditOptions, _USAGE)), tell)
    failed = sum(each.is_error for each in findings)
    if failed:
        msg = f"{failed} checks of severity error failed; docs/audit.md says what to do"
        raise LeftUndoneError(msg)


def main(argv: Sequence[str] | None = None) -> int:
    """Run from a command line; return the exit status."""
    return exit_status(run, argv)


if __name__ == "__main__":
    sys.exit(main())
