"""Databases for the tests of the ledger's records: SQLite always, PostgreSQL where the machine has it."""

from __future__ import annotations

import uuid
from collections.abc import Iterator

import pytest
from sqlalchemy import create_engine

from deploy.kafka.faults import Fault
from deploy.postgres.server import Postgres, binaries


@pytest.fixture(scope="session")
def postgres() -> Iterator[Postgres]:
    """One server for all tests; each has a database of its own in it."""
    if binaries() is None:
        pytest.skip("there is no PostgreSQL on this machine; Debian has it in the package 'postgresql'")
    try:
        server = Postgres().__enter__()
    except Fault as fault:
        pytest.skip(f"PostgreSQL does not run here: {fault.problem}")
    yield server
    server.__exit__(None, None, None)


def fresh(server: Postgres) -> str:
    """The URL of a new, empty database."""
    name = f"records_{uuid.uuid4().hex[:12]}"
    engine = create_engine(server.url, isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        connection.exec_driver_sql(f"CREATE DATABASE {name}")
    engine.dispose()
    return server.url.rpartition("/")[0] + f"/{name}"


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request, tmp_path) -> str:
    """An empty database of each kind."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'records.sqlite'}"
    return fresh(request.getfixturevalue("postgres"))
