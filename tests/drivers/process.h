// SPDX-License-Identifier: MIT
//
// A back end as a process of its own, sharing a guest's memory and store with the test.
#pragma once

#include <sys/types.h>

#include "drivers/store_shm.h"
#include "drivers/guest.h"

#define BACK_DIR "backend/vbd/1/51712"
#define FRONT_DIR "device/vbd/51712"

// Starts vane-blk or vane-net, linked with guest_shm.c, with these further arguments (NULL at the end); its standard error
// goes to `log`, or stays ours if that is NULL.
pid_t process_start(const char *name, struct os *os, const struct store_shm *store,
                    char *const *arguments, const char *log);
void process_kill(pid_t pid);
// A number from /proc/PID/status, by the line's name with its colon; in base 16 for masks.
long process_status(pid_t pid, const char *name, int base);
