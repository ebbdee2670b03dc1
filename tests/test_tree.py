"""The repository holds no secret, and no dependency that may change unasked."""

import subprocess
from pathlib import Path

import pytest

from tests.bot import ROOT
from tests.tree import find_secrets, find_unbounded

RANDOM = "q7Zt2LkX9vPb4RmN8sWc3YhJ6dFg1TaQe5U"
"""Thirty-five characters, in no form in which a secret is kept."""

PLANTED = {
    "private key": "-----BEGIN RSA " + "PRIVATE KEY-----",
    "Telegram": "url = 'https://api.telegram.org/bot" + f"7123456789:{RANDOM}/getMe'",
    "Discord": f"login {RANDOM[:24]}.Gx" + f"Yz12.{RANDOM[:30]}",
    "model": "client = LLM('sk-" + f"{RANDOM}')",
    "GitHub": f"ghp_{RANDOM}" + "1",
    "Slack": "xoxb" + "-123456789012-abcdefghij",
    "AWS": "AKIA" + "IOSFODNN7EXAMPL3",
    "Google": f"AIza{RANDOM}",
    "signed": "eyJhbGciOiJIUzI1" + ".eyJzdWIiOiIxMjM0." + RANDOM,
    "setting": "MODEL_API_" + f"KEY={RANDOM[:24]}",
    "code": '{"pass' + f'word": "{RANDOM[:20]}"}}',
    "hexadecimal": "client_" + "secret: '9f86d081884c7d65" + "9a2feaa0c55ad015'",
    "URL": "postgres://parley:" + "x7Kq2mP9@db.example.org/parley",
}


def test_the_tree_holds_no_secret() -> None:
    assert find_secrets(ROOT) == []


def test_every_dependency_has_an_upper_bound() -> None:
    assert find_unbounded(ROOT) == []


@pytest.fixture(params=["git", "archive"])
def tree(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """A tree with harmless files, under git or unpacked from an archive."""
    if request.param == "git":
        command = ["git", "init", "--quiet", str(tmp_path)]
        subprocess.run(command, check=True)  # noqa: S603 - git in a folder of the test
    (tmp_path / ".gitignore").write_text("ignored\n")
    (tmp_path / ".env.example").write_text("MODEL_API_KEY=\nTELEGRAM_TOKEN=123456:ABC-DEF\n")
    (tmp_path / "code.py").write_text(
        'token = "test-key"\nkey = field.get_secret_value()\nurl = "postgres://user:password@host"\n'
    )
    assert find_secrets(tmp_path) == []
    return tmp_path


@pytest.mark.parametrize("kind", PLANTED)
def test_a_planted_secret_is_found_and_not_repeated(tree: Path, kind: str) -> None:
    (tree / "docs").mkdir()
    (tree / "docs" / "notes.md").write_text(f"# Notes\n\n{PLANTED[kind]}\n")
    found = find_secrets(tree)
    assert found
    assert all(each.startswith("docs/notes.md:3: ") for each in found)
    assert PLANTED[kind] not in "\n".join(found)


@pytest.mark.parametrize("name", [".env", ".env.local", "parley.db", "server.pem", "id_ed25519"])
def test_a_file_that_holds_secrets_is_found(tree: Path, name: str) -> None:
    (tree / name).touch()
    assert find_secrets(tree) == [f"{name}: such a file belongs in no repository"]


def test_an_ignored_file_is_none_of_the_repository(tree: Path) -> None:
    (tree / "ignored").write_text(PLANTED["model"])
    assert len(find_secrets(tree)) == (0 if (tree / ".git").exists() else 1)


@pytest.mark.parametrize("bare", ["httpx", "httpx>=0.28", "httpx!=1", "httpx[http2]>0.2"])
@pytest.mark.parametrize("group", ["dependencies", "optional-dependencies", "build-system"])
def test_a_planted_dependency_without_an_upper_bound_is_found(
    tmp_path: Path, bare: str, group: str
) -> None:
    told = {"dependencies": "rich<16", "optional-dependencies": "ruff~=0.1", "build-system": "a==1"}
    told[group] = bare
    (tmp_path / "pyproject.toml").write_text(
        f'[build-system]\nrequires = ["{told["build-system"]}"]\n'
        f'[project]\ndependencies = ["{told["dependencies"]}"]\n'
        f'[project.optional-dependencies]\ndev = ["{told["optional-dependencies"]}"]\n'
    )
    [found] = find_unbounded(tmp_path)
    assert found.endswith(f"{bare} has no upper bound")


@pytest.mark.parametrize("line", ["httpx", "httpx>=0.28", "httpx<1", "-e .", "git+https://x/y"])
def test_a_planted_requirement_that_is_not_pinned_is_found(tmp_path: Path, line: str) -> None:
    (tmp_path / "pyproject.toml").write_bytes((ROOT / "pyproject.toml").read_bytes())
    (tmp_path / "requirements.txt").write_text(f"# Written by hand.\nrich==15.0.0\n{line}\n")
    assert find_unbounded(tmp_path) == [f"requirements.txt: {line} is not pinned"]
