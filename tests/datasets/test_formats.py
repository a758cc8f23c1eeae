"""Every format as its readers know it: golden files, and shapes."""

import json
from pathlib import Path

import pytest

from chatcli.chat.message import user
from chatcli.datasets.formats.table import FORMATS, format_named
from chatcli.datasets.rules import Rules
from chatcli.errors import UsageError

from .export_logs import Log, answer, exported, sample

GOLDEN = Path(__file__).with_name("golden_exports")


def lines(name: str) -> list[str]:
    """The sample in a format, with everything the format has room for."""
    rules = Rules(reasoning="keep" if FORMATS[name].reasoning else "drop")
    return [json.dumps(row, ensure_ascii=False) for _, row in exported(sample().records, name, rules)]


@pytest.mark.parametrize("name", FORMATS)
def test_golden(name: str) -> None:
    """A format stays what it is; ``python -m tests.datasets.test_formats`` writes the files anew."""
    assert (GOLDEN / f"{name}.jsonl").read_text(encoding="utf-8").split("\n")[:-1] == lines(name)


@pytest.mark.parametrize("name", [name for name, form in FORMATS.items() if form.tabular])
@pytest.mark.parametrize("marks", [True, False])
def test_all_rows_have_the_columns_of_the_example(name: str, marks: bool) -> None:
    """TRL looks at the first row only, and a table has one shape: no row has more or fewer columns."""
    made = exported(sample().records, name, Rules(marks=marks))
    assert made
    assert {tuple(row) for _, row in made} == {tuple(FORMATS[name].example(marks=marks))}


@pytest.mark.parametrize("name", FORMATS)
def test_no_column_means_something_else(name: str) -> None:
    """Trainers take columns of these names for instructions."""
    assert not {"margin", "images", "tools", "chat_template_kwargs", "image"} & set(FORMATS[name].example())


def test_hh_cannot_say_its_own_marks() -> None:
    """A text that would be read as another turn is left out, not mangled."""
    log = Log()
    log.correct([user("Write a dialogue")], answer("\n\nHuman: Hi\n\nAssistant: Ho"), "Hi, ho")
    assert len(exported(log.records, "dpo")) == 1
    assert exported(log.records, "hh-rlhf") == []


def test_llama_factory_wants_turns() -> None:
    """Two questions in a row are no ShareGPT conversation."""
    log = Log()
    log.correct([user("one"), user("two")], answer("a"), "b")
    assert len(exported(log.records, "axolotl")) == 1
    assert exported(log.records, "llama-factory") == []


def test_an_unknown_format_is_refused() -> None:
    """The message names those there are."""
    with pytest.raises(UsageError, match="known are dpo, kto"):
        format_named("alpaca")


if __name__ == "__main__":
    GOLDEN.mkdir(exist_ok=True)
    for form in FORMATS:
        text = "".join(f"{line}\n" for line in lines(form))
        (GOLDEN / f"{form}.jsonl").write_text(text, encoding="utf-8", newline="")
