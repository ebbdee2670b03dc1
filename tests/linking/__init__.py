"""Accounts are linked, and parted again."""
