"""The families that ship with the compiler: one declaration a file, each file named like its family."""
