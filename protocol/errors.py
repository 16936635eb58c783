"""The errors of the protocol, as one tree, and the closed list of reject codes.

    ContradaError
    ├── Rejected          data of another party is not acceptable; always carries a Code
    ├── DraftError        the user's own draft is not a valid message yet
    └── MisuseError       the calling program asked for something that can never be right

Rules: a malformed input ends in `Rejected` and in nothing else. A code, once released, keeps its
meaning for ever. No message, hint or detail carries content; identifiers and codes only. The exception is
`DraftError` with its `Fault`s: it goes back to whoever wrote the draft, and is never logged.
"""

from __future__ import annotations

import dataclasses
from enum import StrEnum

MAX_FAULTS = 100
SHOWN_FAULTS = 12
"""A hopeless draft fills neither answer nor screen: so many are kept, and so many stand in its text."""


class Code(StrEnum):
    """Why something was rejected. Stable, audited and returned, signed, to the sender."""

    # The bytes.
    E_SIZE = "E_SIZE"
    E_CBOR = "E_CBOR"
    E_NONDET = "E_NONDET"
    E_VER = "E_VER"
    E_TYPE = "E_TYPE"
    E_SCHEMA = "E_SCHEMA"
    E_UNPROTECTED = "E_UNPROTECTED"
    E_SUITE_UNKNOWN = "E_SUITE_UNKNOWN"
    E_SUITE_BELOW_MIN = "E_SUITE_BELOW_MIN"
    E_ALG_MIX = "E_ALG_MIX"
    # The sender.
    E_PRINCIPAL = "E_PRINCIPAL"
    E_PARTITION = "E_PARTITION"
    E_SENDER_UNKNOWN = "E_SENDER_UNKNOWN"
    E_SENDER_SUSPENDED = "E_SENDER_SUSPENDED"
    E_QUOTA = "E_QUOTA"
    E_KEY_UNKNOWN = "E_KEY_UNKNOWN"
    E_KEY_NOT_YET = "E_KEY_NOT_YET"
    E_KEY_EXPIRED = "E_KEY_EXPIRED"
    E_KEY_REVOKED = "E_KEY_REVOKED"
    E_SIG_CLASSICAL = "E_SIG_CLASSICAL"
    E_SIG_PQ = "E_SIG_PQ"
    # Time and order.
    E_TIME_FUTURE = "E_TIME_FUTURE"
    E_TIME_STALE = "E_TIME_STALE"
    E_EXPIRED = "E_EXPIRED"
    E_LIFETIME = "E_LIFETIME"
    E_REPLAY = "E_REPLAY"
    # The addressees and the ciphertext.
    E_RCPT_UNKNOWN = "E_RCPT_UNKNOWN"
    E_RCPT_DUP = "E_RCPT_DUP"
    E_RCPT_COUNT = "E_RCPT_COUNT"
    E_RCPT_EPOCH = "E_RCPT_EPOCH"
    E_RCPT_SUSPENDED = "E_RCPT_SUSPENDED"
    E_WRAP_COUNT = "E_WRAP_COUNT"
    E_WRAP_KID = "E_WRAP_KID"
    E_WRAP_LEN = "E_WRAP_LEN"
    E_WRAP_HASH = "E_WRAP_HASH"
    E_CT_HASH = "E_CT_HASH"
    E_CT_LEN = "E_CT_LEN"
    # Policy.
    E_CLASS_CLEARANCE = "E_CLASS_CLEARANCE"
    E_DATA_BASIS = "E_DATA_BASIS"
    E_PURPOSE = "E_PURPOSE"
    E_COPY_MISSING = "E_COPY_MISSING"
    E_HANDLING_INVALID = "E_HANDLING_INVALID"
    E_H2_NO_CONSENT = "E_H2_NO_CONSENT"
    E_H3_LIMIT = "E_H3_LIMIT"
    E_CONSENT_SCOPE = "E_CONSENT_SCOPE"
    E_CONSENT_EXPIRED = "E_CONSENT_EXPIRED"
    E_REF_MISSING = "E_REF_MISSING"
    E_KIND_FIELDS = "E_KIND_FIELDS"
    E_ATT_MISSING = "E_ATT_MISSING"
    # The heads that the sender saw.
    E_GOSSIP_DIR = "E_GOSSIP_DIR"
    E_GOSSIP_LOG = "E_GOSSIP_LOG"
    # What only the addressee can find.
    E_OPEN = "E_OPEN"
    E_COMMIT = "E_COMMIT"
    E_NOT_FOR_ME = "E_NOT_FOR_ME"
    E_ID_REUSED = "E_ID_REUSED"
    E_RECEIPT = "E_RECEIPT"
    E_BODY = "E_BODY"
    E_HEADER_LAX = "E_HEADER_LAX"
    # The key directory.
    E_STATEMENT = "E_STATEMENT"
    E_ISSUER = "E_ISSUER"
    # The logs.
    E_LOG_FORK = "E_LOG_FORK"
    E_LOG_ROLLBACK = "E_LOG_ROLLBACK"
    E_LOG_GAP = "E_LOG_GAP"
    E_TILE = "E_TILE"
    E_PROOF = "E_PROOF"
    E_NOTE = "E_NOTE"
    E_CHECKPOINT = "E_CHECKPOINT"
    E_LOG_POLICY = "E_LOG_POLICY"
    E_LOG_UNKNOWN = "E_LOG_UNKNOWN"
    E_LOG_SIGNATURE = "E_LOG_SIGNATURE"
    E_COSIGNATURE = "E_COSIGNATURE"
    E_QUORUM = "E_QUORUM"
    E_INCLUSION = "E_INCLUSION"
    E_CONSISTENCY = "E_CONSISTENCY"
    E_AGREEMENT = "E_AGREEMENT"


HINTS: dict[Code, str] = {
    Code.E_SIZE: "split the content or send less of it in one message",
    Code.E_CBOR: "send one deterministic CBOR item and nothing after it",
    Code.E_NONDET: "encode with shortest lengths, definite sizes and sorted map keys",
    Code.E_VER: "upgrade the program that wrote this, or the one that reads it",
    Code.E_TYPE: "use a message kind of the closed list",
    Code.E_SCHEMA: "compare the structure with docs/spec/contrada.cddl",
    Code.E_UNPROTECTED: "leave the unprotected map empty",
    Code.E_SUITE_UNKNOWN: "use suite 1 or 2",
    Code.E_SUITE_BELOW_MIN: "seal again with the suite that the directory asks of this unit",
    Code.E_ALG_MIX: "use the one algorithm of the suite for every signature and wrap",
    Code.E_PRINCIPAL: "put the message into the outbox of the unit that signed it",
    Code.E_PARTITION: "put the message into the partition of its conversation",
    Code.E_SENDER_UNKNOWN: "have the centre enrol the unit first",
    Code.E_SENDER_SUSPENDED: "ask the centre why the unit is suspended",
    Code.E_QUOTA: "wait; the daemon sends it again by itself, and the centre can raise the unit's quota",
    Code.E_KEY_UNKNOWN: "have the centre enrol this signing key",
    Code.E_KEY_NOT_YET: "wait until the key's validity begins, and check the clock",
    Code.E_KEY_EXPIRED: "rotate the unit's identity key",
    Code.E_KEY_REVOKED: "rotate the unit's identity key, and look for misuse of the old one",
    Code.E_SIG_CLASSICAL: "do not rely on it: it was altered, or signed with another key",
    Code.E_SIG_PQ: "do not rely on it: it was altered, or signed with another key",
    Code.E_TIME_FUTURE: "set the clock of the sending machine",
    Code.E_TIME_STALE: "seal the message again; it waited longer than messages may",
    Code.E_EXPIRED: "seal the message again with a later expiry, if it still matters",
    Code.E_LIFETIME: "choose an earlier expiry: within 30 days, or what 'contrada policy show' says",
    Code.E_REPLAY: "start a new stream; the daemon does so by itself",
    Code.E_RCPT_UNKNOWN: "check the addressee with 'contrada units ls'",
    Code.E_RCPT_DUP: "name each addressee once",
    Code.E_RCPT_COUNT: "name between 1 and 64 addressees, or as many as 'contrada policy show' says",
    Code.E_RCPT_EPOCH: "seal again to the addressee's current epoch key; the daemon does so by itself",
    Code.E_RCPT_SUSPENDED: "leave the suspended unit out, or wait until it is resumed",
    Code.E_WRAP_COUNT: "write one key wrap for each addressee, in the order of the header",
    Code.E_WRAP_KID: "do not rely on it: it was altered, or sealed by a faulty program",
    Code.E_WRAP_LEN: "do not rely on it: it was altered, or sealed by a faulty program",
    Code.E_WRAP_HASH: "do not rely on it: it was altered, or sealed by a faulty program",
    Code.E_CT_HASH: "do not rely on it: it was altered, or sealed by a faulty program",
    Code.E_CT_LEN: "do not rely on it: it was altered, or sealed by a faulty program",
    Code.E_CLASS_CLEARANCE: "leave out the unit that is not cleared for this classification",
    Code.E_DATA_BASIS: "send non-personal data only, or leave that party out",
    Code.E_PURPOSE: "choose purposes that every addressee may process for",
    Code.E_COPY_MISSING: "add your national unit as a copy addressee, or name the exception that applies",
    Code.E_HANDLING_INVALID: "say H3 together with its limits, limits only with H3, and H0 alone",
    Code.E_H2_NO_CONSENT: "ask the originator for permission to disseminate",
    Code.E_H3_LIMIT: "stay within the limits that the H3 code of this message sets",
    Code.E_CONSENT_SCOPE: "ask the originator to permit it for this addressee and these purposes",
    Code.E_CONSENT_EXPIRED: "ask the originator to renew the permission",
    Code.E_REF_MISSING: "name the message that this one answers or passes on",
    Code.E_KIND_FIELDS: "state urgency with a request only, and a ground with a refusal only",
    Code.E_ATT_MISSING: "send the attachment inside the message; stored attachments are not open yet",
    Code.E_GOSSIP_DIR: "two versions of the key directory exist: stop and call the centre",
    Code.E_GOSSIP_LOG: "two versions of the ledger exist: keep both heads, stop and call the centre",
    Code.E_OPEN: "see the unit's log, and ask the sender to send it again",
    Code.E_COMMIT: "do not use it, and tell its sender",
    Code.E_NOT_FOR_ME: "tell the centre: it lay in the inbox of another unit",
    Code.E_ID_REUSED: "ask its sender to send it as a message of its own",
    Code.E_RECEIPT: "do not rely on it, and tell the centre",
    Code.E_BODY: "compare the body with docs/drafts.md",
    Code.E_HEADER_LAX: "treat it as its content asks for, and tell the centre",
    Code.E_STATEMENT: "do not rely on it; who issued it states it anew",
    Code.E_ISSUER: "have it stated by whoever may: the registrar, or the root for a registrar",
    Code.E_LOG_FORK: "the log says two things: keep both checkpoints, rely on neither, tell the witnesses",
    Code.E_LOG_ROLLBACK: "the log was set back: keep both checkpoints, and have the ledger checked",
    Code.E_LOG_GAP: "leaves were not seen: have 'contrada audit' compare the two checkpoints",
    Code.E_TILE: "a file of the log's tree is missing or damaged: fetch it again, or check the whole tree",
    Code.E_PROOF: "ask for a proof between sizes and places that the log has",
    Code.E_NOTE: "the signed note, key or proof file is damaged: fetch it again",
    Code.E_CHECKPOINT: "the checkpoint is not one that a log of ours would write: fetch it again",
    Code.E_LOG_POLICY: "compare the policy file with the one that the centre published",
    Code.E_LOG_UNKNOWN: "add the log to the policy file, if you trust it",
    Code.E_LOG_SIGNATURE: "the log did not sign this checkpoint: do not use it, and find out who made it",
    Code.E_COSIGNATURE: "a witness did not sign this: do not use it, and find out who made it",
    Code.E_QUORUM: "wait for more witnesses, and see why some do not answer",
    Code.E_INCLUSION: "the log does not have this at that place: keep the proof and call the centre",
    Code.E_CONSISTENCY: "the log does not continue what it signed: keep both checkpoints, call the centre",
    Code.E_AGREEMENT: "do not rely on it: two registrars state it anew, each with a key of their own",
}


class ContradaError(Exception):
    """The root. `code` is stable, `hint` says what to do."""

    code: str = "E_INTERNAL"

    def __init__(self, message: str, *, hint: str = "") -> None:
        super().__init__(message)
        self.hint = hint

    @property
    def sentence(self) -> str:
        """What is wrong, without the code, for a message that says it of something of its own."""
        return Exception.__str__(self)


class Rejected(ContradaError):
    """Data of another party is not acceptable. The class of every malformed input."""

    def __init__(self, code: Code, message: str, *, hint: str = "") -> None:
        super().__init__(message, hint=hint or HINTS[code])
        self.reason = code
        self.code = code.value

    def __str__(self) -> str:
        return f"{self.code}: {super().__str__()}"


@dataclasses.dataclass(frozen=True, slots=True)
class Fault:
    """One thing that is wrong with what a person wrote, in words for that person.

    All four are printable ASCII or escaped to it, so that a draft by somebody else cannot act on a terminal.
    A representation shows the rule alone, because the others may hold content.
    """

    field: str = dataclasses.field(repr=False)
    """The place as people write it, such as `items[0].imo`; `(top)` for the whole."""

    rule: str
    """The stable short name of the rule that is broken, such as `imo` or `missing`."""

    right: str = dataclasses.field(repr=False)
    """What would be right, to be read after "expected": `at most 6 decimals`."""

    found: str | None = dataclasses.field(default=None, repr=False)
    """What is wrong, to be read after "found": `10 decimals`, `nothing`, the value in quotes. None where the
    place says it already, as with a list that is no value to show."""

    def __str__(self) -> str:
        found = "" if self.found is None else f"found {self.found}; "
        return f"{self.field}: {found}expected {self.right}"


class DraftError(ContradaError):
    """The user's own draft is not a valid message yet. May name the user's own values.

    `faults` are what is wrong with it, `fault_count` is how many there are in all; none where the draft as a
    whole cannot be read. The message says the first of them in lines of their own, for a terminal.
    """

    code = "E_DRAFT"

    def __init__(self, message: str, *, hint: str = "", faults: tuple[Fault, ...] = ()) -> None:
        super().__init__(with_fault_lines(message, faults), hint=hint)
        self.faults = faults[:MAX_FAULTS]
        self.fault_count = len(faults)


def with_fault_lines(message: str, faults: tuple[Fault, ...]) -> str:
    """The message with the first of the faults in lines below it, for a terminal."""
    lines = [f"  {fault}" for fault in faults[:SHOWN_FAULTS]]
    if len(faults) > SHOWN_FAULTS:
        lines.append(f"and {len(faults) - SHOWN_FAULTS} more")
    return "\n".join((message, *lines))


class MisuseError(ContradaError):
    """The calling program asked for something that can never be right."""

    code = "E_MISUSE"
