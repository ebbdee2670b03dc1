"""Parley's adapters and its entry point. They know no database."""
