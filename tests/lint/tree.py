# SPDX-License-Identifier: MIT
"""What the lint scripts share: the tree under test and how to report on it.

A lint script checks the tree named by its first argument, or by PV_SRC, or the one it lies in; so
tests/lint/selftest can show each of them a tree with faults. It prints one FAIL line per fault and
one PASS line if there was none."""
import os
import re
import subprocess
import sys

SKIPPED_FOLDERS = {'.git', 'build', 'build-aux', 'autom4te.cache', '__pycache__'}
COMMENT = re.compile(r'"(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])*\'|/\*.*?\*/|//[^\n]*', re.S)


def root():
    here = os.path.dirname(os.path.abspath(__file__))
    return os.path.abspath(sys.argv[1] if len(sys.argv) > 1 else
                           os.environ.get('PV_SRC') or os.path.join(here, '..', '..'))


def files(suffixes=('',), under=''):
    """Names, relative to the tree, of the files git knows or would know; of all where there is no git."""
    top = root()
    if os.path.exists(os.path.join(top, '.git')):
        listed = subprocess.run(['git', '-c', 'safe.directory=*', '-C', top, 'ls-files', '-co',
                                 '--exclude-standard'], capture_output=True, text=True, check=True)
        names = listed.stdout.splitlines()
    else:
        names = []
        for base, folders, found in os.walk(top):
            folders[:] = [f for f in folders if f not in SKIPPED_FOLDERS]
            names += [os.path.relpath(os.path.join(base, n), top) for n in found]
    return sorted(n for n in names if n.endswith(tuple(suffixes)) and n.startswith(under)
                  and os.path.isfile(os.path.join(top, n)))


def read(name):
    with open(os.path.join(root(), name), encoding='utf-8', errors='replace') as source:
        return source.read()


def code_lines(name):
    """The lines of a C or assembly file with comments blanked, so that line numbers stay true."""
    def blank(match):
        text = match.group(0)
        return '\n' * text.count('\n') if text.startswith('/') else text
    return COMMENT.sub(blank, read(name)).split('\n')


def report(lint, faults):
    """Prints the result lines of the lint and ends the program."""
    for fault in faults:
        print(f'FAIL {lint}: {fault}')
    if not faults:
        print(f'PASS {lint}')
    sys.exit(1 if faults else 0)
