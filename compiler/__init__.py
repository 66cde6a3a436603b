"""From a declaration in SymPy to a verified torch module; `api` has the stages as functions."""
