"""The graph of a launch, built here: with the options of the job, and nothing sent."""

import contextlib
import logging
import secrets
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

from console.launch_parameters import job_of
from pipelines.option_words import Kind, declared_options
from schemas.credentials import require_credentials
from schemas.locations import is_remote
from transforms.object_store import ObjectStoreError, read_objects

__all__ = ["built_graph"]

_GRAPH = "pipeline.pb"
_IMAGE = "image"


def built_graph(pipeline: str, parameters: Mapping[str, str]) -> bytes:
    """Build the graph that a template's launch would stage, and return it.

    Declarations in Cloud Storage are read, and the list of the archive of a warm start. The key of
    pseudonyms is not, of which a graph knows the place only: another one takes its place.

    Raises:
        ValueError, RuntimeError: as the launch of the job, in one line.
    """
    with TemporaryDirectory(prefix="penstock-graph-") as name:
        folder = Path(name)
        local = dict(_local(pipeline, parameters, folder))
        argv = [f"--{key}={value}" for key, value in {**parameters, **local}.items()]
        with _quietly():
            job_of(pipeline).run([*argv, *_launcher(pipeline, folder)])
        return (folder / _GRAPH).read_bytes()


def _launcher(pipeline: str, folder: Path) -> Sequence[str]:
    """Return the options of a launch that writes a template into a folder and calls nobody."""
    return (
        "--runner=DataflowRunner",
        "--project=my-project",
        "--region=europe-west1",
        f"--job_name={pipeline.replace('_', '-')}",
        f"--template_location={folder / 'template.json'}",
        f"--staging_location={folder}",
        f"--temp_location={folder}",
        f"--sdk_container_image={_IMAGE}",
        "--sdk_location=container",
        "--no_auth",
        # With any other address the runner would ask Google's.
        "--dataflow_endpoint=http://localhost:9",
    )


def _local(pipeline: str, parameters: Mapping[str, str], folder: Path) -> Iterator[tuple[str, str]]:
    """Yield in place of remote declarations and of the key what can be read without a service."""
    for name, _, words in declared_options(job_of(pipeline).options):
        value = parameters.get(name)
        if value and words.kind is Kind.SECRET:
            key = folder / "key"
            key.write_text(f"graph:{secrets.token_hex(32)}")
            yield name, f"file:{key}"
        elif value and words.kind is Kind.FILE_OR_FOLDER and is_remote(value):
            yield name, str(_copied(name, value, folder / name))


def _copied(name: str, remote: str, folder: Path) -> Path:
    """Copy a file or a folder of declarations; a name that would leave the folder is refused."""
    require_credentials(f"--{name}={remote}")
    root = remote.rstrip("/")
    folder.mkdir()
    single = None
    for path, data in _read(root):
        single = Path(path).name if path == root else None
        inside = (folder / (single or path.removeprefix(f"{root}/"))).resolve()
        if not inside.is_relative_to(folder.resolve()):
            msg = f"--{name}={remote}: {path} is outside of it; rename the object"
            raise ValueError(msg)
        inside.parent.mkdir(parents=True, exist_ok=True)
        inside.write_bytes(data)
    return folder / single if single else folder


def _read(root: str) -> Iterator[tuple[str, bytes]]:
    try:
        yield from read_objects(root, "")
    except ObjectStoreError as error:
        raise ValueError(str(error)) from None


@contextlib.contextmanager
def _quietly() -> Iterator[None]:
    """Keep back what a launch tells of its start: nothing is started."""
    before = logging.root.manager.disable
    logging.disable(logging.ERROR)
    try:
        yield
    finally:
        logging.disable(before)
