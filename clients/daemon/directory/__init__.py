"""The unit's replica of the key directory: statements in, the unit's own statements out."""
