"""The review page: look at the top hits, mark a few, refit, watch the ranking change."""
