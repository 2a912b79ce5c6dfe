"""`penstock graph`: what it prints, and its status."""

import json

import pytest

from console.graph_form import json_of
from console.main import main
from tests.console.test_graph_diff import KEPT, kept, relabelled
from tests.no_credentials import forget_credentials
from transforms.object_store import create_object


def run(capsys, *argv):
    with pytest.raises(SystemExit) as left:
        main(["graph", *map(str, argv)])
    out, err = capsys.readouterr()
    return left.value.code, out.splitlines(), err


def test_the_command_tells_the_verdict_by_its_status_and_writes_the_mapping(capsys, tmp_path):
    old = KEPT["hot_live"]
    labels = {"FoldEntities/FoldChanges": "Fold/FoldChanges"}
    moved, broken, mapping = (tmp_path / name for name in ("moved", "broken", "mapping.json"))
    moved.write_text(json_of(relabelled(kept("hot_live"), labels)))
    broken.write_text(old.read_text().replace('"event_time"', '"processing_time"'))
    assert run(capsys, "diff", old, old) == (0, ["compatible"], "")
    status, out, err = run(capsys, "diff", old, moved)
    assert (status, json.loads(out.pop()), err) == (3, labels, "")
    assert out == ["FoldEntities/FoldChanges: is Fold/FoldChanges now", "needs mapping"]
    assert run(capsys, "diff", old, moved, "--mapping", mapping) == (3, out, "")
    assert json.loads(mapping.read_text()) == labels
    status, out, _ = run(capsys, "diff", old, broken, "--mapping", tmp_path / "none")
    assert (status, out[-1], len(out)) == (1, "incompatible", 3)
    assert "timers ts-tick domain was event_time, is processing_time: drain" in out[0]
    assert not (tmp_path / "none").exists()
    assert run(capsys, "save", old) == (0, old.read_text().splitlines(), "")


HEAD = '{"form": "penstock graph", "version": 1, "steps": '


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (None, "no such file"),
        (b"", "no graph: neither a pipeline.pb nor"),
        (b"not a graph\n", "no graph: neither a pipeline.pb nor"),
        (b"\n\x03abc", "no graph: neither a pipeline.pb nor"),
        (b"{", "no graph: neither a pipeline.pb nor"),
        (b"[" * 100_000, "no graph: neither a pipeline.pb nor"),
        (b'{"job": 1}', "JSON, but no graph"),
        (HEAD.replace("1", "2").encode() + b"[]}", "a graph of version 2, where"),
        (HEAD.encode() + b'[{"label": "a"}]}', "a damaged graph"),
        (HEAD.encode() + b'[{"label": "a", "kind": "b", "more": 1}]}', "a damaged graph"),
        (HEAD.encode() + b'[{"label":"a","kind":"b"},{"label":"a","kind":"b"}]}', "of one label"),
        (HEAD.encode() + b'[{"label":"a","kind":"b","inputs":[{"step":"c"}]}]}', "no step c"),
        (HEAD.encode() + b'[{"label":"a","kind":"b","holds":' + b'{"a":' * 90_000, "no graph"),
        (
            HEAD.encode()
            + b'[{"label":"a","kind":"b","holds":%s1%s}]}' % (b'{"a":' * 900, b"}" * 900),
            "a damaged graph",
        ),
    ],
    ids=lambda value: str(value)[:40],
)
def test_what_is_no_graph_is_one_line_and_status_two(capsys, tmp_path, content, words):
    path = tmp_path / "given"
    if content is not None:
        path.write_bytes(content)
    for argv in (
        ["save", path],
        ["diff", path, KEPT["hot_live"]],
        ["diff", KEPT["hot_live"], path],
    ):
        status, out, err = run(capsys, *argv)
        assert (status, out, len(err.splitlines())) == (2, [], 1)
        assert str(path) in err
        assert words in err


def test_a_graph_in_a_bucket_is_read_too(capsys, gcs_emulator):
    bucket = f"gs://{gcs_emulator.bucket()}"
    create_object(f"{bucket}/staging/graph.json", KEPT["hot_live"].read_bytes())
    assert run(capsys, "diff", f"{bucket}/staging/graph.json", KEPT["hot_live"])[0] == 0
    for place, words in (
        (f"{bucket}/staging/none.pb", "no such object"),
        (f"{bucket}-gone/x.pb", "no such object"),
        ("s3://b/x", "write a local folder or gs://"),
    ):
        status, out, err = run(capsys, "save", place)
        assert (status, out, len(err.splitlines())) == (2, [], 1)
        assert words in err


def test_without_credentials_one_line_names_the_remedy(capsys, monkeypatch, tmp_path):
    forget_credentials(monkeypatch, tmp_path)
    status, out, err = run(capsys, "save", "gs://bucket/pipeline.pb")
    assert (status, out) == (2, [])
    assert "gs://bucket/pipeline.pb: no Google Cloud credentials; run gcloud auth" in err
