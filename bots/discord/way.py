"""The way to Discord: direct, or through a proxy."""

from dataclasses import dataclass
from typing import Any

import aiohttp

from bots.proxies import proxies


@dataclass(frozen=True, slots=True)
class Way:
    """The way of all connections to Discord: REST, gateway and files."""

    proxy: str | None = None
    """The URL of a proxy that speaks HTTP."""
    socks: str | None = None
    """The URL of a proxy that speaks SOCKS."""

    @classmethod
    def to(cls, api_url: str) -> "Way":
        """Return the way to a server; raises SettingsError if a proxy is named wrongly."""
        url = proxies().to(api_url)
        is_socks = url is not None and url.startswith("socks")
        return cls(socks=url) if is_socks else cls(proxy=url)

    def connector(self, **options: Any) -> aiohttp.BaseConnector:
        """Return a new connector for a session of aiohttp."""
        if self.socks is None:
            return aiohttp.TCPConnector(**options)
        from aiohttp_socks import ProxyConnector  # noqa: PLC0415 - few need it

        return ProxyConnector.from_url(self.socks, rdns=True, **options)
