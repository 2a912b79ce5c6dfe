"""The formulas of the cost model: cases reckoned by hand, and what must hold for any workload."""

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from console.cost_bill import bill, total
from console.cost_figures import JOBS, at_pack
from console.cost_limits import RATES, first_limit, scaled, writes_of_hot_row
from console.cost_state import active_hours, held_by_shards, shards_of
from console.cost_usage import naive_usage, usage
from tests.console.cost_builders import (
    GIB,
    MONTH,
    any_assumptions,
    any_figures,
    any_limits,
    any_load,
    any_rates,
    packed,
)

LOADS = st.builds(
    any_load,
    events_per_second=st.floats(1, 1e6),
    bytes_per_event=st.floats(400, 1e5),
    entities=st.floats(1, 1e9),
    retention_days=st.floats(0.1, 1_000),
    duplicates=st.floats(0, 0.9),
    horizon_hours=st.floats(0.01, 1_000),
    hot_key_share=st.floats(0, 1),
    shards=st.integers(0, 1_000),
    messages_per_bundle=st.floats(1, 1e5),
    metric_keys=st.floats(0, 1e6),
    queries_per_day=st.floats(0, 1e6),
)
FIGURES = any_figures(
    (
        packed(1, rows=2.0, ids_cpu_us=100.0, changes_shuffle=500.0),
        packed(16, rows=1.5, ids_cpu_us=40.0, changes_shuffle=300.0),
        packed(256, rows=1.1),
    ),
    memory_an_entity_hour=900.0,
    state_an_entity_hour=600.0,
    table_bytes_an_entity=200.0,
    table_bytes_an_entity_hour=250.0,
)


def quantities(load):
    lines = bill(usage(load, FIGURES, any_assumptions(), 16), load.events_per_second, any_rates())
    return {f"{line.service} {line.what}": line.quantity for line in lines}


def cost_of(used, rate, **prices):
    return total(bill(used, rate, any_rates(prices)))


def test_workers_are_what_the_work_wants_and_what_shards_need_of_memory():
    load = any_load(events_per_second=100_000, horizon_hours=0.001)
    used = usage(load, any_figures(), any_assumptions(), 10)
    assert used.vcpus == pytest.approx(dict.fromkeys(JOBS, 5.0))
    # Twice the work in a stream, on machines half as fast, of which half is used: eight times.
    slow = any_assumptions(streaming_factor=2.0, machine_factor=2.0, worker_utilisation=0.5)
    assert usage(load, any_figures(), slow, 10).vcpus["hot_path"] == pytest.approx(40)
    assert naive_usage(load, any_figures(), any_assumptions()).vcpus["hot_path"] == 20.0
    # 100,000 ids a second of an hour at 100 bytes are 33.5 GiB: half of 4 GiB is room for them.
    held = any_load(events_per_second=100_000, horizon_hours=1)
    tight = usage(held, any_figures(), any_assumptions(memory_for_state=0.5), 10)
    assert tight.vcpus["curate_events"] == pytest.approx(100_000 * 3_600 * 100 / GIB / 2)
    assert tight.vcpus["archive_raw"] == tight.busy_vcpus["archive_raw"] == 5.0
    # Nearly no work: a job has a worker at least.
    machines = any_assumptions(vcpus_per_worker=2.0)
    idle = usage(any_load(events_per_second=1), any_figures(), machines, 10)
    assert idle.vcpus["hot_path"] == 2.0


def test_smaller_packs_than_the_benchmarks_cost_the_work_that_was_measured_of_them():
    figures = any_figures((packed(1, ids_cpu_us=110.0, changes_cpu_us=50.0), packed(100)))
    load = any_load(events_per_second=100_000, horizon_hours=0.001, messages_per_bundle=10)
    vcpus = usage(load, figures, any_assumptions(), 10).vcpus
    assert vcpus["hot_path"] == pytest.approx(0.1e6 * (50 + 100 + 30) / 1e6)
    assert vcpus["curate_events"] == pytest.approx(0.1e6 * (50 + 100) / 1e6)
    assert vcpus["archive_raw"] == pytest.approx(0.1e6 * 50 / 1e6)


def test_streaming_engine_processes_what_comes_in_is_shuffled_kept_and_written():
    used = usage(any_load(), any_figures(), any_assumptions(), 10)
    hot = 500 + 500 + 20 + 200 + 100
    windows, curated, archive = 500 + 520 + 100, 500 + 520 + 300, 4 * 500
    assert used.engine_bytes == pytest.approx(1_000 * (hot + windows + curated + archive))
    longer = usage(any_load(bytes_per_event=800), any_figures(), any_assumptions(), 10)
    more = 400 * (2 + 2 + 2 + 4) + 300
    assert longer.engine_bytes - used.engine_bytes == pytest.approx(1_000 * more)
    other = naive_usage(any_load(), any_figures(), any_assumptions())
    hot, windows, curated = 500 + 500 + 2_000, 500 + 500 + 120, 500 + 420 + 300
    assert other.engine_bytes == pytest.approx(1_000 * (hot + windows + curated + 500))


def test_pubsub_bills_a_message_once_published_and_once_for_each_job():
    used = usage(any_load(), any_figures(), any_assumptions(), 10)
    assert (used.publish_bytes, used.pull_bytes) == (500_000.0, 2_000_000.0)
    # 2,500 bytes an event at 1 a TiB.
    assert cost_of(used, 1_000, pubsub_tib=1.0) == pytest.approx(2_500e6 / 2**40)


def test_nodes_follow_from_rows_and_from_bytes_and_are_whole():
    load, figures = any_load(), any_figures()
    assert usage(load, figures, any_assumptions(), 10).bigtable_nodes == 1
    half = any_assumptions(bigtable_utilisation=0.4)
    assert usage(load, figures, half, 10).bigtable_nodes == 3
    assert naive_usage(load, figures, any_assumptions()).bigtable_nodes == 10
    # A thousand rows a second for 10 days, each an hour of its own, at 1,000 bytes: 805 GiB.
    heavy = any_figures(table_bytes_an_entity_hour=1_000.0)
    small = any_assumptions(bigtable_gib_per_node=100.0)
    used = usage(load, heavy, small, 10)
    assert used.bigtable_bytes == pytest.approx(864e6 * 1_000, rel=0.01)
    assert used.bigtable_nodes == 9
    # 3 nodes are 3 hours an hour, for 3.6 million events.
    three = usage(load, figures, half, 10)
    assert cost_of(three, 1_000, bigtable_node_hour=1.2) == pytest.approx(1.0)


def test_rows_of_bigquery_are_written_kept_and_queried():
    load = any_load(metric_keys=600, queries_per_day=10, duplicates=0.5)
    used = usage(load, any_figures(), any_assumptions(panes_per_window=2.0, columns_read=0.5), 10)
    panes = 2 * 600 * (1 / 60 + 1 / 300) * 200
    assert used.bigquery_write_bytes == pytest.approx(500 * 300 + panes)
    assert used.bigquery_bytes == pytest.approx((500 * 300 + panes) * 864_000)
    assert used.bigquery_query_bytes * 86_400 == pytest.approx(10 * panes * 86_400 / 2)
    other = naive_usage(load, any_figures(), any_assumptions())
    assert other.bigquery_insert_bytes == pytest.approx((500 + 12) * 1_024)
    assert (used.bigquery_insert_bytes, other.bigquery_write_bytes) == (0, 0)
    # What is kept: 10 days of a million events' rows, at 1 a GiB and month.
    stored = cost_of(used, 1_000, bigquery_storage_gib_month=1.0)
    assert stored == pytest.approx((500 * 300 + panes) * 1_000 / GIB * 864_000 / MONTH)


def test_objects_of_the_archive_are_as_large_or_as_old_as_a_batch_may_be():
    slow = usage(any_load(events_per_second=1), any_figures(), any_assumptions(), 10)
    assert slow.objects == pytest.approx(1 / 300)
    quick = usage(any_load(events_per_second=800_000), any_figures(), any_assumptions(), 10)
    assert quick.objects == pytest.approx(10)
    assert quick.class_a == pytest.approx(20 + 1 / 60 + 2 / 3_600)
    assert quick.storage_bytes == pytest.approx(800_000 * 70 * 864_000)
    assert naive_usage(any_load(), any_figures(), any_assumptions()).class_a == pytest.approx(
        2 / 60
    )


def test_rows_are_active_in_as_many_hours_as_evenly_spread_events_reach():
    assert active_hours(1, 1) == pytest.approx(1 - math.exp(-1))
    assert active_hours(1e9, 1_000) == pytest.approx(1_000)
    assert active_hours(5, 1e15) == pytest.approx(5)


def test_shards_hold_the_ids_of_a_horizon_and_the_tiles_of_two():
    figures = any_figures(state_an_entity_hour=10.0, memory_an_entity_hour=30.0)
    held = held_by_shards(any_load(events_per_second=10, duplicates=0.5), figures)
    assert (held.ids_state, held.ids_memory) == (18_000 * 25, 18_000 * 100)
    assert held.rows_state == pytest.approx(18_000 * 3 * 10, rel=1e-4)
    assert held.rows_memory == pytest.approx(18_000 * 3 * 30, rel=1e-4)


def test_shards_are_as_many_as_commits_and_keys_that_work_in_one_thread_ask_for():
    figures = any_figures()
    load = any_load(shards=0, events_per_second=1_000)
    # 3.6 million ids at 25 bytes are 90 MB: of 1 MB each, 90 shards, so 128.
    assert shards_of(load, figures, 1e6, 1.0) == 128
    assert shards_of(load._replace(shards=7), figures, 1e6, 1.0) == 7
    # A million events at 20 us are 20 seconds a second: at half a second each, 40, so 64.
    assert shards_of(load.at(1e6), figures, 1e15, 0.5) == 64
    assert shards_of(load.at(1.0), figures, 1e15, 1.0) == 16


def test_a_hot_row_is_written_once_for_each_pack_that_names_it():
    assert writes_of_hot_row(any_load(hot_key_share=0.5), 1) == 500
    assert writes_of_hot_row(any_load(hot_key_share=0.5), 2) == 500 * 0.75
    assert writes_of_hot_row(any_load(hot_key_share=1.0), 100) == 10
    assert writes_of_hot_row(any_load(), 100) == 0


def test_figures_between_measured_sizes_of_packs_lie_between_them():
    packs = (packed(1, rows=4.0), packed(16, rows=2.0))
    sizes = (0.5, 1, 2, 4, 8, 16, 99)
    assert [at_pack(packs, n)["rows"] for n in sizes] == [4, 4, 3.5, 3, 2.5, 2, 2]


def test_the_first_limit_is_found_at_the_rate_where_it_is_hit():
    load, assumed = any_load(hot_key_share=0.5), any_assumptions()
    # Of packs of 10 nearly all name the hot row, at 20 us; a tenth of the others is in its shard.
    limits = any_limits(key_busy=0.7, pubsub_publish_bytes=1e9)
    first = first_limit(load, any_figures(), assumed, limits)
    assert first.limit.name == "key_busy"
    assert first.rate == pytest.approx(0.7 / 20e-6 / ((1 - 0.5**10) / 10 + 0.5 / 10))
    spread = first_limit(any_load(), any_figures(), assumed, limits)
    assert (spread.limit.name, spread.rate) == ("key_busy", pytest.approx(350_000))
    auto = first_limit(any_load(shards=0), any_figures(), assumed, limits)
    assert (auto.limit.name, auto.rate) == ("pubsub_publish_bytes", pytest.approx(2e6))
    assert first_limit(any_load(shards=0), any_figures(), assumed, any_limits()).limit is None


def test_a_limit_that_is_exceeded_is_told_the_worst_first():
    limits = any_limits(pubsub_publish_bytes=250e3, bigtable_nodes=0.1)
    found = scaled(any_load(), any_figures(), any_assumptions(), limits)
    assert found.exceeded == ["bigtable_nodes", "pubsub_publish_bytes"]
    assert found.shares["pubsub_publish_bytes"] == 2


@given(LOADS)
@settings(max_examples=50, deadline=None)
def test_no_line_of_any_bill_is_negative_and_the_lines_are_the_whole(load):
    rates = any_rates(dict.fromkeys(any_rates().prices, 1.0))
    shards = shards_of(load, FIGURES, 1e8, 0.5)
    used = usage(load, FIGURES, rates.assumptions, shards)
    for each in (used, naive_usage(load, FIGURES, rates.assumptions)):
        lines = bill(each, load.events_per_second, rates)
        assert all(0 <= line.quantity < math.inf and 0 <= line.cost < math.inf for line in lines)
        names = [(line.service, line.what) for line in lines]
        assert len(set(names)) == len(names)
        assert sum(line.cost / total(lines) for line in lines) == pytest.approx(1)
    assert all(used.vcpus[job] >= used.busy_vcpus[job] for job in JOBS)


@given(LOADS, st.floats(1.5, 10))
@settings(max_examples=50, deadline=None)
def test_what_is_linear_in_the_rate_costs_as_much_for_a_million_events_at_any_rate(load, times):
    fixed = load._replace(shards=16, horizon_hours=0.001)
    slow, quick = (quantities(each) for each in (fixed, fixed.at(load.events_per_second * times)))
    for name in (
        "Dataflow Streaming Engine",
        "Pub/Sub published, delivered",
        "Cloud Storage stored",
    ):
        assert quick[name] == pytest.approx(slow[name])
    # What is there whether it is used or not is shared by more.
    for name in ("Dataflow vCPU", "BigQuery stored", "Cloud Storage class A", "Bigtable stored"):
        assert quick[name] <= slow[name] * (1 + 1e-9)


MORE = ("bytes_per_event", "retention_days", "horizon_hours", "metric_keys", "queries_per_day")


@given(LOADS, st.sampled_from(MORE))
@settings(max_examples=50, deadline=None)
def test_more_of_anything_never_costs_less(load, name):
    rates = any_rates(dict.fromkeys(any_rates().prices, 1.0))
    fixed = load._replace(shards=16)
    more = fixed._replace(**{name: getattr(fixed, name) * 2})
    costs = [
        total(bill(usage(each, FIGURES, rates.assumptions, 16), each.events_per_second, rates))
        for each in (fixed, more)
    ]
    assert costs[1] >= costs[0] * (1 - 1e-9)


@given(LOADS, st.floats(1.1, 100))
@settings(max_examples=50, deadline=None)
def test_with_as_many_shards_no_share_of_a_limit_shrinks_as_the_rate_grows(load, times):
    fixed = load._replace(shards=64)
    limits = any_limits()
    before, after = (
        scaled(each, FIGURES, any_assumptions(), limits).shares
        for each in (fixed, fixed.at(load.events_per_second * times))
    )
    assert all(after[name] >= before[name] * (1 - 1e-9) for name in before)


def test_the_rates_that_growth_is_told_at_reach_a_million_events_a_second():
    assert (RATES[0], RATES[-1]) == (1_000, 1_000_000)
