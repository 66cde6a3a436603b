"""From a declaration in SymPy to a verified torch module: declare, derive, lower, emit, verify; `api` calls them."""
