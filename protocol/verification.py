"""Verification, in order: what a router checks of a submission, and an addressee of a delivery.

    router       form, owner of the outbox, wraps, signing key, hashes, signatures        -> Submission
                 (then policy; the router has no key that opens content)
    addressee    form, signing key at the time of the decision, signatures, decision,
                 place among the addressees, hashes, opening, commitment                  -> Opened

Cheap checks come first and everything fails closed. What may go where is not asked here but in
protocol/exchange_rules.py. Time comes in as an argument.
"""

from __future__ import annotations

from dataclasses import dataclass

from protocol.envelope.header import Header
from protocol.envelope.sealing import Content, Opener, open_content
from protocol.envelope.wire import Delivery, Submission, parse_wrap
from protocol.errors import Code, Rejected
from protocol.identifiers import Millis, UnitId, digest
from protocol.key_validity import check_signing_key, check_signing_key_at_decision
from protocol.limits import CLOCK_TOLERANCE
from protocol.parties import IdentityKey, Parties
from protocol.signatures import HEADER, Signed, verify
from protocol.trail.batches import Record, RecordType, summarize, verify_receipt


@dataclass(frozen=True, slots=True)
class Opened:
    """A delivery that held every check, with its content."""

    delivery: Delivery
    record: Record
    content: Content


def verify_submission(submission: Submission, *, owner: UnitId, parties: Parties, now: Millis) -> IdentityKey:
    """Authenticity and integrity of a submission from `owner`'s outbox, step by step as docs/spec has it.

    Returns the identity that signed. Raises `Rejected` at the first thing that does not hold.
    """
    core, seal = submission.header.core, submission.header.seal
    if core.sender != owner:
        raise Rejected(Code.E_PRINCIPAL, "the sender is not the owner of the outbox")
    _check_suite(submission.signed, submission.header)
    if not len(submission.wraps) == len(seal.wrap_hashes) == len(core.to):
        raise Rejected(Code.E_WRAP_COUNT, "not one wrap for each addressee")
    for raw, addressee in zip(submission.wraps, core.to, strict=True):
        if parse_wrap(raw).kid != addressee.key:
            raise Rejected(Code.E_WRAP_KID, "a wrap is for another key than the header names")
    if parties.unit(core.sender) is None:
        raise Rejected(Code.E_SENDER_UNKNOWN, "the directory has no such unit")
    identity = check_signing_key(
        parties.identity(core.sender, core.signing_key), signed_at=core.created, judged_at=now
    )
    _check_ciphertext(submission.header, submission.ciphertext)
    for raw, wrap_hash in zip(submission.wraps, seal.wrap_hashes, strict=True):
        if digest(raw) != wrap_hash:
            raise Rejected(Code.E_WRAP_HASH, "a wrap is not the one that was signed")
    verify(submission.signed, identity.public, context=HEADER)
    return identity


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


def verify_and_open(
    delivery: Delivery, *, me: UnitId, parties: Parties, opener: Opener, now: Millis
) -> Opened:
    """Everything an addressee checks before it believes a word (docs/spec).

    The signing key is judged at the router's decision, not at the reading: what was accepted before a
    revocation stays valid, whenever it is opened.
    """
    core, seal = delivery.header.core, delivery.header.seal
    record = verify_receipt(delivery.receipt, parties=parties)
    if record.type is not RecordType.ACCEPTED or record.header_digest != delivery.header_digest:
        raise Rejected(Code.E_RECEIPT, "the router did not accept this message")
    if record.header != summarize(core) or record.source.unit != core.sender:
        # What the audit trail says of this message is what its sender said: the record is one and the same.
        raise Rejected(Code.E_RECEIPT, "the router recorded another header than it delivers")
    _check_suite(delivery.signed, delivery.header)
    identity = check_signing_key_at_decision(
        parties.identity(core.sender, core.signing_key), signed_at=core.created, decided_at=record.t
    )
    verify(delivery.signed, identity.public, context=HEADER)
    addressee = core.to[delivery.index]
    if addressee.unit != me or len(seal.wrap_hashes) != len(core.to):
        raise Rejected(Code.E_NOT_FOR_ME, "the delivery names another unit")
    wrap = parse_wrap(delivery.wrap)
    if digest(delivery.wrap) != seal.wrap_hashes[delivery.index] or wrap.kid != addressee.key:
        raise Rejected(Code.E_WRAP_HASH, "the wrap is not the one that was signed for this unit")
    _check_ciphertext(delivery.header, delivery.ciphertext)
    if record.t >= core.expires or record.t > now + CLOCK_TOLERANCE:
        raise Rejected(Code.E_EXPIRED, "the decision lies outside the message's life")
    seen = parties.root_at(core.directory_head.size)
    if seen is not None and seen != core.directory_head.root:
        raise Rejected(Code.E_GOSSIP_DIR, "the sender saw another directory")
    return Opened(delivery, record, open_content(delivery.header, delivery.ciphertext, wrap, opener=opener))


def _check_suite(signed: Signed, header: Header) -> None:
    # The structure says which signatures are there, the core which must be: they may not differ, or a
    # stripped post-quantum signature would pass for suite 1.
    if signed.suite is not header.core.suite:
        raise Rejected(Code.E_ALG_MIX, "the signatures are not those of the header's suite")
    if signed.kid != header.core.signing_key:
        raise Rejected(Code.E_KEY_UNKNOWN, "signed under another key than the header names")


def _check_ciphertext(header: Header, ciphertext: bytes) -> None:
    if len(ciphertext) != header.seal.ct_len:
        raise Rejected(Code.E_CT_LEN, "the ciphertext has another length than was signed")
    if digest(ciphertext) != header.seal.ct_hash:
        raise Rejected(Code.E_CT_HASH, "the ciphertext is not the one that was signed")
