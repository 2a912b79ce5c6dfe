"""Has steps that are Java expanded at the launch, by an expansion service that runs or is started.

What Beam would do by itself differs in two things: it starts a service for each step, and where
there is no Java it fails deep inside, or reaches for Docker.
"""

import re
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TypeAlias

import grpc
from apache_beam.options.pipeline_options import CrossLanguageOptions, PipelineOptions
from apache_beam.transforms.external import BeamJarExpansionService, JavaJarExpansionService
from apache_beam.utils.subprocess_server import JavaHelper, JavaJarServer

__all__ = ["ExpansionError", "ExpansionService", "expanding", "is_address"]

ExpansionService: TypeAlias = str | JavaJarExpansionService

# Beam's own name of the service that has its sinks for Google Cloud.
_GOOGLE_CLOUD = "sdks:java:io:google-cloud-platform:expansion-service:build"
_ADDRESS = re.compile(r"[a-zA-Z0-9.-]{1,253}:[0-9]{1,5}")
_PATIENCE_SECONDS = 10.0
_REMEDY = (
    "or name a service that runs in --expansion_service=HOST:PORT, or choose another --write_method"
)


class ExpansionError(ValueError):
    """Steps that are Java cannot be expanded here: one line that says what is missing."""


def is_address(text: str) -> bool:
    """Return whether a text is the address of a service.

    >>> is_address("localhost:8097"), is_address("localhost"), is_address("/a/service.jar")
    (True, False, False)
    """
    return _ADDRESS.fullmatch(text) is not None


@contextmanager
def expanding(
    options: PipelineOptions, address: str = "", patience: float = _PATIENCE_SECONDS
) -> Iterator[ExpansionService]:
    """Give what Beam's Java sinks for Google Cloud take as their `expansion_service`.

    Without an address it is the service that `--beam_services` or BEAM_SERVICE_OVERRIDES names (a
    jar or an address), else the one of Beam's own version, which Beam downloads once from Maven
    Central; started once for the whole block, and ended with it.

    Args:
        options: of the pipeline.
        address: `HOST:PORT` of a service that runs.
        patience: seconds in which it must answer.

    Raises:
        ExpansionError: there is no service at the address, no Java, or the service cannot be
            fetched or started, or has ended within the block.
    """
    named = address or _named(options.view_as(CrossLanguageOptions).beam_services)
    if is_address(named):
        _check_service(named, patience)
        with _losing(named):
            yield named
        return
    _check_java()
    service = _service(named)
    with _starting(service), _losing(service.path_to_jar):
        yield service


def _named(services: Mapping[str, str] | None) -> str:
    return (services or {}).get(_GOOGLE_CLOUD, "")


def _service(jar: str) -> JavaJarExpansionService:
    # Of the two only Beam's own knows where its release is fetched from.
    return JavaJarExpansionService(jar) if jar else BeamJarExpansionService(_GOOGLE_CLOUD)


@contextmanager
def _starting(service: JavaJarExpansionService) -> Iterator[None]:
    jar = service.path_to_jar
    try:
        service.path_to_jar = JavaJarServer.local_jar(jar)
        service.__enter__()
    except (OSError, RuntimeError, ValueError) as error:
        told = " ".join(str(error).split())
        msg = f"Beam's expansion service {jar} does not start: {told}; mend that, {_REMEDY}"
        raise ExpansionError(msg) from error
    try:
        yield
    finally:
        service.__exit__(None, None, None)


@contextmanager
def _losing(where: str) -> Iterator[None]:
    try:
        yield
    except grpc.RpcError as error:
        told = f"{error.code().name}, {error.details()}"
        msg = f"the expansion service {where} gave no answer: {told}; start it again, {_REMEDY}"
        raise ExpansionError(msg) from error


def _check_service(address: str, patience: float) -> None:
    with grpc.insecure_channel(address) as channel:
        try:
            grpc.channel_ready_future(channel).result(patience)
        except grpc.FutureTimeoutError:
            msg = (
                f"--expansion_service={address}: no answer within {patience:g} s; start one there,"
                " or correct the address"
            )
            raise ExpansionError(msg) from None


def _check_java() -> None:
    java = JavaHelper.get_java()
    if shutil.which(java) is None:
        msg = (
            f"--write_method=storage: its sink is expanded by Java, and there is no {java} here;"
            f" install a Java runtime (11 or newer), {_REMEDY}"
        )
        raise ExpansionError(msg)
