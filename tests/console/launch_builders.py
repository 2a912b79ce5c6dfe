"""An environment file, and what is launched with it."""

from pathlib import Path

from console.launch_environment import load_environment
from console.launch_parameters import templates

__all__ = ["EXAMPLE", "FILE", "KEY", "environment", "written"]

EXAMPLE = Path(__file__).parents[2] / "templates" / "environment.example.yaml"
KEY = "projects/my-project/secrets/my-key/versions/1"
FILE = f"""\
project: my-project
region: europe-west1
template: gs://my-bucket/templates/{{pipeline}}.json
image: europe-docker.pkg.dev/my-project/penstock/{{pipeline}}:1.2.3
staging_location: gs://my-bucket/staging
max_workers: 3
labels: {{team: events}}
parameters:
  pseudonym_key: {KEY}
  quarantine_output: gs://my-bucket/refused
pipelines:
  archive_raw:
    parameters:
      input_subscription: projects/my-project/subscriptions/archive
      archive_output: gs://my-archive
  hot_path:
    max_workers: 9
    labels: {{team: hot}}
    parameters:
      input_subscription: projects/my-project/subscriptions/hot
      bigtable_table: projects/my-project/instances/i/tables/t
      late_output: gs://my-bucket/late
  curate_events:
    parameters:
      input_archive: gs://my-archive
      from: 2026-01-05T00:00:00Z
      to: 2026-01-06T00:00:00Z
      rows_output: gs://my-bucket/rows
"""


def written(folder, text=FILE):
    path = folder / "prod.yaml"
    path.write_text(text)
    return path


def environment(folder, text=FILE):
    return load_environment(written(folder, text), templates())
