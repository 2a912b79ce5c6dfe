"""The interpreter of the peers that are no part of the project's own environment, set up once.

bytewax and PySpark (500 MB) are installed from hashed pins into the user's cache folder by the
first benchmark that asks for them; `make setup` and `make test` know nothing of them.
"""

import os
import platform
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

from local.cache import built_once, cache_folder, source_key
from local.errors import MissingServiceError, ServiceError

__all__ = ["peers_python"]

_REQUIREMENTS = Path(__file__).parents[1] / "requirements"
_PINS = _REQUIREMENTS / "peers.txt"
_BUILD_PINS = _REQUIREMENTS / "bootstrap.txt"
_NAME = "python-peers"


def peers_python(environ: Mapping[str, str] = os.environ) -> Path:
    """Return the interpreter with `requirements/peers.txt`, installed the first time.

    Raises:
        MissingServiceError: there is no Java, which Spark needs.
        ServiceError: the pins could not be installed.
    """
    if shutil.which("java", path=environ.get("PATH")) is None:
        msg = "Spark needs java on the PATH: install a Java runtime, 17 or 21"
        raise MissingServiceError(msg)
    version = "py{}.{}".format(*sys.version_info[:2])
    machine = platform.system(), platform.machine(), sys.base_prefix
    key = source_key(version, [_PINS, _BUILD_PINS], *machine)
    return built_once(_NAME, key, lambda to: _install(to, environ), environ) / "bin" / "python"


def _install(folder: Path, environ: Mapping[str, str]) -> None:
    clean = {name: value for name, value in environ.items() if name != "PYTHONHOME"}
    install = [sys.executable, "-m", "uv", "pip", "install", "--require-hashes"]
    install += ["--python", str(folder / "bin" / "python")]
    _run([sys.executable, "-m", "venv", "--without-pip", str(folder)], clean)
    _run([*install, "-r", str(_BUILD_PINS)], clean)
    # PySpark comes as sources: what builds it is pinned as well, and not fetched anew.
    _run([*install, "--no-build-isolation", "-r", str(_PINS)], clean)


def _run(command: list[str], environ: Mapping[str, str]) -> None:
    logs = cache_folder(environ) / "logs"
    logs.mkdir(parents=True, exist_ok=True)
    log = logs / f"{_NAME}.log"
    with log.open("ab") as output:
        code = subprocess.call(command, env=dict(environ), stdout=output, stderr=output)
    if code:
        said = log.read_text(errors="replace").strip().splitlines()
        msg = f"bytewax and PySpark could not be set up: {said[-1] if said else code} (log: {log})"
        raise ServiceError(msg)
