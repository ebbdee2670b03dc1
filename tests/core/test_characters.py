"""Cleaning a text: nothing is left that a database, a platform or a terminal cannot take."""

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.characters import MARKS, clean

ZALGO = "Z" + "\u0300\u0316\u0489" * 40

ANY = st.text(
    st.one_of(st.characters(), st.sampled_from("a \n\r\x00\x1b\ud83d\ude00\u0300\u0316\u0e31"))
)


@pytest.mark.parametrize(
    ("text", "cleaned"),
    [
        ("", ""),
        ("a\tb\nc", "a\tb\nc"),
        ("a\r\nb\rc\x0cd\x85e", "a\nb\nc\nd\ne"),
        ("a\x00b\x1b[31mc\x07\x7f\x9b", "ab[31mc"),
        ("half \ud83d and \ude00", "half \ufffd and \ufffd"),
        ("\ud83d\ude00", "😀"),
        ("\x00", ""),
    ],
)
def test_what_cannot_be_stored_goes(text: str, cleaned: str) -> None:
    assert clean(text) == cleaned


@pytest.mark.parametrize(
    "text",
    [
        "ที่นี่มีน้ำใจ ก็ดี",
        "क्षत्रियों की क़ुर्बानी",
        "ကြွှေ့ နေကောင်းလား",
        "بِسْمِ ٱللَّهِ ٱلرَّحْمَٰنِ ٱلرَّحِيمِ",
        "בְּרֵאשִׁ֖ית בָּרָ֣א אֱלֹהִ֑ים",
        "ཧྐྵྨླྺྼྻྂ",  # the tallest stack of Tibetan
        unicodedata.normalize("NFD", "Tiếng Việt, đồ ăn ngon"),
        "👩🏽‍❤️‍💋‍👨🏽 1️⃣ 🏴󠁧󠁢󠁥󠁮󠁧󠁿 🇨🇭",
        "─" * 80,
    ],
)
def test_writing_stays(text: str) -> None:
    assert clean(text) == text


def test_only_a_few_of_many_marks_stay() -> None:
    assert clean(f"{ZALGO}algo{ZALGO}") == f"{ZALGO[: MARKS + 1]}algo{ZALGO[: MARKS + 1]}"


@given(ANY)
def test_a_clean_text_stays(text: str) -> None:
    cleaned = clean(text)
    assert clean(cleaned) == cleaned
    cleaned.encode()


@given(st.lists(ANY.map(clean), max_size=6))
def test_pieces_of_a_stream_are_cleaned_as_the_whole(pieces: list[str]) -> None:
    told = ""
    for piece in pieces:
        told += clean(piece, after=told)
    assert told == clean("".join(pieces))
