"""Resolve: from a SPEC, a file or an expression to a checked Activation."""
