// SPDX-License-Identifier: MIT
//
// From a member to the struct that it is a part of.
#pragma once

#include <stddef.h>

#define CONTAINER(pointer, type, member) ((type *)(void *)((char *)(pointer) - offsetof(type, member)))
