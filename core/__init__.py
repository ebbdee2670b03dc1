"""Parley's core: memory, quota, the model and the life of a turn. It knows no platform."""
