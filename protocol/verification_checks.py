"""The single checks of verification: each judges one case, and raises `Rejected` or returns.

Owns what one step checks. Their order is in protocol/verification.py: a check that needs what an earlier one
found reads it from the case, where it is missing until that one has held.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from protocol.envelope.header import Header
from protocol.envelope.sealing import Content, WrapOpener, open_content
from protocol.envelope.wire import Delivery, Submission, Wrap, parse_wrap
from protocol.errors import Code, Rejected
from protocol.identifiers import Millis, UnitId, digest
from protocol.key_validity import check_signing_key, check_signing_key_at_decision
from protocol.limits import CLOCK_TOLERANCE
from protocol.parties import IdentityKey, Parties
from protocol.signatures import HEADER, Signed, verify
from protocol.trail.batches import Record, RecordType, summarize, verify_receipt


@dataclass(slots=True, kw_only=True)
class SubmissionCase:
    """A submission on its way through ROUTER, and what the steps have found of it so far."""

    submission: Submission
    owner: UnitId
    parties: Parties
    now: Millis
    identity: IdentityKey = field(init=False)


@dataclass(slots=True, kw_only=True)
class DeliveryCase:
    """A delivery on its way through ADDRESSEE, and what the steps have found of it so far."""

    delivery: Delivery
    me: UnitId
    parties: Parties
    opener: WrapOpener
    now: Millis
    record: Record = field(init=False)
    identity: IdentityKey = field(init=False)
    wrap: Wrap = field(init=False)
    content: Content = field(init=False)


# The router's steps.


def check_owner(case: SubmissionCase) -> None:
    """The claimed sender owns the outbox that it was in: `E_PRINCIPAL`."""
    if case.submission.header.core.sender != case.owner:
        raise Rejected(Code.E_PRINCIPAL, "the sender is not the owner of the outbox")


def check_submitted_suite(case: SubmissionCase) -> None:
    """The signatures are those of the suite that the core names: `E_ALG_MIX`, `E_KEY_UNKNOWN`."""
    _check_suite(case.submission.signed, case.submission.header)


def check_wraps(case: SubmissionCase) -> None:
    """One wrap per addressee, for the key that the core names: `E_WRAP_COUNT`, `E_WRAP_KID`, `E_WRAP_LEN`."""
    core, seal, wraps = case.submission.header.core, case.submission.header.seal, case.submission.wraps
    if not len(wraps) == len(seal.wrap_hashes) == len(core.to):
        raise Rejected(Code.E_WRAP_COUNT, "not one wrap for each addressee")
    for raw, addressee in zip(wraps, core.to, strict=True):
        if parse_wrap(raw).kid != addressee.key:
            raise Rejected(Code.E_WRAP_KID, "a wrap is for another key than the header names")


def check_key_now(case: SubmissionCase) -> None:
    """The router's judgement of the signing key; finds `identity`. `E_SENDER_UNKNOWN`, `E_KEY_*`."""
    core = case.submission.header.core
    if case.parties.unit(core.sender) is None:
        raise Rejected(Code.E_SENDER_UNKNOWN, "the directory has no such unit")
    case.identity = check_signing_key(
        case.parties.identity(core.sender, core.signing_key), signed_at=core.created, judged_at=case.now
    )


def check_submitted_hashes(case: SubmissionCase) -> None:
    """Ciphertext and wraps are those that the seal names: `E_CT_LEN`, `E_CT_HASH`, `E_WRAP_HASH`."""
    submission = case.submission
    _check_ciphertext(submission.header, submission.ciphertext)
    for raw, wrap_hash in zip(submission.wraps, submission.header.seal.wrap_hashes, strict=True):
        if digest(raw) != wrap_hash:
            raise Rejected(Code.E_WRAP_HASH, "a wrap is not the one that was signed")


def check_submitted_signatures(case: SubmissionCase) -> None:
    """Every signature of the suite, under the key of `identity`: `E_SIG_CLASSICAL`, `E_SIG_PQ`."""
    verify(case.submission.signed, case.identity.public, context=HEADER)


# The addressee's steps.


def check_decision(case: DeliveryCase) -> None:
    """The receipt proves a router's decision; finds `record`. `E_RECEIPT`, `E_SIG_CLASSICAL`."""
    case.record = verify_receipt(case.delivery.receipt, parties=case.parties)


def check_what_was_decided(case: DeliveryCase) -> None:
    """The decision accepts this header, and records it as it is: `E_RECEIPT`."""
    delivery, core, record = case.delivery, case.delivery.header.core, case.record
    if record.type is not RecordType.ACCEPTED or record.header_digest != delivery.header_digest:
        raise Rejected(Code.E_RECEIPT, "the router did not accept this message")
    if record.header != summarize(core) or record.source.unit != core.sender:
        # The audit trail's summary of the header is that of the signed header: it is the same record.
        raise Rejected(Code.E_RECEIPT, "the router recorded another header than it delivers")


def check_key_at_decision(case: DeliveryCase) -> None:
    """The signing key was good when the router decided; finds `identity`. `E_ALG_MIX`, `E_KEY_*`."""
    core = case.delivery.header.core
    _check_suite(case.delivery.signed, case.delivery.header)
    case.identity = check_signing_key_at_decision(
        case.parties.identity(core.sender, core.signing_key),
        signed_at=core.created,
        decided_at=case.record.t,
    )


def check_delivered_signatures(case: DeliveryCase) -> None:
    """Every signature of the suite, under the key of `identity`: `E_SIG_CLASSICAL`, `E_SIG_PQ`."""
    verify(case.delivery.signed, case.identity.public, context=HEADER)


def check_place(case: DeliveryCase) -> None:
    """The index names this unit: `E_NOT_FOR_ME`."""
    header = case.delivery.header
    addressee = header.core.to[case.delivery.index]
    if addressee.unit != case.me or len(header.seal.wrap_hashes) != len(header.core.to):
        raise Rejected(Code.E_NOT_FOR_ME, "the delivery names another unit")


def check_delivered_hashes(case: DeliveryCase) -> None:
    """Wrap and ciphertext are those that were signed; finds `wrap`. `E_WRAP_HASH`, `E_CT_*`."""
    delivery, header = case.delivery, case.delivery.header
    case.wrap = wrap = parse_wrap(delivery.wrap)
    key = header.core.to[delivery.index].key
    if digest(delivery.wrap) != header.seal.wrap_hashes[delivery.index] or wrap.kid != key:
        raise Rejected(Code.E_WRAP_HASH, "the wrap is not the one that was signed for this unit")
    _check_ciphertext(header, delivery.ciphertext)


def check_time_of_decision(case: DeliveryCase) -> None:
    """Decided within the message's life, and not in the future: `E_EXPIRED`."""
    core, record = case.delivery.header.core, case.record
    if record.t >= core.expires or record.t > case.now + CLOCK_TOLERANCE:
        raise Rejected(Code.E_EXPIRED, "the decision lies outside the message's life")


def check_directory_seen(case: DeliveryCase) -> None:
    """The sender saw the directory that this unit has, as far as it has it: `E_GOSSIP_DIR`."""
    head = case.delivery.header.core.directory_head
    seen = case.parties.root_at(head.size)
    if seen is not None and seen != head.root:
        raise Rejected(Code.E_GOSSIP_DIR, "the sender saw another directory")


def open_delivered(case: DeliveryCase) -> None:
    """Opens the content, and holds it against the commitment; finds `content`. `E_OPEN`, `E_COMMIT`."""
    case.content = open_content(case.delivery.header, case.delivery.ciphertext, case.wrap, opener=case.opener)


# Of both.


def _check_suite(signed: Signed, header: Header) -> None:
    # The structure says which signatures are there, the core which must be: they may not differ, or a message
    # with its post-quantum signature stripped would be taken for suite 1.
    if signed.suite is not header.core.suite:
        raise Rejected(Code.E_ALG_MIX, "the signatures are not those of the header's suite")
    if signed.kid != header.core.signing_key:
        raise Rejected(Code.E_KEY_UNKNOWN, "signed under another key than the header names")


def _check_ciphertext(header: Header, ciphertext: bytes) -> None:
    if len(ciphertext) != header.seal.ct_len:
        raise Rejected(Code.E_CT_LEN, "the ciphertext has another length than was signed")
    if digest(ciphertext) != header.seal.ct_hash:
        raise Rejected(Code.E_CT_HASH, "the ciphertext is not the one that was signed")
