"""E[f(x)] under a law: closed forms by rules that all terminate, else quadrature with its error."""
