"""Proof of possession: a key is appointed only with its own signature over the appointment. Pure.

    proof = signed structure of suite 2, context "contrada/possession/1", by the appointed key, over
            [ v: 1, stype: uint, name, not-before, not-after ]

Without it a registrar could be led to bind another's public key to a name, and that other's messages
would then count as this one's.
"""

from __future__ import annotations

from keys.statement_types import APPOINTMENTS, Appointment, StatementType
from protocol.canonical import encode
from protocol.errors import Code, MisuseError, Rejected
from protocol.identifiers import Millis, UnitId
from protocol.limits import MAX_STATEMENT
from protocol.signatures import Context, Signer, Suite, parse_signed, sign, verify

POSSESSION = Context(b"contrada/possession/1")


def appoint(
    stype: StatementType, name: UnitId, *, signer: Signer, not_before: Millis, not_after: Millis
) -> Appointment:
    """An appointment of `signer`'s own key, with its proof of possession; for a registrar to issue."""
    if stype not in APPOINTMENTS:
        raise MisuseError(f"statement type {stype.name} appoints nobody")
    claim = _claim(stype, name, not_before, not_after)
    proof = sign(claim, suite=Suite.HYBRID, signer=signer, context=POSSESSION)
    return Appointment(stype, name, signer.public, not_before, not_after, proof)


def check_possession(appointment: Appointment) -> None:
    """Check that the appointed key itself signed this appointment, or `Rejected`."""
    proof = parse_signed(appointment.proof, limit=MAX_STATEMENT)
    claim = _claim(appointment.stype, appointment.name, appointment.not_before, appointment.not_after)
    if proof.suite is not Suite.HYBRID or proof.payload != claim:
        raise Rejected(Code.E_STATEMENT, "the proof of possession is for something else")
    verify(proof, appointment.public, context=POSSESSION)


def _claim(stype: StatementType, name: UnitId, not_before: Millis, not_after: Millis) -> bytes:
    return encode([1, int(stype), name, not_before, not_after])
