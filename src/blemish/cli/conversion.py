"""Values are converted only where they are given: Typer imports pydantic, 0.25 s, even for None."""

from typing import Any


class WhenGiven:
    """In place of a parameter's converter, which is built when a value comes."""

    def __init__(self, param: Any) -> None:
        self._build = param.get_runtime_param
        param.get_runtime_param = lambda: self

    def coerce(self, value: Any, param: Any, ctx: Any) -> Any:
        """The value in the parameter's type."""
        if value is None:
            return () if param.multiple or param.nargs == -1 else None
        return value if value is param.default else self._build().coerce(value, param=param, ctx=ctx)


def sparing(command: Any) -> Any:
    """A command, and those below it, whose parameters are converted only where they are given."""
    params_of = command.get_params

    def get_params(ctx: Any) -> list[Any]:
        params = params_of(ctx)
        for param in params:
            if hasattr(param, "get_runtime_param") and "get_runtime_param" not in vars(param):
                WhenGiven(param)
        return params

    command.get_params = get_params
    for below in getattr(command, "commands", {}).values():
        sparing(below)
    return command
