"""The probe of a health check: ask the bot of this machine whether it lives.

`python -m bots.probe` reads PORT, METRICS_PORT and HOST from the environment. It ends with status 1
and a sentence if the bot does not answer or wants a restart. It loads none of the bot's libraries,
because it runs twice a minute.
"""

import os
import sys
from collections.abc import Mapping
from http import HTTPStatus
from http.client import HTTPConnection, HTTPException

SECONDS = 5.0
"""The most seconds that an answer may take."""
MOST = 500
"""The most bytes that are read of an answer."""


def problem(environment: Mapping[str, str]) -> str:
    """Return the reason for a restart of the bot; "" if there is none."""
    told = {name: environment.get(name, "").strip() for name in ("PORT", "METRICS_PORT", "HOST")}
    port = told["PORT"] or told["METRICS_PORT"]
    if not port.isdecimal():
        return "PORT: set the number of a port, on which the bot tells how it is"
    connection = HTTPConnection(told["HOST"] or "localhost", int(port), timeout=SECONDS)
    try:
        connection.request("GET", "/livez")
        answer = connection.getresponse()
        text = answer.read(MOST).decode(errors="replace").strip()
    except (OSError, OverflowError, HTTPException) as error:
        return f"The bot does not answer on port {port}: {error}"
    finally:
        connection.close()
    return "" if answer.status == HTTPStatus.OK else text or f"status {answer.status}"


if __name__ == "__main__":
    sys.exit(problem(os.environ) or 0)
