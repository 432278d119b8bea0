"""One module a step; each has a function that the command line calls."""
