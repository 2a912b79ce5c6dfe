"""Facts of a demo that nobody ran, and a reader of pages."""

import json
from html.parser import HTMLParser

from local.demo_checks import Check
from local.demo_report import Archived, Killed
from local.demo_user import UserRow
from local.demo_windows import Second, Total
from local.report_facts import AGE_EDGES, Age, Facts, JobFacts, Refusal

SECOND = 1_000_000
HOSTILE = "</script><script>alert(1)</script><img src=x onerror=alert(2)>\"'&\x00\ud800"


def any_job(name="curated", **changed):
    parts = {"accepted": 3_888, "rejected": 36, "duplicate": 71, "conflict": 5, "late": 0}
    return JobFacts(name, 4_000, parts, 3_924, 3_920, 4)._replace(**changed)


def any_facts(**changed):
    bins = list(range(len(AGE_EDGES)))
    age = Age({50: 0.481, 95: 42.834, 99: 44.901}, 58.412, bins)
    known = {
        "events": 4_000,
        "seed": 7,
        "seconds": 98.6,
        "versions": {"Apache Beam": "2.77.0", "Python": "3.11.7"},
        "rows_in": "the local BigQuery",
        "checks": [Check("Every row is right", "853 rows", []), Check("Nothing is lost", "x", [])],
        "lost": 100,
        "killed": Killed(2_001, 1_858, 461),
        "archived": Archived(4_000, 14),
        "jobs": [any_job("hot_path"), any_job(), any_job("windows", read=4_001)],
        "seconds_told": [
            Second(59 * SECOND, 100, 20, 3, 120, 123),
            Second(60 * SECOND, 200, 0, 4, 200, 204),
        ],
        "sums": [Total("purchases", "revenue_minor", "EUR", 783_375, 859_860)],
        "refusals": [Refusal("id_conflict", 5, "Two contents."), Refusal("not_json", 3, "")],
        "happened": age,
        "published": age,
        "user": UserRow(
            "f4#user#u0",
            0,
            {"country": "BR", "events": {"1h": 1_756, "24h": 2_756, "30d": None}},
        ),
        "audited": [
            {
                **{"check": "explained", "table": "archive/events", "severity": "error"},
                **{
                    "value": 0.0,
                    "bound": "at most 0",
                    "passed": True,
                    "detail": "4000 = 3888 + 112",
                },
            },
            {
                **{"check": "user_known", "table": "silver_billing.purchase", "severity": "warn"},
                **{"value": 0.9221, "bound": "at most 0.05", "passed": False},
            },
        ],
        "curated": {"click": 3_888},
    }
    return Facts(**{**known, **changed})


class Page(HTMLParser):
    """A parsed page: its elements, its visible text and the contents of its scripts."""

    def __init__(self, text):
        super().__init__()
        self.elements = []
        self.scripts = {}
        self.styles = []
        self.title = ""
        self._open = []
        self._words = []
        self.feed(text)
        self.close()
        self.text = " ".join(" ".join(self._words).split())

    def handle_starttag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))
        if tag not in ("br", "meta"):
            self._open.append((tag, dict(attrs)))

    def handle_endtag(self, tag):
        assert self._open.pop()[0] == tag

    def handle_data(self, data):
        tag, attributes = self._open[-1] if self._open else ("", {})
        if tag == "script":
            self.scripts[attributes.get("id", f"script{len(self.scripts)}")] = data
        elif tag == "style":
            self.styles.append(data)
        elif tag == "title":
            self.title = data
        else:
            self._words.append(data)

    @property
    def is_closed(self):
        return not self._open

    @property
    def charts(self):
        return json.loads(self.scripts["charts"])
