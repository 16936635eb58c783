"""Chaos: a real exchange whose processes are killed and paused while it works, and a checker that misses nothing.

    python -m tests.chaos --seed 7 --seconds 60

    exchange   the processes: brokers, routers, daemons,         checker    what must hold; pure
               and the ledger (ledger_site)                                 (of the ledger: ledger_checker)
    load       what is sent, and what was promised               evidence   what the logs and databases say,
    nemesis    what goes wrong, and when; from the seed                     and the ledger (ledger_evidence)
               (dripping: a witness's slow answers)              history    what both of them speak of
    campaign   one run from end to end

    hostile_unit   an enrolled unit that writes all the while what no daemon would

Logs and data of a run that failed are kept, and the line of JSON names what was found.
"""
