#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# What everyday work takes, both clients in turn, in one boot: docs/benchmarks.md says what is measured and how. Prints a line of JSON for
# each measurement. In the environment: DELAY and WORKLOADS, lists with commas; RUNS; SCALE.

exec python3 -B compare/main.py
