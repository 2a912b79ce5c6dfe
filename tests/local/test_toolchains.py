"""Go programs and Python environments are built once, from pins, with whatever Go there is."""

import subprocess
import sys
from pathlib import Path

import pytest

from local import toolchains
from local.errors import MissingServiceError, ServiceError
from local.toolchains import (
    build_go,
    built_expansion_jar,
    built_go,
    expansion_jar,
    go_command,
    python_environment,
)

GO = """#!/bin/sh
if [ "$1" = version ]; then echo "go version go{version} linux/amd64"; exit; fi
printf '%s|' "$PWD" "$GOTOOLCHAIN" "$CGO_ENABLED" "$@" >> "{calls}"
while [ "$1" != -o ]; do shift; done
{build}
"""


@pytest.fixture
def machine(tmp_path):
    """A machine with a Go that notes its calls, and spaces in its paths."""

    def make(version: str = "1.26.2", build: str = 'echo program > "$2"') -> dict[str, str]:
        home = tmp_path / "a home"
        (home / "bin").mkdir(parents=True, exist_ok=True)
        go = home / "bin" / "go"
        go.write_text(GO.format(version=version, calls=tmp_path / "calls", build=build))
        go.chmod(0o755)
        return {"HOME": str(home), "PATH": f"{home / 'bin'}:/usr/bin:/bin"}

    return make


def calls(tmp_path: Path) -> list[str]:
    return (tmp_path / "calls").read_text().split("|")[:-1]


def test_a_program_is_built_from_its_pins_in_a_path_with_spaces(machine, tmp_path):
    environ = machine()
    assert built_go("pstest", "v2.8.0", environ) is None
    program = build_go("pstest", ".", "v2.8.0", environ)
    assert program.read_text() == "program\n"
    folder, toolchain, cgo, *command = calls(tmp_path)
    assert Path(folder).name == "sources"
    assert (toolchain, cgo) == ("local", "0")
    assert command[:2] == ["build", "-mod=readonly"]
    assert command[-1] == "."
    assert built_go("pstest", "v2.8.0", environ) == program


def test_the_second_time_go_is_not_called(machine, tmp_path):
    environ = machine()
    build_go("pstest", ".", "v2.8.0", environ)
    before = calls(tmp_path)
    build_go("pstest", ".", "v2.8.0", environ)
    assert calls(tmp_path) == before


def test_a_changed_source_is_built_again(machine, tmp_path, monkeypatch):
    environ = machine()
    first = build_go("pstest", ".", "v2.8.0", environ)
    sources = tmp_path / "go" / "pstest"
    sources.mkdir(parents=True)
    for path in (toolchains._GO_SOURCES / "pstest").iterdir():
        (sources / path.name).write_bytes(path.read_bytes())
    monkeypatch.setattr(toolchains, "_GO_SOURCES", tmp_path / "go")
    assert build_go("pstest", ".", "v2.8.0", environ) == first
    with (sources / "go.sum").open("a") as file:
        file.write("another h1:x=\n")
    assert build_go("pstest", ".", "v2.8.0", environ) != first


def test_a_build_that_fails_says_why_in_one_line_and_where_its_log_is(machine):
    environ = machine(build='echo "main.go:1: no space left" >&2; exit 1')
    with pytest.raises(ServiceError) as raised:
        build_go("pstest", ".", "v2.8.0", environ)
    message = str(raised.value)
    assert "\n" not in message
    assert message.startswith("pstest v2.8.0 could not be set up: main.go:1: no space left (log: ")
    log = Path(message.partition("(log: ")[2].rstrip(")"))
    assert "no space left" in log.read_text()
    assert built_go("pstest", "v2.8.0", environ) is None


def test_a_go_that_is_new_enough_is_used(machine):
    environ = machine(version="1.30.1")
    assert go_command(environ) == Path(environ["HOME"]) / "bin" / "go"


@pytest.mark.parametrize("version", ["1.25.9", "1.9", "devel"])
def test_a_go_that_is_too_old_gives_way_to_the_packaged_one(
    machine, tmp_path, monkeypatch, version
):
    packaged = (
        tmp_path / "environment" / "lib" / "python3.11" / "site-packages" / "go" / "bin" / "go"
    )
    packaged.parent.mkdir(parents=True)
    packaged.touch()
    interpreter = tmp_path / "environment" / "bin" / "python"
    monkeypatch.setattr(toolchains, "python_environment", lambda *_: interpreter)
    assert go_command(machine(version=version)) == packaged


def test_without_any_go_the_error_names_the_remedy(machine, monkeypatch):
    def unreachable(*_: object) -> Path:
        msg = "emulators-go could not be set up: no route to host"
        raise ServiceError(msg)

    monkeypatch.setattr(toolchains, "python_environment", unreachable)
    with pytest.raises(
        MissingServiceError, match=r"no Go >= 1\.26 .*install one .*no route to host"
    ):
        go_command(machine(version="1.20"))


def test_an_environment_without_pins_is_refused(machine):
    with pytest.raises(MissingServiceError, match="from a checkout"):
        python_environment("unheard-of", machine())


def test_an_environment_works_after_it_was_renamed_into_place(machine, tmp_path, monkeypatch):
    pins = tmp_path / "pins"
    pins.mkdir()
    (pins / "emulators-none.txt").write_text("")
    monkeypatch.setattr(toolchains, "_REQUIREMENTS", pins)
    python = python_environment("none", machine())
    asked = [str(python), "-I", "-c", "import sys; print(sys.prefix); print(sys.version_info[:2])"]
    said = subprocess.run(asked, capture_output=True, text=True, check=True).stdout.splitlines()
    assert said == [str(python.parents[1]), str(sys.version_info[:2])]


def test_pins_that_cannot_be_met_fail_in_one_line(machine, tmp_path, monkeypatch):
    pins = tmp_path / "pins"
    pins.mkdir()
    (pins / "emulators-bad.txt").write_text(f"./missing --hash=sha256:{'0' * 64}\n")
    monkeypatch.setattr(toolchains, "_REQUIREMENTS", pins)
    with pytest.raises(ServiceError, match=r"^emulators-bad could not be set up: .*log: [^\n]*$"):
        python_environment("bad", machine())


def test_what_needs_a_newer_python_is_given_one_from_the_path(machine, monkeypatch):
    environ = machine()
    environ["PATH"] = str(Path(environ["HOME"]) / "bin")
    monkeypatch.setattr(toolchains, "_VERSION", (3, 10))
    with pytest.raises(MissingServiceError, match=r"needs Python >= 3\.11.*put a python3\.11 on"):
        python_environment("bigquery", environ)
    newer = Path(environ["HOME"]) / "bin" / "python3.12"
    newer.write_text("#!/bin/sh\n")
    newer.chmod(0o755)
    assert toolchains._interpreter((3, 11), environ) == (str(newer), "py3.12", str(newer))
    assert toolchains._interpreter((3, 0), environ)[1] == "py3.10"


MAVEN = """#!/bin/sh
printf '%s|' "$@" >> "{calls}"
grep -q '<mainClass>penstock.Serve' pom.xml || exit 1
mkdir target && cp src/main/java/penstock/Serve.java target/expansion-service.jar
"""


def test_the_expansion_service_is_built_once_by_maven_in_a_path_with_spaces(machine, tmp_path):
    environ = machine()
    programs = Path(environ["HOME"]) / "bin"
    alone = {**environ, "PATH": str(programs)}
    assert built_expansion_jar(alone) is None
    with pytest.raises(MissingServiceError, match=r"^no java on the PATH, .*install a Java"):
        expansion_jar(alone)
    for name, text in (("java", "#!/bin/sh\n"), ("mvn", MAVEN.format(calls=tmp_path / "calls"))):
        if name == "mvn":
            with pytest.raises(MissingServiceError, match=r"^no mvn on the PATH, .*install Maven"):
                expansion_jar(alone)
        (programs / name).write_text(text)
        (programs / name).chmod(0o755)
    jar = expansion_jar(environ)
    assert jar.name == "expansion-service.jar"
    assert (expansion_jar(environ), built_expansion_jar(environ)) == (jar, jar)
    assert calls(tmp_path) == ["--batch-mode", "--quiet", "package"]
    assert [path.name for path in jar.parent.iterdir()] == [jar.name]
