"""One training run: from its configuration to its result, resumable to the bit."""
