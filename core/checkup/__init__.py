"""Looks at the database and the model for everything that an operator has to see to.

Nothing here changes anything, or holds up a running bot.
"""

from core.checkup._database import database, password_of
from core.checkup._model import model
from core.checkup._stored import Stored, stored

__all__ = ["Stored", "database", "model", "password_of", "stored"]
