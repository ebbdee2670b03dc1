"""Markdown is written as Discord shows it."""

import pytest

from bots.discord.markup import fits, render
from core.text import split


@pytest.mark.parametrize(
    "text",
    [
        "plain",
        "# Title\n\nSome **bold**, *italic*, ~~gone~~ and `code`.\n\n- one\n  - two\n\n> quote",
        "```python\nx = a || b  # [label](https://example.org) ![no](image)\n```",
        "see `a || b` and `![x](y)`",
        "[docs](https://example.org/a_(b))",
        "a | b\nno table",
    ],
)
def test_markup_that_discord_shows_stays(text: str) -> None:
    assert render(text) == text


@pytest.mark.parametrize(
    ("markdown", "text"),
    [
        ("#### Deep **one** ##", "**Deep one**"),
        ("above\n\n---\n\nbelow", "above\n\n———\n\nbelow"),
        ("- [ ] milk\n- [x] bread", "- ☐ milk\n- ☑ bread"),
        ("![A cat](https://example.org/c.png)", "[A cat](https://example.org/c.png)"),
        ("![](https://example.org/c.png)", "https://example.org/c.png"),
        ("[https://a.example](https://a.example/)", "https://a.example/"),
        ("if a || b || c", r"if a \|\| b \|\| c"),
        ("~~~js title=x\nlet a\n~~~", "```js\nlet a\n```"),
        ("````md\n```\nx\n```\n````", "```md\n`\u200b``\nx\n`\u200b``\n```"),
        ("- ~~~js\n  a || b\n  ~~~\n- c || d", "- ```js\n  a || b\n  ```\n- c \\|\\| d"),
        ("1. ```\n   # no | title\n   |---|---|", "1. ```\n   # no | title\n   |---|---|\n   ```"),
        ("> - ```\n>   x\n>   ```", "> - ```\n>   x\n>   ```"),
        ("\n\nx\n", "x"),
        ("```md\n```py\nx\n```\n**y**\n```\nz", "```md\n`\u200b``py\nx\n`\u200b``\n**y**\n```\nz"),
        ("`````\n````\n`````", "```\n`\u200b`\u200b``\n```"),
        ("> ```\n> x\ny", "> ```\n> x\n> ```\ny"),
        ("> a\n>\n> b\n\nc", "> a\n> \n> b\n\nc"),
        (">a\n>> b\n>>> c\n\nd", "> a\n> b\n> c\n\nd"),
        ("> > # a\n> - b\n>   - c", "> # a\n> - b\n>   - c"),
        ("> **a\n> b**\nlazy\n>\nc", "> **a\n> b**\n> lazy\n> \nc"),
        ("> ```\n> x\n>\n>   > y\n> ```", "> ```\n> x\n> \n>   > y\n> ```"),
        ("> a\n>\n> ", "> a"),
        ("- a\n  >b\n  >> c\n- d", "- a\n  > b\n  > c\n- d"),
        ("- a\n  > ```\n  > x\n  > ```", "- a\n  > ```\n  > x\n  > ```"),
        ("+ 5 °C\n- 3 °C", "+ 5 °C\n\\- 3 °C"),
        ("- 3 eggs\n- 2 pears", "- 3 eggs\n- 2 pears"),
        ("1986. A great year", "1986\\. A great year"),
        ("1. a\n2. b\n5. c", "1. a\n2. b\n5\\. c"),
        ("7. a\n   - b\n8. c", "7. a\n   - b\n8. c"),
        ("1) a", "1) a"),
        ("a\n```py\n\n```\nb\n```\nc\n```", "a\nb\n```\nc\n```"),
        ("- ```\n  ```\n- b", "- \n- b"),
        ("a->b | c\n--|--\nd | e", "```\na->b │ c\n─────┼──\nd    │ e\n```"),
        ("> | a | b |\n> |---|---|\n> | 1 | 2 |\nc", "> ```\n> a │ b\n> ──┼──\n> 1 │ 2\n> ```\nc"),
    ],
)
def test_other_markup_is_written_another_way(markdown: str, text: str) -> None:
    assert render(markdown) == text


def test_code_that_still_grows_looks_like_code() -> None:
    assert render("```python\nx = 1") == "```python\nx = 1\n```"


def test_a_table_stands_in_columns() -> None:
    table = "| Fruit | Price |\n|:--|--:|\n| **Kiwi** | 1 |\n| 日本 | 12 |\nafter"
    drawn = "Fruit │ Price\n──────┼──────\nKiwi  │     1\n日本  │    12"
    assert render(table) == f"```\n{drawn}\n```\nafter"


def test_a_table_with_links_is_a_list_of_records() -> None:
    table = "| Name | Page |\n|---|---|\n| A | [a](https://a.example) |\n| B | - |"
    assert render(table) == (
        "**Name:** A\n**Page:** [a](https://a.example)\n\n**Name:** B\n**Page:** -"
    )


def test_a_table_wider_than_a_window_is_a_list_of_records() -> None:
    table = f"| Name | Text |\n|---|---|\n| A | {'x' * 70} |"
    assert render(table) == f"**Name:** A\n**Text:** {'x' * 70}"


def test_a_row_loses_nothing() -> None:
    table = "| A | B |\n|---|---|\n| 1 | 2 | 3 |\n| 4 |"
    assert "1 │ 2 | 3" in render(table)
    assert "\n4 │\n" in render(table)


def test_lengths_count_code_points_of_the_rendered_text() -> None:
    assert fits("x" * 2000)
    assert not fits("x" * 2001)
    assert fits("😀" * 2000)
    assert not fits("a || b " * 300)
    assert not fits(" \n ")


def test_every_single_character_fits() -> None:
    assert all(fits(char) for char in "|`~#-*_>[]()!\\😀é")


def test_parts_of_a_long_answer_fit_as_they_are_sent() -> None:
    table = "| Name | Text |\n|---|---|\n" + "| some name | some text |\n" * 60
    code = "x = a or b\n" * 200
    answer = f"# Long\n\n{'word ' * 300}\n\n```python\n{code}```\n\n{table}"
    parts = split(answer, fits)
    assert len(parts) > 2
    assert all(0 < len(render(part)) <= 2000 for part in parts)
