"""A label never hides where a link leads, and the model's text opens no client and calls nobody."""

import pytest

from bots.discord import markup as discord
from bots.markdown import deceives
from bots.telegram import markup as telegram
from tests.fakes.telegram.formatting import compose


@pytest.mark.parametrize(
    ("label", "target"),
    [
        ("paypal.com", "https://evil.org"),
        ("**paypal**.com", "https://evil.org"),
        ("log in at https://paypal.com/login", "https://evil.org"),
        ("www.paypal.com", "https://paypal.com.evil.org"),
        ("paypal.com", "https://paypal.com@evil.org"),
        ("paypal\u3002com", "https://evil.org"),
        ("pay\u200bpal.com", "https://evil.org"),
        ("p\u0430ypal.com", "https://paypal.org"),
        ("https://github.com/good/code", "https://github.com/evil/code"),
        ("192.168.0.1", "https://1.2.3.4"),
        ("boss@bank.com", "mailto:thief@evil.org"),
        ("x.org", "https://[::1"),
    ],
)
def test_a_label_with_another_address_deceives(label: str, target: str) -> None:
    assert deceives(label, target)


@pytest.mark.parametrize(
    ("label", "target"),
    [
        ("the docs", "https://e.org/docs"),
        ("e.org", "https://www.e.org/docs"),
        ("https://e.org/a_b", "https://e.org/a_b?c=d"),
        ("e.org/docs…", "https://e.org/docs/more"),
        ("Node.js 22.1, e.g. index.html", "https://nodejs.org"),
    ],
)
def test_other_labels_do_not(label: str, target: str) -> None:
    assert not deceives(label, target)


def test_both_platforms_show_the_target_of_such_a_label() -> None:
    link, shown = "[paypal.com](https://evil.org/x)", "paypal.com (https://evil.org/x)"
    text, entities = telegram.render(link)
    assert text == shown
    assert [(entity.url, entity.length) for entity in entities] == [("https://evil.org/x", 10)]
    assert discord.render(link) == shown


@pytest.mark.parametrize(
    "target",
    [
        "tg://user?id=1",
        "TG://resolve?domain=x",
        "ton://transfer/x",
        "discord://-/channels/1",
        "steam://run/1",
        "data://text/html,x",
    ],
)
def test_only_pages_are_links(target: str) -> None:
    for markdown in (f"[x]({target})", f"<{target}>", target, f"**{target}**"):
        text, entities = telegram.render(markdown)
        assert not [entity for entity in entities if entity.url]
        if target[0] in "tT":
            assert target not in text
        written = discord.render(markdown)
        assert "](" not in written
        assert target not in written


@pytest.mark.parametrize("target", ["javascript:alert(1)", "data:text/html,x", "mailto:a@e.org"])
def test_a_target_that_is_no_page_is_text(target: str) -> None:
    assert telegram.render(f"[x]({target})")[1] == ()
    assert "](" not in discord.render(f"[x]({target})")


@pytest.mark.parametrize("text", ["@ada_l hello", "a*@ada_l*", "hello (@ada_l)", "tg://user?id=1"])
def test_telegram_finds_no_person_and_no_deep_link(text: str) -> None:
    shown, entities = telegram.render(text)
    found = compose(shown, "", [entity.to_dict() for entity in entities]).entities
    assert {entity["type"] for entity in found} <= {"italic"}


def test_code_stays_as_it_is() -> None:
    assert telegram.render("`@ada tg://x` and ada@e.org")[0] == "@ada tg://x and ada@e.org"
    code = "`<@1> @everyone discord://x`"
    assert discord.render(code) == code


@pytest.mark.parametrize(
    "mark",
    ["<@1>", "<@!1>", "<@&1>", "<#1>", "</new:1>", "<:x:1>", "<a:x:1>", "@everyone", "@here"],
)
def test_discord_finds_no_mention_command_or_emoji(mark: str) -> None:
    for text in (mark, f"**{mark}**", f"- {mark}", f"\\`{mark}`", f"[{mark}](https://e.org)"):
        assert mark not in discord.render(text)
