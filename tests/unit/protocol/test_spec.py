"""The normative text describes what the programs write and take, to the letter; and the prose agrees with it."""

from __future__ import annotations

import re
from base64 import b85decode
from dataclasses import replace
from functools import cache
from pathlib import Path

import pycddl
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from keys import enrolment, possession
from keys.appointments.request import request_appointment
from keys.enrolment import request_enrolment, request_rotation
from keys.joining.invitation import answer_to
from keys.note_keys import NoteKey
from keys.possession import appoint
from keys.root_of_trust import RootOfTrust
from keys.sealed_file import seal_file
from keys.soft_keys import SoftEpochKey, SoftIdentity
from keys.statement_types import (
    APPOINTMENTS,
    LAST_FOUNDING_TYPE,
    Appointment,
    EpochPublication,
    PolicyVersion,
    StatementType,
    Unread,
)
from keys.statements import issue, parse_statement
from keys.unlock import Credential
from protocol import signatures
from protocol.canonical import decode, encode
from protocol.content.parts import Part
from protocol.envelope import sealing
from protocol.envelope.core import encode_core, parse_core
from protocol.envelope.header import parse_seal
from protocol.envelope.replay import ReplayState
from protocol.envelope.wire import parse_delivery, parse_submission, parse_wrap
from protocol.errors import HINTS, Code, MisuseError, Rejected
from protocol.exchange.exchange_policy import PROTOCOL_POLICY, policy_item
from protocol.identifiers import Millis, UnitId, digest
from protocol.limits import HOUR
from protocol.public_keys import _COSE_SHAPE, _PUBLIC_LABEL, ALG_ED25519, ALG_HPKE_9_KE, ALG_ML_DSA_65
from protocol.signatures import Suite, parse_signed
from protocol.tlog.policy_text import ledger_policy
from protocol.trail.acts import encode_act, parse_act
from protocol.trail.batches import (
    delivery_leaves,
    encode_record,
    parse_delivered,
    parse_record,
    verify_decisions,
    verify_receipt,
)
from protocol.trail.two_signatures import TAKES_TWO
from protocol.verification import ADDRESSEE, ROUTER
from tests.sim.one_log import SimLog, leaves
from tests.sim.two_registrars import TwoRegistrars
from tests.sim.world import World
from tests.unit.keys.joining import joined
from tests.unit.protocol.cddl import Spec
from tests.unit.protocol.envelope.test_core import CORE, FIELDS, REFUSED
from tests.unit.protocol.envelope.test_header import SEAL
from tests.unit.protocol.exchange.test_exchange_policy import NARROW
from tests.unit.protocol.strategies import QUICK, cores, items
from tests.unit.protocol.trail.acts import every_act, stated_acts

pytestmark = pytest.mark.slow

DOCS = Path(__file__).parents[3] / "docs" / "spec"
TEXT = (DOCS / "contrada.cddl").read_text()
SPEC = Spec(TEXT)


WORLD = World()
POLICY = ledger_policy("x.example", now=WORLD.now, log_keys=NoteKey(bytes(32)).vkeys).encode()
LATER = Unread(LAST_FOUNDING_TYPE + 1, encode(["fr", 7, None, [True, b"x"]]))


def samples() -> dict[str, list[bytes]]:
    """Real bytes for each rule that a program writes, taken from an exchange."""
    world = WORLD
    for suite in Suite:
        world.send("fr", ["it", "de"], suite=suite)
    world.submit("fr", world.compose("fr", ["nz"]), b"junk", world.outboxes["fr"][0])
    world.route("fr")
    world.revoke_identity("de", compromised_since=world.now - 5)
    world.revoke_identity("it")
    world.suspend("nz")
    world.appoint(
        StatementType.SUCCESSION, SoftIdentity.generate(world.router.name, world.entropy), by=world.router
    )

    submissions = [parse_submission(raw) for raw in world.outboxes["fr"][:2]]
    deliveries = [parse_delivery(raw) for raw in world.inboxes["it"]]
    receipts = [decode(delivery.receipt) for delivery in deliveries]
    decisions = [decode(raw) for raw in world.receipts["fr"]]
    records = [row[0] for made in decisions for row in made[1]]
    statements = [parse_statement(raw) for raw in world.directory.snapshot()]
    deliveries_of_all = [
        each
        for made in (verify_decisions(raw, parties=world.directory) for raw in world.audit)
        for record, leaf in zip(made.records, made.leaves, strict=True)
        for each in delivery_leaves(record, leaf.record, leaf.salt)
    ]
    cek = world.parties["it"].opener.held()[0]
    hcore = submissions[0].header.core_hash
    appointments = [
        decode(s.signed.payload)[4] for s in statements if decode(s.signed.payload)[1] in APPOINTMENTS
    ]
    enrolling, rotating, possessing = requests(world)
    identity, entropy = world.parties["fr"].identity, world.entropy
    credential = Credential(bytes(32))
    one, two = (parse_signed(submission.signed_header) for submission in submissions)
    return {
        "submission": world.outboxes["fr"][:2],
        "delivery": [*world.inboxes["it"], *world.inboxes["de"]],
        "signed-header": [submission.signed_header for submission in submissions],
        "signed-1": [submissions[0].signed_header],
        "signed-2": [submissions[1].signed_header],
        "header": [submission.signed.payload for submission in submissions],
        "core": [submission.header.core_bytes for submission in submissions] + [encode_core(CORE)],
        "seal": [decode(submission.signed.payload)[1] for submission in submissions],
        "wrap": [wrap for submission in submissions for wrap in submission.wraps],
        "wrap-info": [sealing.wrap_info(cek.kid, hcore)],
        "content-aad": [sealing.content_aad(hcore)],
        "plaintext": [sealing.encode_plaintext(bytes(32), [Part(0, b"{}"), Part(2, bytes(300))])],
        "to-be-signed-1": [signatures._to_sign_1(signatures._protected(ALG_ED25519, one.kid), signatures.HEADER, b"p")],
        "to-be-signed-2": [
            signatures._to_sign(signatures._protected(ALG_ED25519, two.kid), signatures.HEADER, b"p"),
            signatures._to_sign(signatures._protected(ALG_ML_DSA_65, two.pq_kid), signatures.BATCH, b"p"),
        ],
        "cose-key": [
            encode(_COSE_SHAPE[alg] | {_PUBLIC_LABEL[alg]: public})
            for alg, public in (
                (ALG_ED25519, identity.public.ed25519),
                (ALG_ML_DSA_65, identity.public.ml_dsa_65),
                (ALG_HPKE_9_KE, cek.public.x_wing),
            )
        ],
        "record": records,
        "decisions": world.receipts["fr"],
        "receipt": [delivery.receipt for delivery in deliveries],
        "signed-batch": [receipt[5] for receipt in receipts],
        "batch": [parse_signed(receipt[5]).payload for receipt in receipts],
        "entry": [*world.decisions("fr").entries, *(leaf.entry for leaf in deliveries_of_all)],
        "delivered": [leaf.record for leaf in deliveries_of_all],
        "action": [encode_act(act) for act in every_act(world.now)],
        "actions": [*stated_acts(world), *agreed_acts()],
        "signed-by-two": [decode(raw)[3] for raw in agreed_acts()],
        "signed-agreement": [decode(decode(raw)[3])[1] for raw in agreed_acts()],
        "agreement": [parse_signed(decode(decode(raw)[3])[1]).payload for raw in agreed_acts()],
        "signed-acts": [decode(raw)[3] for raw in stated_acts(world)],
        "stated": [parse_signed(decode(raw)[3]).payload for raw in stated_acts(world)],
        "quarantine": world.quarantine,
        "log-publication": SimLog().add(leaves(20_000)).publish(),
        "replay-state": [b85decode(world.states["fr"].to_text()), b85decode(ReplayState().to_text())],
        "statement": world.directory.snapshot(),
        "statement-payload": [
            *(statement.signed.payload for statement in statements),
            *(
                parse_statement(issue(body, signer=world.registrar, issued=world.now)).signed.payload
                for body in (LATER, PolicyVersion(1, world.now, NARROW))
            ),
        ],
        "policy-version": [encode([1, world.now, policy_item(each)]) for each in (PROTOCOL_POLICY, NARROW)],
        "exchange-policy": [encode(policy_item(each)) for each in (PROTOCOL_POLICY, NARROW)],
        "appointment": [encode(item) for item in appointments],
        "proof": [item[5] for item in appointments],
        "possession": [possessing],
        "appointment-request": [request_appointment(appoint_router_of(world))],
        "enrolment": [enrolling],
        "enrolment-payload": [parse_signed(enrolling).payload],
        "rotation": [rotating],
        "root-of-trust": [
            world.directory.root.encoded(),
            next_root_of(world).encoded(),
            replace(world.directory.root, registrars=2).encoded(),
            replace(next_root_of(world), registrars=4).encoded(),
            replace(world.directory.root, cooling_off=HOUR).encoded(),
            replace(next_root_of(world), registrars=2, cooling_off=HOUR).encoded(),
        ],
        "invitation": [joined.invitation().encoded(), joined.invitation(policy=POLICY).encoded()],
        "joining-terms": [joined.terms().encoded()],
        "joining-request": [joined.asked()],
        "joining-answer": [answer_to(digest(joined.asked()), joined.certificate())],
        "sealed-file": [seal_file(b"x", purpose="identity", secret=credential, entropy=entropy)],
        "sealed-file-aad": [encode(["contrada/sealed-file", 1, "identity", "credential", bytes(16)])],
        "identity-file": [identity.secret_bytes()],
        "epoch-file": [cek.secret_bytes(), cek.stated(world.directory.snapshot()[-1]).secret_bytes()],
        "storage-file": [encode([1, "fr", bytes(32)])],
        "note-key": [NoteKey.generate(entropy).secret_bytes()],
    }  # fmt: skip


@cache
def agreed_acts() -> list[bytes]:
    """Acts that take two registrars, signed by both."""
    two = TwoRegistrars()
    return [two.both(act) for act in every_act(two.now) if act.type in TAKES_TWO]


def next_root_of(world: World) -> RootOfTrust:
    """The root after the one of this world."""
    following = SoftIdentity.generate(UnitId("root"), world.entropy)
    made = [digest(world.directory.snapshot()[0])]
    return world.directory.root.followed_by(following.public, world.root_key.public.kid, made)


def appoint_router_of(world: World) -> Appointment:
    """A further router, as it asks to be appointed."""
    signer = SoftIdentity.generate(UnitId("router-2"), world.entropy)
    times = {"not_before": world.now, "not_after": Millis(world.now + 1000)}
    return appoint(StatementType.ROUTER, signer.name, signer=signer, **times)


def requests(world: World) -> tuple[bytes, bytes, bytes]:
    """A request to be enrolled, one to rotate, and the bytes that a possession signs."""
    unit = "se"
    signer, successor = (SoftIdentity.generate(unit, world.entropy) for _ in range(2))
    times = {"not_before": world.now, "not_after": world.now + 1000}
    made = appoint(StatementType.IDENTITY, unit, signer=signer, **times)
    key = SoftEpochKey.generate(unit, world.now // 604_800_000, world.entropy)
    epoch = issue(EpochPublication(unit, key.epoch, key.public), signer=signer, issued=world.now)
    enrolling = request_enrolment(made, signer=signer, contact="Duty officer, +33 1", epochs=[epoch])
    following = appoint(StatementType.IDENTITY, unit, signer=successor, **times)
    rotating = request_rotation(following, successor=successor, predecessor=signer)
    return enrolling, rotating, possession._claim(StatementType.IDENTITY, unit, *times.values())


SAMPLES = samples()
# What pycddl 0.6.4 gets wrong: `.cbor` inside arrays, and a choice of an array or null.
FLAT = re.sub(r" \.cbor [a-z0-9-]+", "", TEXT)
FLAT = FLAT.replace("opt-summary = summary / null", "opt-summary = any").replace(
    "opt-h3 = h3-limits / null", "opt-h3 = any"
)
EACH = [
    pytest.param(rule, raw, id=f"{rule}-{at}")
    for rule, raws in SAMPLES.items()
    for at, raw in enumerate(raws)
]


@pytest.mark.parametrize(("rule", "raw"), EACH)
def test_real_bytes_are_what_the_text_describes(rule, raw):
    """Everything that a program writes matches its rule, with all that is nested in it."""
    assert SPEC.matches(rule, decode(raw))


@pytest.mark.parametrize(("rule", "raw"), EACH)
def test_another_reader_of_the_text_agrees(rule, raw):
    """An independent CDDL implementation accepts the same bytes, layer by layer (it does not look into .cbor)."""
    pycddl.Schema(f"start = {rule}\n{FLAT}").validate_cbor(raw)


def test_every_rule_is_in_use():
    """No rule describes what nobody writes: each is checked against real bytes, or is part of one that is."""
    assert set(SPEC.rules) <= SPEC.used | set(SAMPLES)


def test_the_fields_of_the_core_stand_in_the_text_by_name():
    """The names of the core's fields are those of this test's table, in their order."""
    names = [key for _, key, *_ in SPEC.rules["core"][1]]

    assert names == list(FIELDS)


# What cannot be said in CDDL: order, uniqueness, and one field's relation to another.
UNSAID = {
    ("handling", "[2, 1]"), ("handling", "[1, 1]"), ("purposes", "[2, 1]"), ("purposes", "[1, 1]"),
    ("h3", "[['it', 'de'], None]"), ("h3", "[['de', 'de'], None]"),
}  # fmt: skip


@pytest.mark.parametrize(
    ("field", "value"), [(field, value) for field, (values, _) in REFUSED.items() for value in values]
)
def test_what_the_parser_refuses_the_text_refuses(field, value):
    """Each wrong field of a core is wrong by the text as well, but for order and uniqueness."""
    row = decode(encode_core(CORE))
    row[FIELDS[field]] = value

    assert SPEC.matches("core", row) is ((field, repr(value)) in UNSAID)


@QUICK
@given(cores)
def test_every_core_is_what_the_text_describes(core):
    """The text takes all that an honest program can say."""
    assume(len(core.sender) <= 64)
    assert SPEC.matches("core", decode(encode_core(core)))


def _submission(raw):
    # How many wraps there are is compared with the header, when the submission is verified.
    return [parse_wrap(wrap) for wrap in parse_submission(raw).wraps] or _none()


def _delivery(raw):
    delivery = parse_delivery(raw)
    return parse_wrap(delivery.wrap), verify_receipt(delivery.receipt, parties=WORLD.directory)


def _none():
    raise Rejected(Code.E_WRAP_COUNT, "no wraps")


def _parsers():
    yield "core", parse_core, encode_core(CORE)
    yield "seal", parse_seal, encode(SEAL)
    yield "record", parse_record, SAMPLES["record"][0]
    yield "delivered", parse_delivered, SAMPLES["delivered"][0]
    for raw in SAMPLES["action"]:
        yield "action", parse_act, raw
    yield "submission", _submission, SAMPLES["submission"][0]
    yield "delivery", _delivery, SAMPLES["delivery"][0]
    yield "signed-header", parse_signed, SAMPLES["signed-header"][1]
    yield "statement", parse_statement, SAMPLES["statement"][0]


@pytest.mark.parametrize(
    ("rule", "parse", "raw"), [pytest.param(*row, id=f"{row[0]}-{at}") for at, row in enumerate(_parsers())]
)
@settings(deadline=None, max_examples=25)
@given(data=st.data())
def test_what_is_parsed_is_what_the_text_describes(rule, parse, raw, data):
    """Whatever a parser takes, the text describes: the parser is never laxer than the text."""
    row = decode(raw)
    at = data.draw(st.integers(0, len(row) - 1))
    row[at] = data.draw(items(8))
    try:
        altered = encode(row)
        parse(altered)
    except (Rejected, MisuseError):
        return

    assert SPEC.matches(rule, row)


def test_records_are_written_by_the_text():
    """A record that is parsed and written again is the same, and described."""
    for raw in SAMPLES["record"]:
        assert encode_record(parse_record(raw)) == raw


# The prose.


def table(heading: str) -> list[list[str]]:
    """The rows of the table behind a heading of the README."""
    lines = (
        (DOCS / "README.md").read_text().split(f"\n## {heading}\n", 1)[1].split("\n## ", 1)[0].splitlines()
    )
    rows = [
        [cell.strip() for cell in line.strip().strip("|").split("|")]
        for line in lines
        if line.startswith("|")
    ]
    return rows[2:]


def test_the_table_of_codes_is_complete():
    """Each reject code stands in the prose, in its order, with the hint that programs show."""
    assert table("Reject codes") == [[f"`{code}`", HINTS[code]] for code in Code]


@pytest.mark.parametrize(
    ("heading", "steps"),
    [("How a router verifies a submission", ROUTER), ("How an addressee verifies a delivery", ADDRESSEE)],
)
def test_the_order_of_verification_is_the_one_that_runs(heading, steps):
    """The numbered steps of the prose, with their codes, are the table that the programs run."""
    section = (DOCS / "README.md").read_text().split(f"\n## {heading}\n", 1)[1].split("\n## ", 1)[0]
    written = next(block for block in section.split("\n\n") if block.lstrip().startswith("1. "))
    codes = [", ".join(f"`{code}`" for code in step.codes) for step in steps]
    assert " ".join(written.split()) == " ".join(
        f"{step.number}. {step.holds}" + (f": {named}" if named else "")
        for step, named in zip(steps, codes, strict=True)
    )
    assert [step.number for step in steps] == list(range(1, len(steps) + 1))


def test_the_prose_names_what_exists():
    """Each rule that the prose names in a link to the text is there."""
    named = re.findall(r"`([a-z0-9-]+)` of the CDDL", (DOCS / "README.md").read_text())

    assert named and set(named) <= set(SPEC.rules)


def test_the_contexts_of_the_prose_are_those_of_the_programs():
    """The contexts of signatures that the text names are those that programs sign with."""
    used = {
        signatures.HEADER,
        signatures.STATEMENT,
        signatures.BATCH,
        signatures.ACTS,
        signatures.AGREEMENT,
        signatures.AGREEMENT,
        possession.POSSESSION,
        enrolment.ENROLMENT,
        enrolment.ROTATION,
    }
    written = set(re.findall(r'"(contrada/[a-z]+/1)"', TEXT))

    assert written == {context.decode() for context in used}
