"""Servers on loopback that speak the wire protocols as strictly as the real services."""
