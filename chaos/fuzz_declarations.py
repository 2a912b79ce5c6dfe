"""Fuzz targets of YAML that people write: features, metrics, quality checks, environments."""

import functools
import re
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from random import Random
from typing import Any

import msgspec
import yaml

from chaos.fuzz_mutations import mutate_bytes, mutate_lines, mutate_tree, one_of
from chaos.fuzz_target import CANARY, Target, promise, promise_one_line
from console.launch_environment import load_environment
from console.launch_file import FileError
from schemas.contract import load_contracts
from schemas.contract_set import Contracts
from schemas.declaration_file import read_yaml
from schemas.feature_error import FEATURES, FeatureError
from schemas.feature_set import parse_features
from schemas.metric_error import METRICS, MetricError
from schemas.metric_set import load_metrics, parse_metric
from schemas.quality_error import QUALITY, QualityError
from schemas.quality_set import parse_checks
from schemas.table_set import TableSet
from schemas.tables import TableError
from transforms.feature_program import FeatureProgram

__all__ = ["ENVIRONMENTS", "FEATURE_FILES", "METRIC_FILES", "QUALITY_FILES"]

_ROOT = Path(__file__).parents[1]
_FILE = "probe.yaml"
_PIPELINES = ("archive_raw", "hot_path", "window_metrics")
_IN_A_VALUE = re.compile(rf"[:-] [\"']?{CANARY}".encode())
_WORDS: tuple[Any, ...] = (
    None, True, 0, 1, -1, 1.5, 10**30, float("inf"), float("nan"), "", "a", "A" * 65, "1a", "a b",
    "count", "sum", "min", "max", "approx_distinct", "last", "ratio", "user_id", "session_id",
    "event_type", "event_timestamp", "event_details", "event_details.country", "age_ms", "reason",
    "event_details.amount_minor", "event_details.score", "event_details.answers", "rejects",
    "event_details.passed", "page_view", "purchase", ["purchase", "refund"], [], {}, [[1]],
    {"event_type": "purchase"}, {"event_details.passed": False}, {"event_details.score": "1.50"},
    {"user_id": "u1"}, "5m", "1h", "1d", "7m", "0s", "30d", "none", "each", "2026-13-01",
    "\ud83d", "a\u0000", "freshness", "volume", "range", "references", [0, None], [2, 1],
    "silver_billing.purchase", "silver_*.*", "ops.late", {"currency": "EUR"}, {"currency": None},
    CANARY, "gs://my-bucket/x", "my-project", "{pipeline}", "us-east1", {"a": "b"}, ["a=b"], "no",
)  # fmt: skip


def _mutate_yaml(data: bytes, random: Random) -> bytes:
    """Change the tree of a text and write it as a block or in one line."""
    try:
        tree = yaml.load(data, _Loader)  # noqa: S506 (a safe loader, by either name)
    except (yaml.YAMLError, ValueError, RecursionError):
        return mutate_bytes(data, random)
    for _ in range(1 + random.randrange(2)):
        tree = mutate_tree(tree, random, _WORDS)
    try:
        return yaml.dump(
            tree, Dumper=_Dumper, default_flow_style=random.choice((None, True, False)),
            allow_unicode=bool(random.randrange(2)), sort_keys=False,
        ).encode()  # fmt: skip
    except (yaml.YAMLError, ValueError, RecursionError):
        return mutate_lines(data, random)


_Loader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_Dumper: Any = getattr(yaml, "CSafeDumper", yaml.SafeDumper)
_mutate = one_of((5, _mutate_yaml), (1, mutate_lines), (2, mutate_bytes))


@functools.cache
def _contracts() -> Contracts:
    return load_contracts()


@functools.cache
def _tables() -> TableSet:
    return TableSet.of(_contracts(), load_metrics(None, _contracts()))


def _checked(parse: Callable[[str], Any], error: type[ValueError], kind: Any, data: bytes) -> Any:
    """Return what a text declares, the same as when its tree is written anew; None: refused."""
    try:
        text = data.decode()
    except UnicodeDecodeError:
        # Whoever reads the file has refused it.
        return None
    try:
        found = parse(text)
    except error as refused:
        promise_one_line(refused)
        promise(str(refused).startswith(_FILE), "a refusal names the file")
        return None
    tree = read_yaml(text, _FILE, kind)
    again = yaml.safe_dump(tree, allow_unicode=True, sort_keys=False)
    promise(parse(again) == found, "a declaration that is written anew is the same")
    return found


def _check_features(data: bytes) -> None:
    def parse(text: str) -> Any:
        return parse_features(text, _FILE, _contracts())

    found = _checked(parse, FeatureError, FEATURES, data)
    if found is not None:
        FeatureProgram(_contracts(), [found])
        msgspec.msgpack.encode(found)


def _check_metrics(data: bytes) -> None:
    def parse(text: str) -> Any:
        return parse_metric(text, _FILE, _contracts())

    found = _checked(parse, MetricError, METRICS, data)
    if found is not None:
        msgspec.msgpack.encode(found)
        try:
            TableSet.of(_contracts(), [found])
        except TableError as refused:
            promise_one_line(refused)


def _check_quality(data: bytes) -> None:
    def parse(text: str) -> Any:
        return parse_checks(text, _FILE, _tables())

    _checked(parse, QualityError, QUALITY, data)


def _check_environment(data: bytes) -> None:
    path = _place()
    path.write_bytes(data)
    try:
        found = load_environment(path, _PIPELINES)
    except FileError as refused:
        promise_one_line(refused)
        promise(str(refused).startswith(str(path)), "a refusal names the file")
        only_values = len(_IN_A_VALUE.findall(data)) == data.count(CANARY.encode())
        promise(CANARY not in str(refused) or not only_values, "a refusal shows no value")
        return
    for pipeline in _PIPELINES:
        found.workers_of(pipeline)
    promise(load_environment(path, _PIPELINES) == found, "a file always says the same")
    fields = _given(msgspec.to_builtins(found))
    fields["pipelines"] = {name: _given(own) for name, own in fields.get("pipelines", {}).items()}
    path.write_text(yaml.safe_dump(fields, allow_unicode=True))
    promise(load_environment(path, _PIPELINES) == found, "what it says is read as it is written")


@functools.cache
def _place() -> Path:
    return Path(_folder().name) / _FILE


@functools.cache
def _folder() -> tempfile.TemporaryDirectory[str]:
    return tempfile.TemporaryDirectory(prefix="fuzz-environment-")


def _given(fields: dict[str, Any]) -> dict[str, Any]:
    """Leave out the fields that are not there; a parameter that is null stays."""
    return {name: each for name, each in fields.items() if each not in (None, {}, [])}


def _shipped(kind: str) -> Iterator[bytes]:
    for path in sorted((_ROOT / "schemas" / kind).glob("*.yaml")):
        yield path.read_bytes()


def _feature_seeds() -> Iterator[bytes]:
    yield from _shipped("features")
    yield (
        b"entity: user\nkey: user_id\nretention: 30d\ntile: 1h\n"
        b"state: [{name: plan, field: event_details.plan}]\n"
        b"features: [{name: n, aggregate: count, where: {event_type: [login, purchase]}},"
        b" {name: m, aggregate: sum, field: event_details.amount_minor, tile: 5m}]\n"
    )


def _quality_seeds() -> Iterator[bytes]:
    yield from _shipped("quality")
    yield b"tables: &a [silver_billing.purchase]\nowner: o\nchecks: [{name: c, check: volume}]\n"


def _environment_seeds() -> Iterator[bytes]:
    yield (_ROOT / "templates" / "environment.example.yaml").read_bytes()[:12_000]
    yield (
        f"project: my-project\nregion: europe-west1\nnetwork: {CANARY}\npublic_ips: no\n"
        f"labels: {{a: b}}\nparameters: {{source: {CANARY}, dry_run: }}\n"
        f"pipelines:\n  hot_path:\n    max_workers: 3\n    parameters:\n      x: {CANARY}\n"
    ).encode()
    yield b"a: &a [x, x]\nb: &b [*a, *a]\nproject: *b\n<<: *a\n"


FEATURE_FILES = Target(
    "feature_files",
    "a file is refused in one line that names it, or declares the same when it is written anew",
    _check_features,
    _feature_seeds,
    _mutate,
    weight=2,
    max_bytes=4_096,
    seconds=5.0,
)
METRIC_FILES = Target(
    "metric_files",
    "a file is refused in one line that names it, or declares the same when it is written anew",
    _check_metrics,
    lambda: _shipped("metrics"),
    _mutate,
    weight=2,
    max_bytes=4_096,
    seconds=5.0,
)
QUALITY_FILES = Target(
    "quality_files",
    "a file is refused in one line that names it, or declares the same when it is written anew",
    _check_quality,
    _quality_seeds,
    _mutate,
    weight=2,
    max_bytes=4_096,
    seconds=5.0,
)
ENVIRONMENTS = Target(
    "environment_files",
    "a file is refused in one line that shows no value, or says the same when it is written anew",
    _check_environment,
    _environment_seeds,
    _mutate,
    weight=2,
    max_bytes=12_000,
    seconds=5.0,
)
