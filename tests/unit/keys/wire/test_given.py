"""The record of what an authority has given out, and when somebody is told that it ends."""

from __future__ import annotations

import stat

import pytest

from keys.unlock import Credential
from keys.wire import validity as module
from keys.wire.certificate_files import Authority
from keys.wire.certificate_requests import key_fingerprint, new_wire_key
from keys.wire.given import read_given
from keys.wire.validity import Validity
from protocol.identifiers import Millis
from protocol.limits import DAY
from tests.mutants.engine import Mutant
from tests.mutants.operations import rewritten
from tests.mutants.promises import assert_missed

NOW = Millis(1_790_000_000_000)


def test_each_holder_has_one_record_and_the_next_replaces_it(tmp_path) -> None:
    """A unit has one, routers on two machines have one each, and so have brokers on other hosts."""
    made = Authority.make(tmp_path / "ca", secret=Credential(bytes(32)), now=NOW)
    made.issue_to(tmp_path / "fr", "unit-fr", now=NOW, lifetime=DAY)
    made.issue_to(tmp_path / "elsewhere", "unit-fr", now=NOW, lifetime=2 * DAY)
    made.issue_to(tmp_path / "r1", "router", now=NOW, lifetime=DAY)
    made.issue_to(tmp_path / "r2", "router", now=NOW, lifetime=DAY)
    for host in ("kafka-1", "kafka-2"):
        made.issue_to(tmp_path / host, "broker", now=NOW, lifetime=DAY, hosts=[host])
    key = new_wire_key().public_key()
    made.sign_request_to(tmp_path / "it", "unit-it", key, now=NOW, lifetime=DAY)

    found = list(read_given(tmp_path / "ca"))
    assert sorted(one.party for one in found) == [
        "broker",
        "broker",
        "router",
        "router",
        "unit-fr",
        "unit-it",
    ]
    [french] = [one for one in found if one.party == "unit-fr"]
    assert french.validity.ends == NOW + 2 * DAY
    assert [one.key for one in found if one.party == "unit-it"] == [key_fingerprint(key)]
    assert stat.S_IMODE((tmp_path / "ca" / "given").stat().st_mode) == 0o700


@pytest.mark.parametrize(
    "text", ["", "{", "[]", '{"party": 7}', '{"party":"a","party":"b"}', "x" * 20_000, "\udcff"]
)
def test_a_record_that_is_damaged_is_passed_over(tmp_path, text: str) -> None:
    """It stops no command."""
    made = Authority.make(tmp_path / "ca", secret=Credential(bytes(32)), now=NOW)
    made.issue_to(tmp_path / "fr", "unit-fr", now=NOW, lifetime=DAY)
    (tmp_path / "ca" / "given" / "x.json").write_bytes(text.encode(errors="surrogateescape"))

    assert [one.party for one in read_given(tmp_path / "ca")] == ["unit-fr"]
    assert list(read_given(tmp_path / "nowhere")) == []


def test_a_third_of_its_life_before_the_end_it_is_told() -> None:
    """Whatever its life is; one that has ended is told as ended."""
    for life in (3_600_000, 14 * DAY, 90 * DAY):
        one = Validity(ends=Millis(NOW + life), begins=NOW)
        last = NOW + life - life // 3
        assert not one.is_ending(Millis(last - 2))
        assert one.is_ending(Millis(last))
        assert one.is_ending(Millis(NOW + life + 1))
    fortnight = Validity(ends=Millis(NOW + 14 * DAY), begins=NOW)
    assert fortnight.when(NOW) == "ends in 14 days"
    assert fortnight.when(Millis(NOW + 13 * DAY)) == "ends in 24 hours"
    assert fortnight.when(Millis(NOW + 14 * DAY)) == "has ended"


async def test_the_mutant_is_missed() -> None:
    """Told a day before the end, whatever the life is, nobody has time."""
    change = Mutant(
        module.Validity.is_ending, rewritten("self.left(now) * TOLD_PARTS", "self.left(now) * 100")
    )
    await assert_missed(change, test_a_third_of_its_life_before_the_end_it_is_told)
