"""The plan of an arena: fair turns, fair sides, and a state that is the log's."""

from collections import Counter
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chatcli.chat.message import assistant, user
from chatcli.errors import DataError, ModelNotFound, UsageError
from chatcli.feedback.records import Comparison
from chatcli.session.arena.answers import AnswerWriter, answers_file
from chatcli.session.arena.arena import Arena, Pairing
from chatcli.session.arena.contenders import Contender
from chatcli.session.arena.prompts import read_prompts
from chatcli.session.judging import AnswerJudging
from chatcli.settings import Settings
from chatcli.storage.feedback.log import FeedbackLog
from tests.session.conftest import open_scripted


def arena_of(prompts: int, contenders: int, *, reverse: bool = False) -> Arena:
    """A plan of so many prompts and contenders."""
    found = [Contender(Settings(model=f"scripted:context={100 + n}")) for n in range(contenders)]
    return Arena([(user(f"prompt {n}"),) for n in range(prompts)], found[::-1] if reverse else found)


def written(writer: AnswerWriter, pairing: Pairing) -> None:
    """Wait for both answers."""
    while writer.wait(pairing, 0.1) < 2:
        pass


@settings(max_examples=15, deadline=None)
@given(prompts=st.integers(1, 8), contenders=st.integers(2, 4), data=st.data())
def test_pairs_and_sides_are_balanced_at_every_moment(
    prompts: int, contenders: int, data: st.DataObject
) -> None:
    """However many duels are planned ahead: pairs differ by one at most, sides too, nothing comes twice."""
    arena = arena_of(prompts, contenders)
    while True:
        ahead = arena.upcoming_after([], data.draw(st.integers(1, 5)))
        if not ahead:
            break
        for pairing in ahead:
            arena.judged(pairing)
            fights = Counter(p.pair for p in arena._done)
            counts = [fights[pair] for pair in arena._pairs]
            assert max(counts) - min(counts) <= 1
            for low, _ in arena._pairs:
                lefts = [p.left == low for p in arena._done if p.pair == (low, _)]
                assert abs(2 * sum(lefts) - len(lefts)) <= 1
    assert arena.done == arena.planned
    assert len({(p.prompt, p.pair) for p in arena._done}) == arena.planned


def test_sides_are_drawn() -> None:
    """The first duel of a pair has either on the left: in 64 draws both happen."""
    seen = {arena_of(1, 2).upcoming_after([], 1)[0] for _ in range(64)}
    assert seen == {Pairing(0, 0, 1), Pairing(0, 1, 0)}


def test_the_state_is_what_the_log_says(tmp_path: Path) -> None:
    """Records of the run, undone ones left out, tell which duels are done and who was on the left."""
    log = FeedbackLog(tmp_path / "feedback.jsonl")
    judge = AnswerJudging(log)
    arena = arena_of(4, 3)
    judged = []
    for pairing in arena.upcoming_after([], 7):
        for contender in pairing.pair:
            arena.add_answer(pairing.prompt, contender, assistant(f"{pairing.prompt} {contender}"))
        left = 0 if pairing.left == pairing.pair[0] else 1
        judge.compare(
            arena.conversation,
            arena.nodes(pairing),
            winner="tie",
            left=left,  # type: ignore[arg-type]
            blind=True,
            origin="arena",
        )
        judged.append(pairing)
    again = arena_of(4, 3, reverse=True)
    assert again.run == arena.run
    again.take_records(log.of_transcript(again.name))
    assert sorted(again._done, key=str) == sorted(judged, key=str)
    record = next(iter(log.of_transcript(again.name)))
    assert isinstance(record, Comparison)
    assert [m.content for m in record.prompt] == [f"prompt {judged[0].prompt}"]
    assert record.answers[record.left].content == f"{judged[0].prompt} {judged[0].left}"


def test_another_plan_is_another_run() -> None:
    """A prompt or a parameter more, and nothing of the former run counts."""
    plain = Contender(Settings(model="scripted:"))
    hot = Contender(Settings(model="scripted:"), {"temperature": 2.0})
    hotter = Contender(Settings(model="scripted:"), {"temperature": 3.0})
    asked = Settings(model="scripted:", thinking=True)  # what a contender says overrides it, also "default"
    thinks, decides = Contender(asked, thinking=True), Contender(asked)
    one, two = (user("one"),), (user("two"),)
    runs = {
        Arena(prompts, contenders).run
        for prompts, contenders in (
            ([one], [plain, hot]),
            ([one, two], [plain, hot]),
            ([one], [plain, hotter]),
            ([one], [plain, hot, hotter]),
            ([one], [thinks, decides]),
        )
    }
    assert len(runs) == 5


@pytest.mark.parametrize(("models", "said"), [(["a"], "two contenders"), (["a", "b", "a"], "the same: a")])
def test_contenders_are_at_least_two_and_different(models: list[str], said: str) -> None:
    """One line says what to change."""
    with pytest.raises(UsageError, match=said):
        Arena([(user("x"),)], [Contender(Settings(model=model)) for model in models])


def test_answers_are_kept_and_not_generated_again(tmp_path: Path) -> None:
    """A second writer has all answers at once, the same ones, and opens no model."""
    arena = arena_of(3, 2)
    pairings = arena.upcoming_after([], 3)
    with AnswerWriter(arena, open_scripted, answers_file(tmp_path, arena)) as writer:
        writer.want(pairings)
        for pairing in pairings:
            written(writer, pairing)
    again = arena_of(3, 2)

    def never(*_: object) -> None:
        raise AssertionError("a model was opened")

    with AnswerWriter(again, never, answers_file(tmp_path, again)) as writer:  # type: ignore[arg-type]
        writer.want(pairings)
        assert all(writer.wait(pairing, 0) == 2 for pairing in pairings)
    for prompt in range(3):
        for contender in range(2):
            assert again.answer(prompt, contender) == arena.answer(prompt, contender)
            assert again.answer(prompt, contender) is not None


def test_a_prompt_that_one_cannot_answer_is_told_and_others_go_on(tmp_path: Path) -> None:
    """A context that is too small for one prompt refuses that one only."""
    small, large = (Contender(Settings(model=f"scripted:context={n}")) for n in (20, 400))
    arena = Arena([(user("word " * 50),), (user("short"),)], [small, large])
    pairings = sorted(arena.upcoming_after([], 2), key=lambda p: p.prompt)
    with AnswerWriter(arena, open_scripted, None) as writer:
        writer.want(pairings)
        for pairing in pairings:
            written(writer, pairing)
        assert "context" in str(writer.refusal(pairings[0]))
        assert writer.refusal(pairings[1]) is None


def test_a_model_that_cannot_be_loaded_is_raised(tmp_path: Path) -> None:
    """By the call that waits for its answer."""
    missing = Contender(Settings(model=f"scripted:{tmp_path / 'none.txt'}"))
    arena = Arena([(user("x"),)], [missing, Contender(Settings(model="scripted:"))])
    pairings = arena.upcoming_after([], 1)
    with AnswerWriter(arena, open_scripted, None) as writer:
        writer.want(pairings)
        with pytest.raises(ModelNotFound, match="no script"):
            written(writer, pairings[0])


def test_the_conversation_began_now() -> None:
    """So that nobody looks for its earlier judgements conversation by conversation."""
    assert (datetime.now(UTC) - arena_of(1, 2).conversation.started).total_seconds() < 60


@pytest.mark.parametrize(
    ("name", "text", "expected"),
    [
        ("p.txt", "one\n\n two \none\n", [["user: one"], ["user: two"]]),
        ("p.txt", '{"prompt": 1}\n', [['user: {"prompt": 1}']]),
        ("p.jsonl", '{"prompt": "one\\ntwo"}\n', [["user: one\ntwo"]]),
        (
            "p.jsonl",
            '{"messages": [{"role": "system", "content": "s"}, {"role": "user", "content": "u"},'
            ' {"role": "assistant", "content": "a"}]}\n{"prompt": [{"role": "user", "content": "v"}]}',
            [["system: s", "user: u"], ["user: v"]],
        ),
        (
            "p",
            "<user>a</user>\n<lkjsxclm>b</lkjsxclm>\n<user>c</user>\n<lkjsxclm>d</lkjsxclm>\n",
            [["user: a", "assistant: b", "user: c"]],
        ),
    ],
)
def test_prompts_are_read_from_what_people_have(
    tmp_path: Path, name: str, text: str, expected: list[list[str]]
) -> None:
    """Lines, JSON Lines of both kinds, transcripts; each once, up to the last message of the user's."""
    file = tmp_path / name
    file.write_text(text, encoding="utf-8")
    found = [[f"{m.role}: {m.content}" for m in prompt] for prompt in read_prompts(file)]
    assert found == expected


def test_a_system_prompt_is_for_those_without_one(tmp_path: Path) -> None:
    """Theirs goes before."""
    file = tmp_path / "p.jsonl"
    own = '{"messages": [{"role": "system", "content": "own"}, {"role": "user", "content": "u"}]}'
    file.write_text(f'{{"prompt": "x"}}\n{own}\n', encoding="utf-8")
    assert [prompt[0].content for prompt in read_prompts(file, "given")] == ["given", "own"]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('{"prompt": "x"}\nplain', ":2: not a JSON object"),
        ('{"prompt": ""}', ":1: the prompt is empty"),
        ('{"messages": [{"role": "assistant", "content": "a"}]}', ":1: no user message"),
        ('{"other": 1}', ":1: "),
        ('{"prompt": "x"}\n' + "[" * 100_000, ":2: "),
        ("<user>never closed", "no user message"),
        ("<user>a</user>\n<b>c</user>\n<user>d</user>", "prompts:3:1: <b> is not closed"),
        ("\xff", "UTF-8"),
        (f'<user picture.1="{"0" * 64} cat.png">look</user>', "has pictures"),
    ],
)
def test_damage_is_named_with_its_line(tmp_path: Path, text: str, said: str) -> None:
    """Nothing is guessed."""
    file = tmp_path / "prompts"
    file.write_bytes(text.encode("latin-1"))
    with pytest.raises(DataError, match=said):
        read_prompts(file)


def test_an_empty_or_missing_file_is_a_wrong_call(tmp_path: Path) -> None:
    """One line says what is missing."""
    (tmp_path / "empty").write_text("\n \n")
    for name, said in (("empty", "contains no prompt"), ("none", "cannot be read")):
        with pytest.raises(UsageError, match=said):
            read_prompts(tmp_path / name)
