"""Figures, prices and workloads in round numbers, so that a bill can be reckoned by hand."""

from console.cost_figures import JOBS, Figures, Side
from console.cost_files import ASSUMPTIONS, LIMITS, PRICES, Limit, Rates
from console.cost_workload import Workload

GIB = 2**30
MONTH = 365.25 / 12 * 86_400


def any_load(**given):
    usual = {
        "events_per_second": 1_000,
        "bytes_per_event": 0,
        "entities": 1e9,
        "retention_days": 10,
        "duplicates": 0,
        "horizon_hours": 1,
        "hot_key_share": 0,
        "shards": 10,
        "messages_per_bundle": 100,
        "metric_keys": 0,
        "queries_per_day": 0,
    }
    return Workload.of(**{**usual, **given})


def packed(events, **given):
    usual = {
        "ids_shuffle": 500.0,
        "ids_state": 20.0,
        "changes_shuffle": 200.0,
        "changes_state": 100.0,
        "parts_shuffle": 50.0,
        "rows": 1.0,
        "row_bytes": 300.0,
        "ids_cpu_us": 10.0,
        "changes_cpu_us": 20.0,
        "parts_cpu_us": 5.0,
    }
    return {"events_a_pack": float(events), **usual, **given}


def any_figures(packs=None, **kept):
    usual = {
        "memory_an_id": 100.0,
        "state_an_id": 25.0,
        "memory_an_entity_hour": 0.0,
        "state_an_entity_hour": 0.0,
        "table_bytes_an_entity": 0.0,
        "table_bytes_an_entity_hour": 0.0,
    }
    naive = {
        "ids_shuffle": 400.0,
        "ids_state": 100.0,
        "changes_shuffle": 1_000.0,
        "changes_state": 1_000.0,
        "parts_shuffle": 60.0,
        "distinct_shuffle": 420.0,
        "curated_row": 300.0,
        "pane_row": 200.0,
        "archive": 80.0,
        "rows": 10.0,
    }
    ours = {"archive": 70.0, "curated_row": 300.0, "pane_row": 200.0}
    return Figures(
        400.0,
        tuple(packs or (packed(1), packed(100))),
        Side(dict.fromkeys(JOBS, 50e-6), ours),
        Side(dict.fromkeys(JOBS, 200e-6), naive),
        {**usual, **kept},
        ("2026-01-01",),
    )


def any_assumptions(**given):
    usual = {
        **dict.fromkeys(ASSUMPTIONS, 1.0),
        "gib_per_vcpu": 4.0,
        "pubsub_message_overhead": 100.0,
        "bigtable_rows_per_node": 1_000.0,
        "bigtable_gib_per_node": 1e6,
    }
    return {**usual, **given}


def any_rates(prices=None, **assumed):
    return Rates("EUR", "here", {**dict.fromkeys(PRICES, 0.0), **(prices or {})},
                 any_assumptions(**assumed), ())  # fmt: skip


def any_limits(**values):
    return [
        Limit(name, values.get(name, 1e15), "units", "a page", "page", f"do less {name}")
        for name in LIMITS
    ]
