// SPDX-License-Identifier: MIT
// What nearly every file of ring 0 uses, in one line. The headers below, and what they include,
// name each other directly. A file includes nothing that its other includes already bring.
#pragma once

#include "lib/assert.h"
#include "lib/console.h"
#include "lib/cpumask.h"
#include "lib/math.h"
#include "lib/spinlock.h"
#include "lib/string.h"
#include "lib/types.h"
#include "public/errno.h"
