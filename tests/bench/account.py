"""`python -m bots` for an account that may make a thousand calls a second.

Telegram lets a bot make about 25, which is what a busy account would measure, not Parley.
"""

from bots.__main__ import main
from bots.telegram import adapter

adapter.RATE = 1000.0

if __name__ == "__main__":
    main()
