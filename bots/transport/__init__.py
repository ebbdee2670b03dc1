"""The way of HTTP requests to a server: a transport of httpx."""

import httpx

from bots.proxies import proxies
from bots.transport._pool import Transport
from bots.trust import trust

__all__ = ["Transport", "to"]


def to(url: str, limits: httpx.Limits) -> httpx.AsyncBaseTransport:
    """Return the way to a server, which may lead through a proxy of this machine.

    The way without a proxy is our own, on plain asyncio: httpx's serves several kinds of event
    loops, and looks at all its connections twice in each request. A request takes 1.0 million
    instructions of the processor instead of 2.6 million, and 2.5 MB of libraries are not loaded.

    Raises SettingsError if the proxy or the certificates are of no use.
    """
    if (proxy := proxies().to(url)) is None:
        return Transport(trust(), limits)
    return httpx.AsyncHTTPTransport(verify=trust(), limits=limits, proxy=proxy, trust_env=False)
