"""The hooks of tools/api/check.py: those of hooks.py, and an address of its own for each call.

Calls without a valid token are among the checks, and after many of them the service lets calls from their address wait.
check.py has the service trust the one who calls as a proxy.
"""

import itertools

import schemathesis

import tools.api.hooks  # noqa: F401

NUMBERS = itertools.count()


@schemathesis.hook
def before_call(ctx, case, kwargs):
    number = next(NUMBERS)
    case.headers["X-Forwarded-For"] = f"198.18.{number >> 8 & 255}.{number & 255}"
