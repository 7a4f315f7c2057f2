"""The modal "Migrate a database": the form in the seed document's order, and the views that follow a submission.

It is rebuilt whole from the form whenever a choice changes its shape. It reads no configuration and no cluster: names, databases
and collections are answered by the listeners behind the external selects.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple, TypeAlias

from bot.views import message as m
from bot.views import request_inputs as inputs
from bot.views import request_options
from bot.views import text as t
from bot.views.request_form import (
    EXTERNAL_SELECTS,
    RESHAPES,
    Field,
    RequestForm,
    error_blocks,
    hidden,
    kept,
    option_value,
    parse,
    real_names,
)
from bot.views.request_inputs import option, option_groups, options
from engine.model import ErrorText

__all__ = [
    "BACK",
    "CALLBACK_ID",
    "EXTERNAL_SELECTS",
    "NOTHING_KNOWN",
    "RESHAPES",
    "Field",
    "Known",
    "RequestForm",
    "build",
    "error_blocks",
    "failed",
    "option",
    "option_groups",
    "option_value",
    "options",
    "parse",
    "real_names",
    "sent",
]

View: TypeAlias = dict[str, Any]

CALLBACK_ID = "ferry_request"
BACK = "ferry_back_to_form"
"""The button of the failed view that leads back to the form, which its `private_metadata` carries."""

TITLE = "Migrate a database"
NAME_MAX = 48

_DESTINATIONS = (
    ("existing", "Existing Cluster", "A cluster that Ferry knows"),
    ("new", "New Cluster", "A new cluster is made for this migration"),
)
_TYPES = (("offline", "Offline Migration", "Writes to the source are paused while it runs"),)


class Known(NamedTuple):
    """What configuration says of the choices so far.

    Attributes:
        warning: The chosen target's warning text.
        new_clusters: Whether a new cluster may be chosen as the target.
        source_place: Organization and project of the source, as a sentence.
        target_place: The same of the target.
        ticket_pattern: What a ticket for this target must match; "" where none is required.
    """

    warning: str = ""
    new_clusters: bool = True
    source_place: str = ""
    target_place: str = ""
    ticket_pattern: str = ""


NOTHING_KNOWN = Known()


def build(
    form: RequestForm,
    *,
    clusters: Sequence[str],
    known: Known = NOTHING_KNOWN,
    problem: ErrorText | str = "",
) -> View:
    """The form.

    Args:
        form: What is filled in; it stays, whatever the new shape is.
        clusters: The names of the configured clusters; without any the form says so and cannot be sent.
        known: What configuration says of the choices so far.
        problem: Why the form came back, shown at its top.
    """
    if not clusters:
        return _view([m.section(_NO_CLUSTERS)], close="Close")
    blocks = [
        _problem(problem),
        *_source(form, known),
        *_target(form, known),
        _migration_type(form),
        m.divider(),
        request_options.keys(form),
        *request_options.conflict(form),
        *request_options.start(form),
        *request_options.pace(form),
        *request_options.reasons(form, known.ticket_pattern),
    ]
    return _view(blocks, submit="Request migration", close="Close", carried=hidden(form))


_NO_CLUSTERS = (
    "*No cluster is configured yet.* Nothing can be migrated, and nothing was changed. "
    "Ask whoever keeps Ferry's configuration to add clusters to `ferry.yml`, then type `/migrate` again."
)


def failed(message: ErrorText | str, form: RequestForm | None = None) -> View:
    """Why there is no request, or why it ended; with the form given, a button leads back to it, if all of it can be kept."""
    carried = kept(form) if form else ""
    foot = None
    if carried:
        foot = m.actions("back", m.button("Back to the form", BACK, "back", style="primary"))
    elif form:
        foot = m.section(_TOO_LONG)
    return _view([_problem(message), foot], close="Close", carried=carried)


_TOO_LONG = (
    "So much was chosen that the form cannot be kept here, and part of it would be another request. "
    "Type `/migrate` to fill it in again."
)


def sent(migration_id: str, channel_id: str = "") -> View:
    """What stands there once the request is recorded: its name, and where it goes on."""
    where = f"<#{channel_id}>" if channel_id else "the approvals channel"
    said = (
        f":white_check_mark: *Requested* as {t.code(migration_id)}. The plan is being made; it is posted in {where} "
        "for approval. If there can be none, because a cluster does not answer or something is in the way, you are told so in a "
        "direct message. Nothing is written before somebody else has approved it. You may close this window."
    )
    return _view([m.section(said)], close="Done")


def _view(
    blocks: Sequence[m.Block | None],
    *,
    close: str,
    submit: str = "",
    carried: str = "",
) -> View:
    view: View = {
        "type": "modal",
        "callback_id": CALLBACK_ID,
        "title": m.plain(TITLE, 24),
        "close": m.plain(close, 24),
        "blocks": [block for block in blocks if block],
        "private_metadata": carried,
    }
    return view | {"submit": m.plain(submit, 24)} if submit else view


def _problem(problem: ErrorText | str) -> m.Block | None:
    if not problem:
        return None
    given = problem if isinstance(problem, ErrorText) else ErrorText(code="", message=problem)
    parts = {
        "What happened": t.sentence(t.clip(t.prose(given.message), 1_200)),
        "The data": t.sentence(t.clip(t.prose(given.state), 700)) or "Nothing was changed.",
        "What to do": t.sentence(t.clip(t.prose(given.next_step), 700)),
    }
    lines = [f"*{label}:* {said}" for label, said in parts.items() if said]
    return m.section("\n".join((":x: *FAILED*", *lines)))


def _source(form: RequestForm, known: Known) -> tuple[m.Block, ...]:
    cluster = inputs.select(form.source, "Choose a cluster")
    database = inputs.select(form.source_database, "Choose a database")
    chosen = inputs.selects(form.collections, "All collections")
    only_read = t.joined(("It is only read, never written to.", known.source_place))
    all_of_it = "Left empty, all collections of the source database are migrated."
    return (
        inputs.field(Field.SOURCE, form, "Source cluster", cluster, hint=only_read),
        inputs.field(Field.SOURCE_DATABASE, form, "Source database", database),
        inputs.field(Field.COLLECTIONS, form, "Collections", chosen, hint=all_of_it, optional=True),
    )


def _target(form: RequestForm, known: Known) -> tuple[m.Block | None, ...]:
    choices = _DESTINATIONS if known.new_clusters else _DESTINATIONS[:1]
    new = form.destination == "new" and known.new_clusters
    destination = inputs.radio(choices, "new" if new else "existing")
    return (
        m.divider(),
        inputs.field(Field.DESTINATION, form, "Migrate to", destination),
        _new_cluster(form, known) if new else _existing_cluster(form, known),
        _warning(form, known.warning),
        _target_database(form),
        m.divider(),
    )


def _existing_cluster(form: RequestForm, known: Known) -> m.Block:
    element = inputs.select(form.target, "Choose a cluster")
    hint = t.joined(("It is written to.", known.target_place))
    return inputs.field(Field.TARGET, form, "Target cluster", element, hint=hint)


def _new_cluster(form: RequestForm, known: Known) -> m.Block:
    element = inputs.text(form.new_cluster_name, "e.g. search-2027", most=NAME_MAX)
    rule = "Up to 48 letters, digits, dots, dashes and underscores."
    hint = t.joined((rule, known.target_place))
    return inputs.field(Field.NEW_CLUSTER_NAME, form, "New cluster name", element, hint=hint)


def _warning(form: RequestForm, warning: str) -> m.Block | None:
    if not warning.strip():
        return None
    name = form.new_cluster_name if form.destination == "new" else form.target
    where = f"for {t.code(name, 72)}" if name else "for new clusters"
    return m.section(f":warning: *Warning {where}:* {t.clip(t.prose(warning), 1_500)}")


def _target_database(form: RequestForm) -> m.Block:
    element = inputs.text(form.target_database, "the same name as the source database", most=255)
    hint = "Left empty, it is the source database's name."
    label = "Target database"
    return inputs.field(Field.TARGET_DATABASE, form, label, element, hint=hint, optional=True)


def _migration_type(form: RequestForm) -> m.Block:
    hint = (
        "Writes to the source must be paused before it starts, until the verification has ended. "
        "Ferry does not pause them."
    )
    element = inputs.radio(_TYPES, form.migration_type)
    return inputs.field(Field.MIGRATION_TYPE, form, "Migration Type", element, hint=hint)
