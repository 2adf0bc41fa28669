"""The public contract as text: names, signatures, options, and what --help prints."""

import dataclasses
import importlib.metadata
import inspect
import re

import pandas as pd
import typer
from sklearn.base import BaseEstimator
from typer.testing import CliRunner

import blemish
from blemish import PRESETS, DefectDetector, datasets
from blemish.cli import app
from blemish.runtime import Runtime

MODALITIES = ("Image", "Tabular", "Video")
TYPER = importlib.metadata.version("typer")


def shown(annotation):
    """An annotation without the modules that its names live in; one of more than a line is left out."""
    text = annotation if isinstance(annotation, str) else inspect.formatannotation(annotation)
    text = re.sub(r"\b(?:[A-Za-z_]\w*\.)+(?=[A-Za-z_])", "", text.replace("'", ""))
    return text if len(text) <= 70 else "…"


def signature(thing):
    """`inspect.signature` as text."""
    found = inspect.signature(thing)
    parameters = []
    for parameter in found.parameters.values():
        if parameter.annotation is not inspect.Parameter.empty:
            parameter = parameter.replace(annotation=Raw(shown(parameter.annotation)))
        parameters.append(parameter)
    returned = found.return_annotation
    if returned is not inspect.Signature.empty:
        returned = Raw(shown(returned))
    text = str(found.replace(parameters=parameters, return_annotation=returned))
    text = text.replace("self: ~Detector", "self").replace(
        "~Detector", "DefectDetector"
    )  # what is called returns itself
    return text.replace("(self, ", "(").replace("(self)", "()")


class Raw:
    """A text that `inspect` prints as it is."""

    def __init__(self, text):
        self.text = text

    def __repr__(self):
        return self.text


def methods(name, kind, but=()):
    """A class: how it is made, its fields, its public methods."""
    yield f"{name}{signature(kind).split(' -> ')[0]}"
    for method in sorted(set(dir(kind)) - set(but)):
        value = inspect.getattr_static(kind, method)
        if method.startswith("_") or (dataclasses.is_dataclass(kind) and method in kind.__dataclass_fields__):
            continue
        if isinstance(value, property):
            yield f"{name}.{method}: property"
        elif callable(getattr(kind, method)):
            yield f"{name}.{method}{signature(getattr(kind, method))}"


def python_names():
    """Everything to import."""
    yield "# blemish"
    yield from sorted(blemish.__all__)
    for name in sorted(blemish.__all__):
        thing = getattr(blemish, name)
        if name == "DefectDetector" or not callable(thing):
            continue
        if not inspect.isclass(thing):
            yield f"{name}{signature(thing)}"
        elif name in MODALITIES:  # what a modality can do is for the package, how it is made for users
            yield f"{name}{signature(thing)}".split(" -> ")[0]
        elif not issubclass(thing, Exception):
            yield from methods(name, thing)
        else:
            yield f"{name} is {', '.join(base.__name__ for base in thing.__mro__[1:-1])}"
    yield "\n# blemish.DefectDetector"
    yield from methods("DefectDetector", DefectDetector, but=dir(BaseEstimator))
    yield "\n# attributes of a fitted detector"
    split = datasets.ring(n_normal=100, n_test=1)
    frame = pd.DataFrame(split.X_train, columns=list("abcdefgh"))
    det = DefectDetector(epochs=1, random_state=0, scorer="latent").fit(frame, split.y_train)
    yield from sorted(name for name in vars(det) if name.endswith("_") and not name.startswith("_"))
    yield "\n# blemish.datasets"
    for name, thing in sorted(vars(datasets).items()):
        if name.startswith("_") or not getattr(thing, "__module__", "").startswith("blemish"):
            continue
        yield from methods(name, thing) if inspect.isclass(thing) else [f"{name}{signature(thing)}"]
    yield "\n# blemish.runtime"
    yield from methods("Runtime", Runtime)
    yield "\n# presets"
    yield from (f"{name}: {preset.arguments}" for name, preset in PRESETS.items())


def below(command):
    """The commands of a group by name."""
    return getattr(command, "commands", {})


def kind_of(parameter, context):
    """The kind of an option's values, as --help names it, and what it is when it is not given."""
    kind = "flag" if getattr(parameter, "is_flag", False) else parameter.display_type(context).strip("<>")
    words = [kind]
    words += ["required"] * bool(parameter.required) + ["repeated"] * bool(parameter.multiple)
    words += [f"default {parameter.default}"] * (parameter.default is not None)
    words += ["hidden"] * bool(getattr(parameter, "hidden", False))
    return ", ".join(words)


def options():
    """Every option of every command."""
    command = typer.main.get_command(app)
    for name, one in [("", command), *sorted(below(command).items())]:
        yield f"\n# blemish {name}".rstrip()
        context = typer.Context(one)
        for parameter in one.params:
            names = [*parameter.opts, *parameter.secondary_opts]
            is_argument = parameter.param_type_name == "argument"
            yield f"{parameter.name if is_argument else ' / '.join(names)}: {kind_of(parameter, context)}"


def public_page():
    """What public.txt holds."""
    return "\n".join([*python_names(), *options()]) + "\n"


def help_page():
    """What help.txt holds: what --help prints; its form is that of the version of Typer in the first line."""
    runner, parts = CliRunner(env={"COLUMNS": "100", "TERMINAL_WIDTH": "100", "NO_COLOR": "1"}), [f"# typer {TYPER}\n"]
    for name in ["", *below(typer.main.get_command(app))]:
        result = runner.invoke(app, [*name.split(), "--help"], prog_name="blemish")
        assert result.exit_code == 0, result.output
        parts.append(f"\n$ blemish {name}".rstrip() + f" --help\n{result.stdout.strip()}\n")
    return "".join(parts)


PAGES = {"public.txt": public_page, "help.txt": help_page}
