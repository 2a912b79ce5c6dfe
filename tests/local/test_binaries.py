"""Each local program is found in the stated order, and built only where nothing else has it."""

import re
import shutil
from importlib import metadata
from pathlib import Path

import pytest

from local import binaries
from local.binaries import BIGTABLE, PRISM, PUBSUB, Program, java_pubsub, sdk_roots
from local.cache import cache_folder
from local.errors import MissingServiceError, ServiceError

JAR = "platform/pubsub-emulator/lib/cloud-pubsub-emulator-0.8.20-all.jar"


def program(path: Path, text: str = "#!/bin/sh\n") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    path.chmod(0o755)
    return path


@pytest.fixture
def environ(tmp_path, monkeypatch):
    """A machine with nothing on it, whose folders have spaces in their names."""
    monkeypatch.setattr("local.binaries._USUAL_SDK_ROOTS", (str(tmp_path / "usual sdk"),))
    home = tmp_path / "a home"
    (home / "bin").mkdir(parents=True)
    return {"HOME": str(home), "PATH": str(home / "bin")}


@pytest.mark.parametrize("wanted", [BIGTABLE, PUBSUB, PRISM], ids=lambda wanted: wanted.module)
def test_on_an_empty_machine_nothing_is_found(environ, wanted):
    assert wanted.find(environ) is None


def test_the_places_are_searched_in_the_stated_order(environ, tmp_path, monkeypatch):
    home = Path(environ["HOME"])
    on_path = program(home / "bin" / "cbtemulator")
    assert BIGTABLE.find(environ) == on_path
    in_usual_sdk = program(tmp_path / "usual sdk" / BIGTABLE.in_sdk)
    assert BIGTABLE.find(environ) == in_usual_sdk
    in_home_sdk = program(home / "google-cloud-sdk" / BIGTABLE.in_sdk)
    assert BIGTABLE.find(environ) == in_home_sdk
    environ["CLOUDSDK_ROOT_DIR"] = str(tmp_path / "own sdk")
    in_own_sdk = program(tmp_path / "own sdk" / BIGTABLE.in_sdk)
    assert BIGTABLE.find(environ) == in_own_sdk
    monkeypatch.setattr("local.toolchains._go_key", lambda *_: "key")
    in_cache = program(cache_folder(environ) / "bigtable-key" / "bigtable")
    assert BIGTABLE.find(environ) == in_cache
    environ["PENSTOCK_BIGTABLE_BINARY"] = str(program(tmp_path / "named here"))
    assert BIGTABLE.find(environ) == tmp_path / "named here"


def test_the_sdk_of_the_gcloud_on_the_path_is_found_through_its_link(environ, tmp_path):
    gcloud = program(tmp_path / "some where" / "bin" / "gcloud")
    (tmp_path / "some where" / "platform").mkdir()
    (Path(environ["PATH"]) / "gcloud").symlink_to(gcloud)
    assert sdk_roots(environ) == [tmp_path / "some where"]


@pytest.mark.parametrize("kind", ["missing", "folder", "not executable"])
def test_a_variable_that_names_no_program_is_refused_in_one_line(environ, tmp_path, kind):
    path = tmp_path / "thing"
    if kind == "folder":
        path.mkdir()
    if kind == "not executable":
        program(path).chmod(0o644)
    environ["PENSTOCK_PRISM_BINARY"] = str(path)
    with pytest.raises(
        ServiceError, match=r"^PENSTOCK_PRISM_BINARY=.*unset PENSTOCK_PRISM_BINARY$"
    ):
        PRISM.obtain(environ)


def test_what_is_found_is_not_built(environ, monkeypatch):
    found = program(Path(environ["PATH"]) / "cbtemulator")
    monkeypatch.setattr("local.binaries.build_go", lambda *_: pytest.fail("built"))
    assert BIGTABLE.obtain(environ) == found


def test_what_is_not_found_is_built(environ, monkeypatch):
    asked = []
    monkeypatch.setattr("local.binaries.build_go", lambda *given: asked.append(given) or Path("/b"))
    assert PRISM.obtain(environ) == Path("/b")
    assert asked == [("prism", "github.com/apache/beam/sdks/v2/go/cmd/prism", "v2.77.0", environ)]


def test_prism_is_of_the_version_of_the_sdk():
    assert PRISM.version == f"v{metadata.version('apache-beam')}"


@pytest.mark.parametrize("wanted", [BIGTABLE, PUBSUB, PRISM], ids=lambda wanted: wanted.module)
def test_the_version_that_names_a_build_is_the_one_that_its_pins_name(wanted: Program):
    pins = (Path(binaries.__file__).with_name("go") / wanted.module / "go.mod").read_text()
    pinned = re.findall(rf"(\S+) {re.escape(wanted.version)}(?:\s|$)", pins)
    built = "cloud.google.com/go/pubsub/v2" if wanted is PUBSUB else wanted.package
    assert [module for module in pinned if built.startswith(module)]


def test_the_official_pubsub_is_started_from_the_newest_jar_of_the_sdk(environ, tmp_path):
    java = program(Path(environ["PATH"]) / "java")
    jar = program(tmp_path / "usual sdk" / JAR)
    program(jar.with_name("cloud-pubsub-emulator-0.8.19-all.jar"))
    assert java_pubsub(environ) == [str(java), "-jar", str(jar)]


def test_a_named_jar_goes_before_the_sdk(environ, tmp_path):
    program(Path(environ["PATH"]) / "java")
    program(tmp_path / "usual sdk" / JAR)
    environ["PENSTOCK_PUBSUB_JAR"] = str(program(tmp_path / "own.jar"))
    assert java_pubsub(environ)[-1] == str(tmp_path / "own.jar")


def test_without_a_jar_the_error_says_how_to_get_one(environ):
    with pytest.raises(MissingServiceError, match="gcloud components install pubsub-emulator"):
        java_pubsub(environ)


def test_without_java_the_error_says_so(environ, tmp_path):
    program(tmp_path / "usual sdk" / JAR)
    assert shutil.which("java", path=environ["PATH"]) is None
    with pytest.raises(MissingServiceError, match="needs java"):
        java_pubsub(environ)
