"""What `ferry.yml` and the environment may say, and how Ferry answers when they are wrong."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from bot.settings import Cluster, FreezeWindow, NewClusters, Place, Settings, load
from engine.errors import ConfigurationInvalid
from engine.model import Endpoint

EXAMPLE = Path(__file__).parents[2] / "ferry.example.yml"
ONE_CLUSTER = {"clusters": {"prod": {"uri": "http://milvus:19530"}}}


@pytest.fixture
def written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[Any], Path]:
    """Writes a configuration file and returns its path."""
    for variable in ("SLACK_BOT_TOKEN", "SLACK_APP_TOKEN", "FERRY_DATABASE_URL", "FERRY_CONFIG"):
        monkeypatch.delenv(variable, raising=False)

    def write(content: Any) -> Path:
        path = tmp_path / "ferry.yml"
        path.write_text(content if isinstance(content, str) else yaml.safe_dump(content))
        return path

    return write


def refusal(path: Path) -> str:
    """The text with which a file is refused."""
    with pytest.raises(ConfigurationInvalid) as refused:
        load(path)
    return str(refused.value)


def test_the_example_is_valid_and_shows_every_key() -> None:
    """`ferry.example.yml` is accepted as it stands, and no key of the settings is missing in it."""
    settings = load(EXAMPLE)
    shown = yaml.safe_load(EXAMPLE.read_text())
    secret = {"slack_bot_token", "slack_app_token", "slack_signing_secret"}
    assert set(shown) == set(Settings.model_fields) - secret
    for section, model in (
        ("policy", settings.policy),
        ("slack", settings.slack),
        ("roles", settings.roles),
    ):
        assert set(shown[section]) == set(type(model).model_fields)
    assert set(shown["new_clusters"]) == set(NewClusters.model_fields)
    assert {key for cluster in shown["clusters"].values() for key in cluster} == set(
        Cluster.model_fields
    )
    (window,) = shown["policy"]["freeze_windows"]
    assert set(window) == set(FreezeWindow.model_fields)


def test_a_misspelt_key_is_named(written: Callable[[Any], Path]) -> None:
    """A key that does not exist is an error that names the file and the key, so that it is not ignored."""
    path = written({"policy": {"requester_may_aprove": True}})
    assert f"{path}: policy.requester_may_aprove: there is no such key" in refusal(path)


def test_a_role_for_an_unknown_project_is_named(written: Callable[[Any], Path]) -> None:
    """A role for a project without clusters is an error: a typing mistake there would silently take rights away."""
    path = written({**ONE_CLUSTER, "roles": {"project_admins": {"default/serch": ["U0A1"]}}})
    assert "no cluster belongs to 'default/serch' (there is default/default)" in refusal(path)


def test_a_role_entry_must_be_someone(written: Callable[[Any], Path]) -> None:
    """A display name is refused as a role's entry, with what is accepted."""
    path = written({**ONE_CLUSTER, "roles": {"organization_owners": {"default": ["@alice"]}}})
    assert "'@alice' is neither a Slack user id" in refusal(path)


@pytest.mark.parametrize("uri", ["milvus:19530", "ftp://milvus", "folder/prod", "http://"])
def test_a_cluster_needs_an_address(written: Callable[[Any], Path], uri: str) -> None:
    """Only http(s) addresses and Milvus Lite files are clusters."""
    text = refusal(written({"clusters": {"prod": {"uri": uri}}}))
    assert (
        "clusters.prod.uri: it must be http(s)://host:port or the path of a Milvus Lite .db" in text
    )


def test_a_password_in_an_address_is_refused_and_not_repeated(
    written: Callable[[Any], Path],
) -> None:
    """A secret in the file is refused without being printed again."""
    text = refusal(written({"clusters": {"prod": {"uri": "http://root:hunter2@milvus:19530"}}}))
    assert "it contains a password" in text
    assert "hunter2" not in text


def test_slack_tokens_do_not_belong_in_the_file(written: Callable[[Any], Path]) -> None:
    """A Slack token in the file is refused without being printed again."""
    text = refusal(written({"slack_bot_token": "xoxb-1-secret"}))
    assert "SLACK_BOT_TOKEN" in text
    assert "xoxb-1-secret" not in text


def test_broken_yaml_is_named_by_line(written: Callable[[Any], Path]) -> None:
    """A file that is not YAML is refused with the line of the mistake."""
    assert "line 3" in refusal(written("clusters:\n  prod: [1, 2\nworkers: 3"))


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    """A file that was asked for and is not there is an error, not an empty configuration."""
    assert str(tmp_path / "no.yml") in refusal(tmp_path / "no.yml")


def test_the_environment_wins(
    written: Callable[[Any], Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A variable overrides the file, also inside a section."""
    path = written({"workers": 3, "policy": {"request_expires_hours": 2}})
    monkeypatch.setenv("FERRY_WORKERS", "5")
    monkeypatch.setenv("FERRY_POLICY__REQUESTER_MAY_APPROVE", "true")
    settings = load(path)
    assert settings.workers == 5
    assert settings.policy.requester_may_approve
    assert settings.policy.request_expires_hours == 2


def test_no_secret_is_shown(
    written: Callable[[Any], Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither Slack's tokens nor the ledger's password appear when the settings are printed."""
    monkeypatch.setenv("SLACK_BOT_TOKEN", "xoxb-1-hidden")
    monkeypatch.setenv("SLACK_APP_TOKEN", "xapp-1-hidden")
    monkeypatch.setenv("SLACK_SIGNING_SECRET", "5igned-hidden")
    settings = load(written({"database_url": "postgresql://ferry:hunter2@db/ferry"}))
    assert settings.slack_bot_token.get_secret_value() == "xoxb-1-hidden"
    assert settings.slack_signing_secret.get_secret_value() == "5igned-hidden"
    assert "hidden" not in repr(settings)
    assert "hunter2" not in repr(settings)


def test_a_token_is_read_when_it_is_needed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A cluster's token comes from its variable or its file at the moment of use."""
    secret = tmp_path / "token"
    clusters = {
        "prod": {"uri": "http://milvus:19530", "token_env": "PROD_TOKEN"},
        "lab": {"uri": "http://lab:19530", "token_file": str(secret)},
        "open": {"uri": "http://open:19530"},
    }
    settings = Settings.model_validate({"clusters": clusters})
    monkeypatch.setenv("PROD_TOKEN", "root:Milvus")
    secret.write_text("key-1\n")
    tokens = [settings.token_of(settings.endpoint(name)) for name in ("prod", "lab", "open")]
    assert tokens == ["root:Milvus", "key-1", ""]


def test_a_missing_token_names_its_place(monkeypatch: pytest.MonkeyPatch) -> None:
    """A token that is not there is an error that names the cluster and the variable."""
    monkeypatch.delenv("PROD_TOKEN", raising=False)
    clusters = {"prod": {"uri": "http://milvus:19530", "token_env": "PROD_TOKEN"}}
    settings = Settings.model_validate({"clusters": clusters})
    with pytest.raises(
        ConfigurationInvalid, match="cluster prod: the environment variable PROD_TOKEN is not set"
    ):
        settings.token_of(settings.endpoint("prod"))


def test_a_changed_address_gets_no_token(monkeypatch: pytest.MonkeyPatch) -> None:
    """An endpoint whose address is no longer the configured one is refused instead of being sent the name's token."""
    monkeypatch.setenv("PROD_TOKEN", "root:Milvus")
    clusters = {"prod": {"uri": "http://new:19530", "token_env": "PROD_TOKEN"}}
    settings = Settings.model_validate({"clusters": clusters})
    with pytest.raises(ConfigurationInvalid):
        settings.token_of(Endpoint(name="prod", uri="http://old:19530"))


def test_a_new_cluster_is_a_new_file(tmp_path: Path) -> None:
    """A new target cluster is a Milvus Lite path in the configured folder and belongs to the configured project."""
    new = {"folder": str(tmp_path), "organization": "acme", "project": "lab"}
    settings = Settings.model_validate({"new_clusters": new})
    endpoint = settings.new_endpoint("copy-1")
    assert endpoint.uri == str(tmp_path / "copy-1.db")
    assert settings.place_of(endpoint) == Place("acme", "lab")
    (tmp_path / "copy-1.db").mkdir()
    with pytest.raises(ConfigurationInvalid, match="copy-1 exists already"):
        settings.new_endpoint("copy-1")


@pytest.mark.parametrize("name", ["", "../etc", "a b", ".hidden", "x" * 49, "a\n"])
def test_a_new_cluster_name_stays_in_its_folder(tmp_path: Path, name: str) -> None:
    """A name that is not a plain file name is refused."""
    settings = Settings.model_validate({"new_clusters": {"folder": str(tmp_path)}})
    with pytest.raises(ConfigurationInvalid):
        settings.new_endpoint(name)
