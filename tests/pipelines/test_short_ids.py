"""Counters of bundles that end together, before an engine that keeps one value of an unknown name.

What this cannot show: how Prism itself behaves, for which `tests/emulators` run jobs on it.
"""

import threading
import time

from apache_beam.metrics import monitoring_infos

from pipelines.short_ids import OneAtATime


class Engine:
    """Takes answers as Prism does: what it has no name for waits, and only the last one stays."""

    def __init__(self, cache, answer_after):
        self._cache, self._answer_after = cache, answer_after
        self._lock = threading.Lock()
        self._names, self._waiting = {}, {}
        self.sums = {}

    def take(self, values):
        with self._lock:
            unknown = [short for short in values if short not in self._names]
            for short, value in values.items():
                if short in unknown:
                    self._waiting[short] = value
                else:
                    self._count(short, value)
        if unknown:
            time.sleep(self._answer_after)
            infos = self._cache.get_infos(unknown)
            with self._lock:
                self._names.update({s: info.labels["NAME"] for s, info in infos.items()})
                for short in [each for each in self._waiting if each in self._names]:
                    self._count(short, self._waiting.pop(short))

    def _count(self, short, value):
        name = self._names[short]
        self.sums[name] = self.sums.get(name, 0) + value


def info(name):
    return monitoring_infos.int64_user_counter("penstock", name, 1, ptransform="Step")


def run(bundles, cache, answer_after):
    """Let each bundle count 1 under each of its names, all at the same moment."""
    engine = Engine(cache, answer_after)
    together = threading.Barrier(len(bundles))

    def bundle(names):
        together.wait()
        engine.take({cache.get_short_id(info(name)): 1 for name in names})

    threads = [threading.Thread(target=bundle, args=(names,)) for names in bundles]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return engine.sums


def test_counts_of_bundles_that_end_together_are_all_kept():
    for _ in range(5):
        sums = run([["read"]] * 6, OneAtATime(5, 0.005), 0.01)
        assert sums == {"read": 6}


def test_bundles_that_need_each_others_new_names_do_not_wait_for_ever():
    begun = time.monotonic()
    bundles = [["a", "b"], ["b", "a"], ["b", "c", "a"], ["c"]]
    assert run(bundles, OneAtATime(30, 0.005), 0.005) == {"a": 3, "b": 3, "c": 2}
    assert time.monotonic() - begun < 10


def test_an_engine_that_never_asks_holds_nobody_up_for_long():
    cache = OneAtATime(0.05, 0.005)
    shorts = []

    def bundle():
        shorts.append(cache.get_short_id(info("read")))

    threads = [threading.Thread(target=bundle) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(5)
    assert len(set(shorts)) == 1
    assert len(shorts) == 3
