"""HTTP: the health of the process, its figures, and what platforms send by webhooks.

Nothing here is imported unless PORT or METRICS_PORT is set. `answering` opens the ports:

    pages = Pages(health=health.routes(…), beneath={"/dashboard": dashboard})
    async with answering(Ports(loaded.port, loaded.metrics_port, loaded.host), pages):
        …

Routes and the applications beneath get what they need as arguments of the functions that make
them. Bounds and headers of `application` hold for all of them.
"""

from bots.web.application import application
from bots.web.ports import Pages, Ports, answering

__all__ = ["Pages", "Ports", "answering", "application"]
