// SPDX-License-Identifier: GPL-2.0

//! Readahead: the folios that `->readahead()` is to fill.
//!
//! C header: [`include/linux/pagemap.h`](srctree/include/linux/pagemap.h).

use core::{
    marker::PhantomData,
    ptr::NonNull, //
};

use kernel::bindings as kb;
use rnfs4_bindings as bindings;

use super::{
    Locked,
    PageCache, //
};

/// A run of new folios, consecutive in the file. What is not taken by [`Iterator::next`] is dropped by the page cache.
pub(crate) struct Readahead<'a, P: PageCache> {
    rac: NonNull<kb::readahead_control>,
    _mapping: PhantomData<&'a P>,
}

impl<P: PageCache> Readahead<'_, P> {
    /// Wraps what `->readahead()` was given.
    ///
    /// # Safety
    ///
    /// `rac` must be the argument of a call of `->readahead()` for a mapping with private data `P`, which lasts longer
    /// than the value.
    pub(crate) unsafe fn from_raw(rac: NonNull<kb::readahead_control>) -> Self {
        Self {
            rac,
            _mapping: PhantomData,
        }
    }
}

impl<P: PageCache> Iterator for Readahead<'_, P> {
    type Item = Locked<P>;

    fn next(&mut self) -> Option<Locked<P>> {
        // SAFETY: The control structure is valid by the contract of `from_raw`. The function returns a locked folio of
        // its mapping; that and a reference are the caller's.
        unsafe {
            let folio = bindings::__readahead_folio(self.rac.as_ptr());
            NonNull::new(folio).map(|folio| Locked::from_owned(folio))
        }
    }
}
