"""The console's commands: a home without a key, links, and what is refused."""

from __future__ import annotations

import json

import pytest

from keys.ceremony import write_pin
from tests.cli.terminal import Seen, contrada
from tests.sim.world import World

KAFKA = ("--kafka", "127.0.0.1:1", "--kafka-security", "plain")


@pytest.fixture
def root(tmp_path):
    path = tmp_path / "root.cbor"
    world = World()
    write_pin(path, world.directory.root, entropy=world.entropy)
    return path


def init(tmp_path, root, *more: str) -> Seen:
    return contrada(
        "--home", f"{tmp_path}/console", *KAFKA, "centre", "console", "init", "--root", str(root), *more
    )


def test_a_home_of_its_own_has_no_key(tmp_path, root) -> None:
    """Settings, the pinned root and a folder for links; what was made starts as it stands."""
    made = init(tmp_path, root, "--port", "9501", "--json")
    home = tmp_path / "console"

    assert made.exit == 0, made.err
    assert json.loads(made.out)["port"] == 9501
    assert {path.name for path in home.iterdir()} == {"console.toml", "root.cbor", "links"}
    assert 'kafka_security = "plain"' in (home / "console.toml").read_text()
    checked = contrada("--home", str(home), "centre", "console", "run", "--check-config")
    assert checked.exit == 0 and "no key to open" in checked.err
    assert init(tmp_path, root).exit == 9


def test_a_link_is_printed_once_and_kept_as_its_hash(tmp_path, root) -> None:
    init(tmp_path, root)
    home = str(tmp_path / "console")
    link = contrada(
        "--home", home, "centre", "console", "link", "--role", "act", "--name", "A. Costa", "--json"
    )
    found = json.loads(link.out)

    assert found["link"].startswith("http://127.0.0.1:9500/enter/") and found["role"] == "act"
    (file,) = (tmp_path / "console" / "links").iterdir()
    assert found["link"].rpartition("/")[2] not in file.name
    assert contrada("--home", home, "centre", "console", "link").exit == 0
    assert contrada("--home", home, "centre", "console", "link", "--role", "act").exit == 2


def test_what_is_no_console_is_refused(tmp_path, root) -> None:
    """A home that is none, one that others enter, one without the root."""
    assert contrada("--home", str(tmp_path), "centre", "console", "link").exit == 2
    assert contrada("--home", str(tmp_path), "centre", "console", "run", "--check-config").exit == 2
    no_root = contrada("--home", f"{tmp_path}/other", *KAFKA, "centre", "console", "init")
    assert no_root.exit == 2 and "--root" in no_root.err
    init(tmp_path, root)
    (tmp_path / "console").chmod(0o755)
    assert contrada("--home", f"{tmp_path}/console", "centre", "console", "link").exit == 4
