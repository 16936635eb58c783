"""How fast this machine is just now: a short fixed loop, in milliseconds.

Two virtual machines of one kind differ by a factor of two, and one of them differs from hour to hour. The
number stands beside every figure, so that two runs are compared only where it is about the same.
"""

from __future__ import annotations

import hashlib
import os
import statistics
import time

ROUNDS = 5


def fixed_loop() -> float:
    """Milliseconds of one round: plain Python, and SHA-256 over a few kilobytes, in equal parts on a usual machine."""
    began = time.perf_counter()
    total = 0
    for number in range(400_000):
        total += number & 7
    data = b"\0" * 4096
    for _ in range(4_000):
        data = hashlib.sha256(data).digest() * 128
    assert total and data
    return (time.perf_counter() - began) * 1000


def speed() -> float:
    """The median of a few rounds."""
    return statistics.median(fixed_loop() for _ in range(ROUNDS))


def described(loop: float) -> str:
    """One sentence for a person."""
    return f"machine: {os.cpu_count()} cores, fixed loop {loop:.1f} ms (less is faster)"
