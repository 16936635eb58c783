"""Trust policies: the file as C2SP has it, and who is believed."""

from __future__ import annotations

from itertools import combinations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keys.note_keys import NoteSigner, NoteUse
from protocol import limits
from protocol.errors import Code, Rejected
from protocol.tlog.checkpoints import Seconds, parse_checkpoint, sign_checkpoint
from protocol.tlog.cosignatures import cosign, with_cosignatures
from protocol.tlog.notes import NoteAlgorithm, format_vkey
from protocol.tlog.policy import Policy, QuorumGroup, parse_policy
from tests.unit.protocol.strategies import QUICK
from tests.unit.protocol.tlog.small_log import (
    NOW,
    ORIGIN,
    UNITS,
    changed,
    head,
    policy,
    signed,
    signers,
    text_of_policy,
    witness,
)

LOG = [format_vkey(signer.verifier) for signer in signers("log", ORIGIN)]


def vkey(name: str, use: NoteUse = NoteUse.WITNESS) -> str:
    """A key of its own for each name."""
    return format_vkey(signers(name, name, use)[0].verifier)


X1, X2, X3, Y1, Y2, Y3 = (vkey(name) for name in ("X1", "X2", "X3", "Y1", "Y2", "Y3"))
EXAMPLE = f"""log {LOG[0]}

witness X1 {X1}
witness X2 {X2}
witness X3 {X3}
group X-witnesses 2 X1 X2 X3

witness Y1 {Y1}
witness Y2 {Y2}
witness Y3 {Y3}
group Y-witnesses any Y1 Y2 Y3

group X-and-Y all X-witnesses Y-witnesses
quorum X-and-Y
"""
W = f"witness a {X1}\nwitness b {X2}\nwitness c {X3}\n"


def refused(text: str | bytes) -> str:
    """Why the text is no policy."""
    with pytest.raises(Rejected) as caught:
        parse_policy(text)
    assert caught.value.reason is Code.E_LOG_POLICY
    return str(caught.value)


def reason(judged: Policy, data: bytes) -> Code:
    """Why the checkpoint is not believed."""
    with pytest.raises(Rejected) as caught:
        judged.trusted(parse_checkpoint(data))
    return caught.value.reason


def cosigned(*names: str) -> bytes:
    """The checkpoint with the first keys of these names under it."""
    note = sign_checkpoint(head(5), signers("log", ORIGIN), now=NOW)
    return with_cosignatures(
        note, [cosign(head(5), signers(name, name, NoteUse.WITNESS)[0], now=NOW) for name in names]
    )


@pytest.mark.parametrize(
    ("ahead", "most"),
    [
        ((0, 0, 0), 0),
        ((900, 0, 0), 0),
        ((900, 800, 0), 0),
        ((900, 800, 700), 700),
        ((-900, 0, 900), 0),
        ((), 0),
    ],
)
def test_a_time_that_most_of_the_signers_do_not_bear_out_shows_nothing(ahead: tuple[int, ...], most: int):
    """Of the log and its witnesses the lower half decides; who shows less than that shows that."""
    names = ("X1", "X2", "X3")[: len(ahead)]
    note = with_cosignatures(
        sign_checkpoint(head(5), signers("log", ORIGIN), now=NOW),
        [
            cosign(head(5), signers(name, name, NoteUse.WITNESS)[0], now=Seconds(NOW + by))
            for name, by in zip(names, ahead, strict=True)
        ],
    )
    with_all_keys = EXAMPLE.replace(f"log {LOG[0]}\n", "".join(f"log {key}\n" for key in LOG))
    shown = parse_policy(with_all_keys).borne_out(parse_checkpoint(note))
    said = {"ledger": 0} | dict(zip(names, ahead, strict=True))
    assert shown == {name: NOW + min(by, most) for name, by in said.items()}


def test_the_example_of_the_specification_is_read():
    """Two organisations, one of which needs two witnesses of three."""
    read = parse_policy(EXAMPLE)

    assert read.origins == (ORIGIN,)
    assert [one.name for one in read.witnesses] == ["X1", "X2", "X3", "Y1", "Y2", "Y3"]
    assert read.groups[0] == QuorumGroup("X-witnesses", 2, ("X1", "X2", "X3"))
    assert [group.threshold for group in read.groups] == [2, 1, 2]
    assert read.quorum == "X-and-Y"


@pytest.mark.parametrize("size", range(7))
def test_the_example_of_the_specification_judges(size):
    """Of all sets of its six witnesses, those that have two of X and one of Y, and no other."""
    read = parse_policy(EXAMPLE)
    for names in combinations(("X1", "X2", "X3", "Y1", "Y2", "Y3"), size):
        enough = sum(name[0] == "X" for name in names) >= 2 and any(name[0] == "Y" for name in names)
        if enough:
            trusted = read.trusted(parse_checkpoint(cosigned(*names)))
            assert (tuple(trusted.witnesses), trusted.checkpoint) == (names, head(5))
            assert trusted.groups == ("X-witnesses", "Y-witnesses", "X-and-Y")
        else:
            assert reason(read, cosigned(*names)) is Code.E_QUORUM


def test_blanks_and_comments_mean_nothing():
    """Spaces, tabs, empty lines and comments, wherever they may be."""
    lines = EXAMPLE.split("\n")
    spaced = (
        "\n".join(f" \t{line.replace(' ', chr(9) + '  ')}  " for line in lines[:-1]) + "\n  # é, \t\n#\n\n"
    )

    assert parse_policy(spaced) == parse_policy(EXAMPLE) == parse_policy(EXAMPLE.encode())


def test_names_are_opaque_octets():
    """Bytes that are no UTF-8 are names like others, each another; addresses are taken as they are."""
    text = (
        b"witness \xff "
        + X1.encode()
        + b" https://x.example/\xe9\nwitness \xfe "
        + X2.encode()
        + b"\nquorum \xff\n"
    )

    assert len({one.name for one in parse_policy(text).witnesses}) == 2
    assert parse_policy(W + "quorum none\n").witnesses[0].url is None
    assert (
        parse_policy(f"log {LOG[0]} https://log.example/\nquorum none\n").logs[0].url
        == "https://log.example/"
    )


@pytest.mark.parametrize(
    "text",
    [
        "", "\n", W, "quorum none", "quorum none\nquorum none\n", "quorum a\n" + W, W + "quorum d\n",
        W + "quorum\n", W + "quorum a b\n", "Quorum none\n", "quorum None\n",
        W + "group g any\nquorum g\n", W + "group g 0 a\nquorum g\n", W + "group g 2 a\nquorum g\n", W + "group g -1 a\nquorum g\n",
        W + "group g 01 a\nquorum g\n", W + "group g some a\nquorum g\n", W + "group g any none\nquorum g\n",
        W + "group g any g\nquorum g\n", W + "group g any h\ngroup h any a\nquorum g\n", W + "group a any b\nquorum a\n",
        W + "group none any a\nquorum none\n", W + "group g any a a\nquorum g\n", W + "group g 2 a a\nquorum g\n",
        W + "group g any a\ngroup h all a g\nquorum h\n",  # a would count twice
        W + "group g any a b\ngroup h any b c\nquorum h\n",
        W + f"witness a {Y1}\nquorum a\n", W + f"witness none {Y1}\nquorum none\n",
        W + f"witness d {X1}\nquorum a\n",  # the same key as a
        f"witness a {LOG[0]}\nquorum a\n", f"log {X1}\nquorum none\n",  # keys for another use
        f"log {LOG[0]}\nlog {LOG[0]}\nquorum none\n",
        f"log {LOG[1]}\nwitness a {LOG[1]}\nquorum a\n",  # a log that is its own witness
        f"log {LOG[0]} url url\nquorum none\n", f"witness a {X1} url url\nquorum a\n", "log\nquorum none\n",
        f"witness {X1}\nquorum none\n", f"log {LOG[0][:-1]}\nquorum none\n",
        "quorum none\r\n", "quorum none\n\x00\n", "quorum none\n\x7f\n", "quorum\x0bnone\n", "log x\nquorum none\n",
        "quorum\u00a0none\n",
    ],
)  # fmt: skip
def test_another_form_is_refused(text):
    """What C2SP forbids is no policy."""
    assert refused(text)


def test_the_line_is_named():
    """A person can find what is wrong."""
    assert "line 5: " in refused("# one\n\n" + f"log {LOG[0]}\n\nwitness x\nquorum none\n")


def test_one_key_under_two_names_is_one_key():
    """Who holds one key counts once, whatever the key is called."""
    one, two = (
        NoteSigner(name, NoteAlgorithm.COSIGNED_ED25519, bytes(32)).verifier for name in ("one", "two")
    )

    assert "named before" in refused(
        f"witness a {format_vkey(one)}\nwitness b {format_vkey(two)}\nquorum a\n"
    )


def test_there_is_a_limit():
    """Many lines of a kind are taken, and not any number."""
    keys = [
        format_vkey(NoteSigner("w", NoteAlgorithm.COSIGNED_ED25519, n.to_bytes(32, "big")).verifier)
        for n in range(257)
    ]
    lines = [f"witness w{number} {key}" for number, key in enumerate(keys)]

    assert (
        len(parse_policy("\n".join([*lines[:256], "quorum none", ""])).witnesses) == limits.MAX_POLICY_LINES
    )
    assert "line 257" in refused("\n".join([*lines, "quorum none", ""]))
    assert refused("#" * limits.MAX_POLICY_TEXT + "\nquorum none\n")


@QUICK
@given(
    st.lists(
        st.sampled_from(
            ["log", "witness", "group", "quorum", "a", "b", "none", "any", "2", X1, LOG[0], "\n", "#"]
        ),
        max_size=20,
    )
)
def test_any_words_end_in_one_family(words):
    """Words in any order are a policy, or refused as ours."""
    try:
        parse_policy(" ".join(words) + "\n")
    except Rejected as error:
        assert error.reason is Code.E_LOG_POLICY


@pytest.mark.parametrize("quorum", range(4))
def test_so_many_witnesses_are_needed(quorum):
    """Of three witnesses as many as the policy says, whoever they are."""
    for size in range(4):
        for units in combinations(UNITS, size):
            data = signed(head(5), *units).data
            if size >= quorum:
                trusted = policy(quorum).trusted(parse_checkpoint(data))
                assert (trusted.checkpoint, len(trusted.witnesses)) == (head(5), 2 * size)
                assert set(trusted.witnesses.values()) <= {NOW + 1}
            else:
                assert reason(policy(quorum), data) is Code.E_QUORUM


def test_half_a_witness_is_none():
    """Both keys of a witness are needed: breaking one algorithm is not enough."""
    for one in (0, 1):
        note = with_cosignatures(signed(head(5), "fr").data, [cosign(head(5), witness("it")[one], now=NOW)])
        assert reason(policy(2), note) is Code.E_QUORUM


def test_every_key_of_the_log_must_have_signed():
    """Both keys of the log are needed; one alone is no signature of the log."""
    for one in (0, 1):
        note = sign_checkpoint(head(5), [signers("log", ORIGIN)[one]], now=NOW)
        assert reason(policy(0), note) is Code.E_LOG_SIGNATURE
    assert policy(0).signed_by_log(signed(head(5))) == head(5)


def test_a_log_that_is_not_named_is_unknown():
    """However well it is signed."""
    for origin in ("contrada.example/audit/2027h1", "x"):
        assert reason(policy(0), signed(head(5, origin=origin), *UNITS).data) is Code.E_LOG_UNKNOWN


def test_another_log_of_the_policy_does_not_sign_for_this_one():
    """The keys of a log are those of its own name."""
    other = "contrada.example/audit/2027h1"
    both = parse_policy(
        "".join(f"log {format_vkey(s.verifier)}\n" for o in (ORIGIN, other) for s in signers("log", o))
        + "quorum none\n"
    )
    forged = signed(head(5, origin=other)).data.replace(other.encode(), ORIGIN.encode(), 1)

    assert both.origins == (ORIGIN, other)
    assert reason(both, forged) is Code.E_LOG_SIGNATURE
    assert both.trusted(signed(head(5, origin=other))).checkpoint.origin == other


def test_a_false_line_of_a_known_witness_spoils_the_note():
    """Even where enough others cosigned: somebody forged, and nothing of it is believed."""
    lines = [cosign(head(6), signer, now=NOW) for signer in witness("de")]
    forged = with_cosignatures(signed(head(5), "fr", "it").data, lines)

    assert reason(policy(2), forged) is Code.E_COSIGNATURE


def test_lines_of_strangers_mean_nothing():
    """Unknown keys are ignored, as the specification asks."""
    data = cosigned("X1", "X2", "Y1", "somebody", "fr")

    assert tuple(parse_policy(EXAMPLE).trusted(parse_checkpoint(data)).witnesses) == ("X1", "X2", "Y1")


def test_a_second_line_by_the_same_key_must_verify_too():
    """A true line does not cover for a false one behind it; of two true ones the later time counts."""
    bare = signed(head(5), "fr").data
    later = "".join(cosign(head(5), signer, now=Seconds(NOW + 9)) for signer in witness("fr"))
    false = "".join(cosign(head(6), signer, now=Seconds(NOW + 9)) for signer in witness("fr"))

    assert policy(1).trusted(parse_checkpoint(bare + later.encode())).witnesses["fr.ed25519"] == NOW + 9
    assert reason(policy(1), bare + false.encode()) is Code.E_COSIGNATURE


@pytest.mark.slow
def test_no_byte_of_a_cosigned_checkpoint_can_be_changed():
    """With just enough witnesses, every byte of the note counts."""
    data = signed(head(5), "fr").data
    for at in range(len(data)):
        with pytest.raises(Rejected):
            policy(1).trusted(parse_checkpoint(changed(data, at)))


def test_no_byte_of_a_policy_changes_it_unseen():
    """A changed file is refused, is the same but for addresses and comments, or says something else."""
    text = text_of_policy(2).encode()
    original = parse_policy(text)
    same = 0
    for at in range(0, len(text), 7):
        try:
            same += parse_policy(changed(text, at)) == original
        except Rejected:
            continue
    assert same < 30
