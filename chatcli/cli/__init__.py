"""The command line: one module per command group. Wires the rooms together, maps errors to exit codes."""
