"""Changing parameters in a running chat."""

import pytest

from chatcli.errors import UsageError
from chatcli.session.parameters import parameter_names, set_parameter
from chatcli.session.session import Session


def test_parameters_hold_from_the_next_answer(session: Session) -> None:
    """They are recorded with it; ``default`` takes them back."""
    set_parameter(session, "top-k", "3")
    set_parameter(session, "num_predict", "2")
    set_parameter(session, "stop", "'a b' c")
    list(session.send("count to 9"))
    assert session.last is not None
    assert session.last.parameters.top_k == 3
    assert session.last.parameters.stop == ("a b", "c")
    assert session.conversation.messages()[-1].content == "1 2"
    set_parameter(session, "max_tokens", "default")
    assert session.options.sampling == {"top_k": 3, "stop": ("a b", "c")}


def test_settings_of_the_model_load_it_again(session: Session) -> None:
    """Another context size needs the model anew."""
    before = session.engine()
    assert "loading" in set_parameter(session, "num_ctx", "512")
    assert session.engine() is not before
    assert session.engine.settings.ctx_size == 512
    set_parameter(session, "ctx_size", "default")
    assert session.engine.settings.ctx_size is None


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("temprature", "1", "did you mean temperature"),
        ("temperature", "hot", "must be a number"),
        ("temperature", "-1", "between 0 and 100"),
        ("ctx_size", "3", "at least 64"),
        ("gpu_layers", "some", "auto, all or a number"),
        ("thinking", "perhaps", "true or false"),
        ("stop", "'a", "quotes"),
        ("log", "false", "there is no setting"),
    ],
)
def test_what_makes_no_sense_changes_nothing(session: Session, name: str, value: str, words: str) -> None:
    """The line names the parameter and what it may be."""
    before = session.options, session.engine.settings
    with pytest.raises(UsageError, match=words):
        set_parameter(session, name, value)
    assert (session.options, session.engine.settings) == before


def test_every_parameter_can_be_taken_back(session: Session) -> None:
    """``default`` is a value of all of them."""
    for name in parameter_names():
        set_parameter(session, name, "default")
    assert session.options.sampling == {}
