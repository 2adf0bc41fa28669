"""Arguments → a fitted model; folds; what a model file holds."""
