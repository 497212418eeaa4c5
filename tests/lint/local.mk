# SPDX-License-Identifier: MIT
# Checks on the source itself; each is a script that prints PASS, FAIL or SKIP lines.
LINT_TESTS += \
    tests/lint/layers \
    tests/lint/headers \
    tests/lint/spdx \
    tests/lint/scripts \
    tests/lint/tour \
    tests/lint/measure \
    tests/lint/selftest \
    tests/lint/runner \
    tests/lint/judge
