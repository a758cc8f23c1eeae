"""``python -m models.lkjsxclm train`` and ``python -m models.lkjsxclm evaluate``."""

import argparse
from collections import Counter
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

from models.lkjsxclm import corpus, evaluate

GGUF = Path(__file__).parents[1] / "lkjsxclm-q8_0.gguf"


def main() -> None:
    """Read the command line and do what it says."""
    parser = argparse.ArgumentParser(prog="python -m models.lkjsxclm", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    train = commands.add_parser("train", help="train the model and write its GGUF file")
    train.add_argument("--steps", type=int, help="fewer steps, for a try")
    train.add_argument("--float32", action="store_true", help="no bfloat16, for CPUs that are slow at it")
    score = commands.add_parser("evaluate", help="ask the held-out questions and print the scores")
    score.add_argument("--temperature", type=float, default=0.0, help="0 is greedy")
    score.add_argument("--failures", action="store_true", help="print every wrong answer")
    score.add_argument("--transcripts", action="store_true", help="the transcripts' own questions as well")
    for command in (train, score):
        command.add_argument("--file", type=Path, default=GGUF, help="the GGUF file")
    chosen = parser.parse_args()
    if chosen.command == "train":
        _train(chosen.file, chosen.steps, half=not chosen.float32)
    else:
        _evaluate(chosen)


def _train(path: Path, steps: int | None, *, half: bool) -> None:
    from models.lkjsxclm.train import Recipe, make

    recipe = replace(Recipe(), half=half)
    if steps:
        shorter = (replace(p, steps=max(1, steps * p.steps // recipe.steps)) for p in recipe.phases)
        examples = recipe.warm_examples * steps // recipe.steps
        recipe = replace(recipe, phases=tuple(shorter), warm_examples=examples)
    trained = make(corpus.read(), recipe, path)
    parameters = sum(parameter.numel() for parameter in trained.network.parameters())
    print(f"{path}: {parameters:,} parameters, {path.stat().st_size:,} bytes, {trained.seconds:.0f} s")


def _evaluate(chosen: argparse.Namespace) -> None:
    material = corpus.read()
    with evaluate.open_model(chosen.file) as engine:
        ask = evaluate.asker(engine, evaluate.sampling(chosen.temperature))
        _print(evaluate.held_out(material, ask), failures=chosen.failures)
        if chosen.transcripts:
            _print(evaluate.transcripts(material, ask), failures=chosen.failures)


def _print(outcomes: Iterable[evaluate.Outcome], *, failures: bool) -> None:
    asked: Counter[str] = Counter()
    right: Counter[str] = Counter()
    for outcome in outcomes:
        asked[outcome.kind] += 1
        right[outcome.kind] += outcome.right
        if failures and not outcome.right:
            print(f"{outcome.kind}: {outcome.asked}\n  said:   {outcome.answer}\n  wanted: {outcome.wanted}")
    for kind, count in asked.items():
        print(f"{kind:>10}: {right[kind]} of {count} ({right[kind] / count:.1%})")


if __name__ == "__main__":
    main()
