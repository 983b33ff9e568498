"""What the package costs, measured: programs that write ``reports/*.json``.

Each makes databases of its own and drops them. ``docs/reference/benchmarks.md`` says
what the figures mean.
"""
