"""The file `.env`: what is written reads alike in every program, and nothing else changes."""

import stat
from pathlib import Path

import pytest
from dotenv import dotenv_values
from honcho.environ import parse  # type: ignore[import-untyped]
from hypothesis import assume, given
from hypothesis import strategies as st

from bots.setup import _file as env_file
from bots.setup._file import EnvFile
from core.errors import SettingsError


@given(st.text(st.characters(exclude_categories=["C", "Zl", "Zp"]), max_size=40))
@pytest.mark.slow
def test_a_value_that_is_not_refused_reads_alike_in_every_program(
    tmp_path_factory: pytest.TempPathFactory, value: str
) -> None:
    path = tmp_path_factory.mktemp("env") / ".env"
    try:
        env_file.check(value)
    except ValueError:
        assume(False)
    EnvFile(path).write({"FIRST": "1", "VALUE": value})
    assert dotenv_values(path) == parse(path.read_text()) == {"FIRST": "1", "VALUE": value}


@pytest.mark.parametrize("sign", ["'", "\\", "${HOME}", "\n"])
def test_a_sign_that_programs_read_differently_is_refused(sign: str) -> None:
    with pytest.raises(ValueError, match="%5C"):
        env_file.check(f"a{sign}b")


def test_a_link_to_a_file_stays_a_link(tmp_path: Path) -> None:
    (tmp_path / "real").write_text("A=1\n")
    link = tmp_path / ".env"
    link.symlink_to("real")
    EnvFile(link).write({"B": "2"})
    assert link.is_symlink()
    assert dotenv_values(tmp_path / "real") == {"A": "1", "B": "2"}
    assert stat.S_IMODE((tmp_path / "real").stat().st_mode) == 0o600


def test_a_file_that_is_no_text_is_told(tmp_path: Path) -> None:
    (tmp_path / ".env").write_bytes(b"A=\xff")
    with pytest.raises(SettingsError, match="UTF-8; save it"):
        EnvFile(tmp_path / ".env")


def test_a_file_that_cannot_be_written_stays_as_it_was(tmp_path: Path) -> None:
    path = tmp_path / ".env"
    path.mkdir()
    with pytest.raises(SettingsError, match=r"cannot be (read|written)"):
        EnvFile(path).write({"A": "1"})
    assert [each.name for each in tmp_path.iterdir()] == [".env"]
