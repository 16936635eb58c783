"""What keeps a database from being opened is said with its reason, and not by the driver."""

from __future__ import annotations

import pytest

from runtime.errors import Misconfigured
from runtime.process.databases import open_database


@pytest.mark.parametrize("more", ["", "&application_name=x"])
def test_a_socket_whose_path_is_too_long_is_said_so(more: str) -> None:
    """Its driver calls it a communication error, for which the ledger would wait."""
    url = f"postgresql+pg8000://u@/db?unix_sock=/{'d' * 107}{more}"
    with pytest.raises(Misconfigured, match="PostgreSQL's unix socket has 108 bytes, and 107 at most work"):
        open_database(url, read_only=False)


def test_a_socket_whose_path_fits_is_not_refused() -> None:
    """Whether anybody listens there is found out when it is asked."""
    open_database(f"postgresql+pg8000://u@/db?unix_sock=/{'d' * 106}", read_only=False).dispose()
