"""One ONNX file that scores raw samples, and its scores without PyTorch."""
