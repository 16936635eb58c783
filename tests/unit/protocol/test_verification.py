"""Verification: nothing that was altered passes, and what was accepted stays good while things change."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocol.canonical import decode, encode
from protocol.codes import Role
from protocol.content.parts import Part
from protocol.envelope.core import Addressee
from protocol.envelope.wire import encode_delivery, encode_submission, parse_delivery, parse_submission
from protocol.epochs import bounds, epoch_of
from protocol.errors import Code, Rejected
from protocol.identifiers import digest
from protocol.limits import CLOCK_TOLERANCE, DAY, EPOCH_GRACE
from protocol.signatures import Suite
from protocol.verification import is_sender_proven, verify_and_open, verify_submission
from tests.sim.world import World
from tests.unit.protocol.attacks import opens, receipt_for, resigned, router
from tests.unit.protocol.strategies import QUICK

SUITES = pytest.mark.parametrize("suite", Suite)
SLOW = pytest.mark.slow


@pytest.fixture(scope="module")
def world() -> World:
    """An exchange whose messages are only looked at."""
    made = World()
    assert made.send("fr", ["it"]) == []
    return made


def verified(world: World, raw: bytes, owner: str = "fr"):
    """Parse and verify as the router does."""
    submission = parse_submission(raw)
    verify_submission(submission, owner=owner, parties=world.directory, now=world.now)
    return submission


def refused(call, *args, **kwargs) -> Code:
    """The code with which it is refused."""
    with pytest.raises(Rejected) as caught:
        call(*args, **kwargs)
    return caught.value.reason


def mutations(raw: bytes):
    """Every byte in two ways."""
    for at in range(len(raw)):
        for mask in (0x01, 0x80):
            yield raw[:at] + bytes([raw[at] ^ mask]) + raw[at + 1 :]


@pytest.mark.parametrize("suite", [Suite.CLASSICAL, pytest.param(Suite.HYBRID, marks=SLOW)])
def test_no_byte_of_a_submission_can_be_changed(world, suite):
    """Each single-byte mutation of a valid submission is refused by form or by verification."""
    raw = world.compose("fr", ["it"], suite=suite)
    assert verified(world, raw)

    for altered in mutations(raw):
        refused(verified, world, altered)


@SLOW
@SUITES
def test_no_byte_of_a_delivery_can_be_changed(suite):
    """Each single-byte mutation of a valid delivery is refused before any content comes out."""
    world = World()
    assert world.send("fr", ["it"], suite=suite) == []
    raw = world.inboxes["it"][0]
    assert world.open("it", raw).content.parts

    for altered in mutations(raw):
        refused(world.open, "it", altered)


@QUICK
@given(st.data())
def test_no_bytes_can_be_cut_out_or_put_in(world, data):
    """A submission with bytes removed, doubled or inserted anywhere is refused."""
    raw = world.outboxes["fr"][0]
    at = data.draw(st.integers(0, len(raw)))
    end = data.draw(st.integers(at, min(len(raw), at + 40)))
    insert = data.draw(st.binary(max_size=8))
    altered = raw[:at] + insert + raw[end:]
    if altered != raw:
        refused(verified, world, altered)


@SUITES
@pytest.mark.parametrize("part", [1, 2, 3])
def test_parts_of_two_messages_do_not_mix(world, suite, part):
    """Header, ciphertext and wraps belong to one message: any two of two messages are refused."""
    one, two = (decode(world.compose("fr", ["it"], suite=suite)) for _ in range(2))
    mixed = [*one]
    mixed[part] = two[part]

    assert refused(verified, world, encode(mixed)) in (Code.E_CT_HASH, Code.E_WRAP_HASH)


def test_the_wraps_of_two_addressees_cannot_be_swapped(world):
    """Wraps stand in the order of the header."""
    row = decode(world.compose("fr", ["it", "de"]))
    row[3].reverse()

    assert refused(verified, world, encode(row)) is Code.E_WRAP_KID


@pytest.mark.parametrize("change", ["fewer", "more", "none"])
def test_there_is_one_wrap_for_each_addressee(world, change):
    """A wrap left out or added is refused."""
    row = decode(world.compose("fr", ["it", "de"]))
    row[3] = {"fewer": row[3][:1], "more": row[3] + row[3][:1], "none": []}[change]

    assert refused(verified, world, encode(row)) is Code.E_WRAP_COUNT


def test_a_foreign_wrap_is_refused(world):
    """A wrap that anybody else sealed to the right key is not the one that was signed."""
    submission = parse_submission(world.compose("fr", ["it"]))
    foreign = parse_submission(world.compose("de", ["it"])).wraps

    altered = encode_submission(submission.signed_header, submission.ciphertext, foreign)
    assert refused(verified, world, altered) is Code.E_WRAP_HASH


def test_a_longer_ciphertext_is_refused_by_its_length(world):
    """The signed length is compared as well as the hash."""
    row = decode(world.compose("fr", ["it"]))
    row[2] += b"\x00"

    assert refused(verified, world, encode(row)) is Code.E_CT_LEN


def test_a_resigned_message_opens_for_nobody():
    """Another unit that puts its name on foreign content is believed by the router and by no addressee."""
    world = World()
    original = parse_submission(world.compose("fr", ["it", "de"]))
    mine = replace(original.header.core, sender="nz", signing_key=world.parties["nz"].identity.public.kid)
    raw = resigned(world, original, mine)
    assert verified(world, raw, owner="nz")

    for index, unit in enumerate(("it", "de")):
        submission = parse_submission(raw)
        delivery = encode_delivery(submission, index, receipt_for(world, submission))
        assert opens(world, unit, delivery) == Code.E_OPEN


def test_content_cannot_be_forwarded_in_its_senders_name():
    """An addressee cannot readdress FR's message: the list of addressees is signed and bound to the content."""
    world = World()
    original = parse_submission(world.compose("fr", ["it"]))
    key = world.directory.epoch_key_for("de", epoch_of(world.now)).public.kid
    readdressed = replace(original.header.core, to=(Addressee("de", key, Role.TO),))
    signed = decode(original.signed_header)
    forged = decode(parse_submission(world.seal(readdressed, by="fr").submission).signed_header)
    signed[2] = forged[2]  # the new header under FR's old signature

    raw = encode_submission(encode(signed), original.ciphertext, original.wraps)
    assert router(world, "fr", raw) in (Code.E_WRAP_KID, Code.E_SIG_CLASSICAL)


@pytest.mark.parametrize(
    ("at", "change", "code"),
    [
        ("sender", "xx", Code.E_PRINCIPAL),
        ("signing_key", bytes(16), Code.E_KEY_UNKNOWN),
        ("suite", Suite.HYBRID, Code.E_ALG_MIX),
    ],
)
def test_the_header_is_compared_with_what_carries_it(world, at, change, code):
    """Owner, key and suite of the header are those of the outbox, the signature and the structure."""
    submission = parse_submission(world.compose("fr", ["it"]))
    header = replace(submission.header, core=replace(submission.header.core, **{at: change}))

    with pytest.raises(Rejected) as caught:
        verify_submission(
            replace(submission, header=header), owner="fr", parties=world.directory, now=world.now
        )
    assert caught.value.reason is code


def test_an_unknown_sender_is_refused(world):
    """A unit that the directory does not know gets nowhere, even with its own outbox."""
    made = World()
    made.enrol("xx")
    raw = made.seal(replace(made.core("xx", ["it"]), to=made.core("fr", ["it"]).to)).submission

    assert refused(verified, world, raw, owner="xx") is Code.E_SENDER_UNKNOWN


def test_anothers_key_is_unknown_for_this_sender():
    """A valid key of IT is no key of FR."""
    world = World()
    core = replace(world.core("fr", ["de"]), signing_key=world.parties["it"].identity.public.kid)
    raw = world.seal(core, by="it").submission

    assert refused(verified, world, raw) is Code.E_KEY_UNKNOWN


def test_a_sender_is_proven_whatever_else_is_wrong():
    """A unit whose key was revoked, or whose ciphertext was damaged, is still known to have sent the header."""
    world = World()
    damaged = parse_submission(world.compose("fr", ["it"]))
    damaged = replace(damaged, ciphertext=bytes(len(damaged.ciphertext)))
    world.revoke_identity("fr", compromised_since=1)

    assert is_sender_proven(damaged, owner="fr", parties=world.directory)
    assert not is_sender_proven(damaged, owner="it", parties=world.directory)
    forged = parse_submission(world.seal(world.core("fr", ["de"]), by="it").submission)
    assert not is_sender_proven(forged, owner="fr", parties=world.directory)


# Deliveries.


@pytest.fixture
def exchange() -> World:
    """An exchange with one message to IT and DE, delivered and not yet opened."""
    made = World()
    assert made.send("fr", ["it", "de"]) == []
    return made


def test_what_was_sent_is_what_is_opened(exchange):
    """Both addressees read the parts that were sealed, with the decision beside them."""
    for unit in ("it", "de"):
        opened = exchange.open(unit)
        assert opened.content.parts == (Part(0, b"content"),)
        assert opened.record.header_digest == opened.delivery.header_digest
        assert opened.record == exchange.decisions("fr").records[0]


@pytest.mark.parametrize("unit", ["fr", "centre", "nz", "de"])
def test_nobody_else_opens_a_delivery(exchange, unit):
    """A delivery in another inbox is refused by its place among the addressees, before any key is tried."""
    assert opens(exchange, unit, exchange.inboxes["it"][0]) == Code.E_NOT_FOR_ME


@pytest.mark.parametrize(("index", "wrap", "code"), [(1, 0, Code.E_NOT_FOR_ME), (0, 1, Code.E_WRAP_HASH)])
def test_index_and_wrap_belong_together(exchange, index, wrap, code):
    """Another place with one's own wrap, or another's wrap at one's own place, is refused."""
    mine, theirs = decode(exchange.inboxes["it"][0]), decode(exchange.inboxes["de"][0])
    mine[3], mine[4] = index, (mine if wrap == 0 else theirs)[4]

    assert opens(exchange, "it", encode(mine)) == code


def test_a_unit_without_the_key_cannot_open():
    """A unit that has lost or destroyed its epoch key gets E_OPEN, like for any other failure."""
    world = World()
    world.send("fr", ["it"])
    for key in world.parties["it"].opener.held():
        world.parties["it"].opener.drop(key.kid)

    assert opens(world, "it", world.inboxes["it"][0]) == Code.E_OPEN


# In flight.


def test_a_suspension_stops_what_was_not_decided():
    """A message on its way when its sender is suspended is refused; what was delivered before opens."""
    world = World()
    world.send("fr", ["it"])
    world.submit("fr", world.compose("fr", ["it"]))
    world.suspend("fr")

    assert world.codes(world.route("fr")) == [Code.E_SENDER_SUSPENDED]
    assert len(world.inboxes["it"]) == 1 and world.open("it")


def test_a_resumed_unit_sends_again():
    """Suspension ends: the next message is delivered."""
    world = World()
    world.suspend("fr")
    assert world.send("fr", ["it"]) == [Code.E_SENDER_SUSPENDED]
    world.suspend("fr", suspended=False)

    assert world.send("fr", ["it"]) == []


def test_a_suspended_addressee_receives_nothing_new():
    """Suspension works for addressees too."""
    world = World()
    world.suspend("it")

    assert world.send("fr", ["it", "de"]) == [Code.E_RCPT_SUSPENDED]
    assert not world.inboxes


def test_an_orderly_revocation_leaves_what_was_accepted():
    """A key withdrawn in good order signs nothing any more, and what it signed before still opens."""
    world = World()
    world.send("fr", ["it"])
    world.submit("fr", world.compose("fr", ["it"]))
    world.revoke_identity("fr")

    assert world.codes(world.route("fr")) == [Code.E_KEY_REVOKED]
    assert world.open("it", world.inboxes["it"][0]).content.parts


@pytest.mark.parametrize(("since", "code"), [(-1, Code.E_KEY_REVOKED), (0, Code.E_KEY_REVOKED), (1, None)])
def test_a_compromise_takes_back_what_came_after_it(since, code):
    """What was accepted from the compromise on is not believed, to the millisecond; the rest is."""
    world = World()
    sent = world.now
    world.send("fr", ["it"])
    world.now += 100
    world.revoke_identity("fr", compromised_since=sent + since)

    assert opens(world, "it", world.inboxes["it"][0]) == code


def test_a_message_cannot_be_dated_before_a_compromise():
    """A thief who dates a message back is judged by the router's time."""
    world = World()
    world.now += DAY
    world.send("fr", ["it"], created=world.now - DAY // 2)
    world.revoke_identity("fr", compromised_since=world.now - 1)

    assert opens(world, "it", world.inboxes["it"][0]) == Code.E_KEY_REVOKED


def test_a_message_survives_the_end_of_its_epoch():
    """A message that waits over the epoch's end is delivered within the grace, and opens with the old key."""
    world = World()
    raw = world.compose("fr", ["it"])
    world.now = bounds(epoch_of(world.now))[1] + EPOCH_GRACE - 1
    world.publish_epochs("it")

    assert router(world, "fr", raw) is None
    assert opens(world, "it", world.inboxes["it"][0]) is None


def test_after_the_grace_it_is_to_be_sealed_again():
    """Later the router refuses it with the code on which daemons seal again."""
    world = World()
    raw = world.compose("fr", ["it"])
    world.now = bounds(epoch_of(world.now))[1] + EPOCH_GRACE

    assert router(world, "fr", raw) == Code.E_RCPT_EPOCH


def test_a_message_to_the_next_epoch_is_delivered():
    """A sender whose clock is a little ahead seals to the next epoch, whose key is there already."""
    world = World()
    raw = world.compose("fr", ["it"], epoch=epoch_of(world.now) + 1)

    assert router(world, "fr", raw) is None
    assert opens(world, "it", world.inboxes["it"][0]) is None


def test_a_decision_from_the_future_is_not_believed(exchange):
    """An addressee allows for clocks that differ, and for no more."""
    exchange.now -= CLOCK_TOLERANCE
    assert exchange.open("it")
    exchange.now -= 1

    assert opens(exchange, "it", exchange.inboxes["it"][0]) == Code.E_EXPIRED


def test_a_message_opens_long_after_it_expired(exchange):
    """Expiry is judged at the router's decision: what was delivered in time is read whenever it is read."""
    exchange.now += 300 * DAY

    assert exchange.open("it").content.parts


def test_an_addressee_with_a_shorter_directory_can_open(exchange):
    """A head beyond one's own replica cannot be compared, and stops nothing."""
    seen = parse_delivery(exchange.inboxes["it"][0]).header.core.directory_head
    exchange.send("fr", ["it"], directory_head=replace(seen, size=seen.size + 5))

    assert exchange.open("it").content.parts


def test_verification_uses_no_clock_of_its_own(exchange):
    """The same delivery at the same time gives the same result."""
    one, two = (
        verify_and_open(
            parse_delivery(exchange.inboxes["it"][0]),
            me="it",
            parties=exchange.directory,
            opener=exchange.parties["it"].opener,
            now=exchange.now,
        )
        for _ in range(2)
    )

    assert (one.record, one.content.parts, one.delivery) == (two.record, two.content.parts, two.delivery)
    assert one.delivery.header_digest == digest(one.delivery.signed_header)
