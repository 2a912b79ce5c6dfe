"""What each template is launched with, and a bucket with all that its launch reads."""

from dataclasses import dataclass
from pathlib import Path

from schemas.times import parse_rfc3339
from tests.warm_archive import WarmArchive, message
from transforms.object_store import create_object, read_objects

TESTS = Path(__file__).parents[1]
GOLDEN = TESTS / "golden"
PROJECT = "my-project"
SECRET_NAME = f"projects/{PROJECT}/secrets/my-key/versions/3"
SECRET = "2026:a-secret-that-nothing-may-show-in-the-clear"
IMAGE = f"europe-docker.pkg.dev/{PROJECT}/penstock/pipeline@sha256:{'0' * 64}"
NOON = parse_rfc3339("2026-01-05T12:00:00Z")
COMPLETE_TO = parse_rfc3339("2026-02-01T00:00:00Z")
SPAN = ["--from=2026-01-05T00:00:00Z", "--to=2026-01-06T00:00:00Z"]
SUBSCRIPTION = f"--input_subscription=projects/{PROJECT}/subscriptions/my-events"
TABLE = f"--bigtable_table=projects/{PROJECT}/instances/my-instance/tables/my-table"
KEY = f"--pseudonym_key={SECRET_NAME}"


@dataclass(frozen=True)
class Launch:
    """One launch of a template; `golden` is the list of the labels that its job must have."""

    pipeline: str
    golden: str
    parameters: list[str]

    @property
    def streams(self) -> bool:
        return SUBSCRIPTION in self.parameters


def launches_of(bucket: str) -> dict[str, Launch]:
    """Return the launches by name; `bucket` is `gs://...`, filled by `fill`."""
    contracts = f"--contracts={bucket}/contracts"
    declared = [contracts, f"--features={bucket}/features", KEY]
    measured = [contracts, f"--metrics={bucket}/metrics", KEY]
    refused = f"--quarantine_output={bucket}/refused"
    late = f"--late_output={bucket}/late"
    rows = f"--rows_output={bucket}/out"
    query = [f"--bigquery_project={PROJECT}", "--dataset_prefix=dev_"]
    archive = [f"--input_archive={bucket}/archive", *SPAN]
    stored = f"--archive_output={bucket}/new"
    warm = [f"--warm_from_archive={bucket}/archive", "--warm_span=1h"]
    return {
        "archive_live": Launch(
            "archive_raw", "archive_raw/graph_live", [SUBSCRIPTION, stored, "--pubsub_source=auto"]
        ),
        "archive_by_bundle": Launch(
            "archive_raw",
            "archive_raw/graph_live_by_bundle",
            [SUBSCRIPTION, stored, "--batches=bundle"],
        ),
        "archive_files": Launch(
            "archive_raw",
            "archive_raw/graph_files",
            [f"--input_files={bucket}/events/*.ndjson", stored, "--source=backfill"],
        ),
        "hot_live": Launch(
            "hot_path",
            "hot_path/graph_live",
            [SUBSCRIPTION, TABLE, refused, late, *declared, "--flow_control=true"],
        ),
        "hot_warm": Launch(
            "hot_path",
            "hot_path/graph_warm",
            [SUBSCRIPTION, TABLE, refused, late, *declared, *warm],
        ),
        "hot_repair": Launch(
            "hot_path",
            "templates/labels_repair",
            [*archive, TABLE, refused, *declared, "--write_mode=repair"],
        ),
        "curate_live": Launch(
            "curate_events",
            "curate_events/graph_live",
            [SUBSCRIPTION, *query, refused, contracts, KEY],
        ),
        "curate_warm": Launch(
            "curate_events",
            "curate_events/graph_warm",
            [SUBSCRIPTION, *query, refused, contracts, KEY, *warm],
        ),
        "curate_archive": Launch(
            "curate_events",
            "curate_events/graph_archive",
            [*archive, rows, refused, contracts, KEY],
        ),
        "windows_live": Launch(
            "window_metrics",
            "window_metrics/graph_live",
            [SUBSCRIPTION, *query, refused, late, *measured],
        ),
        "windows_warm": Launch(
            "window_metrics",
            "window_metrics/graph_warm",
            [SUBSCRIPTION, *query, refused, late, *measured, *warm],
        ),
        "recompute": Launch(
            "recompute_windows",
            "window_metrics/graph_recompute",
            [*archive, rows, refused, *measured],
        ),
        "release": Launch(
            "release_quarantine",
            "release/graph_table",
            [
                f"--quarantine={bucket}/quarantine",
                f"--input_archive={bucket}/archive",
                TABLE,
                *declared,
            ],
        ),
        "audit": Launch(
            "audit",
            "templates/labels_audit",
            # The checks that are shipped name tables of the contracts that are shipped.
            [*archive, *query, f"--quarantine={bucket}/quarantine", TABLE],
        ),
        "compact": Launch(
            "compact_archive",
            "compact_archive/graph",
            [f"--archive={bucket}/archive", "--recompress=true", "--to=2026-01-06T00:00:00Z"],
        ),
        "fill": Launch(
            "fill_from_drift",
            "templates/labels_fill",
            [
                f"--rows_input={bucket}/rows",
                f"--rows_output={bucket}/filled",
                refused,
                contracts,
                KEY,
            ],
        ),
    }


def launcher_arguments(name: str, bucket: str) -> list[str]:
    """Return what a template's launcher adds of its own to the parameters."""
    return [
        "--runner=DataflowRunner",
        f"--project={PROJECT}",
        "--region=europe-west1",
        f"--job_name={name.replace('_', '-')}",
        f"--template_location={template_of(name, bucket)}",
        f"--staging_location={bucket}/staging",
        f"--temp_location={bucket}/tmp",
        f"--sdk_container_image={IMAGE}",
        f"--service_account_email=worker@{PROJECT}.iam.gserviceaccount.com",
        "--num_workers=1",
        "--max_num_workers=3",
        "--autoscaling_algorithm=THROUGHPUT_BASED",
        "--machine_type=n2-standard-2",
        "--network=my-network",
        "--enable_streaming_engine",
        "--experiments=min_num_workers=1,a_list_as_text",
        '--labels={"goog-dataflow-provided-template-type": "flex", "team": "events"}',
    ]


def template_of(name: str, bucket: str) -> str:
    """Return where a launch writes its job."""
    return f"{bucket}/launches/{name}/job_object"


def fill(bucket: str) -> None:
    """Put into a bucket what the launches read."""
    for folder in ("hot_path/contracts", "hot_path/features", "window_metrics/metrics"):
        for path in sorted((GOLDEN / folder).rglob("*")):
            if path.is_file():
                inside = path.relative_to(GOLDEN / folder).as_posix()
                create_object(f"{bucket}/{Path(folder).name}/{inside}", path.read_bytes())
    archive = WarmArchive(f"{bucket}/archive")
    archive.put([message(NOON), message(NOON + 1)])
    archive.put([message(NOON + 2)])
    archive.mark(COMPLETE_TO)
    create_object(f"{bucket}/quarantine/step=Decode/dt=2026-01-05/a.avro", b"refused")
    create_object(f"{bucket}/events/a.ndjson", b"{}\n")
    for table in ("silver_shop.visit", "ops.drift"):
        create_object(f"{bucket}/rows/{table}/a.ndjson", b"{}\n")


def everything_in(bucket: str) -> dict[str, bytes]:
    """Return what a bucket holds, by path."""
    return dict(read_objects(bucket, ""))
