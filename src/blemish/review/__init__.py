"""The review page: inspect the top hits, mark a few, refit, watch the ranking change."""
