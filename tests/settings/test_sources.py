"""The file itself, the lines of its keys, and variables in its strings."""

from pathlib import Path

import pytest

from bridge.errors import ConfigurationError, Mistake
from bridge.settings import Settings
from bridge.settings.sources import UnsetVariable, interpolate, locate


def only_mistake(path: Path) -> Mistake:
    """The one mistake of a file that cannot be used at all."""
    with pytest.raises(ConfigurationError) as caught:
        Settings.load(str(path), {})
    (mistake,) = caught.value.mistakes
    return mistake


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    """A named file that does not exist is one mistake with its name."""
    mistake = only_mistake(tmp_path / "absent.toml")
    assert mistake.where.endswith("absent.toml")
    assert mistake.problem == "does not exist"


def test_a_folder(tmp_path: Path) -> None:
    """A folder in place of a file is one mistake."""
    assert only_mistake(tmp_path).problem == "is a folder"


def test_a_file_that_may_not_be_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file without the permission to read it is one mistake."""

    def refuse(*_: object, **__: object) -> None:
        raise PermissionError

    monkeypatch.setattr(Path, "open", refuse)
    assert only_mistake(tmp_path / "bridge.toml").problem == "may not be read"


def test_a_file_that_is_not_utf8(tmp_path: Path) -> None:
    """Bytes that are not UTF-8 are one mistake with their line."""
    (tmp_path / "bridge.toml").write_bytes(b'a = 1\nb = "\xff"\n')
    mistake = only_mistake(tmp_path / "bridge.toml")
    assert mistake.where.endswith("bridge.toml:2")
    assert mistake.problem == "is not UTF-8"


@pytest.mark.parametrize(
    ("text", "line"),
    [("a = 1\nb = \n", 2), ("a = 1\na = 2\n", 2), ("[a\n", 1), ("a = 'x\n", 1), ("a = 1\n\n[b]\nc", 4)],
)
def test_a_file_that_is_not_toml(tmp_path: Path, text: str, line: int) -> None:
    """A mistake of syntax is told once, with its line."""
    (tmp_path / "bridge.toml").write_text(text)
    mistake = only_mistake(tmp_path / "bridge.toml")
    assert mistake.where.endswith(f"bridge.toml:{line}")
    assert mistake.problem.startswith("is not valid TOML")


@pytest.mark.parametrize("text", ["a = " + "[" * 5000, "a = " + "9" * 5000, "a" * (1 << 20) + " = 1"])
def test_a_file_that_is_hostile(tmp_path: Path, text: str) -> None:
    """Depth, digits and size beyond reason are mistakes, not crashes."""
    (tmp_path / "bridge.toml").write_text(text)
    only_mistake(tmp_path / "bridge.toml")


def test_lines_of_keys() -> None:
    """A mistake can point at the line of its key, also below arrays of tables and multi-line strings."""
    text = 'a = 1\n[b.c]\nd = """\ne = 2\n"""\n"f g" = 3\n[[h]]\n[[h]]\ni.j = 4\n[h.k]\nl = 5\n'
    assert locate(text) == {
        ("a",): 1,
        ("b", "c"): 2,
        ("b", "c", "d"): 3,
        ("b", "c", "f g"): 6,
        ("h", 0): 7,
        ("h", 1): 8,
        ("h", 1, "i", "j"): 9,
        ("h", 1, "k"): 10,
        ("h", 1, "k", "l"): 11,
    }


@pytest.mark.parametrize(
    ("text", "result"),
    [
        ("plain", "plain"),
        ("${A}", "one"),
        ("x${A}y${B:-two}z", "xoneytwoz"),
        ("${A:-two}", "one"),
        ("${EMPTY:-two}", "two"),
        ("${EMPTY}", ""),
        ("${B:-}", ""),
        ("$${A}", "${A}"),
        ("$A ${", "$A ${"),
        ("${RECURSIVE}", "${A}"),
    ],
)
def test_variables(text: str, result: str) -> None:
    """Variables are put in as a shell would, once, and never looked through again."""
    assert interpolate(text, {"A": "one", "EMPTY": "", "RECURSIVE": "${A}"}) == result


def test_a_variable_that_is_not_set() -> None:
    """The complaint names the variable."""
    with pytest.raises(UnsetVariable, match="NOWHERE"):
        interpolate("${NOWHERE}", {})


def test_braces_without_a_name() -> None:
    """``${}`` is a mistake that quotes nothing of the text."""
    with pytest.raises(UnsetVariable, match="without the name"):
        interpolate("${not a name}", {})
