"""Real daemons, a real router, a real Kafka: what a unit can rely on while processes die."""

from __future__ import annotations

import http.client
import resource
import signal
import tempfile
from pathlib import Path

import pytest

from deploy.kafka.ports import free
from keys.directory import Directory
from keys.enrolment import rotation_statements
from protocol import topics
from protocol.identifiers import show_id
from runtime.kafka.feeds import KafkaFeeds
from runtime.kafka.ports import Fetched
from tests.integration.units import Problem, Site, draft, eventually, found, now, start
from tests.waiting import GENEROUS, ended


@pytest.fixture
async def site(empty_kafka):
    """Two units and a router on an empty Kafka; nothing of it runs but Kafka."""
    with tempfile.TemporaryDirectory(prefix="cd-") as directory:
        made = await found(Path(directory), empty_kafka.bootstrap, "fr", "it")
        made.cluster = empty_kafka.cluster
        try:
            yield made
        finally:
            made.close()


def run_all(site: Site):
    site.start_router()
    start(*site.units.values())
    return site.units["fr"], site.units["it"]


def until_accepted(unit, *mids: str):
    """Wait until the router has accepted each of these."""
    eventually(
        lambda: {message_id: unit.sent(message_id)["state"] for message_id in mids},
        lambda states: set(states.values()) == {"accepted"},
        what=f"{unit.name}'s messages to be accepted",
    )


def until_arrived(unit, count: int):
    """Wait for so many messages; the ids of all that are there, in their order."""
    return eventually(
        lambda: [row["id"] for row in unit.inbox()],
        lambda ids: len(ids) >= count,
        what=f"{count} in {unit.name}'s inbox",
    )


def until_stage(unit, message_id: str, *stages: str):
    """Wait until the one addressee has said so much of a message."""
    eventually(
        lambda: unit.sent(message_id)["deliveries"][0]["stage"],
        lambda stage: stage in stages,
        what=f"{message_id} to be {stages}",
    )


async def test_a_message_goes_all_the_way(site):
    """What one unit submits the other opens; the sender learns that it arrived, and then that it was read."""
    fr, it = run_all(site)
    message_id = fr.send("it", draft=draft(text="three persons on deck"))

    received = eventually(it.inbox)
    assert [(row["id"], row["state"], row["sender"]) for row in received] == [(message_id, "new", "fr")]
    opened = it.get(f"/v1/inbox/{message_id}")
    assert opened["body"]["items"][0]["text"] == "three persons on deck"
    assert it.inbox()[0]["state"] == "opened"
    until_accepted(fr, message_id)
    until_stage(fr, message_id, "delivered")
    it.request("POST", f"/v1/inbox/{message_id}/ack", {"stage": "opened"})
    until_stage(fr, message_id, "opened")
    assert fr.inbox() == [], "acknowledgements are facts about a message, and no mail"
    assert [step["event"] for step in fr.get(f"/v1/trace/{message_id}")["steps"]] == [
        "submitted", "sealed", "accepted", "acknowledged",
    ]  # fmt: skip


async def test_an_answer_stays_in_the_conversation(site):
    """A request, its refusal, and the refusal's reference back."""
    fr, it = run_all(site)
    request = fr.send("it", kind="request", draft={
        "subject": "Owner of a vessel", "language": "en", "crime_areas": ["migrant-smuggling"],
        "sought": "the owner", "facts": "it was seen", "offence": "facilitation",
        "available_because": "registered there",
    })  # fmt: skip
    eventually(it.inbox)
    refusal = it.send("fr", kind="refusal", reply_to=request, draft={
        "subject": "Owner of a vessel", "language": "en", "extent": "whole",
        "grounds": [{"ground": "not-available", "reasons": "no such record"}],
    })  # fmt: skip

    (row,) = eventually(fr.inbox)
    assert (row["id"], row["reply_to"], row["ground"]) == (refusal, request, "not-available")
    assert row["thread"] == fr.sent(request)["thread"]


async def test_killed_in_the_middle_of_sending_nothing_is_lost_or_doubled(site):
    """kill -9 of the sender, again and again: every message that was taken in arrives once, in order."""
    fr, it = run_all(site)
    thread = "5f0c1cb6-6a0f-4f6e-9c53-6f2f0c7b8a11"
    taken = []
    for _ in range(4):
        for _ in range(25):
            taken.append(fr.send("it", thread=thread))
        fr.kill()
        fr.start()
    until_arrived(it, len(taken))
    until_accepted(fr, *taken)

    assert [row["id"] for row in it.inbox()] == taken
    assert fr.get("/v1/status")["alarms"] == []


async def test_killed_in_the_middle_of_receiving_nothing_is_lost_or_doubled(site):
    """kill -9 of the receiver, again and again: each message is there once, and acknowledged."""
    fr, it = run_all(site)
    taken = []
    for _ in range(4):
        taken += [fr.send("it") for _ in range(25)]
        # In the middle of it: more has come than before this round, and not yet everything.
        until_arrived(it, len(taken) - 24)
        it.kill()
        it.start()
    until_arrived(it, len(taken))
    until_accepted(fr, *taken)
    for message_id in taken:
        until_stage(fr, message_id, "delivered")

    assert sorted(row["id"] for row in it.inbox()) == sorted(taken)


async def test_a_dead_broker_is_waited_out(site):
    """Messages are taken in while Kafka is away, and go out when it is back, without a restart."""
    fr, it = run_all(site)
    first = fr.send("it")
    until_accepted(fr, first)
    site.routers[0].kill()  # the router's own survival is its own tests' business
    site.cluster.kill(0)
    taken = [fr.send("it") for _ in range(20)]
    # It has tried to send and could not: nobody has to wait for a time to know that it still holds them.
    eventually(fr.log, lambda said: "append_failed" in said, what="fr to miss Kafka")
    assert {fr.sent(message_id)["state"] for message_id in taken} == {"sealed"}
    fr.kill()
    fr.start()  # without Kafka: the directory is on disk, and so is the outbox
    taken.append(fr.send("it"))
    site.cluster.restart(0)
    site.start_router()
    until_accepted(fr, *taken)
    assert len(until_arrived(it, len(taken) + 1)) == len(taken) + 1


async def test_a_second_daemon_on_one_home_is_refused(site):
    """Two daemons would break the order: the second ends at once, with 9."""
    fr = site.units["fr"]
    fr.start()
    first = fr.process
    fr.start(wait=False)

    assert ended(fr.process) == 9
    fr.process = first
    assert "another daemon works on" in fr.log()


async def test_it_leaves_in_good_order(site):
    """SIGTERM: gone by itself with 0, and the socket with it."""
    fr, _ = run_all(site)
    fr.send("it")

    assert fr.kill(signal.SIGTERM) == 0
    assert not fr.home.socket.exists()


async def test_a_full_disk_pauses_the_intake_and_nothing_else(site):
    """While nothing can be written requests are refused with 507 or 503; afterwards all goes on by itself."""
    fr, it = run_all(site)
    before = fr.send("it")
    until_accepted(fr, before)
    resource.prlimit(fr.process.pid, resource.RLIMIT_FSIZE, (1024, resource.RLIM_INFINITY))
    with pytest.raises(Problem) as refused:
        fr.send("it")
    assert refused.value.body["code"] == "E_STORE"
    assert refused.value.body["status"] in (503, 507)
    assert fr.get("/readyz")["checks"]["store"]["ok"] is False
    resource.prlimit(fr.process.pid, resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY,) * 2)
    after = fr.send("it")
    until_accepted(fr, before, after)

    eventually(lambda: sorted(row["id"] for row in it.inbox()) == sorted([before, after]))


async def test_the_same_request_twice_is_one_message(site):
    """An idempotency key names one message, over a restart too; with another content it is refused."""
    fr, it = run_all(site)
    first = fr.send("it", idempotency_key="case-17/1")
    fr.kill()
    fr.start()

    assert fr.send("it", idempotency_key="case-17/1") == first
    with pytest.raises(Problem) as refused:
        fr.send("it", idempotency_key="case-17/1", draft=draft(text="something else"))
    assert (refused.value.body["code"], refused.value.body["status"]) == ("E_KEY_REUSED", 422)
    eventually(it.inbox)
    assert len(it.inbox()) == 1


async def test_a_refusal_by_policy_names_its_rule(site):
    """What the router refuses is refused here, with every reason."""
    fr, _ = run_all(site)
    item = draft()["items"][0] | {"purposes": ["undetermined"]}
    message_id = fr.send("it", draft=draft() | {"items": [item]})
    row = eventually(lambda: (row := fr.sent(message_id))["state"] == "refused" and row)

    assert {(reason["code"], reason["unit"]) for reason in row["reasons"]} == {("E_PURPOSE", "it")}


async def test_what_is_wrong_with_a_request_is_said(site):
    """Each wrong request gets a problem with a code, a sentence and a hint."""
    fr = site.units["fr"]
    fr.start()
    wrong = [
        ({"kind": "gossip"}, 400, "E_REQUEST"),
        ({"draft": {"subject": "x"}}, 422, "E_DRAFT"),
        ({"to": ["xx"]}, 422, "E_RCPT_UNKNOWN"),
        ({"to": ["it", "it"]}, 422, "E_RCPT_DUP"),
        ({"data_class": "non-personal", "handling": "H0", "draft": draft() | {"items": [
            draft()["items"][0] | {"handling": "H1"}]}}, 422, "E_HEADER_LAX"),
        ({"reply_to": show_id(bytes(16))}, 404, "E_NOT_FOUND"),
        ({"idempotency_key": ""}, 400, "E_REQUEST"),
    ]  # fmt: skip
    eventually(lambda: len(fr.get("/v1/units")["items"]) == 2)
    for change, status, code in wrong:
        with pytest.raises(Problem) as refused:
            fr.request(
                "POST", "/v1/messages", {"kind": "information", "to": ["it"], "draft": draft()} | change
            )
        body = refused.value.body
        assert (body["status"], body["code"]) == (status, code), change
        assert body["detail"]
        assert body["hint"]


async def test_the_socket_is_for_this_user_alone(site):
    """Home 0700, socket 0600; monitoring is on loopback, and messages are not reachable there."""
    fr, (port,) = site.units["fr"], free(1)
    (fr.home.path / "conf.d" / "port.toml").write_text(f"http_port = {port}\n")
    fr.start()

    assert fr.home.socket.stat().st_mode & 0o777 == 0o600
    assert fr.home.path.stat().st_mode & 0o777 == 0o700
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=GENEROUS)
    connection.request("GET", "/metrics")
    assert b"contrada_unit_" in connection.getresponse().read()
    connection.request("GET", "/v1/outbox")
    assert connection.getresponse().status == 404
    connection.close()


async def test_several_partitions(empty_kafka):
    """Conversations spread over the partitions each way, and every message arrives."""
    with tempfile.TemporaryDirectory(prefix="cd-") as directory:
        site = await found(
            Path(directory),
            empty_kafka.bootstrap,
            "fr",
            "it",
            changes={"outbox_partitions": 3, "inbox_partitions": 2},
        )
        try:
            fr, it = run_all(site)
            taken = [fr.send("it") for _ in range(40)]
            until_accepted(fr, *taken)
            assert len(until_arrived(it, 40)) == 40
            used = fr.rows("SELECT DISTINCT partition FROM sealings ORDER BY partition")
            arrived = it.rows("SELECT DISTINCT partition FROM inbox ORDER BY partition")
        finally:
            site.close()

    assert used == [(0,), (1,), (2,)]
    assert arrived == [(0,), (1,)]


async def test_an_identity_is_rotated_while_messages_are_in_flight(site):
    """The centre appoints the next identity; nothing is lost, and what comes after is signed by it."""
    fr, it = run_all(site)
    taken = [fr.send("it") for _ in range(10)]
    before = fr.get("/v1/keys")["identity"]["kid"]
    done = fr.request("POST", "/v1/keys/rotate", {})
    directory = Directory(site.founding.root)
    for statement in await read_directory(site.bootstrap):
        directory.apply(statement)
    request = Path(done["request"]).read_bytes()
    await site.publish(
        *rotation_statements(request, registrar=site.founding.registrar, parties=directory, now=now())
    )
    taken += [fr.send("it") for _ in range(10)]
    after = eventually(lambda: (kid := fr.get("/v1/keys")["identity"]["kid"]) != before and kid)
    taken += [fr.send("it") for _ in range(10)]
    until_accepted(fr, *taken)

    assert len(until_arrived(it, 30)) == 30
    assert after != before
    assert fr.get("/v1/status")["alarms"] == []


async def read_directory(bootstrap: str) -> list[bytes]:
    feeds, found_ = KafkaFeeds(bootstrap), []
    end = await feeds.end(topics.DIRECTORY, 0)

    class Enough(Exception):
        pass

    async def take(fetched: Fetched) -> None:
        found_.extend(record.value for record in fetched.records)
        if fetched.position >= end:
            raise Enough

    with pytest.raises(Enough):
        await feeds.follow(topics.DIRECTORY, 0, start=0, take=take)
    return found_


async def test_a_full_disk_at_the_receiver_loses_nothing(site):
    """What arrives while nothing can be written waits in Kafka, and comes in once there is room."""
    fr, it = run_all(site)
    first = fr.send("it")
    eventually(it.inbox)
    with (it.home.path / "log").open("a") as log:  # so long that not one more line can be written either
        log.write("\n" * 1024)
    resource.prlimit(it.process.pid, resource.RLIMIT_FSIZE, (1024, resource.RLIM_INFINITY))
    taken = [fr.send("it") for _ in range(5)]
    until_accepted(fr, *taken)
    eventually(lambda: it.get("/readyz")["checks"]["store"]["ok"] is False)
    assert len(it.inbox()) == 1
    resource.prlimit(it.process.pid, resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY,) * 2)

    eventually(lambda: sorted(row["id"] for row in it.inbox()) == sorted([first, *taken]))
