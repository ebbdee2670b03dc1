"""Every document can be rendered without a guess, and every link leads somewhere."""

import importlib
import re
from pathlib import Path
from urllib.parse import unquote

import pytest

from tests.bot import ROOT
from tests.docs.pages import Page, pages, read

PAGES = {page.path: page for page in pages()}
_PATH = re.compile(r"(?:core|bots|tests|migrations|docs)/[\w/.-]*")
_NAME = re.compile(r"(?:core|bots|tests)(?:\.\w+)+")


def broken(page: Page) -> list[str]:
    """Return the links of a page that lead nowhere in the repository."""
    found = []
    for link in page.links:
        if re.match(r"(https?|mailto):", link):
            continue
        path, _, anchor = link.partition("#")
        target = (page.path.parent / unquote(path)).resolve() if path else page.path
        if not target.exists():
            found.append(f"{link}: no such file")
        elif anchor and (target not in PAGES or anchor not in PAGES[target].anchors):
            found.append(f"{link}: no such heading")
    return found


@pytest.mark.parametrize("page", PAGES.values(), ids=lambda page: page.name)
def test_a_page_is_sound(page: Page) -> None:
    assert page.faults == []
    assert broken(page) == []


def test_every_page_can_be_reached_from_the_readme() -> None:
    reached, next_ones = set(), [ROOT / "README.md"]
    while next_ones:
        path = next_ones.pop()
        if path in PAGES and path not in reached:
            reached.add(path)
            links = (link.partition("#")[0] for link in PAGES[path].links)
            next_ones += [(path.parent / link).resolve() for link in links if link]
    assert {path.name for path in PAGES.keys() - reached} == set()


@pytest.mark.parametrize("page", PAGES.values(), ids=lambda page: page.name)
def test_files_and_names_of_the_code_exist(page: Page) -> None:
    paths = [span for span in page.spans if _PATH.fullmatch(span) and page.name != "CHANGELOG.md"]
    assert [path for path in paths if not (ROOT / path).exists()] == []
    assert [span for span in page.spans if _NAME.fullmatch(span) and not exists(span)] == []


@pytest.mark.parametrize("page", PAGES.values(), ids=lambda page: page.name)
def test_every_test_that_is_named_is_linked_and_exists(page: Page) -> None:
    assert [name for name, address in page.tests if not is_defined(page, name, address)] == []


def is_defined(page: Page, name: str, address: str) -> bool:
    """Return whether the file behind a link has a test with this name."""
    path = page.path.parent / address
    return path.is_file() and re.search(rf"def {name}\(", path.read_text("utf-8")) is not None


def test_each_promise_names_the_test_that_proves_it() -> None:
    proven = {path.name: page.tests for path, page in PAGES.items()}
    assert len(proven["README.md"]) == 6
    promises = re.findall(r"^- \*\*", (ROOT / "docs" / "promises.md").read_text("utf-8"), re.M)
    assert len(proven["promises.md"]) == len(promises) > 20


def exists(name: str) -> bool:
    """Return whether a dotted name can be imported, or is an attribute of what can be."""
    module, _, attribute = name.rpartition(".")
    try:
        importlib.import_module(name)
    except ModuleNotFoundError:
        return bool(module) and exists(module) and hasattr(_find(module), attribute)
    return True


def _find(name: str) -> object:
    module, _, attribute = name.rpartition(".")
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError:
        return getattr(_find(module), attribute)


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("# A\n\n### B\n", "B: a heading of level 3 after 1"),
        ("# A\n\n```\nx\n```\n", "line 3: a block of code without a language"),
        ("# A\n\n![](x.svg)\n", "x.svg: a picture without words for it"),
        ("# A\n\n[a][b]\n", "[a][b]: a link to no address"),
        ("# A\n\n| a | b |\n|---|---|\n| c |\n", "line 5: 1 cells in a table of 2"),
    ],
)
def test_planted_faults_are_found(tmp_path: Path, text: str, fault: str) -> None:
    path = tmp_path / "page.md"
    path.write_text(text)
    assert read(path).faults == [fault]


def test_planted_links_that_lead_nowhere_are_found(tmp_path: Path) -> None:
    path = tmp_path / "page.md"
    path.write_text('# A b, `c`\n\n[a](#a-b-c) [b](#b) [c](gone.md)\n\n<img alt="" src="no.png">\n')
    PAGES[path] = read(path)
    try:
        assert broken(PAGES[path]) == [
            "#b: no such heading",
            "gone.md: no such file",
            "no.png: no such file",
        ]
    finally:
        del PAGES[path]
