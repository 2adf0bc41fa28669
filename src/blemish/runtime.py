"""Scores of an exported model without PyTorch: `Runtime`, from `blemish.onnx.runtime`."""

from blemish.onnx.runtime import Runtime

__all__ = ["Runtime"]
