"""Signed bearer tokens and their key set, made with the program openssl."""
import base64
import json
import os
import subprocess
import time


def b64(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


class Issuer:
    """An RSA key in a folder; jwks is the path of its public set."""

    def __init__(self, folder, name="issuer", kid="k1"):
        self.key, self.kid = os.path.join(folder, f"{name}.key"), kid
        self.jwks, self.url = os.path.join(folder, f"{name}.json"), f"https://{name}.example"
        subprocess.run(["openssl", "genrsa", "-out", self.key, "2048"], capture_output=True, check=True)
        out = subprocess.run(["openssl", "rsa", "-in", self.key, "-modulus", "-noout"], capture_output=True,
                             text=True, check=True).stdout
        modulus = bytes.fromhex(out.strip().split("=")[1])
        self.key_set = {"keys": [{"kty": "RSA", "kid": kid, "use": "sig", "n": b64(modulus), "e": "AQAB"}]}
        with open(self.jwks, "w", encoding="utf-8") as f:
            json.dump(self.key_set, f)

    def token(self, subject, seconds=3600, header=None, **claims):
        head = {"alg": "RS256", "kid": self.kid, **(header or {})}
        body = {"iss": self.url, "aud": "kafka", "sub": subject, "iat": int(time.time()),
                "exp": time.time() + seconds, **claims}
        text = b64(json.dumps(head).encode()) + "." + b64(json.dumps(body).encode())
        signature = subprocess.run(["openssl", "dgst", "-sha256", "-sign", self.key], input=text.encode(),
                                   capture_output=True, check=True).stdout
        return f"{text}.{b64(signature)}"
