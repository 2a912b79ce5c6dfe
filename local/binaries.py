"""Where each local program comes from: a named variable, the cache, a Cloud SDK, or a build."""

import os
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from local.errors import MissingServiceError, ServiceError
from local.toolchains import build_go, built_go

__all__ = ["BIGTABLE", "PRISM", "PUBSUB", "Program", "java_pubsub", "prism_binary", "sdk_roots"]

Environ = Mapping[str, str]

_USUAL_SDK_ROOTS = (
    "/usr/lib/google-cloud-sdk",
    "/usr/share/google-cloud-sdk",
    "/usr/local/google-cloud-sdk",
    "/opt/google-cloud-sdk",
    "/opt/homebrew/share/google-cloud-sdk",
    "/snap/google-cloud-cli/current",
)
_JAR = "platform/pubsub-emulator/lib/cloud-pubsub-emulator-*-all.jar"


@dataclass(frozen=True)
class Program:
    """A program that `local/go` can build, and where else it may be found.

    Args:
        module: folder in `local/go`, and the name in the cache.
        package: what Go builds.
        version: the pinned version, readable in the cache.
        variable: environment variable that names a binary to take instead.
        in_sdk: path below a Cloud SDK's root.
        on_path: name to look for on the PATH.
    """

    module: str
    package: str
    version: str
    variable: str
    in_sdk: str = ""
    on_path: str = ""

    def find(self, environ: Environ = os.environ) -> Path | None:
        """Return the program if it is there without building.

        Raises:
            ServiceError: the variable names something that cannot be run.
        """
        return (
            named_file(self.variable, environ, os.X_OK)
            or built_go(self.module, self.version, environ)
            or self._in_sdk(environ)
            or self._on_path(environ)
        )

    def obtain(self, environ: Environ = os.environ) -> Path:
        """Return the program, built if need be.

        Raises:
            ServiceError: it can neither be found nor built.
        """
        found = self.find(environ)
        return found or build_go(self.module, self.package, self.version, environ)

    def _in_sdk(self, environ: Environ) -> Path | None:
        places = [root / self.in_sdk for root in sdk_roots(environ) if self.in_sdk]
        return next((place for place in places if os.access(place, os.X_OK)), None)

    def _on_path(self, environ: Environ) -> Path | None:
        found = self.on_path and shutil.which(self.on_path, path=environ.get("PATH"))
        return Path(found) if found else None


BIGTABLE = Program(
    module="bigtable",
    package="cloud.google.com/go/bigtable/cmd/emulator",
    version="v1.58.0",
    variable="PENSTOCK_BIGTABLE_BINARY",
    in_sdk="platform/bigtable-emulator/cbtemulator",
    on_path="cbtemulator",
)
PUBSUB = Program(module="pstest", package=".", version="v2.8.0", variable="PENSTOCK_PUBSUB_BINARY")
PRISM = Program(
    module="prism",
    package="github.com/apache/beam/sdks/v2/go/cmd/prism",
    version="v2.77.0",
    variable="PENSTOCK_PRISM_BINARY",
)


def prism_binary(environ: Environ = os.environ) -> Path:
    """Return Beam's Prism runner of the SDK's version, built if need be.

    Raises:
        ServiceError: it can neither be found nor built.
    """
    return PRISM.obtain(environ)


def java_pubsub(environ: Environ = os.environ) -> list[str]:
    """Return the command of the official Pub/Sub emulator, without host and port.

    Raises:
        MissingServiceError: no Cloud SDK here has it, or there is no Java; no package registry
            carries it.
    """
    jar = named_file("PENSTOCK_PUBSUB_JAR", environ, os.R_OK) or _jar(environ)
    if jar is None:
        msg = (
            "in no Cloud SDK on this machine: gcloud components install"
            " pubsub-emulator, or name the jar in PENSTOCK_PUBSUB_JAR"
        )
        raise MissingServiceError(msg)
    java = shutil.which("java", path=environ.get("PATH"))
    if java is None:
        msg = "it needs java on the PATH: install a Java runtime >= 11"
        raise MissingServiceError(msg)
    return [java, "-jar", str(jar)]


def _jar(environ: Environ) -> Path | None:
    jars = [jar for root in sdk_roots(environ) for jar in sorted(root.glob(_JAR))]
    return jars[-1] if jars else None


def sdk_roots(environ: Environ = os.environ) -> list[Path]:
    """Return the folders here that look like a Cloud SDK, the one in use first."""
    gcloud = shutil.which("gcloud", path=environ.get("PATH"))
    given = [
        environ.get("CLOUDSDK_ROOT_DIR", ""),
        gcloud and str(Path(gcloud).resolve().parents[1]),
    ]
    home = str(Path(environ.get("HOME", "/")) / "google-cloud-sdk")
    roots = [Path(root) for root in (*given, home, *_USUAL_SDK_ROOTS) if root]
    return [root for root in dict.fromkeys(roots) if (root / "platform").is_dir()]


def named_file(variable: str, environ: Environ, access: int) -> Path | None:
    """Return the file that a variable names, None where it is unset.

    Raises:
        ServiceError: the file is not there or cannot be used.
    """
    given = environ.get(variable)
    if not given:
        return None
    path = Path(given).expanduser().absolute()
    if not (path.is_file() and os.access(path, access)):
        kind = "program" if access == os.X_OK else "file"
        msg = f"{variable}={given}: no such {kind}; correct the path or unset {variable}"
        raise ServiceError(msg)
    return path
