#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Lists everything that headers of the ABI define, as rows that table.c can expand.

usage: rows.py SOURCE_FOLDER HEADER...

One row for each constant, type, struct, union and member. It understands the plain C in which
include/public is written and stops with an error at anything else, so nothing is left out unseen.
"""

import pathlib
import re
import sys

# Not numbers: table.c compares the bytes that they assemble to.
INSTRUCTIONS = {"XEN_EMULATE_PREFIX", "XEN_CPUID"}

# Arguments for function-like macros, by the parameter's name; the others get DEFAULT_SAMPLES.
DEFAULT_SAMPLES = ("0ULL", "1ULL", "0x123456789abcdefULL")
SAMPLES = {"_ti": ("&(struct trap_info){ .flags = 7 }", "&(struct trap_info){ .flags = 0xf8 }")}
SUFFIX_MACROS = re.compile(r"(__)?xen_mk_u(int|long|llong)$")

TOKEN = re.compile(r"[A-Za-z_]\w*|\d\w*|\S")


def stop(header, what):
    sys.exit(f"{header}: cannot read this: {what}")


def split(header):
    """Returns the header's macro lines, each with whether assembly sees it, and its C text."""
    text = re.sub(r"//[^\n]*", "", header.read_text()).replace("\\\n", " ")
    if "/*" in text:
        stop(header, "a /* comment")
    macros, code, for_c, for_asm = [], [], [True], [True]
    for line in text.split("\n"):
        words = line.split()
        if not line.startswith("#"):
            code += [line] if for_c[-1] else []
        elif words[:2] in (["#ifdef", "__ASSEMBLY__"], ["#ifndef", "__ASSEMBLY__"]):
            for_asm.append(words[0] == "#ifdef")
            for_c.append(words[0] == "#ifndef")
        elif words == ["#else"]:
            for_asm[-1], for_c[-1] = for_c[-1], for_asm[-1]
        elif words == ["#endif"]:
            for_asm.pop()
            for_c.pop()
        elif words[0] == "#define":
            macros += [(line, for_asm[-1])] if for_c[-1] else []
        elif words[0] not in ("#include", "#pragma"):
            stop(header, line)
    return macros, "\n".join(code)


def macro_rows(header, line, for_asm):
    match = re.match(r"#define\s+(\w+)(\((\w+)\))?\s+\S", line)
    if not match:
        stop(header, line)
    name, _, parameter = match.groups()
    if name in INSTRUCTIONS:
        return []
    if not parameter:
        return [f"ABI_{'CONSTANT' if for_asm else 'C_CONSTANT'}({name})"]
    samples = ("7",) if SUFFIX_MACROS.match(name) else SAMPLES.get(parameter, DEFAULT_SAMPLES)
    return [f"ABI_C_CONSTANT({name}({sample}))" for sample in samples]


class Declarations:
    """Reads declarations token by token and collects their rows."""

    def __init__(self, header, code):
        self.header = header
        self.tokens = TOKEN.findall(code)
        self.rows = []

    def take(self, expected=None):
        if not self.tokens or (expected and self.tokens[0] != expected):
            stop(self.header, " ".join(self.tokens[:12]) or "its end")
        return self.tokens.pop(0)

    def take_name(self):
        name = self.take()
        if not re.match(r"[A-Za-z_]", name):
            stop(self.header, name)
        return name

    def read(self):
        while self.tokens:
            kind = self.take()
            if kind == "enum":
                self.read_enum()
            elif kind == "typedef":
                self.read_typedef()
            elif kind in ("struct", "union"):
                self.read_aggregate(f"{kind} {self.take_name()}")
                self.take(";")
            else:
                stop(self.header, kind)
        return self.rows

    def read_enum(self):
        self.take_name()
        self.take("{")
        while self.tokens[0] != "}":
            self.rows.append(f"ABI_C_CONSTANT({self.take_name()})")
            while self.take() != ",":
                pass
        self.take("}")
        self.take(";")

    def read_typedef(self):
        self.take_name()
        self.rows.append(f"ABI_SIZE({self.take_name()})")
        while self.take() != ";":
            pass

    def read_aggregate(self, owner):
        self.rows.append(f"ABI_SIZE({owner})")
        self.take("{")
        for path, kind in self.read_members():
            self.rows.append(f"ABI_{kind}({owner}, {path})")

    def read_members(self):
        """Yields the members up to the closing brace, and those of members in them."""
        while self.tokens[0] != "}":
            inner = self.read_type()
            names = list(self.read_declarators())
            for name, kind in names:
                yield name, kind
                for path, inner_kind in inner:
                    yield f"{name}.{path}", inner_kind
        self.take("}")

    def read_type(self):
        """Reads a member's type; returns the members of one that is written out in place."""
        if self.take_name() not in ("struct", "union"):
            return []
        if self.tokens[0] != "{":
            self.take_name()
        if self.tokens[0] != "{":
            return []
        self.take("{")
        return list(self.read_members())

    def read_declarators(self):
        end = ","
        while end == ",":
            name = self.take_name()
            kind = "MEMBER"
            end = self.take()
            if end == ":":
                kind = "BIT_FIELD"
                self.take()
                end = self.take()
            elif end == "[":
                kind = "FLEXIBLE" if self.tokens[0] == "]" else kind
                while self.take() != "]":
                    pass
                end = self.take()
            yield name, kind
        if end != ";":
            stop(self.header, f"{name} {end}")


def main():
    source = pathlib.Path(sys.argv[1])
    headers = [source / name for name in sys.argv[2:]]
    unlisted = set((source / "include/public").rglob("*.h")) - set(headers)
    if unlisted:
        sys.exit(f"include/public/local.mk does not list {', '.join(map(str, sorted(unlisted)))}")
    for header in headers:
        macros, code = split(header)
        rows = [row for line, for_asm in macros for row in macro_rows(header, line, for_asm)]
        rows += Declarations(header, code).read()
        sys.stdout.writelines(f"{row}\n" for row in rows)


main()
