"""Years in minutes: the whole exchange in one process, on virtual time, with a nemesis and a checker.

    loop, clocks, network     time, chance and HTTP of a simulation
    kafka/                    Kafka as a model behind the client's connections
    disks                     disks that forget
    parties, exchange         the programs as they are, and the exchange that they make
    traffic, nemesis, plan    what is sent, what goes wrong, and when, made of a seed
    harvest, judge            what was seen, and what must hold of it
    campaign, __main__        one seed; many seeds on all cores; the line of JSON
    mutants                   rules taken away: each must be caught

docs/years.md says what is covered and what is not; docs/adr/0032 why it is built so.
"""
