"""What a Flink cluster is made of: its jars from PyPI, Beam's job server by Maven, each once."""

import hashlib
import os
import shutil
import subprocess
import sys
import tarfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from local.cache import built_once, cache_folder, source_key
from local.errors import MissingServiceError, ServiceError

__all__ = ["BEAM_VERSION", "FLINK_VERSION", "FlinkPrograms", "check_digests", "obtain_flink"]

FLINK_VERSION = "1.19.3"
BEAM_VERSION = "2.62.0"
"""Of the job server and the runner in it; the Python SDK is newer."""

_ROOT = Path(__file__).parents[1]
_PINS = _ROOT / "requirements" / "engines-flink.txt"
_SOURCES = Path(__file__).with_name("java") / "flink"
_DIGESTS = "jars.sha256"
_WANTED = ("flink-dist-", "flink-scala", "log4j-")
_INSTALL = {
    "java": "install a Java runtime, 11 or 17 (Debian: apt install openjdk-17-jdk-headless)",
    "mvn": "install Maven and a JDK, 11 or 17 (Debian: apt install maven)",
}
_NO_NOISE = ("--disable-pip-version-check", "--no-input", "--quiet")


class FlinkPrograms(NamedTuple):
    """Where Java, the jars of Flink's own processes and the job server's jar are."""

    java: Path
    libraries: Path
    job_server: Path


def obtain_flink(environ: Mapping[str, str] = os.environ) -> FlinkPrograms:
    """Return what a cluster needs, downloaded (230 MB) and built the first time, by pins.

    Raises:
        MissingServiceError: Java or Maven is not on the PATH.
        ServiceError: a download or the build failed, or what came is not what is pinned.
    """
    java = _tool("java", environ)
    return FlinkPrograms(java, _libraries(environ), _job_server(environ))


def _tool(name: str, environ: Mapping[str, str]) -> Path:
    found = shutil.which(name, path=environ.get("PATH"))
    if found is None:
        msg = f"Flink needs {name} on the PATH: {_INSTALL[name]}"
        raise MissingServiceError(msg)
    return Path(found)


def _libraries(environ: Mapping[str, str]) -> Path:
    def build(folder: Path) -> None:
        # Not installed, only fetched and unpacked: the jars are all that is wanted of it.
        fetch = [sys.executable, "-m", "pip", "download", *_NO_NOISE, "--no-deps"]
        pins = ["--no-build-isolation", "--require-hashes", "-r", str(_PINS), "-d", str(folder)]
        _step([*fetch, *pins], f"flink-{FLINK_VERSION}", environ, folder)
        archive = next(folder.glob("*.tar.gz"))
        _unpack(archive, folder)
        archive.unlink()

    return built_once("flink", source_key(FLINK_VERSION, [_PINS], *_WANTED), build, environ)


def _unpack(archive: Path, folder: Path) -> None:
    with tarfile.open(archive) as packed:
        for member in packed:
            name = member.name.rpartition("/")[2]
            source = packed.extractfile(member) if "/deps/lib/" in member.name else None
            if source and name.startswith(_WANTED):
                with source, (folder / name).open("wb") as jar:
                    shutil.copyfileobj(source, jar)


def _job_server(environ: Mapping[str, str]) -> Path:
    def build(folder: Path) -> None:
        maven = str(_tool("mvn", environ))
        sources = folder / "sources"
        shutil.copytree(_SOURCES, sources)
        _step([maven, "-B", "-q", "package"], f"flink-job-server-{BEAM_VERSION}", environ, sources)
        check_digests(sources / "target" / "jars", sources / _DIGESTS)
        shutil.move(sources / "target" / "job-server.jar", folder / "job-server.jar")
        shutil.rmtree(sources)

    key = source_key(BEAM_VERSION, [path for path in _SOURCES.iterdir() if path.is_file()])
    return built_once("flink-job-server", key, build, environ) / "job-server.jar"


def check_digests(folder: Path, digests: Path) -> None:
    """Compare the files of a folder with `DIGEST  NAME` lines, as sha256sum writes them.

    Raises:
        ServiceError: a file is missing, too much or another one; one line that names the first.
    """
    lines = [line.split("  ", 1) for line in digests.read_text().splitlines()]
    pinned = {name: digest for digest, name in lines}
    found = {path.name: _digest(path) for path in folder.iterdir()}
    different = sorted(name for name, _ in pinned.items() ^ found.items())
    if different:
        msg = f"{different[0]} is not the file that {digests.name} pins; nothing of it is used"
        raise ServiceError(msg)


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        digest = hashlib.sha256()
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()


def _step(command: Sequence[str], what: str, environ: Mapping[str, str], folder: Path) -> None:
    """Run a build step, its output kept beside the cache."""
    log = cache_folder(environ) / "logs" / f"{what}.log"
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("ab") as output:
        done = subprocess.run(
            command, cwd=folder, env=dict(environ), stdout=output, stderr=output, check=False
        )
    if done.returncode:
        said = [line.strip() for line in log.read_text(errors="replace").splitlines()]
        last = next((line for line in reversed(said) if line), "no output")
        msg = f"{what} could not be set up: {last} (log: {log})"
        raise ServiceError(msg)
