"""What Flink needs is fetched and built once, is what is pinned, and its lack is one line."""

import hashlib
import tarfile
from pathlib import Path

import pytest

from local import flink_build
from local.errors import MissingServiceError, ServiceError
from local.flink_build import check_digests, obtain_flink

MAVEN = """#!/bin/sh
echo "$PWD" >> "{calls}"
mkdir -p target/jars
printf 'a library' > "target/jars/{jar}"
printf 'the server' > target/job-server.jar
"""


@pytest.fixture
def machine(tmp_path, monkeypatch):
    """A machine with Java and Maven, for which PyPI's archive is made here."""
    sources = tmp_path / "sources"
    sources.mkdir()
    (sources / "pom.xml").write_text("<project/>")
    pinned = hashlib.sha256(b"a library").hexdigest()
    (sources / "jars.sha256").write_text(f"{pinned}  library-1.jar\n")
    monkeypatch.setattr(flink_build, "_SOURCES", sources)
    step = flink_build._step

    def fetched(command, what, environ, folder):
        if "pip" not in command:
            return step(command, what, environ, folder)
        assert "--require-hashes" in command
        return archive(Path(command[command.index("-d") + 1]))

    monkeypatch.setattr(flink_build, "_step", fetched)

    def make(*tools: str, jar: str = "library-1.jar") -> dict[str, str]:
        home = tmp_path / "a home"
        (home / "bin").mkdir(parents=True, exist_ok=True)
        for tool in tools:
            program = home / "bin" / tool
            program.write_text(MAVEN.format(calls=tmp_path / "calls", jar=jar))
            program.chmod(0o755)
        tools_of_maven = home / "system"
        tools_of_maven.mkdir(exist_ok=True)
        for name in ("mkdir", "sh"):
            (tools_of_maven / name).unlink(missing_ok=True)
            (tools_of_maven / name).symlink_to(f"/bin/{name}")
        return {"HOME": str(home), "PATH": f"{home / 'bin'}:{tools_of_maven}"}

    return make


def archive(folder: Path) -> None:
    with tarfile.open(folder / "libraries-1.tar.gz", "w:gz") as packed:
        for name in ("deps/lib/flink-dist-1.jar", "deps/lib/flink-csv-1.jar", "deps/opt/log4j-1"):
            path = folder / "content"
            path.write_text(name)
            packed.add(path, f"libraries-1/{name}")
            path.unlink()


def test_both_are_made_once_and_only_the_jars_that_run_a_cluster_are_kept(machine, tmp_path):
    environ = machine("java", "mvn")
    programs = obtain_flink(environ)
    assert [path.name for path in programs.libraries.iterdir()] == ["flink-dist-1.jar"]
    assert programs.job_server.read_text() == "the server"
    assert [path.name for path in programs.job_server.parent.iterdir()] == ["job-server.jar"]
    assert obtain_flink(environ) == programs
    assert len((tmp_path / "calls").read_text().splitlines()) == 1


@pytest.mark.parametrize(
    ("tools", "said"),
    [
        (["mvn"], "Flink needs java on the PATH: install a Java runtime, 11 or 17"),
        (["java"], "Flink needs mvn on the PATH: install Maven and a JDK, 11 or 17"),
    ],
)
def test_without_java_or_maven_one_line_says_what_to_install(machine, tools, said):
    with pytest.raises(MissingServiceError, match=rf"^{said} \(Debian: .*\)$"):
        obtain_flink(machine(*tools))


def test_a_library_that_is_not_pinned_leaves_no_job_server(machine):
    environ = machine("java", "mvn", jar="library-2.jar")
    with pytest.raises(ServiceError, match=r"^library-1\.jar is not the file that jars\.sha256 pi"):
        obtain_flink(environ)
    cache = Path(environ["HOME"]) / ".cache" / "penstock"
    assert not list(cache.glob("flink-job-server-*"))


def test_a_file_of_other_bytes_is_refused(tmp_path):
    (tmp_path / "jars").mkdir()
    (tmp_path / "jars" / "a.jar").write_bytes(b"other bytes")
    (tmp_path / "pins").write_text(f"{hashlib.sha256(b'a library').hexdigest()}  a.jar\n")
    with pytest.raises(ServiceError, match=r"^a\.jar is not the file that pins pins"):
        check_digests(tmp_path / "jars", tmp_path / "pins")
