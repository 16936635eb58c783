"""What is fuzzed between a router and its signer: requests, answers, and the bytes that are to be signed.

Whatever the bytes, what would be signed is one of two things, under a name and a time that are the router's.
"""

from __future__ import annotations

from keys.custody.duties import check_duty
from keys.custody.frames import (
    HEAD,
    AskAppointment,
    AskSignature,
    AskSuccession,
    AskWho,
    Keys,
    Made,
    NotMade,
    answer_in,
    encode_answer,
    encode_ask,
    parse_ask,
)
from keys.errors import SignerRefused
from protocol.canonical import decode, encode
from protocol.identifiers import KeyId, Millis, UnitId
from protocol.public_keys import ALG_ED25519, ALG_ML_DSA_65
from protocol.signatures import ACTS, BATCH
from tests.fuzz.harness import Harness, expect
from tests.vectors import parties

NOW = Millis(1_800_000_000_000)
NAME = UnitId("router")


def signer_ask(data: bytes) -> None:
    """A request, one encoding."""
    expect(encode_ask(parse_ask(data))[HEAD:], data)


def signer_answer(data: bytes) -> None:
    """An answer; of words that are not plain nothing is kept."""
    parsed = answer_in(data)
    if not (isinstance(parsed, NotMade) and not parsed.why):
        expect(encode_answer(parsed)[HEAD:], data)


def signer_duty(data: bytes) -> None:
    """Bytes that are to be signed: if they are, they say so themselves."""
    for algorithm in ("ml-dsa-65", "ed25519"):
        try:
            check_duty(data, algorithm=algorithm, router=NAME, actor=NAME, now=NOW)
        except SignerRefused:
            if algorithm == "ed25519":
                raise
            continue
        break
    item = decode(data)
    context, payload = item[-2:]
    expect(context in (bytes(BATCH), bytes(ACTS)), wanted=True)
    expect(item[0] == "Signature1", context == bytes(BATCH))
    _, name, time, *_ = decode(payload)
    expect((name, abs(time - NOW) <= 120_000), (NAME, True))


def _asks() -> list[bytes]:
    made = (
        AskWho(), AskSignature("ed25519", b"m"), AskSignature("ml-dsa-65", b"m"),
        AskSuccession(KeyId(bytes(16)), NOW, NOW), AskAppointment(NOW, NOW),
    )  # fmt: skip
    return [encode_ask(ask)[HEAD:] for ask in made]


def _answers() -> list[bytes]:
    public = parties.identity("fr").public
    made = (Keys(((NAME, public),)), Made(b"s"), NotMade("why", later=True), NotMade("why", later=False))
    return [encode_answer(answer)[HEAD:] for answer in made]


def _duties() -> list[bytes]:
    payload = encode([1, NAME, NOW, 1, bytes(32)])
    prots = [encode({1: alg, 4: bytes(16)}) for alg in (ALG_ED25519, ALG_ML_DSA_65)]
    return [
        encode(["Signature1", prots[0], bytes(BATCH), payload]),
        *(encode(["Signature", b"", prot, bytes(ACTS), payload]) for prot in prots),
    ]


SIGNER = (
    Harness("signer_ask", signer_ask, _asks),
    Harness("signer_answer", signer_answer, _answers),
    Harness("signer_duty", signer_duty, _duties, (SignerRefused,)),
)
