"""``chatcli doctor``: what this machine and the installed llama.cpp can do, and where things are."""

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Annotated, Any

import typer

from chatcli import __version__
from chatcli.cli.invocation import Invocation
from chatcli.cli.options import ModelOptions, takes_model_options
from chatcli.errors import ChatcliError
from chatcli.settings import Paths, Settings

if TYPE_CHECKING:
    from chatcli.engine.machine import Library, MachineReport

_PLACES = ("config_file", "transcripts", "feedback_log", "models", "input_history", "cache")
_GIB = 2**30


@takes_model_options
def doctor(
    context: typer.Context,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
    options: ModelOptions = ModelOptions(),  # noqa: B008  (frozen)
) -> None:
    """Tell what this machine can do, where things are, and whether the model runs here."""
    from chatcli.engine.machine import describe_machine

    invocation = Invocation.from_process()
    settings = options.over(context.obj or ModelOptions()).settings(invocation.environ, invocation.paths)
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
    """The first-load probe's verdict on the model of the settings; tried now if it is not known."""
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
        yield "", "it advertises AMX; some virtual machines do and fault on it, the probe below finds out"
    memory = report.memory
    limit = f", limited to {memory.limit / _GIB:.1f} GiB" if memory.limit else ""
    yield "memory", f"{memory.available / _GIB:.1f} of {memory.total / _GIB:.1f} GiB available{limit}"
    for disk in report.disks:
        yield "free disk", f"{disk.free / _GIB:.1f} of {disk.total / _GIB:.1f} GiB at {disk.path}"


def _about_library(library: "Library | None", error: str) -> Iterator[tuple[str, str]]:
    if library is None:
        yield "not usable", f"{error}; reinstall llama-cpp-python"
        return
    yield "version", f"{library.llama_cpp} (ggml {library.ggml} {library.commit})".replace(" )", ")")
    yield "built with", ", ".join(library.backends)
    yield "cpu features", " ".join(library.features)
    for device in library.devices:
        size = f", {device.free_memory / _GIB:.1f} of {device.total_memory / _GIB:.1f} GiB free"
        yield (
            "device",
            f"{device.name} ({device.kind}): {device.description}{size if device.total_memory else ''}",
        )
    yield (
        "gpu offload",
        "yes" if library.gpu_offload else "no: this build computes on the CPU only (docs/gpu.md)",
    )
    yield "pictures", "yes (libmtmd)" if library.mtmd else "no: this build of llama-cpp-python lacks libmtmd"


def _about_model(model: dict[str, Any]) -> Iterator[tuple[str, str]]:
    yield "name", model["name"]
    if "file" in model:
        yield "file", model["file"]
    verdict = model["outcome"] + (f": {model['reason']}" if model["reason"] else "")
    if model.get("use_extra_bufts") is False and model["outcome"] == "ok":
        verdict += ", without weight repacking (this CPU faults on it)"
    yield "first load", verdict + (" (remembered)" if model.get("remembered") else "")
