"""Ranks answers by asking which of two is better, with as few questions as possible.

Merge insertion, D. E. Knuth, The Art of Computer Programming 3, 5.3.1 (after Ford and Johnson, 1959): pair
the answers, order the winners the same way, then insert the losers by halving, in the order that keeps each
insertion as cheap as a power of two allows. For 3 to 9 answers it asks at most 3, 5, 7, 10, 13, 16 and 19
times, which no method undercuts. Answers that tie are one from then on.
"""

from collections.abc import Callable, Generator, Iterable, Mapping, Sequence
from typing import Literal

from chatcli.feedback.records import Choice

Outcome = Literal["left", "right", "tie"]
_MIRRORED: Mapping[Outcome, Outcome] = {"left": "right", "right": "left", "tie": "tie"}
#: Asks about two answers, is sent the outcome, and ends with the groups of equals, the best first.
_Asking = Generator[tuple[int, int], Outcome, list[list[int]]]


class RankingTask:
    """The state of a ranking: the next question and, in the end, the ranks.

    Args:
        count: number of answers.
        choices: outcomes of earlier questions, to continue from.
        swapped: whether to swap left and right in a question, given its number from 0. A person should not
            always see the same answer on the left.

    Raises:
        ValueError: there are fewer than two answers, or the choices do not fit this ranking.
    """

    def __init__(
        self,
        count: int,
        choices: Iterable[Choice] = (),
        swapped: Callable[[int], bool] = lambda number: False,
    ) -> None:
        if count < 2:
            raise ValueError("an ordering needs at least two answers")
        self.count = count
        self._swapped = swapped
        self._start(choices)

    @property
    def question(self) -> tuple[int, int] | None:
        """The answers to show on the left and on the right, or None if the order is known."""
        if self._pair is None:
            return None
        left, right = self._pair
        return (right, left) if self._swapped(len(self.choices)) else (left, right)

    @property
    def ranks(self) -> tuple[int, ...]:
        """The rank of each answer, from 1; equals share one.

        Raises:
            ValueError: there are questions left.
        """
        if self._pair is not None:
            raise ValueError("the order is not known yet")
        place = {answer: rank for rank, group in enumerate(self._groups, start=1) for answer in group}
        return tuple(place[answer] for answer in range(self.count))

    def answer(self, outcome: Outcome) -> None:
        """Answer the question.

        Raises:
            ValueError: there is none.
        """
        if self.question is None:
            raise ValueError("there is no question left")
        left, right = self.question
        self._take(Choice(left=left, right=right, winner=outcome))

    def undo(self) -> None:
        """Undo the last answer.

        Raises:
            ValueError: there is none.
        """
        if not self.choices:
            raise ValueError("there is no answer to undo")
        self._start(self.choices[:-1])

    def _start(self, choices: Iterable[Choice]) -> None:
        self.choices: list[Choice] = []
        self._asking = _sorted_groups([[i] for i in range(self.count)])
        self._groups: list[list[int]] = []
        self._pair: tuple[int, int] | None = None
        self._advance(None)
        for choice in choices:
            self._take(choice)

    def _take(self, choice: Choice) -> None:
        if self._pair is None or {choice.left, choice.right} != set(self._pair):
            raise ValueError(f"answers {choice.left} and {choice.right} are not what is asked here")
        straight = (choice.left, choice.right) == self._pair
        self.choices.append(choice)
        self._advance(choice.winner if straight else _MIRRORED[choice.winner])

    def _advance(self, outcome: Outcome | None) -> None:
        try:
            self._pair = next(self._asking) if outcome is None else self._asking.send(outcome)
        except StopIteration as end:
            self._pair, self._groups = None, end.value


def most_questions(count: int) -> int:
    """Largest number of questions of a ranking: the sum of ceil(log2(3k/4)) for k = 1 .. count (Knuth)."""
    return sum((3 * k - 1).bit_length() - 2 for k in range(2, count + 1))


def _sorted_groups(groups: list[list[int]]) -> _Asking:
    """Groups of equals in order, the best first; questions show the first member of a group."""
    if len(groups) < 2:
        return groups
    losers: dict[int, list[int]] = {}  # the winner's first member -> the group it beat
    winners = []
    for first, second in zip(groups[::2], groups[1::2], strict=False):
        outcome = yield first[0], second[0]
        if outcome == "tie":
            winners.append(first + second)
            continue
        better, worse = (first, second) if outcome == "left" else (second, first)
        winners.append(better)
        losers[better[0]] = worse
    chain = yield from _sorted_groups(winners)
    return (yield from _with_losers(chain, losers, groups[-1] if len(groups) % 2 else None))


def _with_losers(chain: list[list[int]], losers: dict[int, list[int]], odd: list[int] | None) -> _Asking:
    """Insert the losers, and the group without a partner, into the ordered winners (worst winners first).

    Seen from the worst winner, the losers are numbered 1, 2, ...; the first is known to be last. The others
    go in by groups that end at 3, 5, 11, 21, ... (each 2^k minus the one before), in each group backwards:
    every insertion then halves a list of 2^k - 1 at most.
    """
    order: list[tuple[list[int], list[int] | None]] = []  # a loser and its winner
    for group in reversed(chain):
        order += [(losers[member], group) for member in group if member in losers]
    if odd is not None:
        order.append((odd, None))
    for index in _insertion_order(len(order)):
        loser, winner = order[index]
        first_place = 0 if winner is None else _place(chain, winner[0]) + 1
        yield from _insert(chain, loser, first_place)
    return chain


def _insertion_order(count: int) -> Sequence[int]:
    order: list[int] = []
    end, power = 1, 2
    while len(order) < count:
        order += range(min(end, count) - 1, len(order) - 1, -1)
        end, power = 2 * power - end, 2 * power
    return order


def _place(chain: list[list[int]], member: int) -> int:
    return next(place for place, group in enumerate(chain) if member in group)


def _insert(chain: list[list[int]], group: list[int], low: int) -> Generator[tuple[int, int], Outcome, None]:
    """Insert a group at its place, at ``low`` or after, by halving."""
    high = len(chain)
    while low < high:
        middle = (low + high) // 2
        outcome = yield group[0], chain[middle][0]
        if outcome == "tie":
            chain[middle] += group
            return
        low, high = (low, middle) if outcome == "left" else (middle + 1, high)
    chain.insert(low, group)
