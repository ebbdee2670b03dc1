"""Measure Parley on the wire fakes: what a turn costs, how soon it is seen, how far it goes.

The bot is a process of its own, as `python -m bots` starts it; the fakes and whoever plays the
people are in this one, so that only the bot's CPU and memory are counted. Nothing is asserted
here: a machine's milliseconds are no property of the code. `tests/core/test_cost.py` asserts
what is one.
"""
