"""Writes `docs/roles.md`: who may do what, and the commands that grant it; from `local.roles`."""

import itertools
from collections.abc import Iterator, Sequence

from local.roles import (
    CONDITIONS,
    CUSTOM,
    PEOPLE,
    PIPELINES,
    PLACES,
    PREDEFINED,
    SERVICE,
    Grant,
    grants_of,
)
from local.write_templates import jobs
from pipelines.option_words import declared_options

__all__ = ["BINDINGS", "VARIABLES", "account_of", "commands_of", "roles_page"]

_HEAD = """\
# Roles

Who may do what, and no more: one account for each pipeline. A Flex Template's launch runs as the
account of its workers, so what is checked at the launch (tables, family, subscription, archive) is
checked by the account that will run the job. This page is written by `make docs` from
`local/roles.py`, and [a test](../tests/security/test_roles.py) holds that table against the source:
it fails where a pipeline can call what no role here covers, and where a role allows what no
pipeline calls.

What no table can change:

- `roles/dataflow.worker` is granted on the project, and Google lets it read and create objects in
  every bucket of that project. Keep the archive and the quarantine, which hold raw events, in
  buckets of **another project**; the grants below are by bucket and work across projects.
- BigQuery knows no right to append only: who may insert rows (`bigquery.tables.updateData`) may
  change them too, and who may drop a staging table may drop the tables beside it. Restrict
  the datasets `ops` and those of rows each to who needs them.
- Cloud Storage asks for the right to delete where an object is replaced. Of an archive only the
  completeness marker is, so its writer may delete objects of that one name; the condition needs
  uniform bucket-level access. Compaction alone may delete what it has replaced.
- With `--timestamp_attribute` Dataflow follows the time of a subscription by a second one, which it
  makes itself: that takes `roles/pubsub.editor` on its project, and no other option does.
- Objects under a customer's own key need `roles/cloudkms.cryptoKeyEncrypterDecrypter` for the
  services' agents, as Google's documents tell; no pipeline calls the key itself.
"""
_SETUP = """\
PROJECT=my-project              # jobs, datasets, Bigtable, Pub/Sub, keys
REGION=europe-west1
REPOSITORY=penstock             # of the image, in Artifact Registry
JOB_BUCKET=my-jobs              # --staging_location and --temp_location
DECLARATIONS_BUCKET=my-declarations
INPUT_BUCKET=my-files
ROWS_BUCKET=my-rows
STAGING_BUCKET=my-staging       # --staging
ARCHIVE_BUCKET=my-archive       # in another project, with uniform access
QUARANTINE_BUCKET=my-quarantine # as restricted as the archive
OUTPUTS="my-quarantine my-late my-rows"
FILE_BUCKET=my-cells
SUBSCRIPTION=my-events-hot-path # each streaming pipeline has its own
INSTANCE=my-instance
TABLE=my-table
DATASETS="silver_shop gold ops" # as `penstock tables create` made them
SECRET=my-key"""

_ROLE = '--member="$MEMBER" --role="$ROLE"'
_BUCKET = 'gcloud storage buckets add-iam-policy-binding "gs://{}" ' + _ROLE
_GRANT = (
    'bq query --project_id="$PROJECT" --use_legacy_sql=false '
    '"GRANT \\`$ROLE\\` ON SCHEMA \\`$PROJECT\\`.$DATASET TO \\"$MEMBER\\""'
)

BINDINGS: dict[str, str] = {
    "project": f'gcloud projects add-iam-policy-binding "$PROJECT" {_ROLE} --condition=None',
    "repository": (
        'gcloud artifacts repositories add-iam-policy-binding "$REPOSITORY" '
        f'--project="$PROJECT" --location="$REGION" {_ROLE}'
    ),
    "job bucket": _BUCKET.format("$JOB_BUCKET"),
    "subscription": (
        'gcloud pubsub subscriptions add-iam-policy-binding "$SUBSCRIPTION" '
        f'--project="$PROJECT" {_ROLE}'
    ),
    "declarations": _BUCKET.format("$DECLARATIONS_BUCKET"),
    "secret": f'gcloud secrets add-iam-policy-binding "$SECRET" --project="$PROJECT" {_ROLE}',
    "input": _BUCKET.format("$INPUT_BUCKET"),
    "rows": _BUCKET.format("$ROWS_BUCKET"),
    "archive": _BUCKET.format("$ARCHIVE_BUCKET"),
    "marker": f"{_BUCKET.format('$ARCHIVE_BUCKET')} --condition='title=markers,expression={{}}'",
    "quarantine": _BUCKET.format("$QUARANTINE_BUCKET"),
    "outputs": f"for BUCKET in $OUTPUTS; do {_BUCKET.format('$BUCKET')}; done",
    "file": _BUCKET.format("$FILE_BUCKET"),
    "staging": _BUCKET.format("$STAGING_BUCKET"),
    "bigtable": (
        'gcloud bigtable tables add-iam-policy-binding "$TABLE" --instance="$INSTANCE" '
        f'--project="$PROJECT" {_ROLE}'
    ),
    "instance": (
        f'gcloud bigtable instances add-iam-policy-binding "$INSTANCE" --project="$PROJECT" {_ROLE}'
    ),
    "datasets": f"for DATASET in $DATASETS; do {_GRANT}; done",
}
"""The command that grants `$ROLE` to `$MEMBER` on a place."""

VARIABLES = tuple(line.partition("=")[0] for line in _SETUP.splitlines())


def roles_page() -> str:
    """Return the page."""
    parts = [_HEAD, *map(_section, PIPELINES), _people(), _roles(), _commands()]
    return "\n".join(parts)


def account_of(pipeline: str) -> str:
    """Return the name of a pipeline's account.

    >>> account_of("hot_path")
    'penstock-hot-path'
    """
    return f"penstock-{pipeline.replace('_', '-')}"


def commands_of(pipeline: str) -> str:
    """Return the commands that make the account of a pipeline and grant it its roles."""
    return "\n".join(_granted(pipeline))


def _granted(pipeline: str) -> Iterator[str]:
    account, has = account_of(pipeline), _options_of(pipeline)
    yield f'gcloud iam service-accounts create {account} --project="$PROJECT"'
    yield f'MEMBER="serviceAccount:{account}@$PROJECT.iam.gserviceaccount.com"'
    for role, grants in itertools.groupby(grants_of(pipeline), lambda each: each.role):
        yield f'ROLE="{role}"' if "/" in role else f'ROLE="projects/$PROJECT/roles/{role}"'
        for grant in grants:
            if grant.options:
                yield f"# only with {_told(grant, has, ' or ', '')}"
            yield BINDINGS[grant.place].format(CONDITIONS.get(grant.place, ""))


def _section(pipeline: str) -> str:
    has = _options_of(pipeline)
    rows = [_row(grant, has) for grant in PIPELINES[pipeline]]
    return _table(f"## {pipeline}", "| role | on | only with |", "|---|---|---|", rows)


def _row(grant: Grant, has: set[str] | None = None) -> str:
    where = PLACES.get(grant.place, grant.place)
    return f"| `{grant.role}` | {where} | {_told(grant, has, ', ', '`')} |"


def _told(grant: Grant, has: set[str] | None, between: str, quote: str) -> str:
    """Return the options of a grant, of a pipeline those that it has."""
    own = [each for each in grant.options if has is None or each.partition("=")[0] in has]
    return between.join(f"{quote}--{option}{quote}" for option in own)


def _options_of(pipeline: str) -> set[str]:
    return {option.name for option in declared_options(jobs()[pipeline].options)}


def _people() -> str:
    rows = [
        f"| {who} {_row(grant)}"
        for who, grants in {"the account of every pipeline": SERVICE, **PEOPLE}.items()
        for grant in grants
    ]
    return _table(
        "## Every pipeline, people, and the build",
        "| who | role | on | only with |",
        "|---|---|---|---|",
        rows,
    )


def _roles() -> str:
    rows = [
        f"| `{role}` | {', '.join(f'`{each}`' for each in permissions)} |"
        for role, permissions in {**CUSTOM, **PREDEFINED}.items()
    ]
    title = "## What of each role is needed\n\nOf Google's roles, what the pipelines use of them."
    return _table(title, "| role | permissions |", "|---|---|", rows)


def _commands() -> str:
    made = [
        f'gcloud iam roles create {role} --project="$PROJECT" --stage=GA '
        f"--permissions={','.join(permissions)}"
        for role, permissions in CUSTOM.items()
    ]
    blocks = [
        "## The commands\n",
        "Name the places once; leave out what a job of yours has not. A custom role is of one",
        "project: for buckets of another one, make it there too, and name that project in `ROLE`.",
        _fenced(_SETUP),
        "Roles of your own, once:",
        _fenced("\n".join(made)),
        "Then for each pipeline that you run:",
        *(f"### {account_of(name)}\n{_fenced(commands_of(name))}" for name in PIPELINES),
    ]
    return "\n".join(blocks)


def _fenced(text: str) -> str:
    return f"\n```sh\n{text}\n```\n"


def _table(title: str, head: str, rule: str, rows: Sequence[str]) -> str:
    return "\n".join((title, "", head, rule, *rows, ""))
