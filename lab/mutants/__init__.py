"""`make mutants`: break the package on purpose, one place at a time, and see that a test notices."""
