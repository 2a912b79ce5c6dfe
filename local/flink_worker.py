"""The command of Beam's PROCESS environment: a Python worker for whoever asks, from this checkout.

    python -m local.flink_worker NOTES --id=... --provision_endpoint=... [...]

It does what Beam's boot program does in a container, but for installing anything. Its process id
is the name of an empty file in the folder NOTES, so that a test can find it and kill it.
"""

import argparse
import os
import shlex
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

__all__ = ["main", "worker_script"]

_ROOT = Path(__file__).parents[1]
_ENDPOINTS = ("logging", "control", "provision", "artifact")
_PATIENCE_SECONDS = 60.0


def worker_script(notes: Path, environ: Mapping[str, str]) -> str:
    """Return a script that starts this worker; an engine may run it anywhere, with any arguments.

    >>> print(worker_script(Path("a b"), {"X": "y z"}).splitlines()[1])
    export X='y z'
    """
    exports = {**environ, "PYTHONPATH": str(_ROOT)}
    said = [f"export {name}={shlex.quote(value)}" for name, value in exports.items()]
    command = [sys.executable, "-m", "local.flink_worker", str(notes)]
    return "\n".join(["#!/bin/sh", *said, f'exec {shlex.join(command)} "$@"', ""])


def main(argv: Sequence[str]) -> None:
    """Ask what to do, and work until the engine hangs up."""
    given = _parsed(argv)
    (Path(given.notes) / str(os.getpid())).touch()
    info = _provisioned(given)
    endpoints = {
        name: getattr(given, f"{name}_endpoint") or getattr(info, f"{name}_endpoint").url
        for name in ("logging", "control")
    }
    os.environ.update(_settings(given.id, info, endpoints))
    from apache_beam.runners.worker import sdk_worker_main  # noqa: PLC0415 (reads the settings)

    sdk_worker_main.main([sys.argv[0]])


def _parsed(argv: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    parser.add_argument("notes")
    parser.add_argument("--id", required=True)
    for name in _ENDPOINTS:
        parser.add_argument(f"--{name}_endpoint", default="")
    return parser.parse_known_args(argv)[0]


def _provisioned(given: argparse.Namespace) -> Any:
    import grpc  # noqa: PLC0415
    from apache_beam.portability.api import (  # noqa: PLC0415
        beam_provision_api_pb2,
        beam_provision_api_pb2_grpc,
    )

    with grpc.insecure_channel(given.provision_endpoint) as channel:
        service = beam_provision_api_pb2_grpc.ProvisionServiceStub(channel)
        request = beam_provision_api_pb2.GetProvisionInfoRequest()
        metadata = [("worker_id", given.id)]
        return service.GetProvisionInfo(request, _PATIENCE_SECONDS, metadata).info


def _settings(worker: str, info: Any, endpoints: Mapping[str, str]) -> dict[str, str]:
    """Return what Beam's worker reads from its environment."""
    from google.protobuf import json_format  # noqa: PLC0415

    return {
        "WORKER_ID": worker,
        "LOGGING_API_SERVICE_DESCRIPTOR": f'url: "{endpoints["logging"]}"',
        "CONTROL_API_SERVICE_DESCRIPTOR": f'url: "{endpoints["control"]}"',
        "PIPELINE_OPTIONS": json_format.MessageToJson(info.pipeline_options),
        "SEMI_PERSISTENT_DIRECTORY": tempfile.gettempdir(),
        "RUNNER_CAPABILITIES": " ".join(info.runner_capabilities),
    }


if __name__ == "__main__":
    main(sys.argv[1:])
