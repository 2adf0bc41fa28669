"""The version, in one place."""

from importlib.metadata import PackageNotFoundError, version

try:
    __version__ = version("blemish")
except PackageNotFoundError:  # running from a tree that is not installed
    __version__ = "0"
