"""Options that stand on the command line of several jobs, with their words for `--help`."""

__all__ = ["DECLARED", "EVENT_BOUNDS", "SOURCE", "TABLE"]

SOURCE = {
    "input_subscription": "projects/P/subscriptions/S",
    "input_files": "NDJSON files: a path or glob, .gz too",
}
TABLE = {
    "app_profile": "Bigtable app profile",
    "flow_control": "true: let Bigtable slow batch writes down",
}
"""They go with a table."""

DECLARED = {
    "contracts": "folder of contracts (default: the shipped ones)",
    "features": "folder or file of features (default: shipped)",
    "pseudonym_key": "projects/P/secrets/S/versions/V, file:PATH or env:NAME",
}
EVENT_BOUNDS = {
    "max_future": "how far ahead an event may be (default 1d)",
    "max_event_bytes": "largest payload (default 1MB)",
}
