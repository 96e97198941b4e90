"""WHAT RUNS: sockets, tasks, timers."""
