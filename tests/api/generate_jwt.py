"""Writes jwt_vectors.json: keys and tokens by PyJWT and cryptography, to check ours against. Needs both."""
import base64
import hmac
import json
import pathlib

import jwt
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from jwt.algorithms import ECAlgorithm, RSAAlgorithm

NOW = 2_000_000_000
SECRET = b"0123456789abcdefghijklmnopqrstuv"


def b64(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


rsa_key = rsa.generate_private_key(65537, 2048)
small_key = rsa.generate_private_key(65537, 1024)
ec_key = ec.generate_private_key(ec.SECP256R1())
other_key = ec.generate_private_key(ec.SECP256R1())


def public(algorithm, key, **more):
    return {**json.loads(algorithm.to_jwk(key.public_key())), **more}


jwks = {"keys": [
    public(RSAAlgorithm, rsa_key, kid="r", use="sig", alg="RS256"),
    public(ECAlgorithm, ec_key, kid="e"),
    {"kty": "oct", "kid": "h", "k": b64(SECRET)},
    {"kty": "RSA", "use": "enc", "kid": "ignored"},
]}
CLAIMS = {"iss": "https://idp.example/?a=b", "sub": "ann", "aud": ["x", "gantry"], "exp": NOW + 600, "nbf": NOW - 600,
          "scope": "openid gantry:launch"}


def token(key=rsa_key, alg="RS256", kid="r", **claims):
    body = {k: v for k, v in {**CLAIMS, **claims}.items() if v is not None}
    return jwt.encode(body, key, alg, headers={"kid": kid} if kid else None)


def forged(header, signature=b""):
    return ".".join(b64(p) for p in (json.dumps(header).encode(), json.dumps(CLAIMS).encode(), signature))


def b64_bytes(text):
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


def forged_with(secret):
    """HS256 with what is public of an RSA key."""
    begin = forged({"alg": "HS256", "kid": "r"}).rsplit(".", 1)[0]
    return begin + "." + b64(hmac.digest(secret, begin.encode(), "sha256"))


whole = token()
vectors = {
    "now": NOW, "jwks": jwks,
    "small": {"keys": [public(RSAAlgorithm, small_key)]},
    "good": {
        "RS256": whole, "ES256": token(ec_key, "ES256", "e"), "HS256": token(SECRET, "HS256", "h"),
        "without kid": token(ec_key, "ES256", None), "one audience": token(aud="gantry"),
        "scopes in a list": token(scope=["read", "launch"]), "just expired": token(exp=NOW - 30),
    },
    "bad": {
        "expired": token(exp=NOW - 61), "no end": token(exp=None), "not yet": token(nbf=NOW + 61),
        "other issuer": token(iss="https://idp.example/"), "no issuer": token(iss=None),
        "other audience": token(aud="y"), "no audience": token(aud=None),
        "other key": token(other_key, "ES256", "e"), "wrong kid": token(ec_key, "ES256", "r"),
        "none": forged({"alg": "none"}), "RS512": token(alg="RS512"),
        "public key as secret": forged_with(b64_bytes(jwks["keys"][0]["n"])),
        "crit": jwt.encode(CLAIMS, rsa_key, "RS256", headers={"crit": ["exp"], "kid": "r"}),
        "cut": whole[:-4], "changed": whole.replace(".", ".A", 1), "empty": "..", "no token": "a.b.c",
        "zero signature": forged({"alg": "ES256", "kid": "e"}, bytes(64)),
    },
    "no scope": token(scope="openid"),
}
path = pathlib.Path(__file__).with_name("jwt_vectors.json")
path.write_text(json.dumps(vectors, indent=1) + "\n")
