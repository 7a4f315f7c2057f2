"""Reads `ferry.yml` into the settings, and says in a sentence what is wrong with it; it keeps nothing."""

import os
from pathlib import Path
from typing import Any, Final

import yaml
from pydantic import ValidationError

from bot.settings.whole import Settings
from engine.errors import ConfigurationInvalid

DEFAULT_FILE: Final = Path("ferry.yml")

_SECRET_KEYS: Final = frozenset({"slack_bot_token", "slack_app_token", "slack_signing_secret"})


def load(path: Path | None = None) -> Settings:
    """The settings from a file and the environment.

    Args:
        path: The file; without it `FERRY_CONFIG`, or `ferry.yml` in the working directory if there is one.

    Raises:
        ConfigurationInvalid: The file cannot be read, or a key in it (or a variable) is wrong; it names both.
    """
    given = path or (Path(os.environ["FERRY_CONFIG"]) if os.environ.get("FERRY_CONFIG") else None)
    file = given or DEFAULT_FILE
    values = _read(file) if given or file.exists() else {}
    held = _SECRET_KEYS & {str(key).lower() for key in values}
    if held:
        raise ConfigurationInvalid(
            f"{file} holds {', '.join(sorted(held))}.",
            state="Nothing was started.",
            next_step="Put Slack's secrets into the environment: SLACK_BOT_TOKEN, SLACK_APP_TOKEN, SLACK_SIGNING_SECRET.",
        )
    try:
        return Settings(**values)
    except ValidationError as error:
        raise ConfigurationInvalid(
            f"{file}: {'; '.join(_problem(entry) for entry in error.errors(include_input=False))}.",
            state="Nothing was started.",
            next_step="Correct it (ferry.example.yml shows every key), then start again.",
        ) from None


def _read(file: Path) -> dict[str, Any]:
    try:
        values = yaml.safe_load(file.read_text(encoding="utf-8"))
    except OSError as error:
        raise _unreadable(file, error.strerror or "it cannot be read") from None
    except UnicodeDecodeError:
        raise _unreadable(file, "it is not text in UTF-8") from None
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        line = f"line {mark.line + 1}: " if mark else ""
        raise _unreadable(file, f"{line}{getattr(error, 'problem', None) or 'not YAML'}") from None
    if values is None:
        return {}
    if not isinstance(values, dict):
        raise _unreadable(file, "it must hold keys with values")
    return values


def _unreadable(file: Path, reason: str) -> ConfigurationInvalid:
    return ConfigurationInvalid(
        f"{file} cannot be used: {reason}.",
        state="Nothing was started.",
        next_step="Correct the file, or name another one with FERRY_CONFIG.",
    )


def _problem(entry: Any) -> str:
    key = ".".join(str(part) for part in entry["loc"])
    message = str(entry["msg"]).removeprefix("Value error, ")
    if entry["type"] == "extra_forbidden":
        message = "there is no such key"
    return f"{key}: {message}" if key else message
