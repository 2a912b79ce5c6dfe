"""The kinds of fault that a seed can inject."""

from enum import Enum

__all__ = ["Kind"]


class Kind(str, Enum):
    """One kind of fault, by the name it has in records, pages and summaries."""

    REDELIVERY = "redelivery"
    KILL_BETWEEN_WRITE_AND_COMMIT = "kill_between_write_and_commit"
    BUNDLE_REPLAY = "bundle_replay"
    BURST_429 = "burst_429"
    SLOW_CONNECTION = "slow_connection"
    HALF_OPEN_CONNECTION = "half_open_connection"
    CLOCK_SKEW = "clock_skew"
    HOT_KEY = "hot_key"
    POISON_HALF = "poison_half"
    POISON_ALL = "poison_all"
    BACKLOG_OF_DAYS = "backlog_of_days"
    FULL_DISK = "full_disk"
    CONNECTIONS_CUT = "connections_cut"
