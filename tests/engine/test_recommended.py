from chatcli.engine.llama.sampler import recommended_sampling
from chatcli.sampling import SamplingParams


def test_recommendations_replace_the_defaults_one_by_one() -> None:
    """What the header does not say stays as it is."""
    header = {"temp": "0.600000", "top_k": "20", "penalty_last_n": "-1", "min_p": "0"}
    params = recommended_sampling(lambda key: header.get(key.removeprefix("general.sampling."), ""))
    assert params == SamplingParams(temperature=0.6, top_k=20, repeat_last_n=-1, min_p=0.0)


def test_nonsense_in_a_header_is_passed_over() -> None:
    """A stranger's file cannot make the engine fail, and one bad value does not cost the good ones."""
    header = {"temp": "nan", "top_k": "inf", "top_p": "7", "min_p": "much", "penalty_repeat": "1.1"}
    params = recommended_sampling(lambda key: header.get(key.removeprefix("general.sampling."), ""))
    assert params == SamplingParams(repeat_penalty=1.1)


def test_the_header_goes_before_what_is_recommended_elsewhere() -> None:
    """What the catalogue says holds where the file itself says nothing."""
    header = {"general.sampling.temp": "0.3"}
    params = recommended_sampling(lambda key: header.get(key, ""), {"temperature": 0.9, "top_k": 7})
    assert (params.temperature, params.top_k) == (0.3, 7)
