"""The Web API over HTTP: reads the request, checks token, scope and rate, calls the method.

Answers exactly as Slack does: HTTP 200 with "ok" also for refusals, 429 with Retry-After. What a
method does stands in the webapi_*.py files.
"""

import json
import time
from typing import Any
from urllib.parse import parse_qsl

from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response

from bot.sandbox.calls import Call
from bot.sandbox.config import AppConfig
from bot.sandbox.core import Core
from bot.sandbox.errors import Json, SlackError
from bot.sandbox.faults import Fault
from bot.sandbox.journal import Entry
from bot.sandbox.methods import METHODS, Method

OK, RATE_LIMITED, UNAVAILABLE = 200, 429, 503
SECRET_ARGUMENTS = {"token"}


class LostAnswerError(Exception):
    """The call had its effect and the caller must never see an answer."""


async def read_arguments(request: Request) -> Json:
    """The arguments of a call: query, then form or JSON body, whichever it is.

    Raises:
        SlackError: invalid_json, json_not_object.
    """
    arguments: Json = dict(request.query_params)
    body = await request.body()
    if not body.strip():
        return arguments  # slack_sdk sends application/json with nothing in it
    if request.headers.get("content-type", "").startswith("application/json"):
        try:
            given = json.loads(body)
        except json.JSONDecodeError:
            raise SlackError("invalid_json") from None
        if not isinstance(given, dict):
            raise SlackError("json_not_object")
        return arguments | given
    return arguments | dict(parse_qsl(body.decode(), keep_blank_values=True))


async def answer(core: Core, request: Request) -> Response:
    """One Web API request."""
    method = request.path_params["method"]
    started = time.perf_counter()
    try:
        arguments = await read_arguments(request)
    except SlackError as error:
        return JSONResponse(error.body())
    shown = {k: v for k, v in arguments.items() if k not in SECRET_ARGUMENTS}
    entry = core.journal.add("call", method, shown)
    response = _respond(core, request, method, arguments, entry)
    entry.seconds = time.perf_counter() - started
    core.workspace.changed()
    return response


def _respond(core: Core, request: Request, method: str, arguments: Json, entry: Entry) -> Response:
    if core.faults.outage:
        entry.result = {"ok": False, "error": "outage"}
        return PlainTextResponse("Service Unavailable", UNAVAILABLE)
    fault = core.faults.take(method)
    if fault and not fault.lose_answer:
        entry.result = {"ok": False, "error": fault.error}
        return _faulty(fault)
    try:
        entry.result = _call(core, request, method, arguments)
    except SlackError as error:
        entry.result = error.body()
        if error.error == "ratelimited":
            wait = str(error.extra["retry_after"])
            body = {"ok": False, "error": "ratelimited"}
            return JSONResponse(body, RATE_LIMITED, {"Retry-After": wait})
    if fault:
        raise LostAnswerError
    return JSONResponse(entry.result, headers=_scope_headers(core, request, method, arguments))


def _faulty(fault: Fault) -> Response:
    body = {"ok": False, "error": fault.error}
    if fault.status == RATE_LIMITED:
        return JSONResponse(body, RATE_LIMITED, {"Retry-After": f"{fault.retry_after or 1:g}"})
    if fault.status == OK:
        return JSONResponse(body)
    return PlainTextResponse(fault.error, fault.status)


def token_of(request: Request, arguments: Json) -> str:
    """The bearer token of the header or the `token` argument; not_authed without one."""
    scheme, _, bearer = request.headers.get("authorization", "").partition(" ")
    token = bearer.strip() if scheme.lower() == "bearer" else str(arguments.get("token") or "")
    if not token:
        raise SlackError("not_authed")
    return token


def _call(core: Core, request: Request, method: str, arguments: Json) -> Json:
    if method == "api.test":
        if error := arguments.get("error"):
            raise SlackError(str(error), args=arguments)
        return {"ok": True, "args": arguments}
    known = METHODS.get(method)
    if known is None:
        raise SlackError("unknown_method", req_method=method)
    app = _authenticated(core, token_of(request, arguments), known)
    _check_scope(app, known)
    channel = str(arguments.get("channel") or "")
    wait = core.rate_limits.retry_after(app.id, method, known.tier, channel)
    if wait is not None:
        raise SlackError("ratelimited", retry_after=wait)
    return {"ok": True, **known.handler(Call(core, app, arguments))}


def _authenticated(core: Core, token: str, method: Method) -> AppConfig:
    of_bot, of_app = core.app_of_bot_token(token), core.app_of_app_token(token)
    right, wrong = (of_bot, of_app) if method.token == "bot" else (of_app, of_bot)  # noqa: S105  # a kind
    if right is not None:
        return right
    raise SlackError("not_allowed_token_type" if wrong is not None else "invalid_auth")


def _check_scope(app: AppConfig, method: Method) -> None:
    if app.scopes is None or not method.scopes or method.token == "app":  # noqa: S105  # a kind
        return
    if not set(method.scopes) & set(app.scopes):
        needed, provided = ",".join(method.scopes), ",".join(app.scopes)
        raise SlackError("missing_scope", needed=needed, provided=provided)


def _scope_headers(core: Core, request: Request, method: str, arguments: Json) -> dict[str, str]:
    try:
        app = core.app_of_bot_token(token_of(request, arguments))
    except SlackError:
        return {}
    known: Any = METHODS.get(method)
    if app is None or app.scopes is None or known is None:
        return {}
    return {
        "x-oauth-scopes": ",".join(app.scopes),
        "x-accepted-oauth-scopes": ",".join(known.scopes),
    }
