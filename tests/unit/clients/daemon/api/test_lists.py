"""Lists of messages: what is chosen before a page is cut, in which order, and by what an id may be named."""

from __future__ import annotations

import itertools

import httpx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from clients.daemon.api import lists
from clients.daemon.api.lists import INBOX_STATES, OUTBOX_STATES, ListQuery
from clients.daemon.api.routes import LocalApi, application
from clients.daemon.daemon import Daemon
from clients.daemon.sending.acknowledgements import seal_receipts
from clients.daemon.store import inbox, message_ids
from clients.daemon.store.message_ids import Place
from protocol.identifiers import read_id, read_id_or_prefix, show_id
from runtime.errors import Ambiguous, NotFound
from tests.sim.world import World
from tests.unit.clients.daemon.unit_contexts import UnitFixture, pump


@pytest.fixture
def mail(world: World, es: UnitFixture, pt: UnitFixture) -> list[str]:
    """Five messages from Spain in Portugal's inbox, oldest first; the first two were opened."""
    sent = []
    for _ in range(5):
        sent.append(es.submit("pt").id)
        world.now += 1
    pump(world, es, pt)
    with pt.context.transaction():
        for message in sent[:2]:
            (row,) = inbox.received_by_id(pt.context.store, read_id(message))
            inbox.mark_opened(pt.context.store, row["id"], now=world.now)
    return sent


def ids(page):
    return [item["id"] for item in page["items"]]


def walk(make, context, **query):
    """All of a list, page by page."""
    found, on = [], {}
    while True:
        page = make(context, ListQuery(**query, **on))
        found += ids(page)
        if page["next"] is None:
            return found
        on = {"before" if query.get("order") == "newest" else "after": int(page["next"])}


def test_a_span_has_both_its_ends(es, pt, mail):
    """From the first moment on, up to the last one and with it, page by page, in either order."""
    for context, make, name in (
        (pt.context, lists.inbox_page, "received"),
        (es.context, lists.outbox_page, "created"),
    ):
        rows = make(context, ListQuery())["items"]
        moments = [row[name] for row in rows]
        for first, last in itertools.product(sorted(set(moments)), repeat=2):
            wanted = [row["id"] for row in rows if first <= row[name] <= last]
            assert walk(make, context, since=first, until=last + 1, limit=2) == wanted
            assert walk(make, context, since=first, until=last + 1, limit=2, order="newest") == wanted[::-1]


def test_a_page_is_cut_from_what_was_asked_for(pt, mail):
    """One new message is found behind older ones that are not new: the state is asked of the database."""
    page = lists.inbox_page(pt.context, ListQuery(state="new", limit=1))

    assert ids(page) == mail[2:3]
    assert page["next"] == page["cursor"]
    assert ids(lists.inbox_page(pt.context, ListQuery(state="opened", order="newest", limit=1))) == mail[1:2]


@pytest.mark.parametrize(("make", "name"), [(lists.inbox_page, "pt"), (lists.outbox_page, "es")])
@pytest.mark.parametrize("limit", [1, 2, 5, 6])
def test_both_lists_have_the_same_order(make, name, limit, mail, es, pt):
    """The oldest first, the other way round where that is asked for; pages lose nothing and double nothing."""
    context = {"es": es, "pt": pt}[name].context

    assert walk(make, context, limit=limit) == mail
    assert walk(make, context, limit=limit, order="newest") == mail[::-1]


def test_states_that_only_the_memory_knows_are_chosen_too(world, es, pt):
    """What Kafka has and no router has decided is sent, though its row says sealed."""
    sent = [es.submit("pt").id for _ in range(4)]
    last = es.context.store.row("SELECT max(id) AS id FROM sealings")["id"]
    es.context.sent[last] = 0

    assert walk(lists.outbox_page, es.context, state="sealed", limit=1) == sent[:3]
    assert walk(lists.outbox_page, es.context, state="sent", limit=1) == sent[3:]


def test_a_conversation_is_listed_by_itself(es, pt, mail):
    """The thread, or its first digits, chooses the messages of it."""
    thread = lists.inbox_page(pt.context, ListQuery())["items"][1]["thread"]

    assert walk(lists.inbox_page, pt.context, thread=read_id_or_prefix(thread[:10])) == mail[1:2]
    assert walk(lists.outbox_page, es.context, thread=read_id_or_prefix(thread)) == mail[1:2]


def walks(step):
    return step.startswith("SCAN") and "INDEX" not in step and step != "SCAN CONSTANT ROW"


def test_no_list_walks_over_a_table(es, pt, mail):
    """Each query goes along an index: in the order of ids, or along the few rows of its state or thread."""
    seen = []
    for context, make, states in (
        (pt.context, lists.inbox_page, INBOX_STATES),
        (es.context, lists.outbox_page, OUTBOX_STATES),
    ):
        connection = context.store._connection
        connection.set_trace_callback(seen.append)
        for state, thread, order in itertools.product(
            (None, *states), (None, bytes(16)), ("oldest", "newest")
        ):
            make(context, ListQuery(state=state, thread=thread, order=order))
        for place in Place:
            with pytest.raises(NotFound):
                message_ids.find_id(context.store, read_id_or_prefix("ffffffff"), place)
        connection.set_trace_callback(None)
        plans = {
            query: [row[3] for row in connection.execute(f"EXPLAIN QUERY PLAN {query}")]
            for query in set(seen)
        }
        assert len(plans) > 10
        for query, plan in plans.items():
            assert not [step for step in plan if walks(step)], query
            for state in ("new", "opened", "refused"):
                if f"state = '{state}'" in query and "thread" not in query:
                    assert f"_{state}" in plan[0], query
        seen.clear()


def test_what_a_table_shows_of_an_id_names_it(es, pt, mail):
    """The short form of each id begins no other, here and in every command; it has its time at least."""
    page = lists.inbox_page(pt.context, ListQuery())
    for item in page["items"]:
        assert 13 <= len(item["short"]) < 36 and item["id"].startswith(item["short"])
        wanted = read_id_or_prefix(item["short"])
        assert message_ids.find_id(pt.context.store, wanted, Place.INBOX) == read_id(item["id"])
        assert message_ids.find_id(es.context.store, wanted, Place.OUTBOX) == read_id(item["id"])
        assert message_ids.find_id(pt.context.store, wanted, Place.BOTH) == read_id(item["id"])


def test_digits_that_begin_several_ids_are_refused_with_the_ids(pt, mail):
    """As git and gh do: nothing is chosen for the person, and what could be meant is named."""
    with pytest.raises(Ambiguous) as caught:
        message_ids.find_id(pt.context.store, read_id_or_prefix(mail[0][:8]), Place.INBOX)

    assert str(caught.value) == f"5 ids begin with {mail[0][:8]}"
    assert caught.value.hint.splitlines()[1:] == [f"{each} received from es" for each in sorted(mail)]


def test_acknowledgements_are_named_by_nobody(world, es, pt, mail):
    """What the daemons write to each other is in no list, and makes no prefix ambiguous."""
    seal_receipts(pt.context)
    pump(world, es, pt)
    total = es.context.store.row("SELECT count(*) AS n FROM inbox WHERE kind = 5")["n"]
    hidden = pt.context.store.row("SELECT mid FROM outbox WHERE automatic = 1")["mid"]

    assert total and ids(lists.inbox_page(es.context, ListQuery())) == []
    with pytest.raises(NotFound):
        message_ids.find_id(pt.context.store, read_id_or_prefix(show_id(hidden)[:23]), Place.OUTBOX)
    assert message_ids.find_id(pt.context.store, hidden, Place.OUTBOX) == hidden


def test_a_reply_may_name_its_message_by_a_few_digits(world, es, pt, mail):
    """The request's ids are made whole when it is taken in, and one that is ambiguous is refused."""
    item = lists.inbox_page(pt.context, ListQuery())["items"][3]
    done = pt.submit("es", reply_to=item["short"])

    assert done.thread == item["thread"]
    assert pt.submit("es", thread=item["thread"][:12]).thread == item["thread"]
    with pytest.raises(Ambiguous):
        pt.submit("es", reply_to=mail[0][:8])
    with pytest.raises(NotFound):
        pt.submit("es", thread="ffffffff")


@pytest.fixture
async def http(pt: UnitFixture, mail, monkeypatch):
    """Portugal's local API; the jobs run where they are asked for."""
    daemon = Daemon(pt.context, None, log_=None, feeds=None, directory=None, marks=None)

    async def job(_: str, work):
        return work()

    monkeypatch.setattr(daemon, "job", job)
    transport = httpx.ASGITransport(app=application(LocalApi(daemon, None)))
    async with httpx.AsyncClient(transport=transport, base_url="http://pt") as client:
        yield client
    daemon.disk.close()


@pytest.mark.slow
@pytest.mark.parametrize(
    ("path", "detail"),
    [
        ("/v1/inbox?stat=new", "no parameter 'stat'; did you mean 'state'?"),
        ("/v1/inbox?state=neu", "'state' is none of its values; expected one of new, opened, acknowledged; did you mean 'new'?"),
        ("/v1/inbox?limit=0&wait=x", "'limit' is no such number; expected a whole number from 1 to 500; 'wait' is not a length of time; expected seconds, or a length of time such as 90s, 15m, 8h, 7d or 2w, or several together, as in 1d12h"),
        ("/v1/inbox?limit=501", "'limit' is no such number; expected a whole number from 1 to 500"),
        ("/v1/inbox?limit=1e2", "'limit' is no such number; expected a whole number from 1 to 500"),
        ("/v1/inbox?limit=1&limit=2", "'limit' is said twice"),
        ("/v1/outbox?after=-1", "'after' is no such number; expected a whole number from 0"),
        ("/v1/outbox?wait=1", "no parameter 'wait'"),
        ("/v1/outbox?a%00b=1", "no parameter of that name"),
        ("/v1/units?state=new", "no parameter 'state'"),
        ("/v1/status?verbose=1", "no parameter 'verbose'"),
        ("/v1/inbox/019aa5f27c1e?sender=PT", "'sender' is not a unit id; expected lower-case words joined by hyphens, such as fr-customs"),
        ("/healthz?x=1", "no parameter 'x'"),
        ("/metrics?name[]=up", "no parameter 'name[]'"),
    ],
)  # fmt: skip
async def test_a_query_that_is_not_understood_is_refused(http, path, detail):
    """A parameter that nobody reads would make another list look like the one that was asked for."""
    answer = await http.get(path)

    assert (answer.status_code, answer.headers["content-type"]) == (400, "application/problem+json")
    assert (answer.json()["code"], answer.json()["detail"]) == ("E_REQUEST", detail)


async def test_addresses_take_the_first_digits_of_an_id(http, mail):
    """Every page with an id in its address; several that begin so are a conflict, too few digits are none."""
    short = (await http.get("/v1/inbox?state=new&limit=1")).json()["items"][0]["short"]
    for page in ("inbox", "trace", "proofs", "receipts"):
        answer = await http.get(f"/v1/{page}/{short}")
        assert (answer.status_code, answer.json()["id"]) == (200, mail[2])
    several = await http.get(f"/v1/trace/{mail[0][:8]}")
    assert (several.status_code, several.json()["code"]) == (409, "E_AMBIGUOUS")
    assert mail[4] in several.json()["hint"]
    assert (await http.get(f"/v1/inbox/{mail[0][:7]}")).status_code == 422
    assert (await http.post(f"/v1/inbox/{mail[0][:8]}/ack")).json()["code"] == "E_AMBIGUOUS"
    assert (await http.get("/v1/outbox/ffffffff")).status_code == 404


@settings(deadline=None, max_examples=50)
@given(st.text(max_size=8), st.text(max_size=8))
def test_any_query_is_taken_or_refused_by_our_own_error(name, value):
    """Whatever a query holds, it ends in values or in one error that does not repeat them."""
    from runtime.api.queries import one_of, read_query, read_wait, whole
    from runtime.errors import BadQuery

    readers = {"limit": whole(1, 5), "wait": read_wait, "state": one_of("new"), "id": read_id_or_prefix}
    for known in (name, *readers):
        try:
            assert set(read_query([(known, f"{value}XYZZY")], readers)) <= set(readers)
        except BadQuery as bad:
            assert "XYZZY" not in f"{bad} {bad.hint}"
