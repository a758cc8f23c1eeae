"""Machines get models that suit them."""

import pytest

from chatcli.library.catalog import entries
from chatcli.library.fit.recommend import Facts, recommend, room

GB = 10**9


@pytest.mark.parametrize("memory", [2, 4, 8, 16, 32, 64, 128])
@pytest.mark.parametrize("gpu", [0, 6, 12, 24])
@pytest.mark.parametrize("cores", [2, 8, 32])
def test_every_machine_gets_what_fits(memory: int, gpu: int, cores: int) -> None:
    """Up to three different models with their reasons; each fits the GPU or main memory, and the disk."""
    facts = Facts(memory * GB, gpu * GB, 50 * GB, cores)
    found = recommend(facts, entries())
    assert 1 <= len(found) <= 3
    assert len({p.entry.name for p in found}) == len(found)
    for proposal in found:
        assert proposal.entry.kind == "chat"
        assert proposal.entry.memory <= (facts.gpu if proposal.where == "GPU" else room(facts))
        assert proposal.entry.size < facts.disk
        assert proposal.reason


def test_more_memory_is_never_worse() -> None:
    """The first proposal grows with the machine."""
    sizes = [recommend(Facts(m * GB, 0, 10**12, 8), entries())[0].entry.size for m in (2, 4, 8, 16)]
    assert sizes == sorted(sizes)
    assert sizes[0] < sizes[-1]


def test_a_slow_machine_gets_a_quick_model() -> None:
    """With two cores and much memory, the first one still answers as fast as one reads."""
    found = recommend(Facts(60 * GB, 0, 10**12, 2), entries())
    assert found[0].entry.read_per_token < 2 * GB
    assert "slower" in found[-1].reason


def test_a_full_disk(tmp_path: object) -> None:
    """What is here already needs no room on the disk; nothing else is proposed."""
    facts = Facts(16 * GB, 0, 10**8, 8)
    assert recommend(facts, entries()) == []
    (only,) = recommend(facts, entries(), ["qwen3.5-4b"])
    assert only.entry.name == "qwen3.5-4b"
    assert only.present


def test_too_small_a_machine() -> None:
    """Nothing is proposed that would not run."""
    assert recommend(Facts(GB, 0, 10**12, 2), entries()) == []
