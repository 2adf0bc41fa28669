"""The ground that everything stands on: errors, labels, parts by name, model files, ONNX nodes, metrics."""
