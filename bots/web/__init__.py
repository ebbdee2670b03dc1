"""HTTP: the health of the process, its figures, and what platforms send by webhooks.

Nothing here is imported unless PORT or METRICS_PORT is set. `serving_process` puts the pages of the
bot together, and `answering` opens its ports for them. The bounds and headers of `application` hold
for all routes, and for the applications beneath:

    pages = Pages(health=health.routes(…), beneath={"/dashboard": dashboard})
    async with answering(Ports(loaded.port, loaded.metrics_port, loaded.host), pages):
        …

Routes get what they need as arguments of the functions that make them.
"""

from bots.web.ports import Pages, Ports, answering
from bots.web.process import serving_process

__all__ = ["Pages", "Ports", "answering", "serving_process"]
