"""The real consumers read what is exported: datasets, and trainers of TRL, which take a step on our model."""

from pathlib import Path
from typing import Any

import pytest

from chatcli.chat.message import system, user
from chatcli.datasets.formats.table import FORMATS
from chatcli.feedback.codec import encode
from chatcli.settings import Paths
from tests.datasets.export_logs import Log, answer
from tests.program import MODEL, run

pytestmark = [
    pytest.mark.train,
    pytest.mark.filterwarnings("default"),  # those of other people's libraries
]
STEP = {
    "per_device_train_batch_size": 4, "max_steps": 1, "learning_rate": 1e-4, "use_cpu": True, "bf16": False,
    "gradient_checkpointing": False, "report_to": "none", "dataloader_pin_memory": False,
    "save_strategy": "no", "max_length": 256, "disable_tqdm": True,
}  # fmt: skip


@pytest.fixture(scope="module")
def judged(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home with judgements of everything, enough for a batch."""
    home = tmp_path_factory.mktemp("judged")
    log = Log()
    for number in range(8):
        prompt = [user(f"What is {number} and {number}?")]
        if number % 2:
            prompt = [
                system("Answer briefly."),
                user("Hello?"),
                answer("Hi there!", reasoning="Hm."),
                *prompt,
            ]
        good, bad = answer(f"It is {2 * number}.", reasoning="A sum."), answer("I do not know.")
        log.rate(prompt, good, 1, f"c{number}", score=9, comment="right")
        log.rate(prompt, bad, -1, f"c{number}", reasons=("not_helpful",))
        log.compare([user(f"Hello {number}")], answer("Hi!"), answer("No."), "left", f"d{number}")
    log.correct([user("Why?")], answer("So."), "Because.", "e1")
    log.rank([user("Count.")], [answer("1 2"), answer("2 1"), answer("one")], (1, 2, 2), "e2")
    paths = Paths.locate({"CHATCLI_HOME": str(home)})
    paths.feedback_log.write_bytes(b"".join(encode(record) + b"\n" for record in log.records))
    return home


def exported(home: Path, folder: Path, *arguments: str) -> Path:
    """The folder of an export."""
    done = run(home, "feedback", "export", "-o", str(folder), *arguments)
    assert done.code == 0, done.stderr
    return folder


@pytest.mark.parametrize("name", FORMATS)
@pytest.mark.parametrize("reasoning", ["drop", "keep"])
def test_datasets_loads_every_file(judged: Path, tmp_path: Path, name: str, reasoning: str) -> None:
    """``load_dataset`` takes the file as it is, and finds as many rows as the manifest says."""
    import json

    from datasets import load_dataset

    if reasoning == "keep" and not FORMATS[name].reasoning:
        reasoning = "wrap"
    folder = exported(judged, tmp_path / "data", "-f", name, "--reasoning", reasoning)
    manifest = json.loads((folder / "manifest.json").read_text())
    for file in manifest["files"]:
        data = load_dataset(
            "json", data_files=str(folder / file["name"]), split="train", cache_dir=str(tmp_path / "cache")
        )
        assert len(data) == file["rows"] > 0


@pytest.mark.parametrize("arguments", [["-f", "dpo"], ["-f", "kto", "--parquet"]])
def test_datasets_loads_the_folder(judged: Path, tmp_path: Path, arguments: list[str]) -> None:
    """With its splits, as the card says them; manifest and card are no data."""
    from datasets import load_dataset

    folder = exported(judged, tmp_path / "data", "--split", "0.6", *arguments)
    data = load_dataset(str(folder), cache_dir=str(tmp_path / "cache"))
    assert set(data) == {"train", "validation"}
    assert min(map(len, data.values())) > 0


@pytest.mark.parametrize("name", [name for name, form in FORMATS.items() if form.tabular])
def test_parquet_holds_the_same_rows(judged: Path, tmp_path: Path, name: str) -> None:
    """As the lines of JSON."""
    import json

    import pyarrow.parquet

    how = ["-f", name, "--reasoning", "keep" if FORMATS[name].reasoning else "drop"]
    lines = exported(judged, tmp_path / "lines", *how) / "train.jsonl"
    table = exported(judged, tmp_path / "table", *how, "--parquet") / "train.parquet"
    rows = [json.loads(line) for line in lines.read_text(encoding="utf-8").splitlines()]
    assert _without_none(pyarrow.parquet.read_table(table).to_pylist()) == rows


def _without_none(value: Any) -> Any:
    """A table has every column in every row; where there is no value stands None."""
    if isinstance(value, list):
        return [_without_none(item) for item in value]
    if isinstance(value, dict):
        return {key: _without_none(item) for key, item in value.items() if item is not None}
    return value


def _model(kind: Any, **more: Any) -> Any:
    import torch
    from transformers import GgufConfig

    return kind.from_pretrained(
        str(MODEL.parent), gguf_file=str(MODEL), quantization_config=GgufConfig(dequantize=True),
        dtype=torch.float32, **more,
    )  # fmt: skip


def _tokenizer() -> Any:
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(str(MODEL.parent), gguf_file=str(MODEL))
    tokenizer.pad_token = tokenizer.pad_token or tokenizer.eos_token
    return tokenizer


def _lora(task: str) -> Any:
    from peft import LoraConfig

    return LoraConfig(r=8, lora_alpha=16, target_modules="all-linear", task_type=task)


@pytest.mark.parametrize("name", ["dpo", "kto", "sft", "reward"])
@pytest.mark.parametrize("marks", [True, False])
def test_trl_takes_a_step(judged: Path, tmp_path: Path, name: str, marks: bool) -> None:
    """On the exported file, and the loss is a number."""
    import math

    import trl
    from datasets import load_dataset
    from transformers import AutoModelForCausalLM, AutoModelForSequenceClassification

    folder = exported(judged, tmp_path / "data", "-f", name, *([] if marks else ["--no-marks"]))
    data = load_dataset(
        "json", data_files=str(folder / "train.jsonl"), split="train", cache_dir=str(tmp_path / "cache")
    )
    trainers = {
        "dpo": (trl.DPOTrainer, trl.DPOConfig), "kto": (trl.KTOTrainer, trl.KTOConfig),
        "sft": (trl.SFTTrainer, trl.SFTConfig), "reward": (trl.RewardTrainer, trl.RewardConfig),
    }  # fmt: skip
    trainer_class, config_class = trainers[name]
    tokenizer = _tokenizer()
    if name == "reward":
        model = _model(AutoModelForSequenceClassification, num_labels=1)
        model.config.pad_token_id = tokenizer.pad_token_id
    else:
        model = _model(AutoModelForCausalLM)
    trainer = trainer_class(
        model=model,
        args=config_class(output_dir=str(tmp_path / "out"), **STEP),
        train_dataset=data,
        processing_class=tokenizer,
        peft_config=_lora("SEQ_CLS" if name == "reward" else "CAUSAL_LM"),
    )
    assert math.isfinite(trainer.train().training_loss)
