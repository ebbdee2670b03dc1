"""Ports of this machine that nobody uses."""

import socket


def free_port() -> int:
    """Return the number of a port that nobody uses now."""
    with socket.create_server(("127.0.0.1", 0)) as found:
        return int(found.getsockname()[1])
