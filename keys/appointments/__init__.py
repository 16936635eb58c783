"""Appointments: which key follows which, and who holds the next one."""
