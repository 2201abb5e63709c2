// SPDX-License-Identifier: GPL-2.0

//! Clocks and random numbers.
//!
//! C headers: [`include/linux/timekeeping.h`](srctree/include/linux/timekeeping.h),
//! [`include/linux/random.h`](srctree/include/linux/random.h)

use kernel::{
    bindings as kb,
    time::Jiffies, //
};

/// Nanoseconds since boot, suspended time included: for leases, which go on while the machine sleeps. Any context.
pub(crate) fn now_ns() -> u64 {
    // SAFETY: Always safe to call.
    unsafe { kb::ktime_get_boot_fast_ns() }
}

/// Milliseconds since boot, on the same clock.
pub(crate) fn now_ms() -> u64 {
    now_ns() / 1_000_000
}

/// Seconds since 1970. Any context.
pub(crate) fn wall_seconds() -> i64 {
    // SAFETY: Always safe to call.
    unsafe { kb::ktime_get_real_seconds() }
}

/// The present jiffy.
pub(crate) fn jiffies() -> Jiffies {
    // SAFETY: A read of a counter that wraps; any value that it had is good.
    unsafe { core::ptr::read_volatile(&raw const kb::jiffies) }
}

/// Eight random bytes.
pub(crate) fn random_u64() -> u64 {
    // SAFETY: Always safe to call.
    unsafe { kb::get_random_u64() }
}
