# SPDX-License-Identifier: MIT
"""A strict reader of OpenMetrics 1.0 text, for what a scrape must be to be taken whole: structure, names, order,
escapes, and no series twice. Only gauges and counters."""
import re

NAME = r'[a-zA-Z_:][a-zA-Z0-9_:]*'
META = re.compile(rf'# (TYPE|UNIT|HELP) ({NAME}) (\S(?:[^\\\n]|\\[\\n"])*)')
LABEL = r'([a-zA-Z_][a-zA-Z0-9_]*)="((?:[^"\\\n]|\\[\\"n])*)"'
SAMPLE = re.compile(rf'({NAME})(?:\{{({LABEL}(?:,{LABEL})*)\}})? (-?\d+(?:\.\d+)?(?:e[+-]?\d+)?)')
SUFFIX = {'gauge': '', 'counter': '_total'}


def read(text):
    """{family: {'type', 'unit', 'help', 'samples': {labels: value}}}, or AssertionError with the line."""
    families, family, seen = {}, None, set()
    assert text.endswith('\n# EOF\n') and text.count('# EOF') == 1, 'it does not end with # EOF'
    for line in text[:-len('# EOF\n')].splitlines():
        meta, sample = META.fullmatch(line), SAMPLE.fullmatch(line)
        if meta:
            what, name, rest = meta.groups()
            if not family or family['name'] != name:
                assert name not in families, f'a family in two pieces: {line}'
                family = families[name] = {'name': name, 'samples': {}}
            assert not family['samples'] and what.lower() not in family, f'out of place: {line}'
            assert what != 'TYPE' or rest in SUFFIX, f'no such type: {line}'
            assert what != 'UNIT' or name.endswith('_' + rest), f'the unit is not in the name: {line}'
            family[what.lower()] = rest
            continue
        assert sample, f'neither metadata nor a sample: {line}'
        assert family and 'type' in family and 'help' in family, f'nothing says what it is: {line}'
        assert sample[1] == family['name'] + SUFFIX[family['type']], f'not of the family {family["name"]}: {line}'
        labels = re.findall(LABEL, sample[2] or '')
        assert len({name for name, _ in labels}) == len(labels), f'a label twice: {line}'
        key = (sample[1], tuple(sorted(labels)))
        assert key not in seen, f'a series twice: {line}'
        seen.add(key)
        value = float(sample[SAMPLE.groups])
        assert family['type'] != 'counter' or value >= 0, f'a counter below 0: {line}'
        family['samples'][key[1]] = value
    return families


def refuses(text):
    """Whether read() finds fault with it."""
    try:
        read(text)
    except AssertionError:
        return True
    return False
