"""Verification: the steps of a router for a submission and of an addressee for a delivery, in order.

    ROUTER       1, 2 form, 3 partition, 4 outbox, 5 suite, 6 wraps, 7 signing key, 8 hashes, 9 signatures,
                 10 stream, 11 rules                                           `verify_submission` is 4 to 9
    ADDRESSEE    1 form, 2 decision, 3 what it says, 4 suite and key at the decision, 5 signatures, 6 place,
                 7 hashes, 8 time, 9 directory, 10 opening, 11 body            `verify_and_open` is 2 to 10

The tables ROUTER and ADDRESSEE are the order: they are what runs, and a test holds docs/spec/README.md
against them. A step that runs elsewhere, before or after those of `verify_...`, says where.

Rules: cheap checks come first. Everything fails closed: the first step that does not hold raises `Rejected`,
and a step that needs what an earlier one found cannot run without it. Whether a message may be delivered is
decided in protocol/exchange_rules.py. Time comes in as an argument.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, Generic, TypeVar

from protocol.envelope.sealing import Content, WrapOpener
from protocol.envelope.wire import Delivery, Submission
from protocol.errors import Code, Rejected
from protocol.identifiers import Millis, UnitId
from protocol.parties import IdentityKey, Parties
from protocol.signatures import HEADER, verify
from protocol.trail.records import Record
from protocol.verification_checks import (
    DeliveryCase,
    SubmissionCase,
    check_decision,
    check_delivered_hashes,
    check_delivered_signatures,
    check_directory_seen,
    check_key_at_decision,
    check_key_now,
    check_owner,
    check_place,
    check_submitted_hashes,
    check_submitted_signatures,
    check_submitted_suite,
    check_time_of_decision,
    check_what_was_decided,
    check_wraps,
    open_delivered,
)

_Case = TypeVar("_Case")


@dataclass(frozen=True, slots=True)
class VerificationStep(Generic[_Case]):
    """One step: what must hold, with what it refuses, where the rule comes from, and what runs it."""

    number: int
    holds: str
    """As docs/spec/README.md says it."""

    codes: tuple[Code, ...]
    """Those of its own. Parsing a key wrap (ROUTER 6, ADDRESSEE 7) can also refuse the form."""

    source: str
    run: Callable[[_Case], None] | str
    """A check, or the place elsewhere that runs the step."""


@dataclass(frozen=True, slots=True)
class Opened:
    """A delivery that held every check, with its content."""

    delivery: Delivery
    record: Record
    content: Content


def verify_submission(submission: Submission, *, owner: UnitId, parties: Parties, now: Millis) -> IdentityKey:
    """Authenticity and integrity of a submission from `owner`'s outbox: the steps of ROUTER, in their order.

    Returns the identity that signed. Raises `Rejected` at the first step that does not hold.
    """
    case = SubmissionCase(submission=submission, owner=owner, parties=parties, now=now)
    for run in _RUN_BY_ROUTER:
        run(case)
    return case.identity


def verify_and_open(
    delivery: Delivery, *, me: UnitId, parties: Parties, opener: WrapOpener, now: Millis
) -> Opened:
    """All that an addressee checks before it uses any of it: the steps of ADDRESSEE, in their order.

    The signing key is judged at the router's decision, not at the reading: what was accepted before a
    revocation stays valid, whenever it is opened. Raises `Rejected` at the first step that does not hold.
    """
    case = DeliveryCase(delivery=delivery, me=me, parties=parties, opener=opener, now=now)
    for run in _RUN_BY_ADDRESSEE:
        run(case)
    return Opened(delivery, case.record, case.content)


def is_sender_proven(submission: Submission, *, owner: UnitId, parties: Parties) -> bool:
    """Whether the owner of the outbox made this, whatever else is wrong with it.

    Any key that the directory ever bound to the unit will do: a refusal is owed to a unit whose key has
    expired as well, and one whose key was stolen learns of the misuse.
    """
    if submission.header.core.sender != owner:
        return False
    identity = parties.identity(owner, submission.signed.kid)
    if identity is None:
        return False
    try:
        verify(submission.signed, identity.public, context=HEADER)
    except Rejected:
        return False
    return True


# The order.

_KEY_CODES: Final = (Code.E_KEY_UNKNOWN, Code.E_KEY_REVOKED, Code.E_KEY_NOT_YET, Code.E_KEY_EXPIRED)
_SIGNATURE_CODES: Final = (Code.E_SIG_CLASSICAL, Code.E_SIG_PQ)
_STRUCTURE_CODES: Final = (
    Code.E_SIZE, Code.E_CBOR, Code.E_NONDET, Code.E_SCHEMA, Code.E_VER, Code.E_UNPROTECTED, Code.E_ALG_MIX,
)  # fmt: skip
_CORE_CODES: Final = (
    Code.E_TYPE, Code.E_SUITE_UNKNOWN, Code.E_RCPT_COUNT, Code.E_RCPT_DUP, Code.E_SCHEMA,
)  # fmt: skip

ROUTER: Final[tuple[VerificationStep[SubmissionCase], ...]] = (
    VerificationStep(
        1, "Size, encoding, structure, version", _STRUCTURE_CODES,
        "RFC 8949, 4.2.1; RFC 9052, 4", "parse_submission",
    ),
    VerificationStep(2, "Every field of the core", _CORE_CODES, "contrada.cddl, core", "parse_submission"),
    VerificationStep(
        3, "It stands in the partition of its conversation, whose router remembers what was decided of it",
        (Code.E_PARTITION,), "ADR 0006", "the router's program",
    ),
    VerificationStep(
        4, "The sender owns the outbox in which it stands",
        (Code.E_PRINCIPAL,), "Kafka's access rules", check_owner,
    ),
    VerificationStep(
        5, "The signature structure is that of the core's suite, and its key id the core's",
        (Code.E_ALG_MIX, Code.E_KEY_UNKNOWN), "RFC 9052, 4; ADR 0001", check_submitted_suite,
    ),
    VerificationStep(
        6, "One wrap for each addressee, for the key that the core names, of the one algorithm",
        (Code.E_WRAP_COUNT, Code.E_WRAP_KID, Code.E_WRAP_LEN), "draft-ietf-cose-hpke", check_wraps,
    ),
    VerificationStep(
        7, "The sender is known, and its key is good now",
        (Code.E_SENDER_UNKNOWN, *_KEY_CODES), "ADR 0007", check_key_now,
    ),
    VerificationStep(
        8, "Length and hash of the ciphertext, hashes of the wraps",
        (Code.E_CT_LEN, Code.E_CT_HASH, Code.E_WRAP_HASH), "ADR 0001", check_submitted_hashes,
    ),
    VerificationStep(
        9, "Every signature",
        _SIGNATURE_CODES, "RFC 9052, 4.4; ADR 0005", check_submitted_signatures,
    ),
    VerificationStep(
        10, "Only now the place in the stream, so that a forgery uses up no number",
        (Code.E_REPLAY,), "ADR 0006", "ReplayState",
    ),
    VerificationStep(
        11, "The rules of exchange, all of them, with every reason",
        (), "ADR 0011", "exchange_rules.RULES",
    ),
    VerificationStep(
        12, "There is room for it in its unit's quota",
        (Code.E_QUOTA,), "ADR 0034", "quotas.Use.submitted",
    ),
)  # fmt: skip
"""A router's order. Step 11 refuses with the codes of policy."""

ADDRESSEE: Final[tuple[VerificationStep[DeliveryCase], ...]] = (
    VerificationStep(
        1, "Size, encoding, structure, version, fields; the index names an addressee",
        tuple(dict.fromkeys((*_STRUCTURE_CODES, *_CORE_CODES))),
        "RFC 8949, 4.2.1; RFC 9052, 4", "parse_delivery",
    ),
    VerificationStep(
        2, "The decision is signed by a router that the directory names, and is in its batch",
        (Code.E_RECEIPT, Code.E_SIG_CLASSICAL), "ADR 0003; RFC 6962, 2.1.1", check_decision,
    ),
    VerificationStep(
        3, 'It is "accepted", and about this signed header; its summary is this header\'s',
        (Code.E_RECEIPT,), "ADR 0003", check_what_was_decided,
    ),
    VerificationStep(
        4, "Suite and key id as in the router's step 5; the key was good when the router decided",
        (Code.E_ALG_MIX, *_KEY_CODES), "RFC 9052, 4; ADR 0007", check_key_at_decision,
    ),
    VerificationStep(
        5, "Every signature of the sender",
        _SIGNATURE_CODES, "RFC 9052, 4.4; ADR 0005", check_delivered_signatures,
    ),
    VerificationStep(
        6, "The addressee at the index is this unit",
        (Code.E_NOT_FOR_ME,), "ADR 0001", check_place,
    ),
    VerificationStep(
        7, "The wrap is the one signed for it, the ciphertext the one signed",
        (Code.E_WRAP_HASH, Code.E_CT_LEN, Code.E_CT_HASH), "ADR 0001", check_delivered_hashes,
    ),
    VerificationStep(
        8, "Decided before the message expired, and not in the future",
        (Code.E_EXPIRED,), "docs/spec/README.md, Times", check_time_of_decision,
    ),
    VerificationStep(
        9, "The directory that the sender saw is this one",
        (Code.E_GOSSIP_DIR,), "ADR 0007", check_directory_seen,
    ),
    VerificationStep(
        10, "It opens: whatever fails on the way to the plaintext is refused in the same words. The plaintext"
        " is the one that the sender committed to, and no byte of it is used before",
        (Code.E_OPEN, Code.E_COMMIT), "RFC 9180, 5.1.1; ADR 0001", open_delivered,
    ),
    VerificationStep(
        11, "The body, and that the header does not say less than the content",
        (Code.E_BODY, Code.E_HEADER_LAX), "ADR 0009", "the unit's daemon",
    ),
)  # fmt: skip
"""An addressee's order."""

_RUN_BY_ROUTER: Final = tuple(step.run for step in ROUTER if not isinstance(step.run, str))
_RUN_BY_ADDRESSEE: Final = tuple(step.run for step in ADDRESSEE if not isinstance(step.run, str))
