"""Makes tables, datasets, topics, subscriptions and buckets of one's own on the local services."""

import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

import grpc
from google.auth.credentials import AnonymousCredentials
from google.cloud import bigquery, bigtable_admin_v2, storage
from google.pubsub_v1 import PublisherClient, SubscriberClient
from google.pubsub_v1.services.publisher.transports import PublisherGrpcTransport
from google.pubsub_v1.services.subscriber.transports import SubscriberGrpcTransport
from google.pubsub_v1.types import Subscription

from local.pubsub_kind import Capability, PubsubKind
from local.services import PROJECT
from local.tables import admin_client

__all__ = [
    "BigQueryEmulator",
    "BigtableEmulator",
    "PubsubEmulator",
    "StorageEmulator",
    "unique_name",
]


def unique_name(prefix: str) -> str:
    """Return a name that no other call gets, legal for every service."""
    return f"{prefix}-{secrets.token_hex(6)}"


@dataclass(frozen=True)
class BigtableEmulator:
    """A Bigtable service at an address, `HOST:PORT`."""

    address: str
    project: str = PROJECT
    instance: str = "local"

    def table(self, families: Mapping[str, object] | None = None, name: str = "") -> str:
        """Create an empty table and return its full name, `projects/P/instances/I/tables/T`.

        Args:
            families: family to rule of garbage collection (`column_family.GcRule` as a dict or
                proto, {} for none); by default the hot path's `s` and `t`.
            name: by default one of its own.
        """
        shown = families or {"s": {"gc_rule": {"max_num_versions": 1}}, "t": {}}
        parent = f"projects/{self.project}/instances/{self.instance}"
        table = bigtable_admin_v2.Table(column_families=dict(shown))
        created = self._admin.create_table(
            parent=parent, table_id=name or unique_name("table"), table=table
        )
        return str(created.name)

    @cached_property
    def _admin(self) -> bigtable_admin_v2.BaseBigtableTableAdminClient:
        return admin_client(self.address)


@dataclass(frozen=True)
class PubsubEmulator:
    """A Pub/Sub service at an address, `HOST:PORT`."""

    address: str
    kind: PubsubKind = PubsubKind.GO
    project: str = PROJECT

    def can(self, capability: Capability) -> bool:
        """Say whether this emulator does what production does in that respect."""
        return capability in self.kind.capabilities

    def topic(self, name: str = "") -> str:
        """Create a topic and return its full name."""
        path = f"projects/{self.project}/topics/{name or unique_name('topic')}"
        return str(self.publisher.create_topic(name=path).name)

    def subscription(self, topic: str, name: str = "", **settings: object) -> str:
        """Create a subscription and return its full name.

        Args:
            topic: full name.
            name: by default one of its own.
            settings: fields of Subscription, such as `ack_deadline_seconds=10`.
        """
        path = f"projects/{self.project}/subscriptions/{name or unique_name('subscription')}"
        request = Subscription(name=path, topic=topic, **settings)
        return str(self.subscriber.create_subscription(request=request).name)

    @cached_property
    def publisher(self) -> PublisherClient:
        """A plain client of this service; its messages go out at once, not batched."""
        channel = grpc.insecure_channel(self.address)
        return PublisherClient(transport=PublisherGrpcTransport(channel=channel))

    @cached_property
    def subscriber(self) -> SubscriberClient:
        """A plain client of this service."""
        channel = grpc.insecure_channel(self.address)
        return SubscriberClient(transport=SubscriberGrpcTransport(channel=channel))


@dataclass(frozen=True)
class StorageEmulator:
    """A Cloud Storage service at an address, `HOST:PORT`."""

    address: str
    project: str = PROJECT

    def bucket(self, name: str = "") -> str:
        """Create a bucket and return its name."""
        return str(self.client.create_bucket(name or unique_name("bucket")).name)

    @cached_property
    def client(self) -> storage.Client:
        """A client of this service."""
        options = {"api_endpoint": f"http://{self.address}"}
        anonymous = AnonymousCredentials()
        return storage.Client(self.project, credentials=anonymous, client_options=options)


@dataclass(frozen=True)
class BigQueryEmulator:
    """A BigQuery service at an address, `HOST:PORT`."""

    address: str
    project: str = PROJECT

    def dataset(self, name: str = "") -> str:
        """Create a dataset and return its name."""
        made = self.client.create_dataset(name or unique_name("dataset").replace("-", "_"))
        return str(made.dataset_id)

    @cached_property
    def client(self) -> bigquery.Client:
        """A client of this service."""
        options = {"api_endpoint": f"http://{self.address}"}
        anonymous = AnonymousCredentials()
        return bigquery.Client(self.project, credentials=anonymous, client_options=options)
