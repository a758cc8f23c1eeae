"""Files of other programs: trees, tools, damage."""

import copy
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chatcli.chat.conversation import Conversation
from chatcli.chat.formats.foreign import origin_of
from chatcli.chat.formats.importing import READERS, Imported, Unreadable, read_chats
from chatcli.chat.message import Picture, user
from tests.chat.formats import samples

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=6,
)


def read(value: Any) -> Conversation:
    """The only chat of a file."""
    (found,) = read_chats(json.dumps([value]), assistant="bot")
    assert isinstance(found, Imported), found
    return found.conversation


def shape(conversation: Conversation) -> list[tuple[int | None, str, str, str | None]]:
    """Every message: parent, role, words, reasoning."""
    return [
        (n.parent, n.message.role.value, n.message.content, n.message.reasoning) for n in conversation.nodes
    ]


def test_chatgpt_keeps_branches_and_what_tools_did() -> None:
    """Answers generated again are siblings in their order; a tool's call and result are reasoning."""
    conversation = read(samples.chatgpt())
    assert shape(conversation) == [
        (None, "user", "[image]\nWhat is six times seven?", None),
        (1, "assistant", "It is 42.", "print(6 * 7)\n\n42"),
        (2, "user", "Thanks", None),
        (1, "assistant", "42!", None),
    ]
    assert conversation.head == 2
    assert conversation.title == "Six by seven"
    assert conversation.started.year == 2020
    assert conversation.node(2).extra == {"time": "2023-11-14T22:13:20Z", "model": "gpt-x"}
    assert conversation.extra["origin"].startswith("chatgpt:c-1:")


def test_open_webui_keeps_branches_and_reasoning() -> None:
    """Siblings, the current answer, the system prompt; reasoning leaves the text it was written into."""
    conversation = read(samples.open_webui())
    assert shape(conversation) == [
        (None, "system", "Be short.", None),
        (1, "user", "Which?\n[file: list.txt]", None),
        (2, "assistant", "b.", "a < b\nso b"),
        (2, "assistant", "a.", None),
    ]
    assert conversation.head == 3
    assert conversation.node(3).extra["model"] == "qwen"


def test_work_without_an_answer_is_kept_once() -> None:
    """A tool's output that nothing follows, or that branches, becomes an answer without words."""
    chat = samples.chatgpt()
    chat["mapping"]["output"]["children"] = []
    del chat["mapping"]["first"], chat["mapping"]["thanks"]
    assert (1, "assistant", "", "print(6 * 7)\n\n42") in shape(read(chat))


@pytest.mark.parametrize(
    ("messages", "expected"),
    [
        ([{"role": "developer", "content": "x"}], [("system", "x", None)]),
        ([{"from": "human", "value": "x"}, {"from": "gpt", "value": "y"}],
         [("user", "x", None), ("assistant", "y", None)]),
        (
            [
                {"role": "assistant", "content": None, "tool_calls": [{"id": "1"}]},
                {"role": "tool", "content": "42"},
                {"role": "assistant", "content": "It is 42.", "reasoning_content": "easy"},
            ],
            [("assistant", "It is 42.", '[{"id": "1"}]\n\n42\n\neasy')],
        ),
        (
            [{"role": "user", "content": [{"type": "text", "text": "see"}, {"type": "image_url"}]}],
            [("user", "see\n[image]", None)],
        ),
    ],
)  # fmt: skip
def test_lists_of_messages(messages: list[Any], expected: list[Any]) -> None:
    """OpenAI's, TRL's and ShareGPT's names; tools; parts that are not text."""
    for record in ({"messages": messages}, {"conversations": messages}):
        assert [row[1:] for row in shape(read(record))] == expected
    (found,) = read_chats(json.dumps(messages), assistant="bot")
    assert isinstance(found, Imported)
    assert [row[1:] for row in shape(found.conversation)] == expected


@pytest.mark.parametrize(
    ("text", "place", "problem"),
    [
        ('[{"messages": []}, {"messages": 3}]', "conversation 2", "not a chat"),
        ('{"messages": []}\n{"messages": [}\n{"messages": []}', "line 2", "column 15: not JSON"),
        ('[{"messages": []}, {"mess', "conversation 2", "1:21: not JSON: unterminated string"),
        ('[{"messages": []}', "after conversation 1", "the file may be cut off"),
        ('{"messages": [{"role": "king", "content": "x"}], "title": "T"}', '"T"', "message 1: unknown role"),
        ('{"messages": [{"role": "user", "content": 3}]}', "", "message 1: its content is a number"),
        ("[" * 100_000, "conversation 1", "nested too deeply"),
        ('{"messages": ' + "9" * 5000 + "}", "1:1", "thousands of digits"),
        ('{"messages": []} x', "1:18", "text after the end"),
        ('{"mapping": {"a": {"parent": "b"}, "b": {"parent": "a"}}}', "", "in a circle"),
        ('{"mapping": {"a": 3}}', "", "node 'a': expected an object"),
    ],
)  # fmt: skip
def test_damage_is_told_with_its_place(text: str, place: str, problem: str) -> None:
    """What cannot be read says where and why; the chats beside it are read."""
    found = list(read_chats(text, assistant="bot"))
    (damage,) = (item for item in found if isinstance(item, Unreadable))
    assert damage.place == place
    assert problem in damage.problem
    assert len(found) - 1 == text.count('"messages": []')


def test_deep_chats_cost_linear_time() -> None:
    """A chain of 20,000 tool steps, and one of as many messages, are read without recursion."""
    steps = [{"role": "tool", "content": "x"}] * 20_000
    assert len(read({"messages": steps})) == 1
    assert len(read({"messages": [{"role": "user", "content": "x"}] * 20_000})) == 20_000


@given(JSON, st.sampled_from([None, *READERS]))
def test_any_json_is_read_or_refused(value: Any, kind: str | None) -> None:
    """No JSON value makes a reader fail otherwise."""
    list(read_chats(json.dumps(value), assistant="bot", kind=kind))


@given(st.sampled_from([samples.chatgpt, samples.open_webui]), st.data())
def test_any_change_of_an_export_is_read_or_refused(make: Any, data: st.DataObject) -> None:
    """Wherever a value of an export is another one, the chat is read or refused."""
    chat = copy.deepcopy(make())
    places: list[tuple[Any, Any]] = []
    pending = [chat]
    while pending:
        at = pending.pop()
        for key in at if isinstance(at, dict) else range(len(at)):
            places.append((at, key))
            if isinstance(at[key], (dict, list)):
                pending.append(at[key])
    owner, key = data.draw(st.sampled_from(places))
    owner[key] = data.draw(JSON)
    assert len(list(read_chats(json.dumps(chat), assistant="bot"))) == 1


@given(st.text(max_size=30) | st.text(alphabet='[]{}",:\n1a\\', max_size=30))
def test_any_text_is_read_or_refused(text: str) -> None:
    """No text makes the reader fail otherwise."""
    list(read_chats(text, assistant="bot"))


def test_the_same_words_about_another_picture_are_another_chat() -> None:
    """So that its import is not passed over as being here already."""
    chats = [Conversation(), Conversation(), Conversation()]
    for chat, shown in zip(
        chats, ([], [Picture("c" * 64, "a.png")], [Picture("d" * 64, "a.png")]), strict=True
    ):
        chat.append(user("What is it?", *shown))
    assert len({origin_of(chat, "transcript") for chat in chats}) == len(chats)
