"""The exit codes, and which error ends in which. The one place for both.

Rules: a code keeps its meaning for ever; a caller treats an unknown one as a failure. Every code of
`protocol.errors.Code` stands in exactly one group below (a test sees to it). Works on the code's text
alone, so that nothing of `keys` or `protocol` is imported to say that something failed.
"""

from __future__ import annotations

from enum import IntEnum
from typing import Final


class Exit(IntEnum):
    """How a command ended."""

    OK = 0
    FAILURE = 1
    USAGE = 2
    PARTIAL = 3
    NOT_AUTHORISED = 4
    NOT_FOUND = 5
    REFUSED = 6
    VERIFICATION = 7
    UNAVAILABLE = 8
    CONFLICT = 9
    INTERRUPTED = 130
    READER_LEFT = 141


MEANINGS: Final[dict[Exit, str]] = {
    Exit.OK: "done",
    Exit.FAILURE: "failed",
    Exit.USAGE: "not understood: a wrong option, file or draft",
    Exit.PARTIAL: "done in part; what is missing stands on stderr",
    Exit.NOT_AUTHORISED: "not authorised",
    Exit.NOT_FOUND: "not found",
    Exit.REFUSED: "refused by the rules of the exchange",
    Exit.VERIFICATION: "something did not verify: do not rely on it",
    Exit.UNAVAILABLE: "not reachable, or not in time: try again",
    Exit.CONFLICT: "already there, or changed by somebody else",
    Exit.INTERRUPTED: "interrupted",
    Exit.READER_LEFT: "the reader of stdout left, as head does; not all is written",
}

_GROUPS: Final[dict[Exit, str]] = {
    Exit.USAGE: """
        E_USAGE E_REQUEST E_DRAFT E_BODY E_AMBIGUOUS E_SIZE E_MISUSE E_KEY_URI E_HOME E_CONFIG E_PROOF
        E_LOG_POLICY""",
    Exit.PARTIAL: "E_DEGRADED E_NOT_CHECKED E_HANGING",
    Exit.INTERRUPTED: "E_INTERRUPTED",
    Exit.NOT_AUTHORISED: """
        E_PRINCIPAL E_PARTITION E_SENDER_UNKNOWN E_SENDER_SUSPENDED E_ISSUER E_KEYFILE_EXPOSED
        E_KEYFILE_UNREADABLE E_CREDENTIAL E_TOKEN_PIN""",
    Exit.NOT_FOUND: "E_KEYFILE_MISSING E_TOKEN_KEY E_NOT_FOUND E_SOURCE_EMPTY E_ERASED",
    Exit.REFUSED: """
        E_REFUSED E_SIGNER_REFUSED
        E_SUITE_BELOW_MIN E_TIME_FUTURE E_TIME_STALE E_EXPIRED E_LIFETIME E_REPLAY E_RCPT_UNKNOWN E_RCPT_DUP
        E_RCPT_COUNT E_RCPT_EPOCH E_RCPT_SUSPENDED E_CLASS_CLEARANCE E_DATA_BASIS E_PURPOSE E_COPY_MISSING
        E_HANDLING_INVALID E_H2_NO_CONSENT E_H3_LIMIT E_CONSENT_SCOPE E_CONSENT_EXPIRED E_REF_MISSING
        E_KIND_FIELDS E_ATT_MISSING E_HEADER_LAX E_QUOTA""",
    Exit.VERIFICATION: """
        E_CBOR E_NONDET E_VER E_TYPE E_SCHEMA E_UNPROTECTED E_SUITE_UNKNOWN E_ALG_MIX E_KEY_UNKNOWN
        E_KEY_NOT_YET E_KEY_EXPIRED E_KEY_REVOKED E_SIG_CLASSICAL E_SIG_PQ E_WRAP_COUNT E_WRAP_KID E_WRAP_LEN
        E_WRAP_HASH E_CT_HASH E_CT_LEN E_GOSSIP_DIR E_OPEN E_COMMIT E_NOT_FOR_ME E_ID_REUSED E_RECEIPT
        E_STATEMENT E_STORE_CORRUPT E_ROLLED_BACK E_VERIFICATION E_TILE E_NOTE E_CHECKPOINT E_LOG_UNKNOWN
        E_LOG_SIGNATURE E_COSIGNATURE E_QUORUM E_INCLUSION E_CONSISTENCY E_AGREEMENT E_GOSSIP_LOG E_LOG_FORK
        E_LOG_ROLLBACK E_LOG_GAP E_LOG_WITHHELD E_FORK E_STATE_LOST""",
    Exit.UNAVAILABLE: """
        E_DAEMON E_DEMO E_STORE E_STOPPING E_IN_HAND E_UNAVAILABLE E_TILES E_TIMEOUT E_KEY_AWAY E_TOKEN_AWAY
        E_SIGNER_AWAY""",
    Exit.CONFLICT: """
        E_KEYFILE_EXISTS E_CONFLICT E_KEY_REUSED E_OUT_OF_ORDER E_LEDGER_MOVED E_RUNNING E_TOPIC_CONFLICT""",
}

_OF_CODE: Final[dict[str, Exit]] = {code: exit_ for exit_, codes in _GROUPS.items() for code in codes.split()}

_OF_STATUS: Final[dict[int, Exit]] = {
    400: Exit.USAGE,
    401: Exit.NOT_AUTHORISED,
    403: Exit.NOT_AUTHORISED,
    404: Exit.NOT_FOUND,
    405: Exit.USAGE,
    408: Exit.UNAVAILABLE,
    409: Exit.CONFLICT,
    413: Exit.USAGE,
    415: Exit.USAGE,
    422: Exit.USAGE,
    429: Exit.UNAVAILABLE,
    502: Exit.UNAVAILABLE,
    503: Exit.UNAVAILABLE,
    504: Exit.UNAVAILABLE,
    507: Exit.UNAVAILABLE,
}


def of_code(code: str) -> Exit:
    """The exit code for a stable error code; a plain failure for an unknown one."""
    return _OF_CODE.get(code, Exit.FAILURE)


def of_problem(status: int, code: str) -> Exit:
    """The exit code for a daemon's answer: its error code decides, or else the class of its HTTP status."""
    exact = of_code(code)
    if exact is Exit.FAILURE or (exact is Exit.VERIFICATION and status in (400, 422)):
        # A draft that does not parse is the caller's mistake, not a forgery.
        return _OF_STATUS.get(status, Exit.FAILURE)
    return exact


def table() -> str:
    """The table at the end of `--help`."""
    return "\n".join(f"{exit_.value:>3}  {meaning}" for exit_, meaning in MEANINGS.items())
