"""`python -m tests.docs`: write the pages anew that are made from the code."""

from tests.bot import ROOT
from tests.docs import modules, settings

PAGES = {"docs/settings.md": settings.page, "docs/modules.md": modules.page}


def main() -> None:
    """Write the pages."""
    for path, page in PAGES.items():
        (ROOT / path).write_text(page(), encoding="utf-8")


if __name__ == "__main__":
    main()
