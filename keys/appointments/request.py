"""The request of a process to be appointed: a file that its operator brings to the registrar. Pure.

    request = [ v: 1, stype: 7 / 8, appointment ]          a router's, a ledger's

The appointment has its own proof of possession, and nothing around it is signed. Whose key it is, nothing
here shows: two people compare its fingerprint, as with an enrolment (keys/enrolment.py).
"""

from __future__ import annotations

from keys.possession import check_possession
from keys.statement_types import Appointment, StatementType
from keys.statements import appointment_item, parse_appointment
from protocol.canonical import decode, encode
from protocol.errors import Code, Rejected
from protocol.limits import MAX_STATEMENT

PROCESSES = {StatementType.ROUTER: "router", StatementType.LEDGER: "ledger"}


def request_appointment(made: Appointment) -> bytes:
    """The request for this appointment."""
    return encode([1, int(made.stype), appointment_item(made)])


def parse_appointment_request(data: bytes) -> Appointment:
    """The appointment that is asked for, its proof verified, or `Rejected`."""
    match decode(data, limit=MAX_STATEMENT):
        case [version, stype, list(item)] if type(version) is type(stype) is int and version == 1:
            if stype not in list(PROCESSES):
                raise Rejected(Code.E_SCHEMA, "a request of something else than a router or a ledger")
            made = parse_appointment(StatementType(stype), item)
        case _:
            raise Rejected(Code.E_SCHEMA, "not a request to be appointed")
    check_possession(made)
    return made
