"""Java's steps are expanded by a service that is named, or by one that is started once."""

import json
import sys
from concurrent.futures import ThreadPoolExecutor

import grpc
import pytest
from apache_beam.options.pipeline_options import PipelineOptions

from local.processes import free_port
from transforms.expand_java import ExpansionError, expanding

TARGET = "sdks:java:io:google-cloud-platform:expansion-service:build"
# Stands for Java: serves nothing at the port that it is given, and notes that it was started.
# Begun by a shell: a path of Python with a space in it cannot stand behind #!.
SERVING = """#!/bin/sh
''':'
exec "{python}" "$0" "$@"
'''
import sys
from concurrent.futures import ThreadPoolExecutor
import grpc
with open("{started}", "a") as started:
    print(*sys.argv[1:], file=started)
server = grpc.server(ThreadPoolExecutor(1))
server.add_insecure_port("127.0.0.1:" + sys.argv[3])
server.start()
server.wait_for_termination()
"""


def options_of(service):
    return PipelineOptions(["--beam_services", json.dumps({TARGET: service})])


@pytest.fixture
def java(monkeypatch, tmp_path):
    """Give a function that puts a program in the place of Java, and names a jar."""
    monkeypatch.delenv("BEAM_SERVICE_OVERRIDES", raising=False)

    def put(text):
        program = tmp_path / "home" / "bin" / "java"
        program.parent.mkdir(parents=True)
        program.write_text(text)
        program.chmod(0o755)
        monkeypatch.setenv("JAVA_HOME", str(tmp_path / "home"))
        jar = tmp_path / "service.jar"
        jar.touch()
        return str(jar)

    return put


def problem_of(options, *more):
    with pytest.raises(ExpansionError) as raised, expanding(options, *more):
        pytest.fail("a service was given")
    assert "\n" not in str(raised.value)
    return str(raised.value)


@pytest.mark.parametrize("named", [True, False])
def test_a_service_that_does_not_answer_is_told_by_its_address(named):
    address = f"127.0.0.1:{free_port()}"
    given = (PipelineOptions([]), address) if named else (options_of(address), "")
    assert problem_of(*given, 0.05).startswith(
        f"--expansion_service={address}: no answer within 0.05 s; start one there"
    )


def test_without_java_nothing_is_fetched_and_the_remedies_are_told(monkeypatch, tmp_path):
    monkeypatch.setenv("JAVA_HOME", str(tmp_path))
    told = problem_of(PipelineOptions([]))
    assert f"there is no {tmp_path}/bin/java here; install a Java runtime (11 or newer)" in told
    assert "--expansion_service=HOST:PORT" in told


def test_a_jar_that_is_not_there_is_told(java):
    java("#!/bin/sh\n")
    assert "expansion service /no/such.jar does not start" in problem_of(options_of("/no/such.jar"))


@pytest.mark.engine
def test_a_service_that_does_not_start_is_told(java):
    jar = java("#!/bin/sh\nexit 3\n")
    told = problem_of(options_of(jar))
    assert told.startswith(f"Beam's expansion service {jar} does not start: ")
    assert "--expansion_service=HOST:PORT" in told


@pytest.mark.engine
def test_one_service_is_started_for_all_and_ended_with_the_block(java, tmp_path):
    started = tmp_path / "started"
    jar = java(SERVING.format(python=sys.executable, started=started))
    with expanding(options_of(jar)) as service:
        for _ in range(3):
            with service as stub:
                stub.ready(5)
        (line,) = started.read_text().splitlines()
        option, path, port, staged, *_ = line.split()
        assert (option, path, staged) == ("-jar", jar, f"--filesToStage={jar}")
    with (
        grpc.insecure_channel(f"127.0.0.1:{port}") as channel,
        pytest.raises(grpc.FutureTimeoutError),
    ):
        grpc.channel_ready_future(channel).result(0.2)


@pytest.fixture
def listening():
    """Give the address of a service that knows nothing."""
    server = grpc.server(ThreadPoolExecutor(1))
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    yield f"127.0.0.1:{port}"
    server.stop(None).wait()


def test_a_service_that_fails_on_the_way_is_one_line(listening):
    with (
        grpc.insecure_channel(listening) as channel,
        pytest.raises(ExpansionError) as raised,
        expanding(PipelineOptions([]), listening) as service,
    ):
        assert service == listening
        channel.unary_unary("/a/b")(b"", timeout=5)
    assert "\n" not in str(raised.value)
    assert str(raised.value).startswith(f"the expansion service {listening} gave no answer: ")
    assert "UNIMPLEMENTED" in str(raised.value)
