"""Registration takes turns, and takes no absence for news."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from broker.centre import registry
from broker.centre.registry import check_nothing_is_lost
from broker.errors import RolledBack
from keys.directory import Directory
from runtime.cli.command import Invocation
from runtime.errors import AlreadyRunning, Unavailable
from runtime.process.directory_file import read_statements, write_statements
from runtime.process.homes import CentreHome
from tests.cli.homes import world


def directory(statements: tuple[bytes, ...]) -> Directory:
    """What a topic with these statements gives."""
    made = Directory(world().root)
    for statement in statements:
        made.apply(statement)
    return made


@pytest.mark.parametrize("kept", [0, 1, len(world().statements) - 1])
def test_a_topic_that_lost_statements_is_refused(tmp_path: Path, kept: int) -> None:
    """Empty as a new Kafka is, or shorter by one: the replica stays, and nothing is stated upon it."""
    home = CentreHome(tmp_path)
    write_statements(home.replica, world().statements)
    before = home.replica.read_bytes()

    with pytest.raises(RolledBack, match=f"lacks {len(world().statements) - kept} of "):
        check_nothing_is_lost(home, directory(world().statements[:kept]))
    assert home.replica.read_bytes() == before


@pytest.mark.parametrize("known", [None, 0, 1, len(world().statements)])
def test_a_topic_that_grew_is_taken(tmp_path: Path, known: int | None) -> None:
    """Also by a home that has read nothing yet."""
    home = CentreHome(tmp_path)
    if known is not None:
        write_statements(home.replica, world().statements[:known])
    check_nothing_is_lost(home, directory(world().statements))


async def test_commands_wait_for_each_other(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What one has written down and not published is not written over by the next; one that hangs is told of."""
    home, order = CentreHome(tmp_path), []

    async def one(name: str) -> None:
        async with registry._held(home):
            order.append(name)
            await asyncio.sleep(0)
            order.append(name)

    await asyncio.gather(*map(one, "abc"))
    assert sorted(order) == list("aabbcc")
    assert order[::2] == order[1::2]

    monkeypatch.setattr(registry, "PATIENCE", 0.0)
    async with registry._held(home):
        with pytest.raises(AlreadyRunning, match="another command works on"):
            await one("d")
    assert "d" not in order


class Topic:
    """The directory topic and the cluster's topics in memory. Refuses to publish once it is told to."""

    def __init__(self, statements: list[bytes]) -> None:
        self.statements = statements
        self.refuses = False

    async def publish(self, statements: list[bytes]) -> None:
        """Append, or be down."""
        if self.refuses:
            raise Unavailable("Kafka is down")
        self.statements += statements

    async def apply(self, _: object) -> tuple[()]:
        """Every topic is there."""
        return ()

    async def tell_time(self, _: str) -> None:
        """The same as here."""

    async def read(self, *_: object) -> tuple[Directory, int]:
        """The directory as the topic has it."""
        return directory(tuple(self.statements)), 0


async def test_what_was_published_is_known_here_although_the_command_failed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Their absence from the topic would be a loss; what was not published is none."""
    known = len(world().statements) - 2
    topic = Topic(list(world().statements[:known]))
    monkeypatch.setattr(registry, "read_directory_topic", topic.read)
    monkeypatch.setattr(registry, "KafkaDirectory", lambda _: topic)
    monkeypatch.setattr(registry, "KafkaTopicAdmin", lambda _: topic)
    monkeypatch.setattr(registry, "check_clock", topic.tell_time)
    home = CentreHome(tmp_path)
    home.settings.write_text('kafka_security = "plain"\n')

    with pytest.raises(Unavailable):
        async with registry.Registry.open(Invocation(home=tmp_path, kafka="127.0.0.1:1")) as opened:
            await opened.state(world().statements[known : known + 1])
            topic.refuses = True
            await opened.state(world().statements[known + 1 :])
    assert read_statements(home.replica) == list(world().statements[: known + 1])
