"""The message tree: every answer, edit and regeneration is kept; the head says where the chat is now.

Nothing is ever removed from a tree, so undoing or regenerating loses nothing. Values only: storage
writes them down, ``transcript`` gives them their form. All walks are loops, linear in what they visit.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from functools import partial
from types import EllipsisType

from chatcli.chat.message import Message, Picture, Role
from chatcli.errors import UsageError

DEFAULT_ASSISTANT = "lkjsxclm"
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Node:
    """One message in its place.

    Attributes:
        id: its number within the conversation, from 1.
        parent: the message it follows; None: it begins a conversation.
        message: what was said.
        extra: attributes of its element that this program does not know; written back as they came.
    """

    id: int
    parent: int | None
    message: Message
    extra: Mapping[str, str] = field(default_factory=dict)


@dataclass(slots=True)
class Conversation:
    """A tree of messages with a head. Change it through its methods only.

    Attributes:
        id: the name storage knows it by.
        started: when it began; timezone-aware.
        title: what lists show; may be empty.
        assistant: the assistant's name, which is also its tag in a transcript.
        extra: attributes of the session element that this program does not know.
        head: id of the message the next one follows; None: before the first.

    Raises:
        ValueError: ``started`` has no time zone.
    """

    id: str = ""
    started: datetime = EPOCH
    title: str = ""
    assistant: str = DEFAULT_ASSISTANT
    extra: Mapping[str, str] = field(default_factory=dict)
    head: int | None = field(default=None, init=False)
    _nodes: dict[int, Node] = field(default_factory=dict, init=False, repr=False)
    _children: dict[int | None, list[int]] = field(
        default_factory=dict, init=False, repr=False, compare=False
    )
    _last_id: int = field(default=0, init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        if self.started.tzinfo is None:
            raise ValueError("a conversation's start needs a time zone")

    def __len__(self) -> int:
        return len(self._nodes)

    def __contains__(self, node_id: object) -> bool:
        return node_id in self._nodes

    @property
    def nodes(self) -> Iterator[Node]:
        """All messages in the order they came; a parent comes before its children."""
        return iter(self._nodes.values())

    @property
    def next_id(self) -> int:
        """The id that ``append`` will give."""
        return self._last_id + 1

    def node(self, node_id: int) -> Node:
        """The message with this id.

        Raises:
            UsageError: there is none.
        """
        try:
            return self._nodes[node_id]
        except KeyError:
            raise UsageError(f"this conversation has no message {node_id}") from None

    def append(
        self,
        message: Message,
        parent: int | EllipsisType | None = ...,
        extra: Mapping[str, str] | None = None,
    ) -> Node:
        """Add a message and make it the head.

        Args:
            message: what was said.
            parent: what it follows. Left out: the head. None: nothing, it begins the conversation anew.
                To edit or regenerate a message, give that message's own parent: the two become siblings.
            extra: further attributes to keep with it (the time it was sent, say).

        Raises:
            UsageError: the parent does not exist.
        """
        above = self.head if isinstance(parent, EllipsisType) else parent
        node = Node(self.next_id, above, message, dict(extra or {}))
        self.add(node)
        return node

    def add(self, node: Node) -> None:
        """Add a message that already has an id, as readers do, and make it the head.

        Raises:
            UsageError: the id is taken or below 1, or the parent does not exist.
        """
        if node.id < 1 or node.id in self._nodes:
            raise UsageError(f"message {node.id} is there twice" if node.id > 0 else "message ids begin at 1")
        if node.parent is not None:
            self.node(node.parent)
        self._nodes[node.id] = node
        self._children.setdefault(node.parent, []).append(node.id)
        self._last_id = max(self._last_id, node.id)
        self.head = node.id

    def path(self, node_id: int | EllipsisType | None = ...) -> list[Node]:
        """The messages from the beginning to a message (left out: to the head), oldest first."""
        at = self.head if isinstance(node_id, EllipsisType) else node_id
        found = []
        while at is not None:
            node = self.node(at)
            found.append(node)
            at = node.parent
        found.reverse()
        return found

    def messages(self) -> list[Message]:
        """What was said on the active path, oldest first."""
        return [node.message for node in self.path()]

    def prompt_messages(self, node_id: int | EllipsisType | None = ...) -> list[Message]:
        """What a model is given at a message (left out: the head): the path, its last system prompt first.

        A system prompt may be replaced while a chat goes on, but chat templates take one, at the beginning.
        An empty one means none.
        """
        path = [node.message for node in self.path(node_id)]
        system = [message for message in path if message.role is Role.SYSTEM][-1:]
        return [
            *(message for message in system if message.content),
            *(message for message in path if message.role is not Role.SYSTEM),
        ]

    @property
    def pictures(self) -> list[Picture]:
        """Every picture of every message, each once."""
        return list(dict.fromkeys(p for node in self.nodes for p in node.message.pictures))

    def read_pictures_with(self, read: Callable[[Picture], bytes]) -> None:
        """Say how the bytes of all pictures are got; raises what ``Picture.read`` may."""
        for node in self._nodes.values():
            if node.message.pictures:
                bare = [replace(picture, read=None) for picture in node.message.pictures]  # lets the old go
                readable = tuple(replace(picture, read=partial(read, picture)) for picture in bare)
                self._nodes[node.id] = replace(node, message=replace(node.message, pictures=readable))

    def children(self, node_id: int | None) -> list[Node]:
        """What follows a message (None: what begins the conversation), oldest first."""
        if node_id is not None:
            self.node(node_id)
        return [self._nodes[child] for child in self._children.get(node_id, ())]

    def siblings(self, node_id: int) -> list[Node]:
        """The alternatives at a message's place, itself among them, oldest first."""
        return self.children(self.node(node_id).parent)

    def select(self, node_id: int) -> Node:
        """Go to the branch a message is on: the head becomes the newest message below it (or itself).

        Returns the new head. A newest message is a leaf, because children are younger than parents.
        """
        self.node(node_id)
        newest, pending = node_id, [node_id]
        while pending:
            at = pending.pop()
            newest = max(newest, at)
            pending.extend(self._children.get(at, ()))
        self.head = newest
        return self._nodes[newest]

    def move_head(self, node_id: int | None) -> None:
        """Make exactly this message the head; None: before the first."""
        if node_id is not None:
            self.node(node_id)
        self.head = node_id

    def undo(self) -> Node:
        """Move the head before the last message of the user's on the active path, and return that message.

        Raises:
            UsageError: there is no such message.
        """
        at = self.head
        while at is not None:
            node = self._nodes[at]
            if node.message.role is Role.USER:
                self.head = node.parent
                return node
            at = node.parent
        raise UsageError("nothing to undo")

    def branch(
        self, new_id: str, started: datetime, node_id: int | EllipsisType | None = ...
    ) -> "Conversation":
        """A new conversation that holds the path up to a message (left out: the head), numbered from 1."""
        copy = Conversation(new_id, started, self.title, self.assistant, dict(self.extra))
        for node in self.path(node_id):
            copy.append(node.message, extra=node.extra)
        return copy
