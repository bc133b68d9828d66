"""EXPECTED.md: the differences that are known, one row each, with the reason."""
import os
import re

FILE = os.path.join(os.path.dirname(os.path.abspath(__file__)), "EXPECTED.md")


def matches(pattern, text):
    """Shell-like, but only * has a meaning: [ ] ? are what paths are made of."""
    return re.fullmatch(".*".join(re.escape(p) for p in pattern.split("*")), text, re.S) is not None


class Expected:
    def __init__(self):
        self.rows = []
        with open(FILE, encoding="utf-8") as f:
            for number, line in enumerate(f, 1):
                cells = [c.strip().strip("`") for c in re.split(r"(?<!\\)\|", line.strip())[1:-1]]
                if len(cells) != 5 or cells[0] in ("step", "") or set(cells[0]) <= set("-: "):
                    continue
                assert cells[4], f"EXPECTED.md:{number}: no reason"
                self.rows.append((number, [c.replace("\\|", "|") for c in cells[:4]]))
        self.used = set()

    def covers(self, *difference):
        """Whether a row stands for it: (step, field, kafka, leat)."""
        found = [n for n, patterns in self.rows if all(matches(p, d) for p, d in zip(patterns, difference))]
        return bool(found)

    def use(self, difference):
        """Marks every row which stands for the difference; False when there is none."""
        found = [n for n, patterns in self.rows if all(matches(p, d) for p, d in zip(patterns, difference))]
        self.used.update(found)
        return bool(found)

    def unused(self):
        return [(n, " | ".join(patterns)) for n, patterns in self.rows if n not in self.used]
