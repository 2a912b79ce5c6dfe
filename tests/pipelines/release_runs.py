"""Archives of messages that narrow contracts refuse, and runs of the jobs that mend the damage."""

import json
from pathlib import Path
from typing import Any

import apache_beam as beam
from apache_beam.runners.portability.fn_api_runner import FnApiRunner

from pipelines import hot_path, release_quarantine
from pipelines.counters import counters_of
from pipelines.hot_path_options import HotPathConfig, HotPathOptions
from pipelines.options import parse_options
from pipelines.release_options import ReleaseConfig, ReleaseOptions
from schemas.cell_lines import CellLine, applied
from schemas.contract import load_contracts
from schemas.events import RawEvent
from schemas.feature_set import load_features
from schemas.times import format_rfc3339, parse_rfc3339
from tests.archive_builders import complete, put_all
from transforms.write_cell_lines import read_lines

NOON = parse_rfc3339("2026-01-05T12:00:00Z")
MINUTE = 60_000_000
HOUR = 60 * MINUTE
DAY = 24 * HOUR

FEATURES = """
entity: user
key: user_id
retention: 30d
tile: 1h
state:
  - {name: last_event, field: event_type}
  - {name: plan, field: event_details.plan}
features:
  - {name: events, aggregate: count}
  - {name: pages, aggregate: approx_distinct, field: event_details.page}
  - {name: spent, aggregate: sum, field: event_details.amount, tile: 5m}
"""


def field(name: str, kind: object, **more: object) -> dict[str, object]:
    return {"name": name, "type": kind, "doc": "A field.", **more}


def _contract(name: str, *fields: object) -> dict[str, object]:
    head = {"type": "record", "name": name, "domain": "shop", "doc": "It happened."}
    return {**head, "fields": list(fields)}


def _plan(*symbols: str) -> dict[str, object]:
    return {"type": "enum", "name": "plan", "symbols": list(symbols)}


_PAGE = field("page", ["null", "string"], default=None)
NARROW = [
    _contract("visit", _PAGE),
    _contract(
        "order",
        field("amount", "int"),
        field("plan", _plan("free"), default="free"),
        field("page", "string"),
        field("token", ["null", {"type": "string", "logicalType": "uuid"}], default=None),
    ),
]
MENDED = [
    _contract("visit", _PAGE),
    _contract("teleport", _PAGE),
    _contract(
        "order",
        field("amount", "long"),
        field("plan", _plan("free", "gold"), default="free"),
        _PAGE,
        field("token", ["null", "string"], default=None),
    ),
]


def event(event_id: str, user: str, time: int, kind: str = "order", **details: Any) -> bytes:
    known = {"page": "/a", **({"amount": 5, "plan": "free"} if kind == "order" else {}), **details}
    return json.dumps(
        {
            "event_id": event_id,
            "event_type": kind,
            "user_id": user,
            "session_id": None,
            "event_timestamp": format_rfc3339(time),
            "event_details": {name: value for name, value in known.items() if value != "absent"},
        }
    ).encode()


def refused(time: int = NOON) -> dict[str, bytes]:
    """Return, by the reason for which narrow contracts refuse it, an event of a user so named."""
    made = {
        "unknown_event_type": {"kind": "teleport"},
        "missing_field": {"page": "absent"},
        "wrong_type": {"page": None},
        "bad_enum_value": {"plan": "gold"},
        "number_out_of_range": {"amount": 2**40},
        "bad_value": {"token": "t-1"},
        "payload_too_large": {"page": "/" + "x" * 600},
    }
    some = {reason: event(f"r-{reason}", reason, time, **more) for reason, more in made.items()}
    return some | {"time_out_of_range": event("r-future", "time_out_of_range", time + 2 * DAY)}


MENDED_BOUNDS = ("--max_future=3d", "--max_event_bytes=5000")
NARROW_BOUNDS = ("--max_future=1d", "--max_event_bytes=500")


def messages(payloads: list[bytes], published: int = NOON, step: int = 7_000_000) -> list[RawEvent]:
    return [
        RawEvent(payload, {"n": str(n)}, f"m{published}-{n}", published + n * step)
        for n, payload in enumerate(payloads)
    ]


def around(users: list[str]) -> list[bytes]:
    """Return good events of users before, in and after the tile of noon."""
    return [
        event(f"g-{user}-{n}", user, NOON + n * 17 * MINUTE, "order" if n % 2 else "visit")
        for user in users
        for n in range(-4, 5)
    ]


class House:
    """A folder with an archive, contracts before and after, and all that runs leave."""

    def __init__(self, folder: Path, given: list[RawEvent], marker: int = NOON + 30 * DAY) -> None:
        self.folder = folder
        self.archive = folder / "archive"
        put_all(self.archive, given)
        complete(self.archive, marker)
        for name, contracts in (("narrow", NARROW), ("mended", MENDED)):
            for each in contracts:
                path = folder / name / "shop" / f"{each['name']}.avsc"
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_text(json.dumps(each))
        (folder / "features.yaml").write_text(FEATURES)
        self.quarantine = folder / "quarantine"
        sets = load_features(str(folder / "features.yaml"), load_contracts(str(folder / "mended")))
        self.tiles = {feature.name: feature.tile for feature in sets[0].features}
        # What the features name, the narrow contracts have to have.

    def common(self, contracts: str, sink: str) -> list[str]:
        name = "bigtable_table" if sink.startswith("projects/") else "cells_output"
        return [
            f"--input_archive={self.archive}",
            f"--contracts={self.folder / contracts}",
            f"--features={self.folder / 'features.yaml'}",
            f"--{name}={sink if name == 'bigtable_table' else self.folder / sink}",
            "--horizon=1h",
        ]

    def hot_path(self, contracts: str, sink: str, *more: str, quarantine: str = "") -> dict:
        """Run the hot path over all of the archive, as a live job would have."""
        argv = [
            *self.common(contracts, sink),
            "--from=2026-01-01T00:00:00Z",
            "--to=2026-01-20T00:00:00Z",
            f"--quarantine_output={quarantine or self.quarantine}",
            *more,
        ]
        config = hot_path.JOB.prepare(HotPathConfig.of(parse_options(argv, HotPathOptions, "")))
        return _run(hot_path.build, config)

    def live(self, sink: str, *more: str) -> dict:
        return self.hot_path("narrow", sink, *NARROW_BOUNDS, *more)

    def truth(self, sink: str = "truth") -> dict:
        """Run what should have been from the beginning."""
        elsewhere = str(self.folder / f"quarantine_of_{sink.rpartition('/')[2]}")
        return self.hot_path("mended", sink, *MENDED_BOUNDS, quarantine=elsewhere)

    def release_arguments(self, sink: str, *more: str, contracts: str = "mended") -> list[str]:
        bounds = MENDED_BOUNDS if contracts == "mended" else NARROW_BOUNDS
        return [
            *self.common(contracts, sink), f"--quarantine={self.quarantine}", *bounds, *more
        ]  # fmt: skip

    def release(
        self, sink: str, *more: str, contracts: str = "mended", bundle_repeat: int = 0
    ) -> dict:
        argv = self.release_arguments(sink, *more, contracts=contracts)
        config = ReleaseConfig.of(parse_options(argv, ReleaseOptions, ""))
        job = release_quarantine
        return _run(job.build, job.JOB.prepare(config), bundle_repeat)

    def rows(self, *sinks: str) -> dict[tuple[bytes, str, str, int], tuple[int, bytes]]:
        """Return what a reader sees after runs were applied one after the other."""
        lines = applied(*(read_lines(str(self.folder / sink)) for sink in sinks))
        return self.folded(lines)

    def folded(self, lines: Any) -> dict[tuple[bytes, str, str, int], tuple[int, bytes]]:
        found: dict[tuple[bytes, str, str, int], tuple[int, bytes]] = {}
        for line in lines:
            assert isinstance(line, CellLine)
            length = self.tiles.get(line.qualifier, 0)
            start = line.timestamp_micros // length * length if length else 0
            place = (line.key, line.family, line.qualifier, start)
            found[place] = max(
                found.get(place, (0, b"")), (line.timestamp_micros, bytes(line.value))
            )
        return found


def _run(build: Any, config: Any, bundle_repeat: int = 0) -> dict[str, int]:
    pipeline = beam.Pipeline(runner=FnApiRunner(bundle_repeat=bundle_repeat))
    build(pipeline, config)
    result = pipeline.run()
    result.wait_until_finish()
    return counters_of(result)
