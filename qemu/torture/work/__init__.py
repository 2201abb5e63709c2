# SPDX-License-Identifier: GPL-2.0
"""What goes on while the server is tortured, and how what it leaves is judged: a module for each kind of work."""
