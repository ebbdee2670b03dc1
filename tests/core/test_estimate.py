# ruff: noqa: RUF001 - letters of other alphabets are meant
"""An estimate is never below what a tokenizer counts, and for ordinary text not far above it.

The figures were counted with five tokenizers: o200k, cl100k, Voyage 3, and those of Mistral with
32,000 and with 131,000 tokens.
"""

import random
import string

import pytest

from core import memory
from core.memory._estimate import PIECE
from core.messages import user
from tests.fakes.model.usage import tokens, weigh

HOSTILE = {
    "letters and line ends": ("a\nb\nq\n" * 100, 600),
    "rare scripts": ("ᏣᎳᎩ ᎦᏬᏂᎯᏍᏗ ꦗꦮ ᮞᮥᮔ᮪ᮓ " * 30, 1561),
    "accents": ("a\u0327\u0317\u0301\u030c" * 100, 900),
    "accents on nothing": ("\u0325\u01d9\u0328\u035a" * 100, 1000),
    "letters that are taken apart": ("\U0001d160\u0958\ufb2c" * 100, 1400),
    "rare Chinese": ("鷾鷴鰛鰎鯕鷁鱠鸈" * 50, 1201),
    "Chinese after spaces": (" 载 段 建 息 产 没 色 起" * 40, 920),
    "rare Korean": ("쭯땴뺝퉮꽟땰휎꽰" * 50, 1201),
    "letters that are no pairs": ("jxntjvqyjxwqjv" * 40, 481),
    "pairs without sense": ("kibyfikyjyjiluqyfuky" * 40, 601),
    "capitals": ("LXQKZKZQYXOZUQ" * 40, 521),
    "changing case": ("tqXyUqjYhFzUeP" * 40, 521),
    "scripts that change": ("त큐'密결קδ家دא" * 40, 520),
    "figures": ("59316408" * 60, 481),
    "signs": ("@`^$@]@%{^?~|}" * 40, 560),
    "all kinds of space": ("\t\r\t\n \r\t\f \n" * 50, 500),
    "letters as words": ("q x j z " * 100, 401),
    "emoji": ("🧿🪬👩🏿\u200d🚀" * 50, 1050),
    "joiners": ("\u200d\ufeff\u2060\u00ad" * 80, 480),
}
ORDINARY = {
    "English": (
        "Everybody who was standing around the old market laughed about it for a while, and then"
        " went home to make some tea. ",
        501,
    ),
    "German": (
        "Die Würde des Menschen ist unantastbar. Sie zu achten und zu schützen ist Verpflichtung"
        " aller staatlichen Gewalt. ",
        641,
    ),
    "French": (
        "Tous les êtres humains naissent libres et égaux en dignité et en droits. Ils sont doués"
        " de raison et de conscience. ",
        681,
    ),
    "Russian": (
        "Все люди рождаются свободными и равными в своём достоинстве и правах. Они наделены"
        " разумом и совестью. ",
        1041,
    ),
    "Chinese": (
        "人人生而自由，在尊严和权利上一律平等。他们赋有理性和良心，并应以兄弟关系的精神互相对待。",
        1040,
    ),
    "Japanese": (
        "すべての人間は、生まれながらにして自由であり、かつ、尊厳と権利とについて平等である。",
        921,
    ),
    "Korean": ("모든 인간은 태어날 때부터 자유로우며 그 존엄과 권리에 있어 동등하다. ", 841),
    "code": (
        "def f(x):\n    return [g(y, 1) for y in x if y > 3]\n\nclass A:\n"
        "    def __init__(self):\n        self.x = {}\n",
        940,
    ),
}


@pytest.mark.parametrize(("text", "counted"), HOSTILE.values(), ids=HOSTILE.keys())
def test_a_hostile_text_is_estimated_from_above(text: str, counted: int) -> None:
    assert counted <= memory.estimate(user(text)) - 6


@pytest.mark.parametrize(("text", "counted"), ORDINARY.values(), ids=ORDINARY.keys())
def test_an_ordinary_text_is_not_estimated_far_above(text: str, counted: int) -> None:
    assert counted <= memory.estimate(user(text * 20)) < 2.4 * counted


def test_the_model_of_the_tests_counts_no_more() -> None:
    source = random.Random(1)
    for _ in range(300):
        text = "".join(source.choices(string.printable + "äé́ 載가Ж😀", k=source.randrange(60)))
        estimate = memory.estimate(user(text))
        assert len(tokens(text)) <= estimate
        assert weigh({"role": "user", "content": text}) <= estimate


def test_a_long_text_is_counted_in_pieces() -> None:
    sentence = ORDINARY["English"][0]
    whole = memory.estimate(user(sentence * (3 * PIECE // len(sentence))))
    part = memory.estimate(user(sentence * (PIECE // len(sentence)))) - 8
    assert whole == pytest.approx(3 * part, rel=0.01)
