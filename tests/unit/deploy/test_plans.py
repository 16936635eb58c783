"""Plans for Kafka on several machines: what they write, and what they refuse."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

from deploy.kafka import plans, settings
from deploy.kafka.faults import Fault
from deploy.kafka.plans import Layout, Names

PLANS = Path(plans.__file__).resolve().parent / "plans"
NAMES = ("three-brokers", "three-sites")


def text(name: str) -> str:
    """A plan of ours."""
    return (PLANS / f"{name}.toml").read_text()


def written(name: str) -> list[dict[str, str]]:
    """The settings of each node, parsed."""
    layout = Layout.parse(text(name))
    return [
        dict(line.split("=", 1) for line in layout.properties(each).splitlines()) for each in layout.machines
    ]


@pytest.mark.parametrize("name", NAMES)
def test_what_we_require_holds_on_every_node(name: str) -> None:
    """Nothing of a plan weakens it: copies, certificates, rights, and how long positions are kept."""
    for found in written(name):
        for setting, value in {**settings.REQUIRED, **plans.PRODUCTION}.items():
            assert found[setting] == value
        assert found["authorizer.class.name"].endswith("StandardAuthorizer")
        assert found["allow.everyone.if.no.acl.found"] == "false"
        assert (found["ssl.client.auth"], found["ssl.enabled.protocols"]) == ("required", "TLSv1.3")
        assert found["ssl.principal.mapping.rules"] == settings.PRINCIPALS
        assert "PLAINTEXT" not in " ".join(found.values())


@pytest.mark.parametrize("name", NAMES)
def test_a_place_away_is_one_copy_away(name: str) -> None:
    """Each broker says its place, and as many copies are needed as remain with one place away."""
    found = written(name)
    racks = {each["broker.rack"] for each in found if "broker" in each["process.roles"]}
    assert len(racks) >= int(found[0]["default.replication.factor"]) == 3
    assert int(found[0]["min.insync.replicas"]) == int(found[0]["transaction.state.log.min.isr"]) == 2


def test_three_sites_have_controllers_of_their_own() -> None:
    """A node that votes carries no topics there, and speaks on its own listener alone."""
    found = written("three-sites")
    assert [each["process.roles"] for each in found].count("controller") == 3
    for each in found:
        names = set(re.findall(r"(\w+)://", each["listeners"]))
        assert names == ({"CONTROLLER"} if each["process.roles"] == "controller" else {"CLIENTS", "BROKERS"})


WRONG = {
    "two places": (("rack-3", "rack-2"), "fewer than 3 places"),
    "one id twice": (("id = 3", "id = 2"), "same id"),
    "two controllers": (('host = "kafka-3.example"\nplace = "rack-3"\nroles = ["broker", "controller"]',
                         'host = "kafka-3.example"\nplace = "rack-3"\nroles = ["broker"]'), "controllers are not 3 or 5"),
    "another role": (('roles = ["broker", "controller"]', 'roles = ["broker", "witness"]'), "other roles"),
    "no host": (('host = "kafka-3.example"\n', ""), "no plan"),
    "an unknown word": (('place = "rack-3"', 'place = "rack-3"\nport = 1'), "no plan"),
    "no TOML": (("[[machine]]", "[[machine"), "no plan"),
}  # fmt: skip


@pytest.mark.parametrize("case", WRONG)
def test_a_plan_that_cannot_hold_is_refused(case: str) -> None:
    """Before a file is written, with what is wrong."""
    change, said = WRONG[case]
    with pytest.raises(Fault, match=said):
        Layout.parse(text("three-brokers").replace(*change))


def test_a_site_with_most_controllers_is_refused() -> None:
    """With that site the quorum would be gone."""
    with pytest.raises(Fault, match="half of the controllers"):
        Layout.parse(
            text("three-sites").replace('"controller-b.example"\nplace = "site-b"', '"b"\nplace = "site-a"')
        )


def test_each_node_gets_its_settings_and_its_command(tmp_path: Path) -> None:
    """The quorum is named the same on each; a second call into the same folder would be a second cluster."""
    layout = Layout.parse(text("three-sites"))
    made = plans.write(layout, tmp_path / "kafka")
    scripts = [(folder / "format.sh").read_text() for folder in made]
    assert len({re.search(r"--cluster-id (\S+)", each)[1] for each in scripts}) == 1
    assert (
        len({found[0] for each in scripts if (found := re.findall(r"--initial-controllers (\S+)", each))})
        == 1
    )
    assert sum("--no-initial-controllers" in each for each in scripts) == 6
    for folder in made:
        subprocess.run(["sh", "-n", folder / "format.sh"], check=True)
    with pytest.raises(Fault, match="is not empty"):
        plans.write(layout, tmp_path / "kafka")


def test_names_are_given_once() -> None:
    """Two clusters of one plan are two."""
    layout = Layout.parse(text("three-brokers"))
    assert Names.fresh(layout).cluster != Names.fresh(layout).cluster
