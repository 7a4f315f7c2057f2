"""Ferry in Slack and on the command line."""
