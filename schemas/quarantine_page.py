"""Writes docs/quarantine.md: what the quarantine holds, how to look at it, and every reason."""

from collections.abc import Iterator

from schemas.quarantine_avro import QUARANTINE_SCHEMA
from schemas.reason_guide import REASON_GUIDE
from schemas.rejected import Reason

__all__ = ["quarantine_page"]

_HEAD = """# The quarantine

Written by `make docs` from `schemas/quarantine_page.py`, `schemas/quarantine_avro.py` and
`schemas/reason_guide.py`; change them and run it again.

Whatever a job cannot use ends here with its original bytes, so it is as restricted as the raw
archive: `--quarantine_output` names a place of its own. Objects are

    <path>/step=<step>/dt=YYYY-MM-DD/<digest>.avro

by day of the publish time, or of the rejection where a message has none (`dt=unknown`: a time that
no reader could show). An object is never changed; the same records give the same name. A record
that was handed in again and refused again is another one, with a higher `attempt`.

[docs/release.md](release.md) tells how what is good now is released. What was is named in the
ledger, `<path>/_released/`, which is no part of the records.
"""

_COMMANDS = """## The index

Jobs that write rows (`curate_events`, `window_metrics`, `fill_from_drift`) also write one for each
record to `ops.quarantine` ([tables](tables.md)), or to `<rows_output>/ops.quarantine/`: what was
refused, why and by whom, when it was published, size and digest of its bytes, and never these
themselves. A recomputation of windows does not: what it refuses the live jobs have.

The objects are the truth, and the index can lag behind them or lack rows. `identity` is the same in
both, and the insert id of the row: a retry, or a replay, is the same row again. A row that BigQuery
refuses there goes to the objects too, as `row_refused`, and is not indexed in its turn. Counters of
their own say what became of them, and `rows` does not count them:
`index_rows` = `index_rows_written` + `index_rows_refused`. Two jobs that refuse one message make a
row each, as they make a record each.

## Looking at it

```
penstock quarantine ls gs://bucket/quarantine
penstock quarantine ls quarantine --step Decode --reason not_json \\
    --from 2026-01-31T00:00:00Z --to 2026-02-01T00:00:00Z
penstock quarantine show quarantine --reason wrong_type --limit 3 --contracts contracts
penstock quarantine explain wrong_type
```

PATH is a quarantine, a folder of it or one object, local or on Cloud Storage. `ls` counts records
by step, reason and hour, and says how many objects they are in, and the bytes of those; what was
released it counts apart, by sink too, and it says how many of the records were refused again.
`show` prints the first records (`--limit`, 10 unless told) as JSON lines. `--from` (included) and
`--to` (excluded) are publish times, or times of rejection where there is none; objects whose
folder says that they hold nothing of what is asked are not opened. One object at a time is in
memory.

An object that is no Avro, is cut, damaged or of another schema is named on stderr, one line each,
and nothing of it is counted or shown; the others are. The exit status is then 1. It is 2 for a path
where nothing is, missing credentials, and options that cannot be: an unknown reason, and a step
that is neither one of the suite nor a folder of the quarantine.

## What `show` masks

Nothing is shown that is not known to be harmless, unless `--raw` asks for the records as they came:
then the payload is text in `payload`, or base64 in `payload_base64` where it is not UTF-8.

| part | shown without `--raw` |
|---|---|
| event of a known type | values that are of a known field, of its type, and not personal |
| `user_id`, `session_id` | their type: they name a person whatever the contract says |
| personal and unknown fields | `<string>`, `<integer>` and so on; of unknown ones, names inside |
| keys of maps | nothing; what is under them like any field |
| event of an unknown type | names and types; `event_type` where it looks like a name |
| other JSON | names and types; of a list each shape once |
| payload that is no JSON | its length, and the class of its first byte |
| refused change | family, qualifier and times of each cell, its table; no row key or value |
| bad object | its path, if it looks like one of the suite's |
| attributes | their names |
| ordering key | that there is one |

A name that does not look like a field's (ASCII letters, `_`, `-`, `$`, `@` in front, up to three
digits, up to 64 characters) may be a value itself and becomes `<name 1>`. A payload that
`content-encoding` says is gzip is inflated first. What is personal say the contracts, so give those
of the job with `--contracts`; the shipped ones are taken otherwise.

## Reasons

`penstock quarantine explain` prints the same.
"""


def quarantine_page() -> str:
    """Return the page as Markdown."""
    reasons = (line for reason in Reason for line in _section(reason))
    return "\n".join([_HEAD, *_fields(), "", _COMMANDS, *reasons]).rstrip("\n") + "\n"


def _fields() -> Iterator[str]:
    yield from ("| field | holds |", "|---|---|")
    fields = QUARANTINE_SCHEMA["fields"]
    assert isinstance(fields, list)
    for field in fields:
        yield f"| `{field['name']}` | {field['doc']} |"


def _section(reason: Reason) -> Iterator[str]:
    note = REASON_GUIDE[reason]
    yield from (f"### {reason.value}", "", f"{note.meaning} Refused by {note.steps}.", "")
    yield f"- Causes: {note.causes}"
    yield f"- Remedy: {note.remedy}"
    yield f"- Release: {'possible' if note.releasable else 'not possible'}. {note.release}"
    yield ""
