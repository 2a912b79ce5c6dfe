"""Runs in the image: imports every pipeline, asks each for help, and launches what it is told to.

    python in_the_image.py ASKED TOLD

ASKED is a JSON file with `template` (the launcher's file), `secret` (what Secret Manager is to
answer) and `launches`: pipeline and arguments by name. TOLD is written: exit status and standard
error by name, of helps as well.
"""

import contextlib
import importlib
import io
import json
import os
import pkgutil
import runpy
import sys
from importlib.util import find_spec
from pathlib import Path
from unittest import mock

from google.cloud import secretmanager

import pipelines
from local.credentials import anonymous_credentials


class SecretManager:
    """Answers with the one secret, and keeps which names it was asked for."""

    def __init__(self, secret):
        self.secret, self.asked = secret, []

    def __call__(self):
        return self

    def access_secret_version(self, name):
        self.asked.append(name)
        return mock.Mock(payload=mock.Mock(data=self.secret))


def status_of(run, argv):
    """Run what ends by leaving the process; return its status and both its outputs."""
    out, err = io.StringIO(), io.StringIO()
    with (
        contextlib.redirect_stdout(out),
        contextlib.redirect_stderr(err),
        mock.patch.object(sys, "argv", ["program", *argv]),
    ):
        try:
            run()
        except SystemExit as left:
            return {"status": left.code, "out": out.getvalue(), "err": err.getvalue()}
    return {"status": None, "out": out.getvalue(), "err": err.getvalue()}


def launched(template, pipeline, argv):
    with mock.patch.dict(os.environ, PENSTOCK_PIPELINE=pipeline):
        return status_of(lambda: runpy.run_path(template, run_name="__main__"), argv)


def helped(module):
    return status_of(lambda: runpy.run_module(module, run_name="__main__"), ["--help"])


def is_runnable(module):
    return "__main__" in find_spec(module).loader.get_source(module)


def main(asked, told):
    asked = json.loads(Path(asked).read_text())
    names = [f"pipelines.{module.name}" for module in pkgutil.iter_modules(pipelines.__path__)]
    # Before they are imported: `python -m` finds none of them there either.
    helps = {name: helped(name) for name in names if is_runnable(name)}
    for name in names:
        importlib.import_module(name)
    secrets = SecretManager(asked["secret"].encode())
    # By its path: the image has no tests.
    beside = Path(__file__).parents[1] / "remembered_beam.py"
    with (
        runpy.run_path(str(beside))["remembering"](),
        anonymous_credentials("my-project"),
        mock.patch.object(secretmanager, "SecretManagerServiceClient", secrets),
    ):
        launches = {
            name: launched(asked["template"], *launch) for name, launch in asked["launches"].items()
        }
    answer = {
        "where": pipelines.__file__,
        "helps": helps,
        "launches": launches,
        "secrets": secrets.asked,
    }
    Path(told).write_text(json.dumps(answer))


if __name__ == "__main__":
    main(*sys.argv[1:])
