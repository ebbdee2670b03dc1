"""Proof under faults: real processes, killed and cut off while people keep writing."""
