"""A run of blind duels: which prompts, which contenders, and which duel comes next.

All state is in the feedback log: records name their run as their target (``arena:RUN``) and the answers by
numbers that follow from the plan. The run is the hash of the plan, so the same command goes on where it
stopped. Pairs take turns, so that all have equally many duels, and each contender of a pair is on the left
as often as the other; both within one.
"""

import hashlib
import itertools
import json
import random
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from chatcli.chat.conversation import Conversation, Node
from chatcli.chat.message import Message
from chatcli.errors import UsageError
from chatcli.feedback.records import Comparison, Judgement
from chatcli.session.arena.contenders import Contender
from chatcli.session.arena.prompts import ArenaPrompt

#: Begins the target of a record; the run follows.
PREFIX = "arena:"
_RUN_LENGTH = 12


@dataclass(frozen=True, slots=True)
class Pairing:
    """Two answers to one prompt."""

    prompt: int
    left: int
    right: int

    @property
    def pair(self) -> tuple[int, int]:
        """The contenders in the order of the plan, whatever their sides."""
        return (min(self.left, self.right), max(self.left, self.right))


class Arena:
    """The plan of a run, and what of it is done."""

    def __init__(self, prompts: Sequence[ArenaPrompt], contenders: Sequence[Contender]) -> None:
        described = sorted(((_described(c), c) for c in contenders), key=lambda pair: pair[0])
        for (one, contender), (other, _) in itertools.pairwise(described):
            if one == other:
                raise UsageError(f"two contenders are the same: {contender.name}; change one of them")
        if len(described) < 2:
            raise UsageError("a duel needs two contenders; give --contender twice")
        self.contenders = [contender for _, contender in described]
        self.prompts = list(prompts)
        plan = [[[m.role.value, m.content] for m in prompt] for prompt in prompts]
        text = json.dumps([plan, [about for about, _ in described]])
        self.run = hashlib.sha256(text.encode()).hexdigest()[:_RUN_LENGTH]
        self._asked: list[int] = []  # node of each prompt's last message
        self.conversation = self._conversation()
        self._first_answer = self.conversation.next_id
        self._pairs = list(itertools.combinations(range(len(self.contenders)), 2))
        self._done: list[Pairing] = []
        self._aside: set[tuple[int, tuple[int, int]]] = set()

    @property
    def name(self) -> str:
        """The run, as the target of a record."""
        return PREFIX + self.run

    @property
    def planned(self) -> int:
        """Number of duels in the plan."""
        return len(self._pairs) * len(self.prompts)

    @property
    def done(self) -> int:
        """Number of duels that are judged."""
        return len(self._done)

    def answer_id(self, prompt: int, contender: int) -> int:
        """The number of an answer in the conversation, whether it exists yet or not."""
        return self._first_answer + prompt * len(self.contenders) + contender

    def place_of(self, number: int | str) -> tuple[int, int] | None:
        """The prompt and the contender of an answer's number, or None if it is not of this run."""
        index = number - self._first_answer if isinstance(number, int) else -1
        if not 0 <= index < len(self.prompts) * len(self.contenders):
            return None
        return divmod(index, len(self.contenders))

    def answer(self, prompt: int, contender: int) -> Message | None:
        """An answer, or None if it does not exist yet."""
        number = self.answer_id(prompt, contender)
        return self.conversation.node(number).message if number in self.conversation else None

    def add_answer(self, prompt: int, contender: int, message: Message) -> None:
        """Add an answer to the conversation."""
        number = self.answer_id(prompt, contender)
        if number not in self.conversation:
            self.conversation.add(Node(number, self._asked[prompt], message))

    def nodes(self, pairing: Pairing) -> tuple[int, int]:
        """The numbers of the two answers, in the order of the plan."""
        low, high = pairing.pair
        return self.answer_id(pairing.prompt, low), self.answer_id(pairing.prompt, high)

    def take_records(self, records: Iterable[Judgement]) -> None:
        """Find out which duels were judged before, from the judgements that count."""
        self._done = [p for p in map(self._pairing_of, records) if p is not None]

    def judged(self, pairing: Pairing) -> None:
        """Note that a duel was judged."""
        self._done.append(pairing)

    def undo(self, pairing: Pairing) -> None:
        """Note that the judgement of a duel was taken back."""
        self._done.remove(pairing)

    def put_aside(self, pairing: Pairing) -> None:
        """Do not show a duel again in this run: it was skipped, or there is nothing to choose."""
        self._aside.add((pairing.prompt, pairing.pair))

    def upcoming_after(self, queued: Sequence[Pairing], count: int) -> list[Pairing]:
        """The duels after the queued ones, at most ``count``; ties between pairs and sides are random."""
        draw = random.SystemRandom()
        taken = [*self._done, *queued]
        found: list[Pairing] = []
        while len(found) < count:
            pairing = self._next(taken, draw)
            if pairing is None:
                break
            taken.append(pairing)
            found.append(pairing)
        return found

    def _next(self, done: Sequence[Pairing], draw: random.Random) -> Pairing | None:
        seen = {(p.prompt, p.pair) for p in done} | self._aside
        fights = Counter(p.pair for p in done)
        order = sorted(self._pairs, key=lambda pair: (fights[pair], draw.random()))
        for pair in order:
            prompt = next((p for p in self._prompts_for(pair) if (p, pair) not in seen), None)
            if prompt is not None:
                return self._seated(prompt, pair, done, draw)
        return None

    def _prompts_for(self, pair: tuple[int, int]) -> list[int]:
        """The prompts in the pair's own order, so that the same prompt does not come up every time."""
        count = len(self.prompts)
        begin = self._pairs.index(pair) * count // len(self._pairs)
        return [(begin + i) % count for i in range(count)]

    @staticmethod
    def _seated(prompt: int, pair: tuple[int, int], done: Sequence[Pairing], draw: random.Random) -> Pairing:
        low, high = pair
        surplus = sum(1 if p.left == low else -1 for p in done if p.pair == pair)
        low_is_left = bool(draw.getrandbits(1)) if surplus == 0 else surplus < 0
        return Pairing(prompt, low, high) if low_is_left else Pairing(prompt, high, low)

    def _pairing_of(self, record: Judgement) -> Pairing | None:
        if not isinstance(record, Comparison) or record.target is None or len(record.target.messages) != 2:
            return None
        places = [self.place_of(number) for number in record.target.messages]
        left, right = places[record.left], places[1 - record.left]
        if left is None or right is None or left[0] != right[0]:
            return None
        return Pairing(left[0], left[1], right[1])

    def _conversation(self) -> Conversation:
        conversation = Conversation(self.name, datetime.now(UTC))
        for prompt in self.prompts:
            parent: int | None = None
            for message in prompt:
                parent = conversation.append(message, parent).id
            assert parent is not None
            self._asked.append(parent)
        return conversation


def _described(contender: Contender) -> str:
    """A text that is equal for equal contenders; the folder of an adapter does not count."""
    settings = contender.settings
    loading = [settings.ctx_size, contender.thinking]
    adapter = [contender.adapter.name, contender.scale] if contender.adapter else []
    sampling = sorted((name, str(value)) for name, value in contender.sampling.items())
    return json.dumps([settings.model, loading, adapter, sampling])
