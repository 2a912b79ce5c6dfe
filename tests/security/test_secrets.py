"""No secret is in the repository: every tracked file is looked through, by form and by chance."""

import math
import re
import subprocess
from collections import Counter

import pytest

from tests.security.call_graph import ROOT

pytestmark = pytest.mark.engine

FORMS = {
    "private key": r"-----BEGIN (?:[A-Z]+ )?PRIVATE KEY(?: BLOCK)?-----",
    "key file of a service account": r"\"private_key(?:_id)?\"\s*:",
    "Google API key": r"AIza[0-9A-Za-z_-]{35}",
    "Google OAuth secret": r"GOCSPX-[0-9A-Za-z_-]{20,}",
    "Google token": r"ya29\.[0-9A-Za-z_-]{20,}|1//0[0-9A-Za-z_-]{30,}",
    "AWS key": r"(?:AKIA|ASIA)[0-9A-Z]{16}",
    "GitHub token": r"gh[pousr]_[0-9A-Za-z]{36}|github_pat_[0-9A-Za-z_]{50,}",
    "Slack token": r"xox[abprs]-[0-9A-Za-z-]{10,}",
    "package index token": r"pypi-AgE[0-9A-Za-z_-]{50,}|npm_[0-9A-Za-z]{36}",
    "JSON web token": r"eyJ[0-9A-Za-z_-]{10,}\.eyJ[0-9A-Za-z_-]{10,}\.[0-9A-Za-z_-]{10,}",
    "password in an address": r"[a-z][a-z0-9+.-]*://[^\s/:@'\"{}<>]+:[^\s/:@'\"{}<>]{3,}@",
}
NAMED = re.compile(
    r"(?i)(?:secret|token|passw(?:or)?d|api_?key|credential|private_?key)\w*[\"']?\s*[:=]+\s*b?"
    r"[\"']([^\"'\s{}$<>]{12,})[\"']"
)
BARE = re.compile(
    r"(?im)^[\s-]*(?:export |ENV |ARG )?\w*(?:secret|token|passw(?:or)?d|api_?key|private_?key)\w*"
    r"\s*[:=]\s*([^\s\"'{}$<>()/\[\],]{12,})\s*$"
)
"""Without quotes, as in files that are no program: it is the whole line."""
LONG = re.compile(r"[\"'=:\s]([A-Za-z0-9+/_=-]{40,})[\"'\s]")
ALLOWED = {
    "2026:a-secret-that-nothing-may-show-in-the-clear": "what a test looks for, to miss it",
    "2026:a-secret-in-the-wrong-place": "what a test gives, to be refused",
    "0123456789abcdef": "digits in their order, a key of tests",
    "pseudonyms-of-invented-people": "a key of a benchmark, whose events are made",
    "MjAyNi5sTEFkYmh3N1NyeENTOFlLSG5rT3I3WmRBRC1VQ2JXUjhPa1J2Zl9BRGNj": "pseudonym of nobody",
    "projects/p/secrets/s/versions/3": "the name of a key",
    "secretmanager": "the name of a service",
}
"""What has the form of a secret and is none, each with the reason."""

SKIPPED = {".png": "a picture", ".avro": "made events", ".gz": "made events", ".jar": "a program"}
HASHES = re.compile(r"requirements/\w[\w-]*\.txt$|(^|/)go\.sum$|\.svg$")
"""Files that are made of digests, by their form: hashed pins, sums of modules; drawings."""


def tracked():
    listing = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    told = subprocess.run(listing, cwd=ROOT, capture_output=True, check=True, timeout=60)
    paths = [ROOT / name for name in told.stdout.decode().split("\0") if name]
    return [path for path in paths if path.is_file()]


def bits(text):
    """Return how much chance is in a character, as far as its frequencies tell."""
    counts = Counter(text)
    return -sum(n / len(text) * math.log2(n / len(text)) for n in counts.values())


def looks_random(text):
    is_hex = re.fullmatch(r"[0-9a-f=]+", text) is not None
    has_all = all(re.search(each, text) for each in ("[a-z]", "[A-Z]", "[0-9]"))
    return not is_hex and has_all and bits(text) > 4.5


def looks_mixed(text):
    return re.search(r"[0-9]", text) is not None and bits(text) > 3


def secrets_in(text, *, by_chance):
    found = {(name, hit[0]) for name, form in FORMS.items() for hit in re.finditer(form, text)}
    found |= {("named", hit[1]) for hit in NAMED.finditer(text) if bits(hit[1]) > 3}
    found |= {("bare", hit[1]) for hit in BARE.finditer(text) if looks_mixed(hit[1])}
    if by_chance:
        found |= {("random", hit[1]) for hit in LONG.finditer(text) if looks_random(hit[1])}
    return {each for each in found if each[1] not in ALLOWED}


def test_no_tracked_file_holds_a_secret():
    """Where this fails: take it out, and renew it where it is used; it is known now."""
    paths, found = tracked(), {}
    assert len(paths) > 900
    for path in paths:
        name = path.relative_to(ROOT).as_posix()
        if path.suffix in SKIPPED or name == "tests/security/test_secrets.py":
            continue
        text = path.read_bytes().decode("utf-8", "replace")
        if hits := secrets_in(text, by_chance=not HASHES.search(name)):
            found[name] = hits
    assert found == {}


def test_what_is_allowed_is_still_there():
    kinds = (".py", ".ndjson")
    texts = [path.read_bytes() for path in tracked() if path.suffix in kinds]
    own = (ROOT / "tests" / "security" / "test_secrets.py").read_bytes()
    for known in ALLOWED:
        assert [text for text in texts if known.encode() in text and text != own], known


RANDOM = "q7Xk2mV9zRt4Lw8Yb3Nc6Hd1Jf5Gs0PaEuTiOyQvBn"


@pytest.mark.parametrize(
    "text",
    [
        "-----BEGIN RSA PRIVATE KEY-----",
        '{"type": "service_account", "private_key": "x"}',
        "key = 'AIza" + RANDOM[:35] + "'",
        "https://user:hunter2!@example.com/",
        f"password: '{RANDOM[:20]}'",
        f'API_KEY = "{RANDOM[:16]}"',
        f"first: 1\nAPI_TOKEN={RANDOM[:16]}\n",
        f"  password: {RANDOM[:16]}",
        f" {RANDOM} ",
        "ghp_" + RANDOM[:36],
    ],
)
def test_a_secret_is_seen(text):
    assert secrets_in(text, by_chance=True)


@pytest.mark.parametrize(
    "text",
    [
        "--pseudonym_key=projects/my-project/secrets/my-key/versions/1",
        "key=os.environ['PENSTOCK_KEY']",
        "sha256:" + "0123456789abcdef" * 4,
        "test_what_is_listed_is_what_the_installed_packages_say_of_it",
        "http://127.0.0.1:8080/x@y",
    ],
)
def test_what_only_looks_like_one_is_passed_over(text):
    assert not secrets_in(text, by_chance=True)


def test_no_file_is_one_that_holds_secrets_by_its_name():
    named = re.compile(
        r"(^|/)([^/]*\.env|id_[rd]sa|credentials\.json|.*\.(pem|p12|pfx|key|jks|keystore))$"
    )
    names = [path.relative_to(ROOT).as_posix() for path in tracked()]
    assert [name for name in names if named.search(name)] == []
