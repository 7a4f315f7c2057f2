"""The demo: a local Slack workspace, two filled Milvus Lite clusters and the bot, joined in one process."""
