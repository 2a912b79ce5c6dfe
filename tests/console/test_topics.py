"""Topics and subscriptions are made by one command, and what is there is left alone."""

import pytest

from tests.console.test_console import run
from tests.no_credentials import forget_credentials

TOPIC = "projects/p/topics/t"


@pytest.mark.parametrize(
    ("argv", "words"),
    [
        (["--topic", "t"], "--topic t: write projects/PROJECT/topics/TOPIC"),
        (["--topic", TOPIC, "--subscription", "s"], "--subscription s: write projects/PROJECT/sub"),
        ([], "Missing option '--topic'"),
        (["--topic", TOPIC], "--topic projects/p/topics/t: no Google Cloud credentials"),
    ],
    ids=["topic", "subscription", "none", "credentials"],
)
def test_wrong_usage_is_one_line_and_status_two(capsys, monkeypatch, tmp_path, argv, words):
    forget_credentials(monkeypatch, tmp_path)
    status, out, err = run(capsys, "topics", "create", *argv)
    assert (status, out, len(err.splitlines())) == (2, "", 1)
    assert words in err


@pytest.mark.emulator
def test_a_topic_and_its_subscriptions_are_created_and_stay_as_they_are(
    capsys, monkeypatch, pubsub_emulator
):
    monkeypatch.setenv("PUBSUB_EMULATOR_HOST", pubsub_emulator.address)
    names = [f"projects/created/subscriptions/{name}" for name in ("a", "b")]
    topic = "projects/created/topics/t"
    argv = ["--topic", topic, "--subscription", names[0], "--subscription", names[1]]
    status, out, err = run(capsys, "topics", "create", *argv)
    assert (status, err) == (0, "")
    assert out.splitlines() == [f"created {name}" for name in (topic, *names)]
    for name in names:
        found = pubsub_emulator.subscriber.get_subscription(subscription=name)
        assert found.topic == topic
    status, out, _ = run(capsys, "topics", "create", *argv)
    assert status == 0
    assert out.splitlines()[0] == f"{topic} exists already; it stays as it is"
