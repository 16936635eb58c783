"""The programs of units, witnesses and auditors: daemon, command line, witness, audit, demo.

Never imports broker.
"""
