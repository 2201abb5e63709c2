// SPDX-License-Identifier: GPL-2.0

//! Log lines that must not flood the log.
//!
//! C header: [`include/linux/ratelimit.h`](srctree/include/linux/ratelimit.h)

use kernel::{
    bindings as kb,
    prelude::*,
    types::Opaque, //
};
use rnfs4_bindings as bindings;

/// A limit of ten in five seconds, as for any `printk_ratelimited()`.
#[pin_data]
pub(crate) struct RateLimit {
    #[pin]
    state: Opaque<kb::ratelimit_state>,
}

// SAFETY: The state has a lock of its own and belongs to no thread.
unsafe impl Send for RateLimit {}
// SAFETY: As above.
unsafe impl Sync for RateLimit {}

impl RateLimit {
    /// Nothing was said yet.
    pub(crate) fn new() -> impl PinInit<Self> {
        pin_init!(Self {
            // SAFETY: The helper initialises the memory it is given.
            state <- Opaque::ffi_init(|p| unsafe { bindings::ratelimit_default_init(p) }),
        })
    }

    /// Whether one more line may be said now. After a flood the kernel says how many were held back. Any context.
    pub(crate) fn allow(&self) -> bool {
        // SAFETY: The state is initialised; the name is a C string.
        unsafe { kb::___ratelimit(self.state.get(), c"rnfs4".as_char_ptr()) != 0 }
    }
}
