# SPDX-License-Identifier: MIT
# Measurements against Debian's Xen: the target `bench'.
bench:
	@echo "bench: nothing is measured yet"
