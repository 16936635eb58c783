"""What is wrong, by code: one sentence for each, where no more is known than the code, and perhaps a unit.

A sentence says what is, and not the rule that ought to hold. What to do is the hint (protocol/errors.py);
what was found in a message, reason_words.py. Light: whoever looks a code up has no message.
"""

from __future__ import annotations

from typing import Final

from protocol.errors import Code

MEANINGS: Final[dict[Code, str]] = {
    Code.E_SIZE: "more bytes than there may be",
    Code.E_CBOR: "not one CBOR item, or one of a form that is not used here",
    Code.E_NONDET: "CBOR, but not in its one deterministic encoding",
    Code.E_VER: "a version that this program does not know",
    Code.E_TYPE: "a kind of message that is not on the list",
    Code.E_SCHEMA: "a structure that is not the one of the specification",
    Code.E_UNPROTECTED: "something stands in the unprotected map, where nobody signs it",
    Code.E_SUITE_UNKNOWN: "a suite of algorithms that does not exist",
    Code.E_SUITE_BELOW_MIN: "the suite is weaker than a party to the message, or the policy, asks for",
    Code.E_ALG_MIX: "a signature or a key wrap is of another algorithm than the suite's",
    Code.E_PRINCIPAL: "the message lies in the outbox of a unit that did not sign it",
    Code.E_PARTITION: "the message lies in another partition than that of its conversation",
    Code.E_SENDER_UNKNOWN: "the sender is not enrolled",
    Code.E_SENDER_SUSPENDED: "the sender is suspended",
    Code.E_QUOTA: "the sender's outbox has asked for more than its quota allows in so short a time",
    Code.E_KEY_UNKNOWN: "the directory has no such signing key of the sender",
    Code.E_KEY_NOT_YET: "the signing key is not valid yet",
    Code.E_KEY_EXPIRED: "the signing key is not valid any more",
    Code.E_KEY_REVOKED: "the signing key is revoked",
    Code.E_SIG_CLASSICAL: "the Ed25519 signature does not verify",
    Code.E_SIG_PQ: "the ML-DSA signature does not verify",
    Code.E_TIME_FUTURE: "by the router's clock, the message was made in the future",
    Code.E_TIME_STALE: "the message was made longer before it was decided than messages may wait",
    Code.E_EXPIRED: "the message had expired",
    Code.E_LIFETIME: "the message would live longer than messages may, or not at all",
    Code.E_REPLAY: "this position of the sender's stream was decided before, for another message",
    Code.E_RCPT_UNKNOWN: "an addressee is not enrolled",
    Code.E_RCPT_DUP: "an addressee is named twice",
    Code.E_RCPT_COUNT: "nobody is addressed, or too many are, or all of them get copies only",
    Code.E_RCPT_EPOCH: "the message is sealed to a key of an addressee that is not in use now",
    Code.E_RCPT_SUSPENDED: "an addressee is suspended",
    Code.E_WRAP_COUNT: "there is not one key wrap for each addressee",
    Code.E_WRAP_KID: "a key wrap names another key than the header",
    Code.E_WRAP_LEN: "a key wrap does not have the size of its algorithm",
    Code.E_WRAP_HASH: "a key wrap is not the one that was signed",
    Code.E_CT_HASH: "the ciphertext is not the one that was signed",
    Code.E_CT_LEN: "the ciphertext does not have the length that was signed",
    Code.E_CLASS_CLEARANCE: "a party to the message may not see what is classified so",
    Code.E_DATA_BASIS: "personal data for a party whose legal basis does not carry them, or is not named",
    Code.E_PURPOSE: "the message has no purpose, or one that an addressee may not process for",
    Code.E_COPY_MISSING: "the sender's national unit gets no copy",
    Code.E_HANDLING_INVALID: "the message says H3 without limits, limits without H3, or H0 and another",
    Code.E_H2_NO_CONSENT: "the message passes another one on, whose originator has not permitted that",
    Code.E_H3_LIMIT: "the message goes beyond the limits that its own H3 sets",
    Code.E_CONSENT_SCOPE: "the originator's permission does not cover an addressee or a purpose",
    Code.E_CONSENT_EXPIRED: "the originator's permission is not valid now",
    Code.E_REF_MISSING: "the message does not name the one that it is about",
    Code.E_KIND_FIELDS: "the message has a field of another kind, or lacks one of its own",
    Code.E_ATT_MISSING: "the message names attachments that are kept outside of it",
    Code.E_GOSSIP_DIR: "the sender saw another key directory of the same size",
    Code.E_GOSSIP_LOG: "the sender saw another ledger of the same size",
    Code.E_OPEN: "the content cannot be opened",
    Code.E_COMMIT: "the content is not the one that the sender committed to",
    Code.E_NOT_FOR_ME: "the delivery is for another unit",
    Code.E_ID_REUSED: "its sender has used the id for another message before",
    Code.E_RECEIPT: "the router's decision does not verify, or does not accept this message",
    Code.E_BODY: "the content is not a body of the kind that the header names",
    Code.E_HEADER_LAX: "the header does not ask for what the content asks for",
    Code.E_STATEMENT: "the statement is not valid at its place in the directory",
    Code.E_ISSUER: "who issued the statement may not make it",
    Code.E_LOG_FORK: "the log says two things that exclude each other",
    Code.E_LOG_ROLLBACK: "the log is shorter than it was",
    Code.E_LOG_GAP: "leaves of the log were not seen",
    Code.E_TILE: "a file of the log's tree is missing or damaged",
    Code.E_PROOF: "a proof was asked for that the log cannot have",
    Code.E_NOTE: "a signed note, key or proof file is not of its form",
    Code.E_CHECKPOINT: "a checkpoint is not of the form of these logs",
    Code.E_LOG_POLICY: "a policy file is not of its form",
    Code.E_LOG_UNKNOWN: "the policy file does not name this log",
    Code.E_LOG_SIGNATURE: "the log did not sign this checkpoint",
    Code.E_COSIGNATURE: "a cosignature does not verify",
    Code.E_QUORUM: "fewer witnesses cosigned than the policy asks for",
    Code.E_INCLUSION: "the log does not have this at that place",
    Code.E_CONSISTENCY: "the log does not continue what it signed before",
    Code.E_AGREEMENT: "an act that takes two registrars was not signed by two",
}

_WITH_UNIT: Final[dict[Code, str]] = {
    Code.E_SENDER_UNKNOWN: "{}, the sender, is not enrolled",
    Code.E_SENDER_SUSPENDED: "{}, the sender, is suspended",
    Code.E_QUOTA: "the outbox of {} has asked for more than its quota allows in so short a time",
    Code.E_SUITE_BELOW_MIN: "{} asks for a stronger suite",
    Code.E_RCPT_UNKNOWN: "no unit {} is enrolled",
    Code.E_RCPT_EPOCH: "the message is sealed to a key of {} that is not in use now",
    Code.E_RCPT_SUSPENDED: "{} is suspended",
    Code.E_CLASS_CLEARANCE: "{} is not cleared for the message's classification",
    Code.E_DATA_BASIS: "the legal basis of {} does not carry personal data, or is not named",
    Code.E_PURPOSE: "{} may not process for every purpose of the message",
    Code.E_COPY_MISSING: "{}, the sender's national unit, gets no copy",
    Code.E_H3_LIMIT: "{} is not among the units that the H3 of the message allows",
    Code.E_CONSENT_SCOPE: "the originator's permission does not cover {} and these purposes",
}


def reason_in_words(code: Code, unit: str | None) -> str:
    """What is wrong, from the code and the unit alone."""
    with_unit = _WITH_UNIT.get(code)
    return MEANINGS[code] if unit is None or with_unit is None else with_unit.replace("{}", unit)
