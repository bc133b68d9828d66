"""A file system of a few MiB that really gets full: a tmpfs in a mount namespace of its own, seen by the processes that
are started in it. Needs root or user namespaces; without both its tests fail and say so."""
import os
import shutil
import subprocess


class SmallDisk:
    def __init__(self, folder, size):
        """Covers `folder` (made if need be) for what is started with `prefix` before its arguments."""
        self.folder = folder
        os.makedirs(folder, mode=0o700, exist_ok=True)
        told = []
        for way, back in ((["unshare", "-m"], []), (["unshare", "-rm"], ["-U", "--preserve-credentials"])):
            self.holder = subprocess.Popen(
                [*way, "sh", "-c", 'mount -t tmpfs -o size="$1",mode=700 none "$2" && echo ready && exec sleep 100000',
                 "sh", str(size), folder], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
            if self.holder.stdout.readline() == "ready\n":
                self.prefix = ["nsenter", "-t", str(self.holder.pid), *back, "-m", "--"]
                return
            told.append(self.holder.communicate()[1].strip())
        raise AssertionError(f"no file system of a few MiB can be mounted here (as root, or with user namespaces): {told}")

    def path(self, *names):
        """Of a file on the small disk, for this process."""
        return os.path.join(f"/proc/{self.holder.pid}/root{self.folder}", *names)

    def free(self):
        return shutil.disk_usage(self.path()).free

    def ballast(self, size):
        """A file that is none of the broker's business; remove it to make room."""
        with open(self.path("ballast"), "wb") as f:
            os.posix_fallocate(f.fileno(), 0, size)

    def drop_ballast(self):
        os.unlink(self.path("ballast"))

    def close(self):
        self.holder.kill()
        self.holder.communicate()
