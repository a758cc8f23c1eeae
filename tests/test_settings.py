"""Settings: flag > environment > config.toml > default."""

from pathlib import Path

import pytest

from chatcli.errors import DataError, UsageError
from chatcli.settings import Paths, load_settings


def test_each_source_beats_the_next(tmp_path: Path) -> None:
    """A flag beats the environment, that beats the file, that beats the default; the origin is known."""
    config = tmp_path / "config.toml"
    config.write_text('model = "file"\nassistant_name = "file"\n[sampling]\ntop_k = 3\n')
    settings = load_settings(
        {"model": "flag", "temperature": 0.5, "top_k": None},
        {"CHATCLI_MODEL": "variable", "CHATCLI_ASSISTANT_NAME": "variable", "CHATCLI_HOME": "x"},
        config,
    )
    assert (settings.model, settings.assistant_name, settings.gpu_layers) == ("flag", "variable", "auto")
    assert settings.sampling == {"temperature": 0.5, "top_k": 3}
    assert settings.origins == {
        "model": "flag",
        "assistant_name": "CHATCLI_ASSISTANT_NAME",
        "temperature": "flag",
        "top_k": "config.toml",
    }


def test_only_what_was_set_is_there() -> None:
    """What the model recommends goes for the other sampling parameters."""
    settings = load_settings({}, {"CHATCLI_TOP_P": "0.5", "CHATCLI_STOP": "END"})
    assert settings.sampling == {"top_p": 0.5, "stop": ("END",)}


@pytest.mark.parametrize(
    ("config", "words"),
    [
        ('modle = "x"', "did you mean model"),
        ("[sampling]\ntemprature = 1", "did you mean temperature"),
        ('ctx_size = "many"', "ctx_size must be a whole number"),
        ("ctx_size = 1.5", "ctx_size must be a whole number"),
        ("ctx_size = 3", "at least 64"),
        ("log = 7", "log must be true or false"),
        ('gpu_layers = "some"', "auto, all or a number"),
        ("[sampling]\ntemperature = nan", "temperature must be between"),
        ("sampling = 3", "must be a table"),
        ("threads = 0", "from 1 to 512"),
        ("threads = 100000", "from 1 to 512"),
        ("picture_tokens = 0", "from 1 to 65536"),
        ("picture_tokens = 99999999", "from 1 to 65536"),
        ("gpu_layers = '99999999999'", "auto, all or a number"),
        ("gpu_layers = '٣'", "auto, all or a number"),
        ("ctx_size = '4k'", "a whole number or auto"),
        ("state_cache_mb = -1", "from 0 to"),
        ("model = [1]", "model must be text"),
    ],
)
def test_a_setting_that_makes_no_sense_is_named(tmp_path: Path, config: str, words: str) -> None:
    """The error names the setting and what it should be."""
    file = tmp_path / "config.toml"
    file.write_text(config)
    with pytest.raises(UsageError, match=words):
        load_settings({}, {}, file)


def test_a_damaged_file_is_said_to_be_damaged(tmp_path: Path) -> None:
    """TOML errors keep their line; other encodings are named."""
    file = tmp_path / "config.toml"
    file.write_text("model = \n")
    with pytest.raises(DataError, match="line 1"):
        load_settings({}, {}, file)
    file.write_bytes(b"\xff\xfe")
    with pytest.raises(DataError, match="not valid TOML"):
        load_settings({}, {}, file)


def test_all_paths_are_below_the_home_if_it_is_set(tmp_path: Path) -> None:
    """``CHATCLI_HOME`` moves everything the program reads or writes."""
    paths = Paths.locate({"CHATCLI_HOME": str(tmp_path)})
    every = [paths.config_file, paths.transcripts, paths.feedback_log, paths.models, paths.input_history]
    every += [paths.index, paths.probe_verdicts, paths.kv_states]
    assert all(path.is_relative_to(tmp_path) for path in every)
    assert len(set(every)) == len(every)


def test_without_a_home_the_platform_decides() -> None:
    """Nothing is put next to the code or into the working folder."""
    paths = Paths.locate({})
    assert paths.data.is_absolute()
    assert not paths.data.is_relative_to(Path(__file__).resolve().parents[1])


def test_a_persona_yields_to_flags_only(tmp_path: Path) -> None:
    """Its values beat the environment and the rest of the file, and are known to be its own."""
    config = tmp_path / "config.toml"
    config.write_text(
        'system = "base"\npersona = "brief"\n[sampling]\ntop_k = 3\n'
        '[personas.brief]\nsystem = "Short."\ntemperature = 0.25\ntop_p = 0.5\n'
        '[personas.other]\nmodel = "m"\n'
    )
    environ = {"CHATCLI_SYSTEM": "variable", "CHATCLI_TEMPERATURE": "1"}
    settings = load_settings({"top_p": 0.75}, environ, config)
    assert settings.system == "Short."
    assert settings.sampling == {"temperature": 0.25, "top_p": 0.75, "top_k": 3}
    assert settings.origins["system"] == settings.origins["temperature"] == "persona brief"
    assert load_settings({"persona": "other"}, {}, config).model == "m"
    assert load_settings({"persona": "none"}, {}, config).system == "base"
    assert load_settings({}, {"CHATCLI_PERSONA": "other"}, config).system == "base"


@pytest.mark.parametrize(
    ("config", "words"),
    [
        ('persona = "x"', "there is no persona 'x'; config.toml has no"),
        ('persona = "x"\n[personas.y]', "known are y"),
        ("personas = 3", "must be tables"),
        ("[personas]\nx = 3", "must be tables"),
        (
            "[personas.x]\ntemprature = 1",
            r"\[personas.x\]: there is no setting 'temprature'; did you mean temp",
        ),
        ("[personas.x]\nlog = false", "there is no setting 'log'"),
        ('[personas.x]\ntop_k = "many"', r"top_k must be a whole number, not 'many' \(from \[personas.x\]\)"),
        ('keys = "nano"', "keys must be one of emacs, vi"),
        ('key_good = "g"', "key_good must be f1 to f24, alt- and a key, or none"),
        ('key_bad = "c-b"', "key_bad must be f1 to f24, alt- and a key, or none"),
        ('key_bad = "alt-["', "key_bad must be f1 to f24, alt- and a key, or none"),
        ('key_good = "f3"', "key_good and key_bad must be different keys, not both f3"),
    ],
)
def test_a_persona_that_makes_no_sense_is_named(tmp_path: Path, config: str, words: str) -> None:
    """Also one that is not chosen."""
    file = tmp_path / "config.toml"
    file.write_text(config)
    with pytest.raises(UsageError, match=words):
        load_settings({}, {}, file)
