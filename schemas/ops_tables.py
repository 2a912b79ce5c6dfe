"""The tables of the suite itself: what was late, unknown, refused or computed anew."""

from schemas.tables import Column, Table

__all__ = ["AUDIT", "DRIFT", "LATE", "OPS", "OPS_TABLES", "QUARANTINE", "RECOMPUTED"]

OPS = "ops"
"""The dataset of what is kept beside the curated events and the metrics."""

_TIMES = (
    Column("publish_time", "TIMESTAMP", "NULLABLE", "When it was published; null: not known."),
    Column("ingest_time", "TIMESTAMP", "REQUIRED", "When this row was made; differs by run."),
)

DRIFT = Table(
    OPS,
    "drift",
    "What events held that their contract did not know, with the values, as they were sent.",
    (
        Column("event_id", "STRING", "REQUIRED", "The event that had the fields."),
        Column("event_type", "STRING", "REQUIRED", "The contract that did not know them."),
        Column("event_timestamp", "TIMESTAMP", "REQUIRED", "When the event happened."),
        *_TIMES,
        Column("content_digest", "STRING", "REQUIRED", "As in the curated table of the type."),
        Column("drift", "STRING", "REQUIRED", "JSON: the unknown fields in the place they had."),
        Column("message_id", "STRING", "NULLABLE", "Pub/Sub's id of the message that it came in."),
    ),
    partition="event_timestamp",
    clustering=("event_type",),
    key=("event_id", "content_digest"),
    retention_days=365,
    restricted=True,
)

LATE = Table(
    OPS,
    "late",
    "Events that came too late for a window of a metric; a recomputation brings them in.",
    (
        Column("event_id", "STRING", "REQUIRED", "Identifier of the event."),
        Column("event_type", "STRING", "REQUIRED", "Its type."),
        Column("user_id", "STRING", "NULLABLE", "Whose it is, as in the curated tables."),
        Column("event_timestamp", "TIMESTAMP", "REQUIRED", "When it happened."),
        Column("publish_time", "TIMESTAMP", "NULLABLE", "When it was published, where known."),
        Column("late_for", "STRING", "REPEATED", "<metric>/<window> that it was too late for."),
        Column("event", "STRING", "REQUIRED", "The whole event as JSON, pseudonymised."),
    ),
    partition="event_timestamp",
    clustering=("event_type",),
    key=("event_id",),
)

QUARANTINE = Table(
    OPS,
    "quarantine",
    "What could not be used, without its bytes: those are in the quarantine's objects.",
    (
        Column("identity", "STRING", "REQUIRED", "Digest of all that does not differ by run."),
        Column("step", "STRING", "REQUIRED", "The step that refused it."),
        Column("reason", "STRING", "REQUIRED", "Reason code; docs/quarantine.md explains each."),
        Column("detail", "STRING", "NULLABLE", "Field and rule; never a value."),
        Column("message_id", "STRING", "NULLABLE", "Pub/Sub's id of the message."),
        Column("publish_time", "TIMESTAMP", "NULLABLE", "When it was published, where known."),
        Column("event_time", "TIMESTAMP", "NULLABLE", "When it happened, where it can be read."),
        Column("payload_digest", "STRING", "REQUIRED", "Digest of its bytes."),
        Column("bytes", "INTEGER", "REQUIRED", "How many bytes it has."),
        Column("replayed_from", "STRING", "NULLABLE", "The archive and source of a replay."),
        Column("run", "STRING", "NULLABLE", "The run of a replay."),
        Column("job", "STRING", "NULLABLE", "The job that refused it."),
    ),
    partition="publish_time",
    clustering=("reason", "step"),
    key=("identity",),
)

RECOMPUTED = Table(
    OPS,
    "recomputed",
    "Windows whose panes are complete in a later generation: what makes a view take that one.",
    (
        Column("metric", "STRING", "REQUIRED", "Name of the metric."),
        Column("window", "STRING", "REQUIRED", "Length of the window, such as 1m."),
        Column("window_start", "TIMESTAMP", "REQUIRED", "Where it begins."),
        Column("generation", "INTEGER", "REQUIRED", "The generation of the recomputation."),
        Column("run", "STRING", "NULLABLE", "Its run."),
    ),
    partition="window_start",
    clustering=("metric", "window"),
    key=("metric", "window", "window_start", "generation"),
)

AUDIT = Table(
    OPS,
    "audit",
    "What audits found: expectations of tables, and comparisons of the layers of a span.",
    (
        Column("run", "STRING", "REQUIRED", "The audit."),
        Column("check", "STRING", "REQUIRED", "Name of the check."),
        Column("table", "STRING", "REQUIRED", "Table or view that it is about."),
        Column("owner", "STRING", "REQUIRED", "Who mends it."),
        Column("severity", "STRING", "REQUIRED", "error or warn."),
        Column("span_start", "TIMESTAMP", "REQUIRED", "Where the audited span begins."),
        Column("span_end", "TIMESTAMP", "REQUIRED", "Where it ends; the end is not in it."),
        Column("value", "FLOAT", "NULLABLE", "What was found; null: nothing to compute it of."),
        Column("bound", "STRING", "REQUIRED", "What it may be."),
        Column("passed", "BOOLEAN", "REQUIRED", "Whether it is."),
        Column("detail", "STRING", "NULLABLE", "Counts and ids; never another value of an event."),
        Column("checked_at", "TIMESTAMP", "REQUIRED", "When the audit was launched."),
    ),
    partition="checked_at",
    clustering=("check", "table"),
    key=("run", "check", "table"),
)

OPS_TABLES = (AUDIT, DRIFT, LATE, QUARANTINE, RECOMPUTED)
"""Those that do not depend on what is declared, in the order of creation."""
