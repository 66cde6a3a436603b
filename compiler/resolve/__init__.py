"""Resolve: from what a user writes (a SPEC, a file, an expression) to an Activation that is checked."""
