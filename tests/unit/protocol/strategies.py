"""Arbitrary values of the protocol, for the property tests beside this file.

Owns generators only; what must hold of the values is said by each test. Rule: whatever comes out of here is
something that an honest program could make, so that a refusal of it is a fault.
"""

from __future__ import annotations

from hypothesis import settings
from hypothesis import strategies as st

from protocol import limits
from protocol.codes import (
    Classification,
    CopyExemption,
    DataClass,
    Handling,
    LegalBasis,
    MessageKind,
    Purpose,
    RefKind,
    RefusalGround,
    Role,
    UrgencyGround,
)
from protocol.content.parts import Part
from protocol.envelope.core import Addressee, AttachmentEntry, Core, Limits, Position, Reference
from protocol.errors import Code
from protocol.parties import TreeHead
from protocol.signatures import Suite
from protocol.trail.batches import DECISIONS, OutboxPlace, Reason, Record, summarize

QUICK = settings(deadline=None, max_examples=50)
THOROUGH = settings(deadline=None, max_examples=150)

uints = st.one_of(st.integers(0, 300), st.integers(0, limits.MAX_UINT))
unit_ids = st.from_regex(r"[a-z][a-z0-9]{1,6}(-[a-z0-9]{1,5}){0,3}", fullmatch=True)


def octets(size: int) -> st.SearchStrategy[bytes]:
    """Byte strings of one size."""
    return st.binary(min_size=size, max_size=size)


def items(leaves: int = 25) -> st.SearchStrategy[object]:
    """CBOR items of the profile."""
    scalars = st.one_of(
        st.integers(-(2**64), 2**64 - 1),
        st.binary(max_size=40),
        st.text(max_size=20),
        st.booleans(),
        st.none(),
    )
    return st.recursive(
        scalars,
        lambda inner: st.one_of(
            st.lists(inner, max_size=5), st.dictionaries(st.integers(-24, 23), inner, max_size=5)
        ),
        max_leaves=leaves,
    ).filter(lambda item: _depth(item) <= limits.MAX_DEPTH)


def _depth(item: object) -> int:
    if isinstance(item, list):
        return 1 + max(map(_depth, item), default=0)
    if isinstance(item, dict):
        return 1 + max(map(_depth, item.values()), default=0)
    return 0


def maybe(kind: type) -> st.SearchStrategy[object]:
    """A code of this list, or none."""
    return st.none() | st.sampled_from(kind)


h3_limits = st.builds(
    Limits,
    st.sets(unit_ids, max_size=4).map(lambda units: tuple(sorted(units))),
    st.none() | uints,
)
addressees = st.lists(
    st.builds(Addressee, unit_ids, octets(16), st.sampled_from(Role)),
    min_size=1,
    max_size=6,
    unique_by=lambda addressee: addressee.unit,
).map(tuple)
heads = st.builds(TreeHead, uints, octets(32))

cores = st.builds(
    Core,
    suite=st.sampled_from(Suite),
    kind=st.sampled_from(MessageKind),
    message_id=octets(16),
    thread=octets(16),
    created=uints,
    expires=uints,
    sender=unit_ids,
    position=st.builds(Position, octets(8), uints),
    signing_key=octets(16),
    to=addressees,
    handling=st.just(frozenset({Handling.H0}))
    | st.frozensets(st.sampled_from([code for code in Handling if code is not Handling.H0]), min_size=1),
    h3=st.none() | h3_limits,
    classification=st.sampled_from(Classification),
    data_class=st.sampled_from(DataClass),
    purposes=st.frozensets(st.sampled_from(Purpose)),
    urgency=maybe(UrgencyGround),
    ground=maybe(RefusalGround),
    basis=maybe(LegalBasis),
    copy_exemption=maybe(CopyExemption),
    refs=st.lists(st.builds(Reference, st.sampled_from(RefKind), octets(32)), max_size=3).map(tuple),
    review=uints,
    attachments=st.lists(st.builds(AttachmentEntry, octets(16), uints, octets(32)), max_size=2).map(tuple),
    directory_head=heads,
    ledger_head=heads,
)

parts = st.lists(st.builds(Part, st.integers(0, 255), st.binary(max_size=200)), min_size=1, max_size=5).map(
    tuple
)

reasons = st.sampled_from(Code).flatmap(
    lambda code: st.builds(
        Reason,
        st.just(code),
        st.none() | unit_ids,
        st.integers(0, 2**53 - 1) if code is Code.E_QUOTA else st.none(),
    )
)


records = st.builds(
    Record,
    type=st.sampled_from(DECISIONS),
    t=uints,
    source=st.builds(OutboxPlace, unit_ids, uints, uints),
    submission=octets(32),
    reasons=st.lists(reasons, max_size=4).map(tuple),
    directory_size=uints,
    header_digest=st.none() | octets(32),
    header=st.none() | cores.map(summarize),
)
