"""The message tree: nothing is lost, the head says where the chat is, no walk recurses."""

from datetime import datetime

import pytest
from hypothesis import given

from chatcli.chat.conversation import Conversation, Node
from chatcli.chat.message import Message, Role, assistant, system, user
from chatcli.errors import UsageError
from tests.chat.strategies import conversations


def chat() -> Conversation:
    """1 system, 2 user, 3 answer, 4 another answer to 2, 5 user after 4."""
    conversation = Conversation()
    conversation.append(system("s"))
    conversation.append(user("u"))
    conversation.append(assistant("a"))
    conversation.append(assistant("b"), parent=2)
    conversation.append(user("v"))
    return conversation


def ids(nodes: list[Node]) -> list[int]:
    return [node.id for node in nodes]


def test_the_path_leads_from_the_beginning_to_the_head() -> None:
    """Only the active branch is sent to the model."""
    conversation = chat()
    assert ids(conversation.path()) == [1, 2, 4, 5]
    assert [message.content for message in conversation.messages()] == ["s", "u", "b", "v"]
    assert ids(conversation.path(3)) == [1, 2, 3]
    assert Conversation().path() == []


def test_a_message_with_anothers_parent_is_its_sibling() -> None:
    """Regenerating and editing add to the tree; what was there stays."""
    conversation = chat()
    edited = conversation.append(user("edited"), parent=conversation.node(2).parent)
    assert ids(conversation.siblings(2)) == [2, edited.id]
    assert conversation.head == edited.id
    assert ids(conversation.siblings(3)) == [3, 4]
    anew = conversation.append(system("other"), parent=None)
    assert ids(conversation.siblings(1)) == [1, anew.id]
    assert ids(conversation.children(None)) == [1, anew.id]
    assert len(conversation) == 7


def test_selecting_goes_to_the_newest_message_below() -> None:
    """Walking back to a branch shows it where it was left."""
    conversation = chat()
    assert conversation.select(3).id == 3
    assert conversation.head == 3
    assert conversation.select(4).id == 5
    assert conversation.select(1).id == 5
    conversation.append(user("w"), parent=3)
    conversation.select(5)
    assert conversation.select(2).id == 6


def test_undo_goes_before_the_last_message_of_the_users() -> None:
    """Undo returns the message, for editing, and removes nothing; at the beginning it says so."""
    conversation = chat()
    assert conversation.undo().id == 5
    assert conversation.head == 4
    assert conversation.undo().id == 2
    assert conversation.head == 1
    with pytest.raises(UsageError, match="nothing to undo"):
        conversation.undo()
    assert conversation.head == 1
    assert len(conversation) == 5


@pytest.mark.parametrize("unknown", [0, -1, 6])
def test_unknown_messages_are_refused_and_change_nothing(unknown: int) -> None:
    """Every method names the message that does not exist."""
    conversation = chat()
    for use in (
        conversation.node,
        conversation.select,
        conversation.move_head,
        conversation.siblings,
        conversation.children,
        conversation.path,
        lambda parent: conversation.append(user("x"), parent),
    ):
        with pytest.raises(UsageError, match=f"no message {unknown}"):
            use(unknown)
    assert conversation == chat()


def test_ids_are_given_once() -> None:
    """A reader's ids are kept, refused when taken, and new ones come after the highest."""
    conversation = Conversation()
    conversation.add(Node(7, None, user("a")))
    with pytest.raises(UsageError, match="7 is there twice"):
        conversation.add(Node(7, None, user("b")))
    with pytest.raises(UsageError, match="begin at 1"):
        conversation.add(Node(0, None, user("b")))
    conversation.add(Node(3, 7, user("c")))
    assert conversation.append(user("d")).id == 8


def test_a_start_without_time_zone_is_refused() -> None:
    """A moment is a moment everywhere."""
    with pytest.raises(ValueError, match="time zone"):
        Conversation(started=datetime(2026, 1, 1))


def test_ten_thousand_turns_need_no_recursion() -> None:
    """Deep chats are walked by loops."""
    conversation = Conversation()
    for _ in range(10_000):
        conversation.append(user("q"))
        conversation.append(assistant("a"))
    assert len(conversation.path()) == 20_000
    conversation.move_head(1)
    assert conversation.select(1).id == 20_000


@given(conversations())
def test_the_tree_holds_together(conversation: Conversation) -> None:
    """Parents are older than children, a path climbs them, and selecting leads to a leaf below."""
    for node in conversation.nodes:
        assert node.parent is None or node.parent < node.id
        assert node in conversation.siblings(node.id)
        assert conversation.path(node.id)[-1] == node
        newest = conversation.select(node.id)
        assert node in conversation.path()
        assert conversation.children(newest.id) == []
    before = list(conversation.nodes)
    conversation.append(Message(Role.USER, "x"))
    conversation.undo()
    assert list(conversation.nodes)[:-1] == before
