"""The proxies of this machine, the same for all clients: HTTPS_PROXY, HTTP_PROXY, ALL_PROXY and
NO_PROXY, in capital or small letters.

The HTTP libraries read these variables each in a way of their own; none of them reads all.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from ipaddress import ip_address, ip_network
from urllib.parse import urlsplit
from urllib.request import getproxies

from core.errors import SettingsError

SCHEMES = {
    "http": "http",
    "https": "https",
    "socks": "socks5",
    "socks5": "socks5",
    "socks5h": "socks5",
}
"""The schemes of proxies, and how the HTTP libraries name them. A SOCKS proxy looks names up."""
_PORTS = {"http": 80, "https": 443}


@dataclass(frozen=True, slots=True)
class Proxies:
    """The proxies by the scheme of a server's URL, and the servers that are reached directly."""

    of: Mapping[str, str]
    direct: tuple[str, ...] = ()

    def to(self, url: str) -> str | None:
        """Return the URL of the proxy that leads to a server; None if no proxy does.

        No proxy leads to a text that is not a URL.
        """
        try:
            server = urlsplit(url)
            host = (server.hostname or "").rstrip(".")
            port = server.port or _PORTS.get(server.scheme)
        except ValueError:
            return None
        if any(_names(entry, host, port) for entry in self.direct):
            return None
        return self.of.get(server.scheme) or self.of.get("all")


def proxies() -> Proxies:
    """Read the proxies from the environment; raises SettingsError for one that is of no use."""
    told = getproxies()
    found = {name: _proxy(name, told[name]) for name in ("http", "https", "all") if told.get(name)}
    direct = (entry.strip().lower() for entry in told.get("no", "").split(","))
    return Proxies(found, tuple(filter(None, direct)))


def _proxy(name: str, value: str) -> str:
    """Return the URL of a proxy; no error repeats it, because it may have a password in it."""
    wrong = SettingsError(
        f"{name.upper()}_PROXY: not of the form http://host:port or socks5://host:port; write it so"
    )
    value = value.strip() if "://" in value else f"http://{value.strip()}"
    try:
        split = urlsplit(value)
        is_whole = bool(split.hostname and (split.port or split.scheme in _PORTS))
    except ValueError:
        raise wrong from None
    if split.scheme not in SCHEMES or not is_whole:
        raise wrong
    return split._replace(scheme=SCHEMES[split.scheme]).geturl()


def _names(entry: str, host: str, port: int | None) -> bool:
    """Return whether an entry of NO_PROXY names a host.

    An entry is `*`, a name or the end of one, an address or a range of addresses. Each may have a
    port.
    """
    if entry == "*":
        return True
    if (network := _network(entry)) is not None:
        return _is_in(host, network)
    name, colon, its_port = entry.rpartition(":")
    if colon and its_port.isdecimal():
        return int(its_port) == port and _names(name, host, port)
    end = entry.removeprefix("*").lstrip(".")
    return bool(end) and (host == end or host.endswith(f".{end}"))


def _network(entry: str) -> str | None:
    """Return a range of addresses, or a single one, as it is usually written; None for a name."""
    address, slash, bits = entry.partition("/")
    try:
        return str(ip_network(address.strip("[]") + slash + bits, strict=False))
    except ValueError:
        return None


def _is_in(host: str, network: str) -> bool:
    try:
        return ip_address(host) in ip_network(network)
    except ValueError:
        return False
