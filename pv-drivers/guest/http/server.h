// SPDX-License-Identifier: MIT
//
// The server: connections of lwIP's, each with one request at a time, answered out of the files of a tar
// archive on a disk. All of it is run from one loop, server_run(); callbacks of lwIP only take note.
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "guest/guest.h"
#include "guest/http/tar.h"

#define SERVER_MAX_CONNECTIONS 64u
#define SERVER_CHUNK (32u << 10)    // read from the disk at once

// Listens. Has all its memory from then on; a sentence on the console and false if that cannot be.
bool server_open(struct guest_disk *disk, const struct tar *tar, uint16_t port);
// Goes on with every connection as far as it can.
void server_run(void);
// Says how it stands on the console.
void server_print(void);
