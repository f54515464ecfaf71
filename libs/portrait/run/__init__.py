"""A run of the job graph, or of one job: what is stale, in which order, under which lease, and what is recorded."""
