"""Verifies an access token from nothing but its issuer's discovery URL, with joserfc.

    .tools/venv/bin/python tools/verify_token.py DISCOVERY_URL [--audience A] [--algorithm ES256] <TOKEN

The token comes on standard input, so that it is in no process list. Reads the discovery document and
the key set that it names, picks the key by `kid`, checks the signature (by the one algorithm asked
for), `iss` against the document's issuer, `exp`, `iat` and, if asked for, `aud`; a token without `exp`,
`iat`, `iss`, `sub` or `jti` is refused. Prints {"header","claims"} as JSON and exits with 0, or says on
standard error what is wrong and exits with 1. --ca-file trusts a private authority.
"""

import argparse
import json
import ssl
import sys
import urllib.request

from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import KeySet


def main():
    arguments = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    arguments.add_argument("discovery_url")
    arguments.add_argument("--audience")
    arguments.add_argument("--algorithm", default="ES256")
    arguments.add_argument("--ca-file")
    options = arguments.parse_args()

    context = ssl.create_default_context(cafile=options.ca_file)
    document = get(options.discovery_url, context)
    keys = KeySet.import_key_set(get(document["jwks_uri"], context))

    required = {name: {"essential": True} for name in ("exp", "iat", "sub", "jti")}
    required["iss"] = {"essential": True, "value": document["issuer"]}
    if options.audience:
        required["aud"] = {"essential": True, "value": options.audience}
    try:
        token = jwt.decode(sys.stdin.read().strip(), keys, algorithms=[options.algorithm])
        if "kid" not in token.header:
            sys.exit("verify_token: the token's header names no key (kid)")
        jwt.JWTClaimsRegistry(**required).validate(token.claims)
    except (JoseError, ValueError) as error:
        sys.exit(f"verify_token: {type(error).__name__}: {error}")
    print(json.dumps({"header": token.header, "claims": token.claims}))


def get(url, context):
    # Loopback servers must not be asked by way of a proxy.
    opener = urllib.request.build_opener(
        urllib.request.ProxyHandler({}), urllib.request.HTTPSHandler(context=context)
    )
    with opener.open(url, timeout=30) as answer:
        return json.load(answer)


main()
