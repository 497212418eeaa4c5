// SPDX-License-Identifier: MIT
/* Speculation: which of the CPU's known issues apply here and what is done about each, one table. */
#pragma once

/* Boot CPU: detect, report. Other rooms ask for nothing yet: all actions are in how code is built or laid out. */
void mitigation_init(void);
