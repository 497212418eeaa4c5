// SPDX-License-Identifier: MIT
// The machine that host tests run on: CPUs that are only a number, and memory that is one host
// allocation with a frame table beside it. A test that uses frames calls fake_memory_create() first.
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "lib/cpumask.h"

struct cpu_user_regs;
struct vcpu;

// Which CPU the code under test runs on. Each host thread has its own.
extern _Thread_local unsigned fake_cpu;
extern bool fake_irqs_off[MAX_CPUS];
extern struct vcpu *fake_current[MAX_CPUS];
extern struct cpu_user_regs *fake_guest_regs[MAX_CPUS];

// Frames 0 .. nr_frames-1 with a fresh frame table. Only the frames from first_backed on have
// contents, so that tests can have frame numbers above 4 GiB without that much memory. The second
// call replaces the memory of the first.
void fake_memory_create(uint64_t nr_frames, uint64_t first_backed);

// Runs what must end in panic() or a failed assertion; true if it did. The message is in fake_panic_text.
// In unit tests panic() ends the process unless it is called inside of this.
bool fake_catches_panic(void (*run)(void *argument), void *argument);
extern char fake_panic_text[400];
