"""`contrada centre`: the table of its commands. Each is declared in a module of its own kind."""

from __future__ import annotations

from runtime.cli.command import Impact, Lazy, group

_HERE = "broker.centre.commands"
_READS, _WRITES = Impact.READS, Impact.WRITES


centre = group(
    "centre",
    short="run the exchange: units, topics, audit",
    lazy={
        "init": Lazy(
            f"{_HERE}.setup:centre_init", _WRITES, "found an exchange: root, registrar, router, topics"
        ),
        "status": Lazy(
            f"{_HERE}.watch:centre_status", _READS, "Kafka, topics, processes and progress at a glance"
        ),
        "alarms": Lazy(
            f"{_HERE}.alarms:alarms", None, "what was wrong, who looks after it: list, acknowledge, close"
        ),
        "check": Lazy(f"{_HERE}.seeing:centre_check", _READS, "one answer for a monitoring system"),
        "top": Lazy(
            f"{_HERE}.seeing:centre_top", _READS, "units live: what waits, rates, refusals, deadlines"
        ),
        "watch": Lazy(
            f"{_HERE}.seeing:centre_watch",
            _WRITES,
            "look again and again: alarms, and metrics for Prometheus",
        ),
        "units": Lazy(f"{_HERE}.units:centre_units", _READS, "all units with the states of their keys"),
        "invite": Lazy(
            f"{_HERE}.joining:centre_invite", _WRITES, "make one file with which a unit asks to be enrolled"
        ),
        "uninvite": Lazy(f"{_HERE}.joining:centre_uninvite", _WRITES, "let an invitation count no more"),
        "invited": Lazy(
            f"{_HERE}.joining:centre_invited", _READS, "who is invited, and how far each has come"
        ),
        "enrol": Lazy(f"{_HERE}.enrol:centre_enrol", _WRITES, "take units in, or renew an identity"),
        "suspend": Lazy(f"{_HERE}.units:centre_suspend", _WRITES, "stop a unit from sending and receiving"),
        "resume": Lazy(f"{_HERE}.units:centre_resume", _WRITES, "let a suspended unit take part again"),
        "quota": Lazy(f"{_HERE}.quotas:quota", None, "how much of the exchange a unit may use"),
        "revoke": Lazy(f"{_HERE}.units:centre_revoke", _WRITES, "withdraw a key for good"),
        "lost-keys": Lazy(
            f"{_HERE}.units:centre_lost_keys", _WRITES, "withdraw all keys of a unit that has lost them"
        ),
        "keys": Lazy(f"{_HERE}.keys:centre_keys", _READS, "every party's key, and when it ends"),
        "renew": Lazy(
            f"{_HERE}.keys:centre_renew",
            _WRITES,
            "the next key of root, registrar, or a router or ledger of this home",
        ),
        "appoint": Lazy(
            f"{_HERE}.keys:centre_appoint", _WRITES, "appoint a router's or ledger's key from its request"
        ),
        "agree": Lazy(f"{_HERE}.agree:agree", None, "what waits for another registrar"),
        "certificate": Lazy(
            f"{_HERE}.certificates:centre_certificate",
            _WRITES,
            "give a party its certificate for Kafka, or the next one",
        ),
        "topics": Lazy(f"{_HERE}.setup:topics", None, "the shape of the exchange in Kafka"),
        "audit": Lazy(f"{_HERE}.watch:centre_audit", _READS, "the router's decisions, each verified"),
        "console": Lazy(
            f"{_HERE}.console:console", None, "the centre in a browser, for those who would rather look"
        ),
        "act": Lazy(f"{_HERE}.acts:act", None, "state what was done, for the ledger"),
        "quarantine": Lazy(f"{_HERE}.watch:quarantine", None, "what could not be verified, and why"),
    },
)
