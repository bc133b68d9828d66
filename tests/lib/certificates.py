"""Certificates for tests, made with the program openssl."""
import os
import subprocess


def openssl(*args, data=None):
    p = subprocess.run(["openssl", *args], input=data, capture_output=True, text=True, timeout=60, check=False)
    assert p.returncode == 0, (args, p.stderr)
    return p.stdout


class Authority:
    """A CA in a folder: NAME.pem and NAME.key."""

    def __init__(self, folder, name="ca"):
        self.folder, self.name = folder, name
        self.pem, self.key = (os.path.join(folder, f"{name}.{kind}") for kind in ("pem", "key"))
        openssl("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2",
                "-subj", f"/CN={name}", "-keyout", self.key, "-out", self.pem)

    def issue(self, name, subject=None, days=1, san="IP:127.0.0.1,DNS:localhost"):
        """A leaf: the paths of its certificate and its key."""
        pem, key, request = (os.path.join(self.folder, f"{name}.{kind}") for kind in ("pem", "key", "csr"))
        extensions = os.path.join(self.folder, f"{name}.ext")
        with open(extensions, "w", encoding="utf-8") as f:
            f.write(f"subjectAltName={san}\n")
        openssl("req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
                "-subj", subject or f"/CN={name}", "-keyout", key, "-out", request)
        openssl("x509", "-req", "-in", request, "-CA", self.pem, "-CAkey", self.key, "-CAcreateserial",
                "-days", str(days), "-extfile", extensions, "-out", pem)
        return pem, key
