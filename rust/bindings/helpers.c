// SPDX-License-Identifier: GPL-2.0
/*
 * One function for each inline function or macro of the kernel that Rust calls: bindgen cannot see those.
 * The names lose their prefix in the generated bindings. The files under helpers/ follow the folders of
 * the kernel's headers.
 */

#include "bindings.h"

#include "helpers/fs.c"
#include "helpers/mm.c"
#include "helpers/sched.c"
#include "helpers/sunrpc.c"
