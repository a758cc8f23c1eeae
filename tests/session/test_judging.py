"""Judgements of a live chat: what the records hold, what counts, what happens when the disk refuses them."""

import os
from datetime import timedelta
from pathlib import Path

import pytest

from chatcli.chat.message import assistant, user
from chatcli.engine.base import LeftOut
from chatcli.errors import StorageError, UsageError
from chatcli.feedback.answers import generation_of, prompt_key
from chatcli.feedback.records import Correction, Rating, Record
from chatcli.files.record_log import DamagedLine
from chatcli.session.answering import SessionOptions
from chatcli.session.engine_slot import EngineSlot
from chatcli.session.judging import AnswerJudging
from chatcli.session.session import Session
from chatcli.settings import Settings
from chatcli.storage.feedback.log import FeedbackLog
from chatcli.storage.transcripts.store import TranscriptStore
from tests.session.conftest import open_scripted


def kept(path: Path) -> list[Record]:
    """The records in a file, every one of them sound."""
    found = list(FeedbackLog(path).read())
    assert not [item for item in found if isinstance(item, DamagedLine)]
    return [item for item in found if not isinstance(item, DamagedLine)]


def say(session: Session, *texts: str) -> None:
    """Send messages and wait for the answers."""
    for text in texts:
        list(session.send(text))


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """Where the feedback log will be."""
    return tmp_path / "feedback.jsonl"


def test_a_rating_holds_what_the_transcript_holds(
    session: Session, store: TranscriptStore, file: Path
) -> None:
    """Prompt, answer, provenance and place equal those of the file, also of an answer two turns ago."""
    session.options = SessionOptions(system="Be brief.")
    say(session, "one", "two")
    answer = session.conversation.path()[2]
    AnswerJudging(FeedbackLog(file), lambda: "abc").rate(
        session.conversation, answer.id, thumb=-1, score=3, reasons=("too_verbose",), comment="long"
    )
    session.close()
    (record,) = kept(file)
    assert isinstance(record, Rating)
    assert record.target is not None
    conversation = store.read(session.conversation.id).conversation
    node = conversation.node(answer.id)
    assert [(m.role, m.content) for m in record.prompt] == [("system", "Be brief."), ("user", "one")]
    assert record.answer.content == node.message.content
    assert generation_of(record.answer) == node.message.generation
    assert (record.target.transcript, record.target.messages) == (conversation.id, (answer.id,))
    assert (record.thumb, record.score, record.reasons, record.comment) == (-1, 3, ("too_verbose",), "long")
    assert (record.guideline, record.origin, record.judge.by) == ("abc", "chat", "human")


@pytest.mark.parametrize("days", [0, 1])
def test_what_was_rated_is_known_after_resuming(
    session: Session, store: TranscriptStore, file: Path, days: int
) -> None:
    """The last rating counts, a retracted one does not, and those of other conversations do not either."""
    session.conversation.started -= timedelta(days=days)
    say(session, "one", "two")
    first, second = (n.id for n in session.conversation.path() if n.message.generation)
    judge = AnswerJudging(FeedbackLog(file))
    judge.rate(session.conversation, first, thumb=1)
    judge.rate(session.conversation, first, thumb=-1)
    judge.retract(judge.rate(session.conversation, second, thumb=1), session.conversation)
    assert judge.rating(session.conversation, second) is None
    name = session.conversation.id
    session.start_over()
    say(session, "other")
    judge.rate(session.conversation, 2, thumb=1)
    again = AnswerJudging(FeedbackLog(file)) if days else judge
    session.open(name)
    rating = again.rating(session.conversation, first)
    assert rating is not None
    assert not rating.good
    assert again.rating(session.conversation, second) is None
    assert len(kept(file)) == 5


def test_opposite_ratings_of_the_same_question_pair(session: Session, file: Path) -> None:
    """One up and one down among the answers to a message make a pair; their prompts are one."""
    say(session, "one")
    judge, conversation = AnswerJudging(FeedbackLog(file)), session.conversation
    first = conversation.path()[-1].id
    judge.rate(conversation, first, thumb=-1)
    list(session.regenerate())
    second = conversation.path()[-1].id
    assert judge.opposites(conversation, second) == []
    judge.rate(conversation, second, score=9)
    assert [n.id for n in judge.opposites(conversation, second)] == [first]
    one, two = kept(file)
    assert isinstance(one, Rating)
    assert isinstance(two, Rating)
    assert prompt_key(one.prompt) == prompt_key(two.prompt)


def test_a_correction_names_both_texts(session: Session, file: Path) -> None:
    """The original with its provenance, and what it should have been."""
    say(session, "one")
    node = session.conversation.path()[-1]
    session.edit_answer(node.id, "better")
    edited = session.conversation.path()[-1]
    judge = AnswerJudging(FeedbackLog(file))
    judge.correct(session.conversation, node.id, edited.id)
    (record,) = kept(file)
    assert isinstance(record, Correction)
    assert record.target is not None
    assert (record.edited, record.answer.content) == ("better", node.message.content)
    assert record.target.messages == (node.id, edited.id)
    assert judge.correction(session.conversation, node.id) == record


def test_only_answers_to_one_question_are_compared(session: Session, file: Path) -> None:
    """A message of the user's is no answer, and answers to different messages have no order."""
    say(session, "one", "two")
    judge, conversation = AnswerJudging(FeedbackLog(file)), session.conversation
    asked, first, _, second = (n.id for n in conversation.path())
    with pytest.raises(UsageError, match="not an answer"):
        judge.rate(conversation, asked, thumb=1)
    with pytest.raises(UsageError, match="different messages"):
        judge.compare(conversation, (first, second), winner="left", left=0, blind=True)
    list(session.regenerate())
    third = conversation.path()[-1].id
    judge.compare(conversation, (second, third), winner="right", left=1, blind=True)
    judge.rank(conversation, (second, third), ranks=(2, 1), blind=False)
    assert [type(r).__name__ for r in kept(file)] == ["Comparison", "Ranking"]


def test_what_cannot_be_written_is_kept_and_tried_again(session: Session, file: Path) -> None:
    """In the order it was said; it counts meanwhile, and the last try says what is lost."""
    session.conversation.started -= timedelta(days=1)
    say(session, "one", "two")
    conversation = session.conversation
    first, second = (n.id for n in conversation.path() if n.message.generation)
    file.mkdir()  # where the log should be
    judge = AnswerJudging(FeedbackLog(file))
    with pytest.raises(StorageError):
        judge.rate(conversation, first, thumb=1)
    assert judge.unsaved == 1
    rating = judge.rating(conversation, first)
    assert rating is not None
    with pytest.raises(StorageError, match="1 judgement could not be saved"):
        judge.close()
    os.rmdir(file)  # noqa: PTH106
    judge.rate(conversation, second, thumb=-1)
    assert judge.unsaved == 0
    assert kept(file)[0] == rating
    assert [r.thumb for r in kept(file) if isinstance(r, Rating)] == [1, -1]


def test_without_a_log_nothing_is_written(session: Session, file: Path) -> None:
    """Judgements last as long as the chat."""
    say(session, "one")
    node = session.conversation.path()[-1]
    judge = AnswerJudging(None)
    judge.rate(session.conversation, node.id, thumb=1)
    assert judge.rating(session.conversation, node.id) is not None
    judge.close()
    assert not judge.keeps
    assert not file.exists()


def test_a_record_holds_what_the_model_saw_of_a_long_chat(store: TranscriptStore, file: Path) -> None:
    """Messages that had left the context are not in it, also after resuming; the system prompt is."""
    with EngineSlot(open_scripted, Settings(model="scripted:context=120")) as slot:
        session = Session(slot, store, SessionOptions(system="Be brief."))
        unseen: tuple[int, ...] = ()
        for number in range(12):
            for event in session.send(f"question number {number} of many words that fill the context"):
                if isinstance(event, LeftOut):
                    unseen = event.indices
        assert unseen
        session.close()
        conversation = store.read(session.conversation.id).conversation
        node = conversation.path()[-1]
        AnswerJudging(FeedbackLog(file)).rate(conversation, node.id, thumb=1)
    (record,) = kept(file)
    assert isinstance(record, Rating)
    whole = conversation.prompt_messages(node.parent)
    seen = [message.content for index, message in enumerate(whole) if index not in unseen]
    assert [message.content for message in record.prompt] == seen
    assert seen[0] == "Be brief."


def test_the_same_words_make_no_pair(store: TranscriptStore, file: Path) -> None:
    """Called good once and bad once, they say nothing about which is better."""
    conversation = store.create()[0]
    asked = conversation.append(user("one"))
    one = conversation.append(assistant("the  same\n"), asked.id)
    two = conversation.append(assistant("the same"), asked.id)
    judge = AnswerJudging(FeedbackLog(file))
    judge.rate(conversation, one.id, thumb=1)
    judge.rate(conversation, two.id, thumb=-1)
    assert judge.opposites(conversation, two.id) == []
