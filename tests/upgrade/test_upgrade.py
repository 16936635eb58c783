"""From the last release to this tree, program by program, while messages flow; and back once.

`make upgrade REV=v1.2.0` plays every order of the programs besides; without REV the last tag behind this commit is taken.
Where there is none, as in a clone without tags, these tests are skipped and say why.
"""

from __future__ import annotations

import itertools
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.releases import THIS, NoRelease, Release, last_release, unpacked
from tests.upgrade.site import PROGRAMS, MixedSite, Traffic, environment_wants_every_order

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def older() -> Iterator[Release]:
    """The last release, unpacked."""
    try:
        with unpacked(last_release()) as release:
            yield release
    except NoRelease as none:
        pytest.skip(str(none))


@pytest.fixture
def site(new_cluster, older: Release) -> Iterator[MixedSite]:
    """An exchange that the older release has founded and runs: in plain, since 0.9.0 knows no certificates."""
    servers = str(new_cluster(plain=True).bootstrap)
    with tempfile.TemporaryDirectory(prefix="cu-", ignore_cleanup_errors=True) as directory:
        made = MixedSite(Path(directory), servers, older)
        try:
            made.found()
            made.start()
            yield made
        finally:
            made.close()


def mixes() -> list[str]:
    """One program after the other is switched so that every mix of releases is there once: a Gray code."""
    switched = [(step & -step).bit_length() - 1 for step in range(1, 2 ** len(PROGRAMS))]
    return [PROGRAMS[at] for at in switched]


def test_the_walk_goes_through_every_mix() -> None:
    """Each of the sixteen mixes once, each the last one with one program switched."""
    seen, now = {frozenset[str]()}, frozenset[str]()
    for program in mixes():
        now ^= {program}
        seen.add(now)
    assert len(seen) == 2 ** len(PROGRAMS) == len(mixes()) + 1


def test_every_mix_of_two_releases_delivers(site: MixedSite) -> None:
    """Whatever is of the older release and what of this one, messages pass; nothing is lost, doubled or accused.

    On the way each program but the router goes back to the older release on the same home; the router does at the end.
    """
    traffic = Traffic(site.units)
    with traffic.flowing():
        for program in (*mixes(), *_left_behind(), "router", "router"):
            site.switch(program, site.older if site.of[program] is THIS else THIS)
            site.centre_states()
            site.passes(traffic)
        assert set(map(id, site.of.values())) == {id(THIS)}
        site.centre_states_a_policy()
        site.passes(traffic)
    site.all_is_well(traffic)


def _left_behind() -> list[str]:
    """What the walk through every mix leaves at the older release."""
    walk = mixes()
    return [program for program in PROGRAMS if walk.count(program) % 2 == 0]


@pytest.mark.skipif(not environment_wants_every_order(), reason="minutes: 'make upgrade' asks for it")
@pytest.mark.parametrize("order", list(itertools.permutations(PROGRAMS)), ids="-".join)
def test_every_order_of_the_programs(site: MixedSite, order: tuple[str, ...]) -> None:
    """From the older release to this one in this order, back in the other, and on again."""
    traffic = Traffic(site.units)
    with traffic.flowing():
        for program, to in [
            *((program, THIS) for program in order),
            *((program, site.older) for program in reversed(order)),
            *((program, THIS) for program in order),
        ]:
            site.switch(program, to)
            site.centre_states()
            site.passes(traffic)
    site.all_is_well(traffic)
