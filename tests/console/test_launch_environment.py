"""An environment's file is typed, and an error names file, line and field but no value."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from console.launch_environment import load_environment
from console.launch_file import FileError
from console.launch_parameters import templates
from tests.console.launch_builders import EXAMPLE, FILE, environment, written

SECRET = "2026:a-secret-in-the-wrong-place"
KEY_ITSELF = "2026:" + "0aZ+" * 8


def test_a_pipeline_has_its_own_before_what_holds_for_all(tmp_path):
    read = environment(tmp_path)
    hot, archive = read.workers_of("hot_path"), read.workers_of("archive_raw")
    assert (hot.max_workers, archive.max_workers, read.workers_of("audit").max_workers) == (9, 3, 3)
    assert (hot.labels, archive.labels) == ({"team": "hot"}, {"team": "events"})
    assert hot.template == "gs://my-bucket/templates/hot_path.json"
    assert archive.image == "europe-docker.pkg.dev/my-project/penstock/archive_raw:1.2.3"


def test_values_are_the_texts_that_stand_there(tmp_path):
    parameters = "{now: 2026-01-31T12:00:00Z, a: yes, b: 1:30, c: 007, d: 1_000, e: ~, f: [1, x]}"
    text = FILE + f"  audit:\n    parameters: {parameters}\n"
    assert environment(tmp_path, text).workers_of("audit").parameters == {
        "now": "2026-01-31T12:00:00Z",
        "a": "yes",
        "b": "1:30",
        "c": "007",
        "d": "1_000",
        "e": None,
        "f": ["1", "x"],
    }


def test_what_is_given_empty_is_as_if_it_were_not_there(tmp_path):
    read = environment(tmp_path, FILE + "kms_key:\nexperiments: []\nnetwork: ''\n")
    workers = read.workers_of("hot_path")
    assert (workers.kms_key, workers.experiments, workers.network) == (None, [], None)


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ("max_workers: 3", "max_workers: many", ":6: max_workers: Expected `int`, got `str`; such"),
        ("max_workers: 3", "max_workers: 0", ":6: max_workers: Expected `int` >= 1; such as 3"),
        ("max_workers: 3", "max_worker: 3", ":6: max_worker: no such field; did you mean max_work"),
        ("max_workers: 9", "max_workers: x", ":17: pipelines.hot_path.max_workers: Expected `int`"),
        ("    max_workers: 9", "    machine: x", ":17: pipelines.hot_path.machine: no such field"),
        ("  hot_path:", "  hot_pth:", ":16: pipelines.hot_pth: no such pipeline; did you mean hot"),
        ("project: my-project", "project: My Project", ":1: project: Expected `str` of another fo"),
        ("project: my-project\n", "", "project: is missing; such as my-project"),
        ("region: europe-west1", "region: mars", ":2: region: Expected `str` of another form; suc"),
        ("labels: {team: events}", "labels: {Team: x}", ":7: labels: Expected `str` of another"),
        ("{team: hot}", "hot", ":18: pipelines.hot_path.labels: Expected `object`, got `str`"),
        ("template: gs:", "template: s3:", ":3: template: Expected `str` of another form; such as"),
        ("region: europe-west1", "region: a\nregion: b", ":3: region is given twice; give it once"),
        ("max_workers: 3", "job_name: hot", ":6: job_name: of one pipeline; write it below pipel"),
        ("max_workers: 3", "streaming_mode: once", ":6: streaming_mode: Expected `str` of another"),
        ("max_workers: 3", "max_workers: [", ":8: not YAML: expected"),
        ("max_workers: 3", "max_workers: !!python/name:os.system", ":6: not YAML: could not det"),
        ("{team: events}", "{penstock-launch: x}", ":7: labels: Expected `str` of another form"),
        (
            "    max_workers: 9",
            "    num_workers: 4",
            ":17: pipelines.hot_path.num_workers: more th",
        ),
        ("/{pipeline}.json", "/{pipelin}.json", ":3: template: Expected `str` of another form"),
        ("project: my-project", 'project: "my-project\\n"', ":1: holds a line break or a charact"),
        ("gs://my-bucket/late", '"gs://b/\\ud800"', ":22: holds a line break or a character"),
        ("{team: hot}", "{!!merge <<: {team: hot}}", ":18: not YAML: could not determine a con"),
        ("{team: events}", "&a {team: *a}", ":7: labels: Expected `str`, got `object`; such as"),
    ],
)
def test_an_error_names_file_line_field_and_remedy(tmp_path, old, new, told):
    path = written(tmp_path, FILE.replace(old, new, 1))
    assert path.read_text() != FILE
    with pytest.raises(FileError) as error:
        load_environment(path, templates())
    separator = "" if told.startswith(":") else ": "
    assert str(error.value).startswith(f"{path}{separator}{told}")
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    "line",
    [
        f"machine_type: [{SECRET}",
        f"pseudonym_key: {SECRET}",
        f"num_workers: {SECRET}",
        f"machine_type: '{SECRET}",
        f"kms_key: {SECRET}",
        f'labels: {{team: "{SECRET}"}}',
        f"machine_type: {KEY_ITSELF}",
        f"experiments: [key={KEY_ITSELF}]",
        f"launch_options: {{a: {KEY_ITSELF}}}",
        f"{KEY_ITSELF}: x",
    ],
)
def test_an_error_shows_no_value(tmp_path, line):
    with pytest.raises(FileError) as error:
        environment(tmp_path, f"{line}\n{FILE.replace('labels: {team: events}', '')}")
    assert SECRET not in str(error.value)
    assert KEY_ITSELF not in str(error.value)
    assert "prod.yaml:" in str(error.value)


@pytest.mark.parametrize(
    ("data", "told"),
    [
        (b"", "holds no fields"),
        (b"- a\n- b\n", "holds no fields"),
        (b"\xff\xfe\x00", "no UTF-8 text"),
        (b"a: " + b"[" * 1200, "not YAML (RecursionError)"),
        (b"a: x\x00", "not YAML (ReaderError)"),
        (b"a: " + b"x" * 1_000_001, "larger than 1000000 bytes"),
        (None, "No such file or directory"),
    ],
    ids=["empty", "list", "binary", "deep", "control", "large", "none"],
)
def test_what_is_no_file_of_an_environment_is_one_line(tmp_path, data, told):
    path = tmp_path / "prod.yaml"
    if data is not None:
        path.write_bytes(data)
    with pytest.raises(FileError, match=r"prod\.yaml") as error:
        load_environment(path, templates())
    assert told in str(error.value)


def test_mappings_that_stand_for_billions_are_walked_once(tmp_path):
    names = [f"n{n}" for n in range(400)]
    nested = ["m0: &m0 {a: x}"]
    nested += [f"m{n}: &m{n} {{{', '.join(f'{k}: *m{n - 1}' for k in names)}}}" for n in (1, 2, 3)]
    with pytest.raises(FileError, match="m0: no such field"):
        environment(tmp_path, "\n".join([FILE, *nested]))


_WORDS = "project pipelines hot_path parameters labels job_prefix num_workers a ~ 1 << - [ ] { } ,"
_TOKENS = [*_WORDS.split(), ": ", ":\n  ", "\n", "\n    ", "&a ", "*a", "!!int ", "? ", "|\n", "'"]


@given(st.lists(st.sampled_from(_TOKENS), max_size=25))
def test_whatever_a_file_holds_is_an_environment_or_one_line(tmp_path_factory, tokens):
    path = tmp_path_factory.getbasetemp() / "any.yaml"
    path.write_text(FILE[:41] + "".join(tokens))
    try:
        load_environment(path, templates())
    except FileError as error:
        assert str(error).startswith(str(path))
        assert "\n" not in str(error)


def test_the_example_has_every_pipeline_that_has_a_template():
    read = load_environment(EXAMPLE, templates())
    assert set(read.pipelines) == set(templates())
