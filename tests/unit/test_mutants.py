"""Each safeguard, taken away, lets its attack succeed: so each has a test that would miss it.

How a mutant is addressed and put in place is in tests/mutants.
"""

from __future__ import annotations

from contextlib import ExitStack

import pytest

from broker.router import step
from protocol import canonical, exchange_rules, key_validity, signatures, verification, verification_checks
from protocol.envelope import commitment, core, replay, sealing, wire
from protocol.errors import Code
from protocol.exchange_rules import decide_exchange
from protocol.trail import batches, signed_batches
from tests.mutants.engine import Mutant, mutated
from tests.mutants.operations import called, dropped, forced, instead, returning, rewritten, unchecked
from tests.sim.world import World
from tests.unit.protocol.attacks import ATTACKS
from tests.unit.protocol.test_exchange_rules import REFUSES
from tests.unit.protocol.test_exchange_rules import world as policy_world  # noqa: F401 - a fixture

pytestmark = pytest.mark.slow

V, C = verification, verification_checks
NO_LAST_NUMBER = Mutant(replay.ReplayState.is_fresh, rewritten("position.seq > last.seq", "True"))

MUTANTS: list[tuple[str, str, list[Mutant]]] = [
    # What is taken away, the attack that then succeeds, and how.
    ("the signature at the router", "somebody_writes_as_another_unit", [Mutant(signatures.verify, unchecked(Code.E_SIG_CLASSICAL))]),
    ("the call of verify at the router", "somebody_lowers_the_handling_code", [Mutant(C.check_submitted_signatures, dropped(signatures.verify))]),
    ("the signature at the addressee", "a_fallen_router_writes_as_a_unit", [Mutant(C.check_delivered_signatures, dropped(signatures.verify))]),
    ("the name of the key", "a_unit_signs_for_another_with_its_own_key", [
        Mutant(C._check_suite, unchecked(Code.E_KEY_UNKNOWN)),
        Mutant(C.check_submitted_signatures, rewritten("case.identity.public", "case.parties.identity('it', case.submission.signed.kid).public")),
    ]),
    ("the owner of the outbox", "a_recipient_sends_it_once_more", [Mutant(C.check_owner, unchecked(Code.E_PRINCIPAL))]),
    ("the binding of content to header", "a_recipient_signs_anothers_content_as_its_own", [
        Mutant(sealing.content_aad, rewritten("core_hash", "b''")),
        Mutant(sealing.wrap_info, rewritten("core_hash", "b''")),
    ]),
    ("the comparison of suites", "a_quantum_computer_cuts_off_the_second_signature", [Mutant(C._check_suite, unchecked(Code.E_ALG_MIX))]),
    ("the post-quantum signature", "a_quantum_computer_forges_the_first_signature_only", [Mutant(signatures.verify, forced(False, signatures.Suite.HYBRID))]),
    ("the separation of contexts", "a_signature_for_another_use_becomes_a_message", [Mutant(signatures._to_sign_1, rewritten("bytes(context)", "b''"))]),
    ("revocation at the router", "a_thief_signs_with_a_revoked_key", [Mutant(key_validity.check_signing_key, unchecked(Code.E_KEY_REVOKED))]),
    ("compromise at the addressee", "a_thief_wrote_before_the_theft_was_known", [Mutant(key_validity.check_signing_key_at_decision, unchecked(Code.E_KEY_REVOKED))]),
    ("the commitment", "a_sender_shows_two_contents_under_one_signature", [Mutant(sealing.open_content, unchecked(Code.E_COMMIT))]),
    ("the comparison of the pad", "a_sender_hides_bytes_in_the_padding", [Mutant(sealing._parse_plaintext, unchecked(sealing.pad_size))]),
    ("the hash of the ciphertext at the router", "somebody_exchanges_the_ciphertext", [Mutant(C.check_submitted_hashes, dropped(C._check_ciphertext))]),
    ("the hash of the ciphertext at the addressee", "a_fallen_router_exchanges_the_ciphertext", [Mutant(C.check_delivered_hashes, dropped(C._check_ciphertext))]),
    ("the hash itself", "somebody_exchanges_the_ciphertext", [Mutant(C._check_ciphertext, unchecked(Code.E_CT_HASH))]),
    ("the hash of the wrap at the router", "somebody_exchanges_a_wrap", [Mutant(C.check_submitted_hashes, unchecked(Code.E_WRAP_HASH))]),
    ("the hash of the wrap at the addressee", "a_fallen_router_exchanges_a_wrap", [Mutant(C.check_delivered_hashes, forced(False, "delivery.wrap", "wrap_hashes"))]),
    ("the number of wraps", "a_sender_adds_a_wrap_for_nobody", [
        Mutant(C.check_wraps, unchecked(Code.E_WRAP_COUNT), rewritten("zip(wraps, core.to, strict=True)", "zip(wraps, core.to, strict=False)")),
    ]),
    ("the key id of the wrap", "a_sender_wraps_to_another_key_than_it_names", [Mutant(C.check_wraps, unchecked(Code.E_WRAP_KID))]),
    ("the algorithm of the wrap", "a_sender_uses_a_classical_wrap", [Mutant(wire._wrap_kid, unchecked("ALG_HPKE_9_KE"))]),
    ("each addressee once", "a_sender_names_an_addressee_twice", [Mutant(core._addressees, unchecked(Code.E_RCPT_DUP))]),
    ("the last number of a stream", "a_record_comes_twice", [NO_LAST_NUMBER]),
    ("remembering what was decided", "a_record_comes_twice_in_one_batch", [Mutant(step._decide, dropped(replay.ReplayState.advance))]),
    ("the answer to what is not fresh", "a_record_comes_twice", [
        Mutant(step._decide, unchecked(Code.E_REPLAY)),
        Mutant(exchange_rules._replays, unchecked(Code.E_REPLAY)),
    ]),
    ("the floor under forgotten streams", "a_record_comes_back_when_its_stream_is_forgotten", [Mutant(replay.ReplayState.advance, instead("self.streams.pop(oldest)", "self.floor"))]),
    ("remembering proven messages only", "forgeries_burn_the_numbers_of_a_stream", [Mutant(step._decide, instead("""
        state.advance(core.position, created=core.created, now=context.now)
        ...
    """, V.is_sender_proven))]),
    ("the empty unprotected map", "bytes_are_added_where_no_signature_is", [Mutant(signatures._empty, unchecked(Code.E_UNPROTECTED))]),
    ("the one encoding", "bytes_are_added_behind_the_message", [Mutant(canonical.decode, unchecked(Code.E_NONDET))]),
    ("the header of the decision", "a_refused_message_travels_with_anothers_receipt", [Mutant(C.check_what_was_decided, forced(False, "record.header_digest"))]),
    ("the type of the decision", "a_refused_message_travels_with_its_refusal", [Mutant(C.check_what_was_decided, forced(False, batches.RecordType.ACCEPTED))]),
    ("the summary in the record", "a_fallen_router_records_another_header", [Mutant(C.check_what_was_decided, forced(False, batches.summarize))]),
    ("the role of the router", "a_unit_signs_its_own_receipt", [Mutant(batches.verify_batch, called("router_key", "parties.router_key(_0) or parties.identity('fr', _0)"))]),
    ("the router's signature", "somebody_writes_a_decision_in_the_routers_name", [Mutant(batches.verify_batch, dropped(signed_batches._prove_batch))]),
    ("the path to the signed root", "somebody_writes_another_record_under_a_signed_batch", [Mutant(batches.verify_signed_receipt, unchecked(Code.E_RECEIPT))]),
    ("the type of the version", "a_receipt_is_written_in_two_ways", [Mutant(signed_batches.check_version, unchecked(Code.E_VER))]),
    ("the place among the addressees", "a_fallen_router_delivers_to_another_unit", [Mutant(C.check_place, forced(False, "addressee.unit"))]),
    ("the range of the index", "an_index_counts_from_the_end", [Mutant(wire.parse_delivery, rewritten("0 <= index < ...", "index < len(header.core.to)"))]),
    ("the expiry at the addressee", "a_fallen_router_delivers_after_the_expiry", [Mutant(C.check_time_of_decision, forced(False, "core.expires"))]),
    ("the addressee's own clock", "a_fallen_router_decides_in_the_future", [Mutant(C.check_time_of_decision, forced(False, "CLOCK_TOLERANCE"))]),
    ("the head of the directory", "a_sender_was_shown_another_directory", [Mutant(C.check_directory_seen, unchecked(Code.E_GOSSIP_DIR))]),
    ("the comparison of a disclosure", "somebody_shows_another_part_as_evidence", [Mutant(commitment.verify_disclosure, called("compare_digest", "True"))]),
    ("the size of a disclosed salt", "a_proof_is_written_in_two_ways", [Mutant(commitment.verify_disclosure, forced(False, "part_salt"))]),
    ("the proof before the record", "a_forged_header_stands_in_the_audit_trail", [Mutant(step._decide, forced(True, "proven"))]),
    ("the signature behind the proof", "a_forged_header_stands_in_the_audit_trail", [Mutant(V.is_sender_proven, dropped(signatures.verify))]),
]  # fmt: skip


@pytest.mark.parametrize(
    ("attack", "mutants"), [pytest.param(attack, mutants, id=what) for what, attack, mutants in MUTANTS]
)
def test_without_its_safeguard_the_attack_succeeds(attack, mutants):
    """With the safeguard gone nothing stops the attack: the test of that attack would fail."""
    with ExitStack() as stack:
        for mutant in mutants:
            stack.enter_context(mutated(mutant))
        assert ATTACKS[attack][1]() is None


def test_every_attack_has_a_mutant():
    """No attack is stopped by something that nobody has taken away once."""
    assert {attack for _, attack, _ in MUTANTS} == set(ATTACKS)


@pytest.mark.parametrize("rule", exchange_rules.RULES, ids=lambda rule: rule.name)
def test_an_empty_rule_lets_its_messages_pass(policy_world: World, rule):  # noqa: F811
    """Each rule of the table, emptied, accepts what it alone refuses."""
    asked = [question(policy_world) for question, _ in REFUSES[rule.name]]
    assert not any(decide_exchange(question).accepted for question in asked)

    with mutated(Mutant(rule.check, returning("iter(())"))):
        assert all(decide_exchange(question).accepted for question in asked)


def test_a_mutant_goes_when_its_test_ends():
    """After a mutant the original is back."""
    code, attack = ATTACKS["a_record_comes_twice"]
    with mutated(NO_LAST_NUMBER):
        assert attack() is None

    assert attack() == code
