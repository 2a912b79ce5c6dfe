"""Builds Go programs and Python environments into the cache, each once, from pinned sources."""

import importlib.util
import os
import platform
import re
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from local.cache import built_once, cache_folder, cached, source_key
from local.errors import MissingServiceError, ServiceError

__all__ = [
    "GO_VERSION",
    "build_go",
    "built_expansion_jar",
    "built_go",
    "expansion_jar",
    "go_command",
    "java_command",
    "python_environment",
]

GO_VERSION = (1, 26)
"""The oldest Go that builds what the pins of `local/go` name."""

_EXPANSION = "expansion"
_EXPANSION_JAR = "expansion-service.jar"
_EXPANSION_VERSION = "2.73.0"
_JAVA_SOURCES = Path(__file__).parent / "java" / _EXPANSION
_GO_SOURCES = Path(__file__).with_name("go")
# The cache may lie in somebody's repository of settings, whose state is of no interest.
_GO_FLAGS = ("-mod=readonly", "-trimpath", "-buildvcs=false")
_GO_SETTINGS = {"CGO_ENABLED": "0", "GOTOOLCHAIN": "local", "GOWORK": "off"}
_REQUIREMENTS = Path(__file__).parents[1] / "requirements"
_VERSION = sys.version_info[:2]
_PLATFORM = (platform.system(), platform.machine())
_OLDEST = {"bigquery": (3, 11)}
"""The oldest Python that an emulator runs on, where the project itself runs on older ones."""
_IMPORT_EXTENSIONS = (
    "from duckdb_extensions import import_extension\n"
    "for name in ('spatial', 'avro'): import_extension(name)"
)
_AFTERWARDS = {"bigquery": (_IMPORT_EXTENSIONS,)}
"""What is run in an environment once: what DuckDB does not find at home it wants to download."""


def built_go(module: str, version: str, environ: Mapping[str, str] = os.environ) -> Path | None:
    """Return the program of a module in `local/go` if the cache has it."""
    program = cached(module, _go_key(module, version), environ) / module
    return program if program.is_file() else None


def build_go(
    module: str, package: str, version: str, environ: Mapping[str, str] = os.environ
) -> Path:
    """Return the program of a module in `local/go`, built with what its go.sum pins if need be.

    Raises:
        ServiceError: there is no Go and none could be had, or the build failed.
    """

    def build(folder: Path) -> None:
        go = go_command(environ)
        sources = folder / "sources"
        shutil.copytree(_GO_SOURCES / module, sources)
        command = [str(go), "build", *_GO_FLAGS, "-o", str(folder / module)]
        settings = dict.fromkeys(("GOFLAGS", "GOROOT"), "") | _GO_SETTINGS
        _run([*command, package], f"{module} {version}", {**environ, **settings}, sources)
        shutil.rmtree(sources)

    return built_once(module, _go_key(module, version), build, environ) / module


def _go_key(module: str, version: str) -> str:
    sources = [path for path in (_GO_SOURCES / module).iterdir() if path.is_file()]
    return source_key(version, sources, *_PLATFORM)


def go_command(environ: Mapping[str, str] = os.environ) -> Path:
    """Return the system's Go if it is new enough, else PyPI's in an environment of its own.

    Raises:
        MissingServiceError: neither is to be had.
    """
    found = shutil.which("go", path=environ.get("PATH"))
    if found and _go_version(found, environ) >= GO_VERSION:
        return Path(found)
    try:
        python = python_environment("go", environ)
    except ServiceError as error:
        wanted = ".".join(map(str, GO_VERSION))
        msg = f"no Go >= {wanted} on the PATH and none from PyPI; install one ({error})"
        raise MissingServiceError(msg) from None
    return _packaged_go(python)


def _go_version(go: str, environ: Mapping[str, str]) -> tuple[int, ...]:
    # GOTOOLCHAIN=local: asking must not make an old Go download a new one.
    settings = {**environ, "GOTOOLCHAIN": "local"}
    answer = subprocess.run(
        [go, "version"], capture_output=True, text=True, env=settings, check=False
    )
    version = re.search(r"go(\d+)\.(\d+)", answer.stdout)
    return (int(version[1]), int(version[2])) if version else (0, 0)


def _packaged_go(python: Path) -> Path:
    # The script in bin/ names the interpreter by the path it had while the environment was built.
    found = next(python.parents[1].glob("lib/python*/site-packages/go/bin/go"), None)
    if found is None:
        msg = f"{python.parents[1]} holds no Go; install Go and put it on the PATH"
        raise MissingServiceError(msg)
    return found


def built_expansion_jar(environ: Mapping[str, str] = os.environ) -> Path | None:
    """Return Beam's expansion service as one jar if the cache has it."""
    jar = cached(_EXPANSION, _expansion_key(), environ) / _EXPANSION_JAR
    return jar if jar.is_file() else None


def expansion_jar(environ: Mapping[str, str] = os.environ) -> Path:
    """Return Beam's expansion service as one jar, built by Maven if need be.

    Raises:
        MissingServiceError: it is not in the cache, and there is no Maven or no Java.
        ServiceError: the build failed.
    """

    def build(folder: Path) -> None:
        java_command(environ)
        maven = _needed("mvn", "Maven >= 3.6 and a JDK >= 11 (Debian: apt install maven)", environ)
        sources = folder / "sources"
        shutil.copytree(_JAVA_SOURCES, sources, ignore=shutil.ignore_patterns("target"))
        what = f"expansion-service {_EXPANSION_VERSION}"
        _run([maven, "--batch-mode", "--quiet", "package"], what, environ, sources)
        (sources / "target" / _EXPANSION_JAR).rename(folder / _EXPANSION_JAR)
        shutil.rmtree(sources)

    return built_once(_EXPANSION, _expansion_key(), build, environ) / _EXPANSION_JAR


def _expansion_key() -> str:
    java = (_JAVA_SOURCES / "src").rglob("*.java")
    return source_key(_EXPANSION_VERSION, [_JAVA_SOURCES / "pom.xml", *java])


def java_command(environ: Mapping[str, str] = os.environ) -> str:
    """Return the Java on the PATH.

    Raises:
        MissingServiceError: there is none.
    """
    return _needed("java", "a Java runtime >= 11 (Debian: apt install default-jre)", environ)


def _needed(program: str, remedy: str, environ: Mapping[str, str]) -> str:
    found = shutil.which(program, path=environ.get("PATH"))
    if found is None:
        msg = f"no {program} on the PATH, which Beam's expansion service needs: install {remedy}"
        raise MissingServiceError(msg)
    return found


def python_environment(name: str, environ: Mapping[str, str] = os.environ) -> Path:
    """Return the interpreter of an environment with `requirements/emulators-NAME.txt` installed.

    Raises:
        ServiceError: the pins are missing or could not be installed, or there is no Python that is
            new enough for them.
    """
    pins = _REQUIREMENTS / f"emulators-{name}.txt"
    if not pins.is_file():
        msg = f"{pins}: no such file; local services are set up from a checkout of the project"
        raise MissingServiceError(msg)
    creator, version, base = _interpreter(_OLDEST.get(name, (3, 0)), environ)
    key = source_key(version, [pins], *_PLATFORM, base)

    def build(folder: Path) -> None:
        # What an emulator keeps at home it keeps in its environment.
        clean = {key: value for key, value in environ.items() if key != "PYTHONHOME"}
        settings = {**clean, "HOME": str(folder)} if name in _AFTERWARDS else clean
        for command in _environment_commands(creator, folder, pins):
            _run(command, f"emulators-{name}", clean, folder)
        for code in _AFTERWARDS.get(name, ()):
            command = [str(folder / "bin" / "python"), "-I", "-c", code]
            _run(command, f"emulators-{name}", settings, folder)

    return built_once(f"python-{name}", key, build, environ) / "bin" / "python"


def _interpreter(oldest: tuple[int, int], environ: Mapping[str, str]) -> tuple[str, str, str]:
    """Return a Python that is new enough, its version for the cache, and where it is installed.

    It is this one, or else one on the PATH.
    """
    if oldest <= _VERSION:
        return sys.executable, "py{}.{}".format(*_VERSION), sys.base_prefix
    for minor in range(oldest[1], oldest[1] + 5):
        if found := shutil.which(f"python3.{minor}", path=environ.get("PATH")):
            return found, f"py3.{minor}", found
    wanted = ".".join(map(str, oldest))
    msg = f"it needs Python >= {wanted}, and this is older: put a python{wanted} on the PATH"
    raise MissingServiceError(msg)


def _environment_commands(creator: str, folder: Path, pins: Path) -> list[list[str]]:
    python = str(folder / "bin" / "python")
    create = [creator, "-m", "venv", str(folder)]
    if importlib.util.find_spec("uv"):
        # Seconds quicker than pip, and part of the set-up for development.
        install = [sys.executable, "-m", "uv", "pip", "install", "--python", python]
        create.append("--without-pip")
    else:
        install = [python, "-m", "pip", "install", "--disable-pip-version-check"]
    return [create, [*install, "--require-hashes", "-r", str(pins)]]


def _run(command: Sequence[str], what: str, environ: Mapping[str, str], folder: Path) -> None:
    """Run a build step, its output kept beside the cache."""
    logs = cache_folder(environ) / "logs"
    logs.mkdir(parents=True, exist_ok=True)
    log = logs / f"{what.replace(' ', '-')}.log"
    with log.open("ab") as output:
        result = subprocess.run(
            command, cwd=folder, env=dict(environ), stdout=output, stderr=output, check=False
        )
    if result.returncode:
        said = [
            line.strip() for line in log.read_text(errors="replace").splitlines() if line.strip()
        ]
        msg = f"{what} could not be set up: {said[-1] if said else 'no output'} (log: {log})"
        raise ServiceError(msg)
