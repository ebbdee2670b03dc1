"""The certificates that the HTTP clients of this process trust."""

import os
import ssl
from functools import cache

import httpx

from core.errors import SettingsError


@cache
def trust() -> ssl.SSLContext:
    """Return the one context for all clients: another one takes 0.8 MB and 30 ms.

    Raises SettingsError if the certificates that SSL_CERT_FILE or SSL_CERT_DIR names are of no use.
    """
    try:
        return httpx.create_ssl_context()
    except OSError:  # such as ssl.SSLError
        name = "SSL_CERT_FILE" if os.environ.get("SSL_CERT_FILE") else "SSL_CERT_DIR"
        raise SettingsError(
            f"{name}: names no readable file of certificates in PEM form; mend it or unset it"
        ) from None
