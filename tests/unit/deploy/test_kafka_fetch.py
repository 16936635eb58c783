"""What the cache of Kafka's jars promises, proved against a Maven repository on loopback that misbehaves."""

from __future__ import annotations

import hashlib
import re
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from deploy.kafka import fetch
from deploy.kafka.faults import Fault

GOOD = {"alpha": b"the jar of alpha" * 100, "beta": b"the jar of beta" * 100}


@pytest.fixture
def mirror(tmp_path, monkeypatch):
    """A repository that serves `mirror.jars` and counts what it was asked; the lock names alpha and beta."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            server.asked.append(self.path)
            name = re.search(r"/(\w+)-1\.0\.jar$", self.path)
            body = server.jars.get(name[1]) if name else None
            self.send_response(404 if body is None else 200)
            self.send_header("Content-Length", str(len(body or b"")))
            self.end_headers()
            self.wfile.write((body or b"")[: server.cut])

        def log_message(self, *_):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.jars, server.asked, server.cut = dict(GOOD), [], None
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    lock = tmp_path / "kafka.lock"
    lock.write_text("".join(
        f"org.example:{name}:1.0 {len(body)} {hashlib.sha256(body).hexdigest()}\n" for name, body in GOOD.items()
    ))  # fmt: skip
    monkeypatch.setattr(fetch, "LOCK", lock)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setenv("CONTRADA_MAVEN", f"http://127.0.0.1:{server.server_port}")
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    yield server
    server.shutdown()
    server.server_close()
    thread.join()


def jars():
    """Names in the cache."""
    return sorted(path.name for path in (fetch.cache() / "jars").iterdir())


def test_the_lock_names_46_jars_each_with_a_hash():
    """Every line of kafka.lock is a coordinate of its own with a size and a SHA-256."""
    locked = fetch.locked()
    assert len(locked) == len({jar.name for jar in locked}) == 46
    assert all(re.fullmatch("[0-9a-f]{64}", jar.sha256) and jar.size > 0 for jar in locked)


def test_what_is_missing_is_fetched_and_a_complete_cache_asks_nobody(mirror):
    """The first call fetches both jars; the second makes no request."""
    fetch.ensure()
    assert jars() == ["alpha-1.0.jar", "beta-1.0.jar"]
    asked = len(mirror.asked)
    fetch.ensure()
    assert len(mirror.asked) == asked


def test_a_changed_jar_never_enters_the_cache(mirror):
    """A jar of the right length and the wrong content ends in a fault that shows both hashes."""
    mirror.jars["beta"] = mirror.jars["beta"][::-1]
    with pytest.raises(Fault, match=r"expected SHA-256 .* found") as caught:
        fetch.ensure()
    assert caught.value.code == 7
    assert "beta-1.0.jar" not in jars()


def test_a_stopped_download_goes_on_where_it_was(mirror):
    """What was proved before a failure is not asked for again."""
    del mirror.jars["beta"]
    with pytest.raises(Fault, match=r"org\.example:beta:1\.0 could not be fetched"):
        fetch.ensure()
    mirror.jars.update(GOOD)
    fetch.ensure()
    assert jars() == ["alpha-1.0.jar", "beta-1.0.jar"]
    assert sum(path.endswith("alpha-1.0.jar") for path in mirror.asked) == 1


def test_a_download_cut_short_is_no_jar(mirror):
    """A connection that ends early is tried again and never leaves half a jar."""
    mirror.cut = 100
    with pytest.raises(Fault):
        fetch.ensure()
    assert jars() == []


def test_without_a_network_the_fault_says_what_to_do(mirror, monkeypatch):
    """Where nothing answers, the fault names the jar, the tries and the remedy, with exit code 8."""
    monkeypatch.setenv("CONTRADA_MAVEN", "http://127.0.0.1:1")
    with pytest.raises(Fault, match="Connect this machine") as caught:
        fetch.ensure()
    assert caught.value.code == 8


def test_a_jar_that_changed_in_the_cache_is_found_and_removed(mirror):
    """`--verify` reads every byte, whatever the sizes say."""
    fetch.ensure()
    victim = fetch.cache() / "jars" / "alpha-1.0.jar"
    victim.write_bytes(GOOD["alpha"][::-1])
    with pytest.raises(Fault) as caught:
        fetch.verify()
    assert caught.value.code == 7
    assert not victim.exists()
