"""Slack views: pure builders from ledger state to text and blocks.

No view does I/O, reads a clock or decides who may do what; all that it shows comes in as arguments.
"""
