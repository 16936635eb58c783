"""Attacks, each as one function that tries, and says what stopped it.

Owns what an enemy can do: a unit that cheats, somebody who can write to Kafka, a router that has fallen, a
thief of keys. `test_attacks` shows that each is stopped, and by which code; `tests/unit/test_mutants` takes
one safeguard away at a time and shows that its attack then succeeds. So every safeguard has a test that
would miss it.

Rule: an attack returns the code that stopped it, or None when it succeeded. It uses what the enemy has, and
no more: keys of others are never touched.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from keys.soft_keys import SoftOpener
from protocol import limits
from protocol.canonical import decode, encode
from protocol.content.parts import Part
from protocol.envelope.commitment import commit, disclose, verify_disclosure
from protocol.envelope.core import Core, Position, encode_core
from protocol.envelope.header import Seal, encode_header
from protocol.envelope.sealing import content_aad, encode_plaintext, wrap_key
from protocol.envelope.wire import (
    Submission,
    encode_delivery,
    encode_submission,
    parse_submission,
)
from protocol.errors import Code, Rejected
from protocol.identifiers import digest
from protocol.parties import TreeHead
from protocol.public_keys import ALG_ED25519
from protocol.signatures import HEADER, STATEMENT, Suite, sign
from protocol.trail.batches import OutboxPlace, Record, RecordType, sign_batch, summarize, verify_receipt
from tests.sim.world import World

Attack = Callable[[], str | None]
ATTACKS: dict[str, tuple[Code, Attack]] = {}
CONTENT = (Part(0, b"the content"),)


def stopped_by(code: Code) -> Callable[[Attack], Attack]:
    """Register an attack with the code that must stop it."""

    def register(attack: Attack) -> Attack:
        ATTACKS[attack.__name__] = (code, attack)
        return attack

    return register


def router(world: World, owner: str, raw: bytes) -> str | None:
    """What the router says to a record in this outbox: the first reason, or None when it delivers."""
    world.submit(owner, raw)
    codes = world.codes(world.route(owner))
    return codes[0] if codes else None


def opens(world: World, unit: str, delivery: bytes, **kwargs: object) -> str | None:
    """What a unit says to a delivery."""
    try:
        opened = world.open(unit, delivery)
    except Rejected as rejected:
        return rejected.code
    assert opened.content.parts
    return None


def delivered_by_a_fallen_router(world: World, raw: bytes, index: int = 0, **changes: object) -> bytes:
    """A delivery with a decision that a router signed, whatever the message is worth."""
    submission = parse_submission(raw)
    return encode_delivery(submission, index, receipt_for(world, submission, **changes))


def receipt_for(world: World, submission: Submission, *, signer=None, **changes: object) -> bytes:
    """A receipt on this message, signed by the router's key or another."""
    core = submission.header.core
    record = Record(
        type=RecordType.ACCEPTED,
        t=world.now,
        source=OutboxPlace(core.sender, 0, 0),
        submission=bytes(32),
        reasons=(),
        directory_size=world.directory.head.size,
        header_digest=submission.header_digest,
        header=summarize(core),
    )
    signer = signer or world.router
    record = replace(record, **changes)
    made = sign_batch([record], router=signer.name, now=record.t, signer=signer, entropy=world.entropy)
    return made.receipts[0]


def sealed_by_hand(
    world: World,
    core: Core,
    *,
    by: str | None = None,
    plaintext: bytes | None = None,
    commitment: bytes | None = None,
    wraps: Callable[[Core, bytes], tuple[bytes, ...]] | None = None,
    suite: Suite | None = None,
    context: bytes = HEADER,
) -> bytes:
    """A submission by a program of the enemy's own, which checks nothing."""
    core_bytes, salt, cek, iv = encode_core(core), bytes(32), world.entropy(32), world.entropy(12)
    hcore = digest(core_bytes)
    shown = encode_plaintext(salt, CONTENT) if plaintext is None else plaintext
    ciphertext = AESGCM(cek).encrypt(iv, shown, content_aad(hcore))
    made = (wraps or honest_wraps(world))(core, cek)
    seal = Seal(
        digest(ciphertext),
        len(ciphertext),
        iv,
        commit(salt, CONTENT) if commitment is None else commitment,
        tuple(digest(wrap) for wrap in made),
    )
    signer = world.parties[by or core.sender].identity
    signed = sign(encode_header(core_bytes, seal), suite=suite or core.suite, signer=signer, context=context)
    return encode_submission(signed, ciphertext, made)


def honest_wraps(world: World) -> Callable[[Core, bytes], tuple[bytes, ...]]:
    """One proper wrap for each addressee."""
    return lambda core, cek: tuple(
        wrap_key(cek, world.directory.epoch_key(a.unit, a.key).public, digest(encode_core(core)))
        for a in core.to
    )


def resigned(world: World, submission: Submission, core: Core, seal: Seal | None = None) -> bytes:
    """Somebody else's ciphertext and wraps under an own header."""
    signer = world.parties[core.sender].identity
    payload = encode_header(encode_core(core), seal or submission.header.seal)
    signed = sign(payload, suite=core.suite, signer=signer, context=HEADER)
    return encode_submission(signed, submission.ciphertext, submission.wraps)


def with_payload(raw: bytes, payload: bytes) -> bytes:
    """A suite-1 submission with another payload under the old signature."""
    row = decode(raw)
    signed = decode(row[1])
    signed[2] = payload
    row[1] = encode(signed)
    return encode(row)


# Who said it.


@stopped_by(Code.E_SIG_CLASSICAL)
def somebody_writes_as_another_unit() -> str | None:
    """IT puts a message into FR's outbox, under FR's name and key id."""
    world = World()
    row = decode(world.seal(world.core("fr", ["de"]), by="it").submission)
    signed = decode(row[1])
    signed[0] = encode({1: ALG_ED25519, 4: world.parties["fr"].identity.public.kid})
    row[1] = encode(signed)
    raw = encode(row)
    return router(world, "fr", raw) or opens(world, "de", world.inboxes["de"][-1])


@stopped_by(Code.E_SIG_CLASSICAL)
def a_fallen_router_writes_as_a_unit() -> str | None:
    """The router's key is stolen; the thief makes up a message of FR's."""
    world = World()
    row = decode(world.seal(world.core("fr", ["de"]), by="it").submission)
    signed = decode(row[1])
    signed[0] = encode({1: ALG_ED25519, 4: world.parties["fr"].identity.public.kid})
    row[1] = encode(signed)
    return opens(world, "de", delivered_by_a_fallen_router(world, encode(row)))


@stopped_by(Code.E_KEY_UNKNOWN)
def a_unit_signs_for_another_with_its_own_key() -> str | None:
    """The header names FR and FR's key; the signature is IT's and says so."""
    world = World()
    raw = world.seal(world.core("fr", ["de"]), by="it").submission
    return router(world, "fr", raw)


@stopped_by(Code.E_SIG_CLASSICAL)
def somebody_lowers_the_handling_code() -> str | None:
    """On the way, H2 becomes H0."""
    world = World()
    raw = world.compose("fr", ["it"], handling=frozenset({2}))
    header = parse_submission(raw).header
    lowered = encode_core(replace(header.core, handling=frozenset({0})))
    return router(world, "fr", with_payload(raw, encode_header(lowered, header.seal)))


@stopped_by(Code.E_PRINCIPAL)
def a_recipient_sends_it_once_more() -> str | None:
    """IT puts FR's message into its own outbox, to have it delivered a second time."""
    world = World()
    raw = world.compose("fr", ["it", "de"])
    assert router(world, "fr", raw) is None
    return router(world, "it", raw)


@stopped_by(Code.E_OPEN)
def a_recipient_signs_anothers_content_as_its_own() -> str | None:
    """Strip and resign: IT takes FR's ciphertext and wraps, and puts its own header before them."""
    world = World()
    original = parse_submission(world.compose("fr", ["de"]))
    mine = replace(
        original.header.core,
        sender="it",
        signing_key=world.parties["it"].identity.public.kid,
        position=Position(world.parties["it"].stream, 0),
    )
    return router(world, "it", resigned(world, original, mine)) or opens(world, "de", world.inboxes["de"][-1])


@stopped_by(Code.E_ALG_MIX)
def a_quantum_computer_cuts_off_the_second_signature() -> str | None:
    """Ed25519 is broken: the enemy signs a suite-2 header with the classical half alone."""
    world = World()
    core = world.core("fr", ["it"], suite=Suite.HYBRID)
    raw = sealed_by_hand(world, core, suite=Suite.CLASSICAL)
    return router(world, "fr", raw) or opens(world, "it", world.inboxes["it"][-1])


@stopped_by(Code.E_SIG_PQ)
def a_quantum_computer_forges_the_first_signature_only() -> str | None:
    """Ed25519 is broken, ML-DSA-65 is not: the second signature is junk."""
    world = World()
    row = decode(world.compose("fr", ["it"], suite=Suite.HYBRID))
    signed = decode(row[1])
    signed[3][1][2] = bytes(3309)
    row[1] = encode(signed)
    return router(world, "fr", encode(row)) or opens(world, "it", world.inboxes["it"][-1])


@stopped_by(Code.E_SIG_CLASSICAL)
def a_signature_for_another_use_becomes_a_message() -> str | None:
    """FR signed these bytes as a statement; they come back as a header."""
    world = World()
    raw = sealed_by_hand(world, world.core("fr", ["it"]), context=STATEMENT)
    return router(world, "fr", raw)


@stopped_by(Code.E_KEY_REVOKED)
def a_thief_signs_with_a_revoked_key() -> str | None:
    """FR's key was revoked, and is used."""
    world = World()
    raw = world.compose("fr", ["it"])
    world.revoke_identity("fr")
    return router(world, "fr", raw)


@stopped_by(Code.E_KEY_REVOKED)
def a_thief_wrote_before_the_theft_was_known() -> str | None:
    """FR's key was stolen, used and accepted; then the theft became known."""
    world = World()
    assert world.send("fr", ["it"]) == []
    world.revoke_identity("fr", compromised_since=world.now - 1)
    return opens(world, "it", world.inboxes["it"][-1])


# What was said.


@stopped_by(Code.E_COMMIT)
def a_sender_shows_two_contents_under_one_signature() -> str | None:
    """FR signs one content and encrypts another, to deny it later."""
    world = World()
    lie = encode_plaintext(bytes(32), [Part(0, b"another one")])
    raw = sealed_by_hand(world, world.core("fr", ["it"]), plaintext=lie)
    return router(world, "fr", raw) or opens(world, "it", world.inboxes["it"][-1])


@stopped_by(Code.E_OPEN)
def a_sender_hides_bytes_in_the_padding() -> str | None:
    """Bytes that no commitment covers travel in the pad."""
    world = World()
    salt, rows, pad = decode(encode_plaintext(bytes(32), CONTENT))
    raw = sealed_by_hand(world, world.core("fr", ["it"]), plaintext=encode([salt, rows, b"\x01" + pad[1:]]))
    return router(world, "fr", raw) or opens(world, "it", world.inboxes["it"][-1])


@stopped_by(Code.E_CT_HASH)
def somebody_exchanges_the_ciphertext() -> str | None:
    """The ciphertext of another message of the same length stands behind the signature."""
    world = World()
    one, two = decode(world.compose("fr", ["it"])), decode(world.compose("fr", ["it"]))
    return router(world, "fr", encode([1, one[1], two[2], one[3]]))


@stopped_by(Code.E_CT_HASH)
def a_fallen_router_exchanges_the_ciphertext() -> str | None:
    """FR let IT know the content key; with it the router encrypts another content, of the same commitment."""
    world = World()
    core = world.core("fr", ["it"])
    raw = sealed_by_hand(world, core, wraps=lambda c, _: honest_wraps(world)(c, bytes(32)))
    submission = parse_submission(raw)
    sealed = AESGCM(bytes(32)).encrypt(
        submission.header.seal.iv,
        encode_plaintext(bytes(32), CONTENT),
        content_aad(submission.header.core_hash),
    )
    return opens(
        world,
        "it",
        delivered_by_a_fallen_router(
            world, encode([1, submission.signed_header, sealed, list(submission.wraps)])
        ),
    )


@stopped_by(Code.E_WRAP_HASH)
def somebody_exchanges_a_wrap() -> str | None:
    """The wrap of another message, for the same key, stands in its place."""
    world = World()
    one, two = decode(world.compose("fr", ["it"])), decode(world.compose("fr", ["it"]))
    return router(world, "fr", encode([1, one[1], one[2], two[3]]))


@stopped_by(Code.E_WRAP_HASH)
def a_fallen_router_exchanges_a_wrap() -> str | None:
    """Whoever knows the content key wraps it for DE anew, and the router delivers that wrap."""
    world = World()
    core = world.core("fr", ["it", "de"])
    cek = bytes(32)
    raw = with_known_cek(world, core, cek)
    submission = parse_submission(raw)
    own = wrap_key(cek, world.directory.epoch_key("de", core.to[1].key).public, submission.header.core_hash)
    swapped = replace(submission, wraps=(submission.wraps[0], own))
    return opens(world, "de", encode_delivery(swapped, 1, receipt_for(world, submission)))


def with_known_cek(world: World, core: Core, cek: bytes) -> bytes:
    """A proper submission whose content key the enemy knows."""
    core_bytes, iv, salt = encode_core(core), bytes(12), bytes(32)
    hcore = digest(core_bytes)
    ciphertext = AESGCM(cek).encrypt(iv, encode_plaintext(salt, CONTENT), content_aad(hcore))
    wraps = honest_wraps(world)(core, cek)
    seal = Seal(digest(ciphertext), len(ciphertext), iv, commit(salt, CONTENT), tuple(map(digest, wraps)))
    signer = world.parties[core.sender].identity
    return encode_submission(
        sign(encode_header(core_bytes, seal), suite=core.suite, signer=signer, context=HEADER),
        ciphertext,
        wraps,
    )


@stopped_by(Code.E_WRAP_COUNT)
def a_sender_adds_a_wrap_for_nobody() -> str | None:
    """One wrap more than addressees: somebody would be reached who is not named."""
    world = World()
    raw = sealed_by_hand(
        world, world.core("fr", ["it"]), wraps=lambda c, cek: honest_wraps(world)(c, cek) * 2
    )
    return router(world, "fr", raw)


@stopped_by(Code.E_WRAP_KID)
def a_sender_wraps_to_another_key_than_it_names() -> str | None:
    """The header names IT's key, the wrap DE's: the policy on IT's epoch would judge the wrong key."""
    world = World()
    key = world.directory.epoch_key_for("de", world.now // limits.EPOCH).public
    raw = sealed_by_hand(
        world,
        world.core("fr", ["it"]),
        wraps=lambda c, cek: (wrap_key(cek, key, digest(encode_core(c))),),
    )
    return router(world, "fr", raw)


@stopped_by(Code.E_ALG_MIX)
def a_sender_uses_a_classical_wrap() -> str | None:
    """One wrap of another algorithm would void the others for whoever records today and decrypts later."""
    world = World()
    raw = sealed_by_hand(
        world,
        world.core("fr", ["it"]),
        wraps=lambda c, _: (encode([encode({1: 3, 4: c.to[0].key}), {-4: bytes(1120)}, bytes(48)]),),
    )
    return router(world, "fr", raw)


@stopped_by(Code.E_RCPT_DUP)
def a_sender_names_an_addressee_twice() -> str | None:
    """One message would be delivered to IT twice."""
    world = World()
    core = world.core("fr", ["it"])
    return router(world, "fr", sealed_by_hand(world, replace(core, to=core.to * 2)))


# The same again.


@stopped_by(Code.E_REPLAY)
def a_record_comes_twice() -> str | None:
    """A daemon that did not see its receipt, or an enemy, sends the same bytes again."""
    world = World()
    raw = world.compose("fr", ["it"])
    assert router(world, "fr", raw) is None
    return router(world, "fr", raw)


@stopped_by(Code.E_REPLAY)
def a_record_comes_twice_in_one_batch() -> str | None:
    """Both stand in the same poll."""
    world = World()
    raw = world.compose("fr", ["it"])
    world.submit("fr", raw)
    return router(world, "fr", raw)


@stopped_by(Code.E_REPLAY)
def a_record_comes_back_when_its_stream_is_forgotten() -> str | None:
    """So many newer streams came that the router dropped this one."""
    world = World()
    raw = world.compose("fr", ["it"])
    assert router(world, "fr", raw) is None
    world.now += 1
    for number in range(limits.MAX_STREAMS):
        world.states["fr"].advance(Position(number.to_bytes(8, "big"), 0), created=world.now, now=world.now)
    return router(world, "fr", raw)


@stopped_by(Code.E_REPLAY)
def forgeries_burn_the_numbers_of_a_stream() -> str | None:
    """A forged record with a high number makes the unit's own next messages look old.

    Here success is that the honest message is refused; it is turned round to fit the others.
    """
    world = World()
    forged = world.seal(world.core("fr", ["it"], seq=1_000_000), by="it").submission
    honest = world.compose("fr", ["it"])
    assert router(world, "fr", forged) is not None
    return Code.E_REPLAY if router(world, "fr", honest) is None else None


@stopped_by(Code.E_UNPROTECTED)
def bytes_are_added_where_no_signature_is() -> str | None:
    """The unprotected map takes anything, and so gives one message many names."""
    world = World()
    row = decode(world.compose("fr", ["it"]))
    signed = decode(row[1])
    signed[1] = {1: b"graffiti"}
    row[1] = encode(signed)
    return router(world, "fr", encode(row))


@stopped_by(Code.E_NONDET)
def bytes_are_added_behind_the_message() -> str | None:
    """The record is longer than what was parsed of it."""
    world = World()
    return router(world, "fr", world.compose("fr", ["it"]) + b"\x00")


# What the router said.


@stopped_by(Code.E_RECEIPT)
def a_refused_message_travels_with_anothers_receipt() -> str | None:
    """FR puts a second content behind the same header, which the router refuses as a replay; whoever can write to
    IT's inbox delivers it with the receipt of the first."""
    world = World()
    core = world.core("fr", ["it"])
    assert router(world, "fr", world.seal(core).submission) is None
    receipt = decode(world.inboxes["it"][-1])[5]
    second = world.seal(core, Part(0, b"another content")).submission
    assert router(world, "fr", second) == Code.E_REPLAY
    return opens(world, "it", encode_delivery(parse_submission(second), 0, receipt))


@stopped_by(Code.E_RECEIPT)
def a_refused_message_travels_with_its_refusal() -> str | None:
    """The same, with the router's own signed refusal."""
    world = World()
    return opens(
        world,
        "it",
        delivered_by_a_fallen_router(world, world.compose("fr", ["it"]), type=RecordType.REJECTED),
    )


@stopped_by(Code.E_RECEIPT)
def a_fallen_router_records_another_header() -> str | None:
    """In the audit trail the message went to nobody but DE; to IT the router delivers it."""
    world = World()
    raw = world.compose("fr", ["it"])
    lie = summarize(world.core("fr", ["de"]))
    return opens(world, "it", delivered_by_a_fallen_router(world, raw, header=lie))


@stopped_by(Code.E_RECEIPT)
def a_unit_signs_its_own_receipt() -> str | None:
    """FR delivers to IT without the router, and signs the decision itself."""
    world = World()
    submission = parse_submission(world.compose("fr", ["it"]))
    receipt = receipt_for(world, submission, signer=world.parties["fr"].identity)
    return opens(world, "it", encode_delivery(submission, 0, receipt))


@stopped_by(Code.E_SIG_CLASSICAL)
def somebody_writes_a_decision_in_the_routers_name() -> str | None:
    """A batch with the router's key id and no signature of the router."""
    world = World()
    submission = parse_submission(world.compose("fr", ["it"]))
    row = decode(receipt_for(world, submission, signer=world.parties["fr"].identity))
    batch = decode(row[5])
    batch[0] = encode({1: ALG_ED25519, 4: world.router.public.kid})
    row[5] = encode(batch)
    return opens(world, "it", encode_delivery(submission, 0, encode(row)))


@stopped_by(Code.E_RECEIPT)
def somebody_writes_another_record_under_a_signed_batch() -> str | None:
    """The batch is genuine, the record is not in it."""
    world = World()
    assert world.send("fr", ["it"]) == []
    genuine = decode(decode(world.inboxes["it"][-1])[5])
    submission = parse_submission(world.compose("fr", ["it"]))
    mine = decode(receipt_for(world, submission, signer=world.parties["fr"].identity))
    return opens(world, "it", encode_delivery(submission, 0, encode([*mine[:5], genuine[5]])))


@stopped_by(Code.E_VER)
def a_receipt_is_written_in_two_ways() -> str | None:
    """`true` stands where 1 should be."""
    world = World()
    assert world.send("fr", ["it"]) == []
    row = decode(decode(world.inboxes["it"][-1])[5])
    row[0] = True
    try:
        verify_receipt(encode(row), parties=world.directory)
    except Rejected as rejected:
        return Code.E_VER if rejected.reason is Code.E_SCHEMA else rejected.code
    return None


@stopped_by(Code.E_NOT_FOR_ME)
def a_fallen_router_delivers_to_another_unit() -> str | None:
    """IT's delivery comes to the inbox of DE, in a process that holds both units' keys."""
    world = World()
    assert world.send("fr", ["it", "de"]) == []
    both = SoftOpener()
    for unit in ("it", "de"):
        for key in world.parties[unit].opener.held():
            both.put(key)
    world.parties["de"].opener = both
    return opens(world, "de", world.inboxes["it"][-1])


@stopped_by(Code.E_SCHEMA)
def an_index_counts_from_the_end() -> str | None:
    """-1 names the last addressee to Python: one delivery would have two forms."""
    world = World()
    assert world.send("fr", ["it"]) == []
    row = decode(world.inboxes["it"][-1])
    row[3] = -1
    return opens(world, "it", encode(row))


@stopped_by(Code.E_EXPIRED)
def a_fallen_router_delivers_after_the_expiry() -> str | None:
    """The router holds a message back until it has expired, and delivers it then."""
    world = World()
    raw = world.compose("fr", ["it"], expires=world.now + 10)
    world.now += 10
    return opens(world, "it", delivered_by_a_fallen_router(world, raw))


@stopped_by(Code.E_EXPIRED)
def a_fallen_router_decides_in_the_future() -> str | None:
    """The router dates its decision ahead, past a revocation that it expects."""
    world = World()
    raw = world.compose("fr", ["it"])
    t = world.now + limits.CLOCK_TOLERANCE + 1
    return opens(world, "it", delivered_by_a_fallen_router(world, raw, t=t))


@stopped_by(Code.E_GOSSIP_DIR)
def a_sender_was_shown_another_directory() -> str | None:
    """FR was shown a forged directory, and a fallen router lets its messages pass."""
    world = World()
    raw = world.compose("fr", ["it"], directory_head=TreeHead(3, bytes(32)))
    return opens(world, "it", delivered_by_a_fallen_router(world, raw))


# What is shown of it later.


@stopped_by(Code.E_COMMIT)
def somebody_shows_another_part_as_evidence() -> str | None:
    """A part that was never sent is shown to a court."""
    parts = (Part(0, b"frame"), Part(1, b"he was there"))
    shown = disclose(bytes(32), parts, 1)
    lie = replace(shown, part=Part(1, b"he was not there"))
    return None if verify_disclosure(lie, commit(bytes(32), parts)) else Code.E_COMMIT


@stopped_by(Code.E_COMMIT)
def a_proof_is_written_in_two_ways() -> str | None:
    """A longer salt that HMAC takes for the same one."""
    parts = (Part(0, b"frame"),)
    shown = disclose(bytes(32), parts, 0)
    longer = replace(shown, part_salt=shown.part_salt + b"\x00")
    return None if verify_disclosure(longer, commit(bytes(32), parts)) else Code.E_COMMIT


@stopped_by(Code.E_SIG_CLASSICAL)
def a_forged_header_stands_in_the_audit_trail() -> str | None:
    """A header that nobody is proven to have said would be recorded as FR's words."""
    world = World()
    row = decode(world.seal(world.core("fr", ["de"]), by="it").submission)
    signed = decode(row[1])
    signed[0] = encode({1: ALG_ED25519, 4: world.parties["fr"].identity.public.kid})
    row[1] = encode(signed)
    code = router(world, "fr", encode(row))
    record = world.decisions("fr").records[-1]
    return code if record.header is None and record.header_digest is None else None
