"""``chatcli doctor``: what this machine and the installed llama.cpp can do, and where files are."""

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

import typer

from chatcli import __version__
from chatcli.cli.invocation import Invocation
from chatcli.cli.options import AsJson, ModelOptions, takes_model_options
from chatcli.errors import ChatcliError
from chatcli.settings import Paths, Settings
from chatcli.words import binary_size

if TYPE_CHECKING:
    from chatcli.engine.machine import Library, MachineReport

_PLACES = ("config_file", "transcripts", "feedback_log", "models", "input_history", "cache")


@takes_model_options
def doctor(
    context: typer.Context,
    as_json: AsJson = False,
    options: ModelOptions = ModelOptions(),  # noqa: B008  (frozen)
) -> None:
    """Show what this machine can do, where files are, and whether the model runs."""
    from chatcli.engine.machine import describe_machine

    invocation = Invocation.from_process()
    settings = options.settings(invocation.environ, invocation.paths)
    paths = invocation.paths
    report = describe_machine([paths.data, paths.cache])
    places = {name: str(getattr(paths, name)) for name in _PLACES}
    model = _try(settings, paths, invocation.environ)
    if as_json:
        record = {"chatcli": __version__, **report.as_dict(), "paths": places, "model": model}
        invocation.write_json(record)
        return
    sections = {
        f"chatcli {__version__}": _about_machine(report),
        "llama.cpp": _about_library(report.library, report.library_error),
        "paths": places.items(),
        "model": _about_model(model),
    }
    for title, rows in sections.items():
        lines = "".join(f"  {name:<16} {value}\n" for name, value in rows)
        invocation.write(f"{title}\n{lines}")


def _try(settings: Settings, paths: Paths, environ: Mapping[str, str]) -> dict[str, Any]:
    """Return the result of the first load of the model; try it now if no result is cached."""
    from chatcli.library.opening import try_model
    from chatcli.library.stores import Places

    try:
        tried = try_model(settings, Places.of(environ, paths), paths.probe_verdicts)
    except ChatcliError as error:
        return {"name": settings.model, "outcome": "error", "reason": str(error)}
    if tried is None:
        return {"name": settings.model, "outcome": "ok", "reason": "needs no file"}
    path, verdict = tried
    return {
        "name": settings.model,
        "file": str(path),
        "outcome": str(verdict.outcome),
        "reason": verdict.reason,
        "use_extra_bufts": verdict.use_extra_bufts,
        "seconds": verdict.seconds,
        "remembered": verdict.remembered,
    }


def _about_machine(report: "MachineReport") -> Iterator[tuple[str, str]]:
    yield "python", f"{report.python} on {report.platform}"
    yield "packages", ", ".join(f"{name} {version}" for name, version in report.packages.items())
    cpu = report.cpu
    yield "cpu", f"{cpu.model}, {cpu.physical} cores ({cpu.logical} logical)"
    if cpu.advertises_amx:
        yield "", "advertises AMX; some virtual machines crash on it, the first load below tests it"
    memory = report.memory
    limit = f", limited to {binary_size(memory.limit)}" if memory.limit else ""
    yield "memory", f"{binary_size(memory.available)} of {binary_size(memory.total)} available{limit}"
    for disk in report.disks:
        yield "free disk", f"{binary_size(disk.free)} of {binary_size(disk.total)} at {disk.path}"


def _about_library(library: "Library | None", error: str) -> Iterator[tuple[str, str]]:
    if library is None:
        yield "not usable", f"{error}; reinstall llama-cpp-python"
        return
    yield "version", f"{library.llama_cpp} (ggml {library.ggml} {library.commit})".replace(" )", ")")
    yield "built with", ", ".join(library.backends)
    yield "cpu features", " ".join(library.features)
    for device in library.devices:
        size = f", {binary_size(device.free_memory)} of {binary_size(device.total_memory)} free"
        yield (
            "device",
            f"{device.name} ({device.kind}): {device.description}{size if device.total_memory else ''}",
        )
    yield (
        "gpu offload",
        "yes" if library.gpu_offload else "no: this build uses the CPU only (docs/gpu.md)",
    )
    yield "pictures", "yes (libmtmd)" if library.mtmd else "no: this build of llama-cpp-python lacks libmtmd"


def _about_model(model: dict[str, Any]) -> Iterator[tuple[str, str]]:
    yield "name", model["name"]
    if "file" in model:
        yield "file", model["file"]
    verdict = model["outcome"] + (f": {model['reason']}" if model["reason"] else "")
    if model.get("use_extra_bufts") is False and model["outcome"] == "ok":
        verdict += ", without weight repacking (this CPU crashes on it)"
    yield "first load", verdict + (" (remembered)" if model.get("remembered") else "")
