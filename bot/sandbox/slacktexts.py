"""The texts that Slack itself shows to people when something goes wrong.

Text only, so that a page and a test can name them.
"""

COMMAND_FAILED = '{command} failed with the error "dispatch_failed"'
UNKNOWN_COMMAND = '{command} is not a valid command. In Slack, all messages that start with the "/" character are interpreted as commands.'  # noqa: E501  # Slackbot's own sentence
MODAL_FAILED = "We had some trouble connecting. Try again?"
ACTION_FAILED = "{app} did not respond to your click. Try again?"
OPTIONS_FAILED = "The options could not be loaded."
REQUIRED = "Please complete this required field."
TOO_SHORT = "Must be at least {limit} characters long."
TOO_LONG = "Must be at most {limit} characters long."
BAD_NUMBER = "Please enter a number."
BAD_WHOLE_NUMBER = "Please enter a whole number."
TOO_SMALL = "Must be at least {limit}."
TOO_BIG = "Must be at most {limit}."
BAD_EMAIL = "Please enter a valid email address."
BAD_URL = "Please enter a valid URL."
TOO_MANY = "Choose at most {limit}."
