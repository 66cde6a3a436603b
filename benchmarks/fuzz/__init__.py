"""Random texts, derivations, files and faults, many of them: what the tests do for seconds, for as long as you like."""
