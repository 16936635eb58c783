"""Positions of many consumer groups at once."""
