"""What `/migrate SOURCE TARGET` names: the form filled in beforehand, or what is wrong with the names; pure.

Each is a cluster's name, or `cluster/database`. Whether a database is there is found out when the form stands.
"""

from bot.settings import Settings
from bot.views import text as t
from bot.views.request_modal import RequestForm

USAGE = "SOURCE TARGET"
_NAMES = 2
_SHOWN = 40


def form_of(typed: str, settings: Settings) -> RequestForm | None:
    """The form for two names that the configuration has; None for anything else, see `wrong`."""
    names = [_split(word) for word in typed.split()]
    known = all(cluster in settings.clusters for cluster, _ in names)
    if len(names) != _NAMES or not known or wrong(typed, settings):
        return None
    (source, source_database), (target, target_database) = names
    return RequestForm(
        source=source,
        source_database=source_database,
        target=target,
        target_database=target_database,
    )


def wrong(typed: str, settings: Settings) -> str:
    """What is wrong with the names, finished mrkdwn; "" when nothing is, or when none of them is a cluster's."""
    names = [_split(word) for word in typed.split()]
    unknown = [cluster for cluster, _ in names if cluster not in settings.clusters]
    if len(unknown) == len(names):
        return ""
    if len(names) != _NAMES:
        return f"It takes a source and a target: *{USAGE}*. {clusters(settings)}"
    if unknown:
        return f"There is no cluster {t.code(unknown[0])}. {clusters(settings)}"
    return _closed_database(*names[0], settings)


def clusters(settings: Settings) -> str:
    """Which clusters there are, a sentence of mrkdwn."""
    names = sorted(settings.clusters)
    more = f" and {t.number(len(names) - _SHOWN)} more" if len(names) > _SHOWN else ""
    listed = ", ".join(map(t.code, names[:_SHOWN])) or "none yet"
    return f"The clusters are {listed}{more}; a database stands behind one as in {t.code('cluster/database')}."


def _closed_database(source: str, database: str, settings: Settings) -> str:
    allowed = settings.clusters[source].databases
    if not database or not allowed or database in allowed:
        return ""
    listed = ", ".join(map(t.code, allowed[:_SHOWN]))
    return f"Of {t.code(source)} these databases may be chosen: {listed}. {t.code(database)} is none of them."


def _split(word: str) -> tuple[str, str]:
    cluster, _, database = word.partition("/")
    return cluster, database
