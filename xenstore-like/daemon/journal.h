// SPDX-License-Identifier: MIT
// What must outlive the daemon: a log of changes in a file that is mapped, so that writing to it is
// copying and no system call. A process killed at any instant leaves in the file what it has stored
// until then; the kernel keeps it.
//
//   header | group | group | ... | 0
//            group:  size of all its records (8 bytes, 0: here the log ends), then the records
//            record: type (2), 0 (2), size of its payload (4), payload, padding to 8 bytes
//
// A group is what one request did. Its records are written behind the end of the log, where nobody
// looks; storing its size is the one store that makes all of them count. Only then may anybody be told.
//
// The file is allocated ahead of the log, so a full file system is an error of journal_room() and not a
// fault of the mapping. Power cuts are no concern: no guest survives them, nor does /run.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct journal {
    int fd;
    uint8_t *map;
    size_t end;             // of the last group that counts
    size_t staged;          // where the next record goes
    size_t allocated;
    size_t compact_at;      // when `end` is beyond this, the log should be written anew
    char *path;
};

// Opens the log at a path, which is made if there is none, or if it is not of this boot of the machine.
// *fresh tells whether it is empty. Returns 0 or a negative errno.
int journal_open(struct journal *j, const char *path, bool *fresh);
// An empty log beside the one at `path`, which it replaces with journal_replace().
int journal_create(struct journal *j, const char *path);
void journal_close(struct journal *j);

// Makes sure that records of so many bytes can be written; -ENOSPC if not.
int journal_room(struct journal *j, size_t bytes);
// Room for a record's payload in the group being written. Ends the program if there is no room.
uint8_t *journal_record(struct journal *j, uint16_t type, size_t size);
// The group counts. Nothing happens if it has no records.
void journal_commit(struct journal *j);
// A group begins; records that were written since the last commit are forgotten.
void journal_begin(struct journal *j);

// Calls `apply` for each record in turn; stops with -EINVAL at a record that it refuses, or that is not
// in one piece.
int journal_replay(struct journal *j, int (*apply)(void *arg, uint16_t type, const uint8_t *payload,
                                                   size_t size), void *arg);

// Appends to `to` all groups that `from` got since its end was `since`, and puts the file of `to` in
// place of that of `from`, which is closed. Returns 0 or a negative errno, and then keeps `from`.
int journal_replace(struct journal *from, size_t since, struct journal *to);
