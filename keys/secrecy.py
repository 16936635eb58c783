"""The one base of everything that holds a secret in memory.

Rules: it shows its type and nothing else, and it cannot be pickled or copied, so that no log line,
traceback, cache or second process gets it by accident. This prevents accidents, not attacks: Python code can
always read it.
"""

from __future__ import annotations

from typing import NoReturn, SupportsIndex

from protocol.errors import MisuseError


class Guarded:
    """Withholds its contents from `repr`, `str`, `format`, `pickle` and `copy`."""

    __slots__ = ()

    def __repr__(self) -> str:
        return f"<{type(self).__name__}: contents withheld>"

    def __reduce_ex__(self, protocol: SupportsIndex) -> NoReturn:
        raise MisuseError(f"a {type(self).__name__} is never pickled or copied")

    def __getstate__(self) -> NoReturn:
        raise MisuseError(f"a {type(self).__name__} is never pickled or copied")
