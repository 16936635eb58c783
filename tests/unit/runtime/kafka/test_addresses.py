"""The addresses of brokers: what the client library fails on in its own words is refused in ours."""

from __future__ import annotations

import pytest
from aiokafka.conn import collect_hosts
from hypothesis import given
from hypothesis import strategies as st

from runtime.kafka.addresses import servers_fault

RIGHT = (
    "kafka.example:9092", "kafka", "127.0.0.1:1", "[::1]:9092", "[::1]", "a:1,b:2, c:65535", "kafka_1.example:9092",
)  # fmt: skip
WRONG = (
    "", " ", ",", "a:1,", "a:b", "a:0", "a:65536", "a:1 b:2", ":9092", "http://a:1", "::1", "a:1:2", "user@a:1", "a b",
    "kafka:٩", "[::1:9092", "a;b",
)  # fmt: skip


@pytest.mark.parametrize("text", RIGHT)
def test_what_a_broker_may_be_called(text: str) -> None:
    """Names and addresses of both kinds, with a port or with Kafka's own."""
    assert servers_fault(text) is None


@pytest.mark.parametrize("text", WRONG)
def test_what_is_no_address_is_told(text: str) -> None:
    """One sentence, and none of the client library's errors."""
    fault = servers_fault(text)
    assert fault and not fault.endswith(".")


@given(st.one_of(st.text(max_size=30), st.from_regex(r"[a-c:.\[\],0-9]{1,20}", fullmatch=True)))
def test_the_client_takes_what_is_taken_here(text: str) -> None:
    """It finds a host and a port in each."""
    if servers_fault(text) is None:
        for host, port, _ in collect_hosts(text, randomize=False):
            assert host and 0 < port < 65_536
