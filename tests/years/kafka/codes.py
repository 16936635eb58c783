"""The errors that the model answers with, by Kafka's numbers, and the versions of the requests that it speaks."""

from __future__ import annotations

from enum import IntEnum
from typing import Final


class Refusal(IntEnum):
    """Why a request was refused. The numbers are Kafka's."""

    NONE = 0
    OUT_OF_RANGE = 1
    CORRUPT = 2
    UNKNOWN_TOPIC = 3
    NO_LEADER = 5
    NOT_LEADER = 6
    TOO_LARGE = 10
    METADATA_TOO_LARGE = 12
    LOADING = 14
    NO_COORDINATOR = 15
    NOT_COORDINATOR = 16
    TOO_FEW_REPLICAS = 19
    ILLEGAL_GENERATION = 22
    INCONSISTENT_PROTOCOL = 23
    UNKNOWN_MEMBER = 25
    REBALANCING = 27
    BAD_TIMESTAMP = 32
    TOPIC_EXISTS = 36
    NOT_CONTROLLER = 41
    OUT_OF_ORDER = 45
    OLD_EPOCH = 47
    WRONG_STATE = 48
    UNKNOWN_PRODUCER = 49
    CONCURRENT = 51
    NO_SESSION = 70
    WRONG_SESSION_EPOCH = 71
    MEMBER_ID_REQUIRED = 79
    FENCED = 90
    UNSTABLE = 88


PRODUCE, FETCH, BOUNDS, METADATA, COMMIT, POSITIONS, FIND, JOIN, BEAT, LEAVE, SYNC = (
    0, 1, 2, 3, 8, 9, 10, 11, 12, 13, 14
)  # fmt: skip
FEATURES, CREATE, DELETE_TOPICS, DELETE_RECORDS, PRODUCER_ID, END, TXN_COMMIT, SETTINGS, ALTER, QUORUM = (
    18, 19, 20, 21, 22, 26, 28, 32, 33, 55
)  # fmt: skip

VERSIONS: Final[dict[int, tuple[int, int]]] = {
    PRODUCE: (7, 12),
    FETCH: (11, 11),
    BOUNDS: (2, 2),
    METADATA: (5, 5),
    COMMIT: (3, 3),
    POSITIONS: (3, 7),
    FIND: (1, 1),
    JOIN: (5, 5),
    BEAT: (1, 1),
    LEAVE: (1, 1),
    SYNC: (3, 3),
    FEATURES: (0, 3),
    CREATE: (3, 3),
    DELETE_TOPICS: (3, 3),
    DELETE_RECORDS: (2, 2),
    PRODUCER_ID: (0, 0),
    END: (5, 5),
    TXN_COMMIT: (5, 5),
    SETTINGS: (2, 2),
    ALTER: (1, 1),
    QUORUM: (1, 1),
}
"""Of each request the versions that somebody here asks for. What is missing here fails at the client."""

NAMES: Final[dict[int, str]] = {
    PRODUCE: "Produce", FETCH: "Fetch", BOUNDS: "ListOffsets", METADATA: "Metadata", COMMIT: "OffsetCommit",
    POSITIONS: "OffsetFetch", FIND: "FindCoordinator", JOIN: "JoinGroup", BEAT: "Heartbeat", LEAVE: "LeaveGroup",
    SYNC: "SyncGroup", FEATURES: "ApiVersions", CREATE: "CreateTopics", DELETE_TOPICS: "DeleteTopics",
    DELETE_RECORDS: "DeleteRecords", PRODUCER_ID: "InitProducerId", END: "EndTxn", TXN_COMMIT: "TxnOffsetCommit",
    SETTINGS: "DescribeConfigs", ALTER: "AlterConfigs", QUORUM: "DescribeQuorum",
}  # fmt: skip
