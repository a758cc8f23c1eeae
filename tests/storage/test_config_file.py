"""One setting changes, and the file stays as the user wrote it."""

import tomllib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chatcli.errors import DataError
from chatcli.storage.config_file import set_value, with_value


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("", 'model = "x"\n'),
        ("a = 1", 'a = 1\nmodel = "x"\n'),
        ('model = "old"\n', 'model = "x"\n'),
        ("  model='old' # why\n", 'model = "x"\n'),
        ("# model = 1\n[t]\nmodel = 2\n", '# model = 1\nmodel = "x"\n\n[t]\nmodel = 2\n'),
        ('model = "a"\n[t]\nmodel = 2\n', 'model = "x"\n[t]\nmodel = 2\n'),
    ],
)
def test_what_is_written(before: str, after: str) -> None:
    """The setting goes before the first table, or in place of the old one."""
    assert with_value(before.encode(), "model", "x", "f").decode() == after


@pytest.mark.parametrize(
    "content", [b"[", b"\xff", b'model = """\nmodel = 1\n"""\n', b'a = """\n[x]\n"""\nmodel = 1\n']
)
def test_what_cannot_be_changed_safely_is_not(content: bytes) -> None:
    """Damaged files, and ones where a line is not what it seems."""
    with pytest.raises(DataError):
        with_value(content, "model", "x", "f")


@given(st.text(), st.sampled_from(["", "a = 1\n", 'model = "m"\n[t]\nb = 2\n', "[model2]\nc = 1\n"]))
def test_any_text_comes_back(value: str, before: str) -> None:
    """Whatever the value, TOML reads it as it was, and everything else as before."""
    value = value.encode("utf-8", "replace").decode()
    after = tomllib.loads(with_value(before.encode(), "model", value, "f").decode())
    assert after == {**tomllib.loads(before), "model": value}


def test_a_refused_change_leaves_the_file(tmp_path: Path) -> None:
    """It is as before, and a missing one is made."""
    file = tmp_path / "config.toml"
    set_value(file, "model", "x")
    assert file.read_text() == 'model = "x"\n'
    file.write_text("[")
    with pytest.raises(DataError):
        set_value(file, "model", "y")
    assert file.read_text() == "["
