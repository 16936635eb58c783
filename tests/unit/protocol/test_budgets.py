"""Each reader has a budget: what is hostile ends before it is built, and the largest of each form is read."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import replace
from functools import lru_cache

import cbor2
import pytest

from keys.enrolment import parse_enrolment
from keys.soft_keys import SoftEpochKey, SoftOpener
from keys.statements import parse_statement
from protocol import canonical, limits
from protocol.canonical import decode, encode
from protocol.content.parts import Part
from protocol.envelope.sealing import Content, encode_plaintext, open_content, seal
from protocol.envelope.wire import parse_delivery, parse_submission, parse_wrap
from protocol.errors import Code, Rejected
from protocol.identifiers import Digest
from protocol.tlog.publication import Publication, encode_publication, parse_publication
from protocol.tlog.tiles import Tile
from protocol.trail.acts import parse_any_record
from protocol.trail.batches import (
    OutboxPlace,
    Reason,
    Record,
    RecordType,
    encode_record,
    parse_record,
    sign_batch,
    verify_decisions,
    verify_receipt,
)
from protocol.trail.stated_acts import MAX_ACTS, sign_acts, verify_acts
from tests.mutants.engine import Mutant
from tests.mutants.operations import rewritten
from tests.mutants.promises import assert_missed
from tests.sim.world import World
from tests.unit.protocol.envelope.test_sealing import FR, IT, core
from tests.unit.protocol.trail.acts import every_act

READERS: dict[str, Callable[[bytes], object]] = {
    "submission": parse_submission,
    "delivery": parse_delivery,
    "wrap": parse_wrap,
    "statement": parse_statement,
    "enrolment request": parse_enrolment,
    "publication": parse_publication,
    "record": parse_any_record,
    "decisions": lambda data: verify_decisions(data, parties=_exchange().directory),
    "receipt": lambda data: verify_receipt(data, parties=_exchange().directory),
    "acts": lambda data: verify_acts(data, parties=_exchange().directory),
    "anything else": decode,
}

_entropy = random.Random(13).randbytes


@lru_cache
def _exchange() -> World:
    return World()


def wide(size: int, item: bytes) -> bytes:
    """A list of so many bytes, of the cheapest items."""
    count = size // len(item)
    return b"\x9a" + count.to_bytes(4, "big") + item * count


@pytest.mark.parametrize("item", [b"\xa0", b"\x80", b"\x00", b"\x40", b"\x81\x00", b"\xa1\x00\x00"])
@pytest.mark.parametrize("reader", READERS)
def test_a_megabyte_of_items_is_refused_before_it_is_built(
    reader: str, item: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Found as 2 s of a router's time for one record, and as much of each addressee's."""
    _exchange()
    built: list[int] = []
    monkeypatch.setattr(cbor2, "loads", lambda data, **_: built.append(len(data)))
    with pytest.raises(Rejected) as caught:
        READERS[reader](wide(1_100_000, item))
    assert (caught.value.reason in {Code.E_CBOR, Code.E_SIZE}, built) == (True, [])


def test_a_megabyte_of_items_in_sealed_content_is_not_built(monkeypatch: pytest.MonkeyPatch) -> None:
    """An addressee opens what anybody has sealed to it."""
    key = SoftEpochKey.generate("it", 1, _entropy)
    hostile = encode([bytes(32), [], b""])[:-2] + wide(900_000, b"\xa0") + b"\x40"
    with monkeypatch.context() as sealing:
        sealing.setattr("protocol.envelope.sealing.encode_plaintext", lambda *_: hostile)
        made = seal(core(key), [Part(0, b"x")], keys=[key.public], signer=FR, entropy=_entropy)
    submission = parse_submission(made.submission)
    opener = SoftOpener()
    opener.put(key)
    built: list[int] = []
    loads = cbor2.loads
    monkeypatch.setattr(cbor2, "loads", lambda data, **how: built.append(len(data)) or loads(data, **how))
    with pytest.raises(Rejected) as caught:
        open_content(submission.header, submission.ciphertext, parse_wrap(submission.wraps[0]), opener=opener)
    assert caught.value.reason is Code.E_OPEN
    assert max(built, default=0) < 10_000


def largest_content() -> object:
    parts = tuple(Part(number % 4, bytes(3)) for number in range(limits.MAX_PARTS))
    made = seal(core(IT), parts, keys=[IT.public], signer=FR, entropy=_entropy)
    opener = SoftOpener()
    opener.put(IT)
    submission = parse_submission(made.submission)
    wrap = parse_wrap(submission.wraps[0])
    content = open_content(submission.header, submission.ciphertext, wrap, opener=opener)
    assert isinstance(content, Content)
    assert encode_plaintext(content.salt, content.parts)
    return content.parts == parts


def largest_record() -> Record:
    reason = Reason(Code.E_RCPT_SUSPENDED, "x" * 40)
    return Record(
        type=RecordType.REJECTED,
        t=_exchange().now,
        source=OutboxPlace("fr", 0, 1),
        submission=Digest(bytes(32)),
        reasons=(reason,) * limits.MAX_REASONS,
        directory_size=9,
    )


def a_full_transaction() -> object:
    world = _exchange()
    few = replace(largest_record(), reasons=(Reason(Code.E_RCPT_SUSPENDED, "it"),))
    batch = sign_batch([few] * 500, router="router", now=world.now, signer=world.router, entropy=_entropy)
    return len(verify_decisions(batch.decisions, parties=world.directory).records) == 500


def the_most_acts() -> object:
    world = _exchange()
    act = next(act for act in every_act(world.now) if act.actor == "registrar")
    made = sign_acts(
        [act] * MAX_ACTS, actor=act.actor, now=world.now, signer=world.registrar, entropy=_entropy
    )
    return len(verify_acts(made, parties=world.directory).acts) == MAX_ACTS


def the_most_files() -> object:
    files = {Tile(0, number, 1): bytes(32) for number in range(130)}
    made = Publication("contrada.example/audit/2026h2", files, None)
    return parse_publication(encode_publication(made)) == made


LARGEST = {
    "content of 256 parts": largest_content,
    "a record with 1,024 reasons": lambda: parse_record(encode_record(largest_record())) == largest_record(),
    "the decisions of a full transaction": a_full_transaction,
    "acts": the_most_acts,
    "files": the_most_files,
}


@pytest.mark.parametrize("form", LARGEST)
def test_the_largest_of_each_form_is_read(form: str) -> None:
    """A budget that its own writers do not keep would lose what they wrote."""
    assert LARGEST[form]()


def test_the_budget_is_exact() -> None:
    """As many items as it says: the list, and what is in it."""
    item = [b"x" * 9] * (limits.MAX_CBOR_ITEMS - 1)
    assert decode(encode(item)) == item
    with pytest.raises(Rejected) as caught:
        decode(encode([*item, b"x" * 9]))
    assert caught.value.reason is Code.E_CBOR
    nested = [{1: item[:500]}, item[:518], b"x"]
    assert decode(encode(nested)) == nested
    with pytest.raises(Rejected):
        decode(encode([*nested, b"x"]))


async def test_counting_is_needed(monkeypatch: pytest.MonkeyPatch) -> None:
    mutant = Mutant(canonical._count_items, rewritten("begun + left > budget", "False"))
    await assert_missed(
        mutant,
        test_a_megabyte_of_items_is_refused_before_it_is_built,
        ("submission", b"\x00"),
        monkeypatch=monkeypatch,
    )
