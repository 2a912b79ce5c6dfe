"""What an audit looks at before it begins: credentials, the archive, what is declared."""

import dataclasses
from collections.abc import Sequence
from typing import NamedTuple

from pipelines.audit_options import AuditConfig
from pipelines.options import UsageError
from schemas.contract import load_contracts
from schemas.contract_set import Contracts
from schemas.credentials import BIGQUERY, BIGTABLE, require_credentials
from schemas.feature_set import FeatureSet, load_features
from schemas.locations import is_remote
from schemas.metric import Metric
from schemas.metric_set import load_metrics
from schemas.quality import Check
from schemas.quality_set import load_checks
from schemas.table_set import TableSet
from schemas.times import format_rfc3339
from transforms.archive_manifest import read_marker
from transforms.choose_sources import choose_sources

__all__ = ["Declared", "declared_of", "prepare", "require_all_credentials"]


class Declared(NamedTuple):
    """What an audit is declared by; no feature sets where no served values are compared."""

    contracts: Contracts
    metrics: Sequence[Metric]
    sets: Sequence[FeatureSet]
    checks: Sequence[Check]


def declared_of(config: AuditConfig) -> Declared:
    """Read the declarations, which may be local to the launch.

    Raises:
        QualityError, MetricError, FeatureError, ContractError: one cannot be used.
    """
    contracts = load_contracts(config.contracts)
    metrics = load_metrics(config.metrics, contracts)
    sets = load_features(config.features, contracts) if config.served else []
    return Declared(
        contracts, metrics, sets, load_checks(config.quality, TableSet.of(contracts, metrics))
    )


def prepare(config: AuditConfig) -> AuditConfig:
    """Return the configuration with the sources of the archive, all of them complete.

    Raises:
        UsageError: messages of the span may still come, or there is no such source.
        CredentialsError: the archive is remote, and there are no credentials.
    """
    root = config.places.root
    if is_remote(root):
        require_credentials(f"--input_archive={root}")
    sources = choose_sources(root, config.source or None)
    for source in sources:
        _check_complete(root, source, config.places.end)
    return dataclasses.replace(config, places=config.places._replace(sources=tuple(sources)))


def require_all_credentials(config: AuditConfig) -> None:
    """Raise where a place of an audit that runs here needs credentials, and there are none."""
    folders = {
        "rows": config.rows_folder,
        "quarantine": config.places.quarantine,
        "late": config.places.late,
    }
    for name, folder in folders.items():
        if folder and is_remote(folder):
            require_credentials(f"--{name}={folder}")
    if config.datasets:
        require_credentials(f"--bigquery_project={config.datasets.project}", BIGQUERY)
    if config.served:
        require_credentials(f"--bigtable_table={config.served}", BIGTABLE)


def _check_complete(root: str, source: str, end: int) -> None:
    """Refuse a span of which messages may still come."""
    complete = read_marker(root, source)
    if complete is None or complete < end:
        known = "nothing says" if complete is None else format_rfc3339(complete)
        msg = f"--to: source {source} of {root} is complete up to: {known}; end the span there"
        raise UsageError(msg)
