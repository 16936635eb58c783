"""Each safeguard, taken away, lets its attack succeed: so each has a test that would miss it.

A mutant is a change to the text of one function, put in the place of the function's code; everybody who
imported it runs the mutant. The text must be there exactly once, so that a mutant cannot go stale unseen:
who changes such a line changes its mutant as well, and thinks of the attack.
"""

from __future__ import annotations

import inspect
import textwrap
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any

import pytest

from broker.router import step as journal
from protocol.trail import batches as audit
from protocol import (
    canonical,
    key_validity as key_judgement,
    exchange_rules as policy,
    signatures,
    verification,
)
from protocol.envelope import commitment, wire as envelope, header, replay, sealing
from protocol.exchange_rules import decide
from tests.sim.world import World
from tests.unit.protocol.attacks import ATTACKS
from tests.unit.protocol.test_exchange_rules import REFUSES
from tests.unit.protocol.test_exchange_rules import world as policy_world  # noqa: F401 - a fixture

pytestmark = pytest.mark.slow


@dataclass(frozen=True)
class Edit:
    """One change to one function, or several."""

    function: Callable[..., Any]
    old: str
    new: str
    also: tuple[tuple[str, str], ...] = ()


@contextmanager
def mutated(edit: Edit) -> Iterator[None]:
    """The function, changed for a while."""
    function = inspect.unwrap(edit.function)
    source = textwrap.dedent(inspect.getsource(function))
    for old, new in ((edit.old, edit.new), *edit.also):
        assert source.count(old) == 1, f"{function.__qualname__} has changed: write this mutant again"
        source = source.replace(old, new)
    space: dict[str, Any] = {}
    exec("from __future__ import annotations\n" + source, dict(function.__globals__), space)
    kept = function.__code__
    function.__code__ = inspect.unwrap(space[function.__name__]).__code__
    _forget()
    try:
        yield
    finally:
        function.__code__ = kept
        _forget()


def _forget() -> None:
    """What was computed by a mutant must not be remembered by the original, nor the other way round."""
    for module in (signatures, envelope, audit):
        for thing in vars(module).values():
            if hasattr(thing, "cache_clear"):
                thing.cache_clear()


V, J = verification, journal
NEVER = "if False:"

MUTANTS: list[tuple[str, str, list[Edit]]] = [
    # What is taken away, the attack that then succeeds, and how.
    ("the signature at the router", "somebody_writes_as_another_unit", [Edit(signatures.verify, "if not public.verify_ed25519(signed.signatures[0], to_be_signed):", NEVER)]),
    ("the call of verify at the router", "somebody_lowers_the_handling_code", [Edit(V.verify_submission, "    verify(submission.signed, identity.public, context=HEADER)\n", "")]),
    ("the signature at the addressee", "a_fallen_router_writes_as_a_unit", [Edit(V.verify_and_open, "    verify(delivery.signed, identity.public, context=HEADER)\n", "")]),
    ("the name of the key", "a_unit_signs_for_another_with_its_own_key", [
        Edit(V._check_suite, "if signed.kid != header.core.signing_key:", NEVER),
        Edit(V.verify_submission, "verify(submission.signed, identity.public, context=HEADER)", "verify(submission.signed, parties.identity('it', submission.signed.kid).public, context=HEADER)"),
    ]),
    ("the owner of the outbox", "a_recipient_sends_it_once_more", [Edit(V.verify_submission, "if core.sender != owner:", NEVER)]),
    ("the binding of content to header", "a_recipient_signs_anothers_content_as_its_own", [
        Edit(sealing.content_aad, "_A256GCM_PROTECTED, core_hash]", "_A256GCM_PROTECTED, b'']"),
        Edit(sealing.wrap_info, "wrap_protected(kid), core_hash]", "wrap_protected(kid), b'']"),
    ]),
    ("the comparison of suites", "a_quantum_computer_cuts_off_the_second_signature", [Edit(V._check_suite, "if signed.suite is not header.core.suite:", NEVER)]),
    ("the post-quantum signature", "a_quantum_computer_forges_the_first_signature_only", [Edit(signatures.verify, "if signed.suite is Suite.HYBRID:", NEVER)]),
    ("the separation of contexts", "a_signature_for_another_use_becomes_a_message", [Edit(signatures._to_sign_1, "bytes(context)", "b''")]),
    ("revocation at the router", "a_thief_signs_with_a_revoked_key", [Edit(key_judgement.check_signing_key, "if known.revoked:", NEVER)]),
    ("compromise at the addressee", "a_thief_wrote_before_the_theft_was_known", [Edit(key_judgement.check_signing_key_at_decision, "if known.revoked and since is not None and since <= max(signed_at, decided_at):", NEVER)]),
    ("the commitment", "a_sender_shows_two_contents_under_one_signature", [Edit(sealing.open_content, "if not hmac.compare_digest(commit(content.salt, content.parts), header.seal.commitment):", NEVER)]),
    ("the comparison of the pad", "a_sender_hides_bytes_in_the_padding", [Edit(sealing._parse_plaintext, "if pad != bytes(pad_size(bare)):", NEVER)]),
    ("the hash of the ciphertext at the router", "somebody_exchanges_the_ciphertext", [Edit(V.verify_submission, "    _check_ciphertext(submission.header, submission.ciphertext)\n", "")]),
    ("the hash of the ciphertext at the addressee", "a_fallen_router_exchanges_the_ciphertext", [Edit(V.verify_and_open, "    _check_ciphertext(delivery.header, delivery.ciphertext)\n", "")]),
    ("the hash itself", "somebody_exchanges_the_ciphertext", [Edit(V._check_ciphertext, "if digest(ciphertext) != header.seal.ct_hash:", NEVER)]),
    ("the hash of the wrap at the router", "somebody_exchanges_a_wrap", [Edit(V.verify_submission, "if digest(raw) != wrap_hash:", NEVER)]),
    ("the hash of the wrap at the addressee", "a_fallen_router_exchanges_a_wrap", [Edit(V.verify_and_open, "digest(delivery.wrap) != seal.wrap_hashes[delivery.index]", "False")]),
    ("the number of wraps", "a_sender_adds_a_wrap_for_nobody", [
        Edit(V.verify_submission, "if not len(submission.wraps) == len(seal.wrap_hashes) == len(core.to):", NEVER, (
            ("zip(submission.wraps, core.to, strict=True)", "zip(submission.wraps, core.to, strict=False)"),
        )),
    ]),
    ("the key id of the wrap", "a_sender_wraps_to_another_key_than_it_names", [Edit(V.verify_submission, "if parse_wrap(raw).kid != addressee.key:", NEVER)]),
    ("the algorithm of the wrap", "a_sender_uses_a_classical_wrap", [Edit(envelope._wrap_kid, "if alg != ALG_HPKE_9_KE:", NEVER)]),
    ("each addressee once", "a_sender_names_an_addressee_twice", [Edit(header._addressees, "if len({addressee.unit for addressee in addressees}) != len(addressees):", NEVER)]),
    ("the last number of a stream", "a_record_comes_twice", [Edit(replay.ReplayState.is_fresh, "position.seq > last.seq", "True")]),
    ("remembering what was decided", "a_record_comes_twice_in_one_batch", [Edit(J._decide, "    state.advance(core.position, created=core.created, now=desk.now)\n", "")]),
    ("the answer to what is not fresh", "a_record_comes_twice", [
        Edit(J._decide, "if not fresh:", NEVER),
        Edit(policy._replays, "if not q.fresh:", NEVER),
    ]),
    ("the floor under forgotten streams", "a_record_comes_back_when_its_stream_is_forgotten", [Edit(replay.ReplayState.advance, "self.floor = max(self.floor, self.streams.pop(oldest).created)", "self.streams.pop(oldest)")]),
    ("remembering proven messages only", "forgeries_burn_the_numbers_of_a_stream", [Edit(J._decide, "except Rejected as rejected:\n", "except Rejected as rejected:\n        state.advance(core.position, created=core.created, now=desk.now)\n")]),
    ("the empty unprotected map", "bytes_are_added_where_no_signature_is", [Edit(signatures._empty, "if any(maps):", NEVER)]),
    ("the one encoding", "bytes_are_added_behind_the_message", [Edit(canonical.decode, "if cbor2.dumps(item, canonical=True) != data:", NEVER)]),
    ("the subject of the decision", "a_refused_message_travels_with_anothers_receipt", [Edit(V.verify_and_open, "record.subject != delivery.subject", "False")]),
    ("the type of the decision", "a_refused_message_travels_with_its_refusal", [Edit(V.verify_and_open, "record.type is not RecordType.ACCEPTED", "False")]),
    ("the summary in the record", "a_fallen_router_records_another_header", [Edit(V.verify_and_open, "record.header != summarize(core)", "False")]),
    ("the office of the router", "a_unit_signs_its_own_receipt", [Edit(audit.verify_batch, "key = parties.router_key(signed.kid)", "key = parties.router_key(signed.kid) or parties.identity('fr', signed.kid)")]),
    ("the router's signature", "somebody_writes_a_decision_in_the_routers_name", [Edit(audit.verify_batch, "    _prove_batch(signed, key.public)\n", "")]),
    ("the path to the signed root", "somebody_writes_another_record_under_a_signed_batch", [Edit(audit.verify_receipt, "path=path) != batch.root:", "path=path) == b'':")]),
    ("the type of the version", "a_receipt_is_written_in_two_ways", [Edit(audit._check_version, "if uint(value) != VERSION:", NEVER)]),
    ("the place among the addressees", "a_fallen_router_delivers_to_another_unit", [Edit(V.verify_and_open, "addressee.unit != me", "False")]),
    ("the range of the index", "an_index_counts_from_the_end", [Edit(envelope.parse_delivery, "not 0 <= index < len(header.core.to)", "not index < len(header.core.to)")]),
    ("the expiry at the addressee", "a_fallen_router_delivers_after_the_expiry", [Edit(V.verify_and_open, "record.t >= core.expires", "False")]),
    ("the addressee's own clock", "a_fallen_router_decides_in_the_future", [Edit(V.verify_and_open, "record.t > now + CLOCK_TOLERANCE", "False")]),
    ("the head of the directory", "a_sender_was_shown_another_directory", [Edit(V.verify_and_open, "if seen is not None and seen != core.directory_head.root:", NEVER)]),
    ("the comparison of a disclosure", "somebody_shows_another_part_as_evidence", [Edit(commitment.verify_disclosure, "return hmac.compare_digest(combine(each), commitment)", "return True")]),
    ("the size of a disclosed salt", "a_proof_is_written_in_two_ways", [Edit(commitment.verify_disclosure, " or len(shown.part_salt) != SALT_SIZE", "")]),
    ("the proof before the record", "a_forged_header_stands_in_the_audit_trail", [Edit(J._decide, "submission if proven else None", "submission")]),
    ("the signature behind the proof", "a_forged_header_stands_in_the_audit_trail", [Edit(V.is_sender_proven, "    except Rejected:\n        return False\n", "    except Rejected:\n        return True\n")]),
]  # fmt: skip


@pytest.mark.parametrize(
    ("attack", "edits"), [pytest.param(attack, edits, id=what) for what, attack, edits in MUTANTS]
)
def test_without_its_safeguard_the_attack_succeeds(attack, edits):
    """With the safeguard gone nothing stops the attack: the test of that attack would fail."""
    with ExitStack() as stack:
        for edit in edits:
            stack.enter_context(mutated(edit))
        assert ATTACKS[attack][1]() is None


def test_every_attack_has_a_mutant():
    """No attack is stopped by something that nobody has taken away once."""
    assert {attack for _, attack, _ in MUTANTS} == set(ATTACKS)


@pytest.mark.parametrize("rule", policy.RULES, ids=lambda rule: rule.name)
def test_an_empty_rule_lets_its_messages_pass(policy_world: World, rule):  # noqa: F811
    """Each rule of the table, emptied, accepts what it alone refuses."""
    asked = [question(policy_world) for question, _ in REFUSES[rule.name]]
    assert not any(decide(question).accepted for question in asked)

    kept = rule.check.__code__
    rule.check.__code__ = (lambda q: iter(())).__code__
    try:
        assert all(decide(question).accepted for question in asked)
    finally:
        rule.check.__code__ = kept


def test_a_mutant_goes_when_its_test_ends():
    """After a mutant the original is back."""
    code, attack = ATTACKS["a_record_comes_twice"]
    with mutated(Edit(replay.ReplayState.is_fresh, "position.seq > last.seq", "True")):
        assert attack() is None

    assert attack() == code
