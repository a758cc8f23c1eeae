"""A conversation: a tree of messages whose head says where the chat is now.

Nothing is ever removed, so regenerating, editing and undoing lose nothing. Pure values: storage writes them
to disk and ``transcript`` gives them their text form. Every walk is a loop, linear in what it visits.
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
    """A message and its place in the tree.

    Attributes:
        extra: attributes of its element that this program does not know; kept and written back.
    """

    id: int
    parent: int | None
    message: Message
    extra: Mapping[str, str] = field(default_factory=dict)


@dataclass(slots=True)
class Conversation:
    """A tree of messages with a head. Change it through its methods only.

    Attributes:
        started: when it began, with a time zone (ValueError without one).
        assistant: name of the assistant, which is also its tag in a transcript.
        head: id of the message that the next one follows, or None before the first.
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
        """All messages, oldest first; a parent comes before its children."""
        return iter(self._nodes.values())

    @property
    def next_id(self) -> int:
        """The id that ``append`` gives to the next message."""
        return self._last_id + 1

    def node(self, node_id: int) -> Node:
        """The message with this id; raises UsageError if there is none."""
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
        """Add a message and make it the head; UsageError if the parent does not exist.

        Args:
            parent: id of the message it follows; by default the head. None begins the conversation anew.
                An edited or regenerated message has the parent of the original: the two are siblings.
        """
        above = self.head if isinstance(parent, EllipsisType) else parent
        node = Node(self.next_id, above, message, dict(extra or {}))
        self.add(node)
        return node

    def add(self, node: Node) -> None:
        """Add a message that has an id, and make it the head; UsageError if its id or parent is invalid."""
        if node.id < 1 or node.id in self._nodes:
            raise UsageError(f"message {node.id} is there twice" if node.id > 0 else "message ids begin at 1")
        if node.parent is not None:
            self.node(node.parent)
        self._nodes[node.id] = node
        self._children.setdefault(node.parent, []).append(node.id)
        self._last_id = max(self._last_id, node.id)
        self.head = node.id

    def path(self, node_id: int | EllipsisType | None = ...) -> list[Node]:
        """The messages from the beginning to a message (by default the head), oldest first."""
        at = self.head if isinstance(node_id, EllipsisType) else node_id
        found = []
        while at is not None:
            node = self.node(at)
            found.append(node)
            at = node.parent
        found.reverse()
        return found

    def last(self, role: Role) -> Node | None:
        """The newest message of a role on the active path, or None."""
        return next((node for node in reversed(self.path()) if node.message.role is role), None)

    def messages(self) -> list[Message]:
        """The messages of the active path, oldest first."""
        return [node.message for node in self.path()]

    def prompt_messages(self, node_id: int | EllipsisType | None = ...) -> list[Message]:
        """The messages a model is given at a message (by default the head): the last system prompt first.

        The system prompt may change during a chat, but chat templates take one, at the beginning.
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
        """Every picture of the conversation, each once."""
        return list(dict.fromkeys(p for node in self.nodes for p in node.message.pictures))

    def read_pictures_with(self, read: Callable[[Picture], bytes]) -> None:
        """Set how the bytes of all pictures are read; ``read`` may raise what ``Picture.read`` may."""
        for node in self._nodes.values():
            if node.message.pictures:
                bare = [replace(picture, read=None) for picture in node.message.pictures]  # frees the old one
                readable = tuple(replace(picture, read=partial(read, picture)) for picture in bare)
                self._nodes[node.id] = replace(node, message=replace(node.message, pictures=readable))

    def children(self, node_id: int | None) -> list[Node]:
        """The messages that follow a message (None: that begin the conversation), oldest first."""
        if node_id is not None:
            self.node(node_id)
        return [self._nodes[child] for child in self._children.get(node_id, ())]

    def siblings(self, node_id: int) -> list[Node]:
        """The alternatives to a message, itself included, oldest first."""
        return self.children(self.node(node_id).parent)

    def select(self, node_id: int) -> Node:
        """Go to the branch of a message: move the head to the newest message below it, and return that.

        The newest is a leaf, because children are younger than their parents.
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
        """Make exactly this message the head; None is before the first."""
        if node_id is not None:
            self.node(node_id)
        self.head = node_id

    def undo(self) -> Node:
        """Move the head before the user's last message and return that; UsageError if there is none."""
        at = self.head
        while at is not None:
            node = self._nodes[at]
            if node.message.role is Role.USER:
                self.head = node.parent
                return node
            at = node.parent
        raise UsageError("nothing to undo")
