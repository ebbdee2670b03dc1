"""`python -m tests.docs`: write `docs/settings.md` anew."""

from tests.bot import ROOT
from tests.docs.settings import page


def main() -> None:
    """Write the page."""
    (ROOT / "docs" / "settings.md").write_text(page(), encoding="utf-8")


if __name__ == "__main__":
    main()
