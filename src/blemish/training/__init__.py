"""THE loop, and what it trains on: objective, batches, augmentation, optimiser, schedules."""
