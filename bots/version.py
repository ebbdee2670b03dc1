"""The version of this release; the package and `parley --version` read it here."""

VERSION = "0.1.0"
