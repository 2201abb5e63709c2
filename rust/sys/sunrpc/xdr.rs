// SPDX-License-Identifier: GPL-2.0

//! sunrpc's XDR streams as the protocol crate's [`Sink`] and [`Source`].
//!
//! C header: [`include/linux/sunrpc/xdr.h`](srctree/include/linux/sunrpc/xdr.h)

use core::{
    marker::PhantomData,
    ptr::NonNull, //
};

use kernel::{
    prelude::*,
    types::Opaque, //
};
use rnfs4_bindings as bindings;
use rnfs4_proto::{
    names::{
        Kind,
        Names,
        Owner, //
    },
    xdr::{
        align,
        Sink,
        Source,
        XdrError,
        XdrResult, //
    },
};

use crate::sys::mm::PageVec;

/// Room for one item that straddles two parts of a reply (head, pages, tail).
pub(super) const SCRATCH: usize = 1024;

/// A request being encoded.
pub(crate) struct Encoder<'a> {
    xdr: NonNull<bindings::xdr_stream>,
    rqst: NonNull<bindings::rpc_rqst>,
    data: Option<&'a PageVec>,
    /// How many operations may still go in.
    ops_left: u32,
}

impl Encoder<'_> {
    /// # Safety
    ///
    /// Both pointers are those that sunrpc gave to `p_encode`, and are used by nobody else for `'a`.
    pub(super) unsafe fn new(
        rqst: NonNull<bindings::rpc_rqst>,
        xdr: NonNull<bindings::xdr_stream>,
    ) -> Self {
        Self {
            xdr,
            rqst,
            data: None,
            ops_left: u32::MAX,
        }
    }

    /// Lets no more operations in than the first `n`.
    pub(crate) fn limit_ops(&mut self, n: u32) {
        self.ops_left = n;
    }

    /// The same request with the pages that its one operation with file data (WRITE) sends. They must stay allocated until the
    /// task has ended.
    pub(crate) fn with_data<'b>(&mut self, pages: &'b PageVec) -> Encoder<'b> {
        Encoder {
            xdr: self.xdr,
            rqst: self.rqst,
            data: Some(pages),
            ops_left: self.ops_left,
        }
    }

    /// The pages into which the reply's bulk data is to be received, and how many bytes of reply come before it.
    /// They must stay allocated until the task has ended.
    pub(crate) fn receive_pages(&mut self, pages: &PageVec, before: usize) {
        // SAFETY: The request is being encoded; the page array lives until the task has ended, by the caller's word.
        unsafe {
            let rqst = self.rqst.as_ptr();
            bindings::rpc_prepare_reply_pages(
                rqst,
                pages.as_ptr(),
                pages.base() as u32,
                pages.len() as u32,
                (before / 4) as u32,
            );
            (*rqst).rq_rcv_buf.flags |= bindings::XDRBUF_READ;
        }
    }
}

impl Sink for Encoder<'_> {
    fn reserve(&mut self, n: usize) -> XdrResult<&mut [u8]> {
        // SAFETY: The stream is being encoded to; the space returned is `n` bytes that nobody else uses.
        unsafe {
            let p = bindings::xdr_reserve_space(self.xdr.as_ptr(), n);
            if p.is_null() {
                return Err(XdrError::NoSpace);
            }
            Ok(core::slice::from_raw_parts_mut(p.cast(), n))
        }
    }

    fn pages(&mut self, len: u32) -> XdrResult {
        let pages = self.data.take().ok_or(XdrError::Invalid)?;
        if pages.len() != len as usize {
            return Err(XdrError::Invalid);
        }
        // SAFETY: As in `receive_pages`.
        unsafe {
            bindings::xdr_write_pages(self.xdr.as_ptr(), pages.as_ptr(), pages.base() as u32, len);
            (*self.rqst.as_ptr()).rq_snd_buf.flags |= bindings::XDRBUF_WRITE;
        }
        Ok(())
    }

    fn max_ops(&self) -> u32 {
        self.ops_left
    }

    fn begin_op(&mut self) -> bool {
        match self.ops_left.checked_sub(1) {
            Some(left) => {
                self.ops_left = left;
                true
            }
            None => false,
        }
    }
}

/// A reply being decoded.
pub(crate) struct Decoder<'a> {
    xdr: NonNull<bindings::xdr_stream>,
    /// Where names go.
    names: Option<&'a dyn Names>,
    _borrow: PhantomData<&'a mut bindings::xdr_stream>,
}

impl Decoder<'_> {
    /// # Safety
    ///
    /// The stream is set up for decoding, has a scratch buffer, and nobody else uses it for the decoder's life.
    pub(super) unsafe fn new(xdr: NonNull<bindings::xdr_stream>) -> Self {
        Self {
            xdr,
            names: None,
            _borrow: PhantomData,
        }
    }

    /// The same reply, read by somebody who keeps the names in it.
    pub(crate) fn with_names<'b>(&'b mut self, names: &'b dyn Names) -> Decoder<'b> {
        Decoder {
            xdr: self.xdr,
            names: Some(names),
            _borrow: PhantomData,
        }
    }

    /// A reply without a byte.
    pub(crate) fn with_nothing<R>(f: impl FnOnce(&mut Decoder<'_>) -> R) -> R {
        let xdr = Opaque::<bindings::xdr_stream>::zeroed();
        // SAFETY: A stream of zeroes ends where it begins: whatever is asked of it, there is nothing left. It outlives `f`.
        f(&mut unsafe { Decoder::new(NonNull::new_unchecked(xdr.get())) })
    }
}

impl Source for Decoder<'_> {
    fn take(&mut self, n: usize) -> XdrResult<&[u8]> {
        // SAFETY: The stream is being decoded; the bytes returned stay as they are until the next call, which needs
        // `&mut self`.
        unsafe {
            let p = bindings::xdr_inline_decode(self.xdr.as_ptr(), n);
            if p.is_null() {
                return Err(XdrError::Short);
            }
            Ok(core::slice::from_raw_parts(p.cast(), n))
        }
    }

    fn remaining(&self) -> usize {
        // SAFETY: The stream is being decoded.
        unsafe { bindings::xdr_stream_remaining(self.xdr.as_ptr()) as usize }
    }

    fn pages(&mut self, len: u32) -> XdrResult<u32> {
        // SAFETY: The stream is being decoded; the buffer's pages are those that the request prepared.
        Ok(unsafe { bindings::xdr_read_pages(self.xdr.as_ptr(), len) })
    }

    fn owner(&mut self, len: usize, kind: Kind) -> XdrResult<Owner> {
        let names = self.names;
        let text = self.take(align(len))?.get(..len).ok_or(XdrError::Short)?;
        Ok(owner(text, kind, names))
    }
}

/// The owner of this name, which goes to `names` if it is no number.
fn owner(text: &[u8], kind: Kind, names: Option<&dyn Names>) -> Owner {
    Owner::numeric(text)
        .unwrap_or_else(|| Owner::Name(names.map_or(0, |names| names.token(kind, text))))
}

/// Bulk data of a reply (READDIR entries, a link's target) that lies in pages, to be read after the call has ended.
pub(crate) struct PagedReply<'a> {
    state: KBox<PagedState>,
    names: &'a dyn Names,
    _pages: PhantomData<&'a PageVec>,
}

struct PagedState {
    xdr: Opaque<bindings::xdr_stream>,
    buf: Opaque<bindings::xdr_buf>,
    scratch: Opaque<[u8; SCRATCH]>,
}

impl<'a> PagedReply<'a> {
    /// Reads the first `len` bytes of `pages`; the names in them go to `names`. `EINVAL` when there are not as many.
    pub(crate) fn new(pages: &'a PageVec, len: usize, names: &'a dyn Names) -> Result<Self> {
        if len > pages.len() || pages.base() != 0 {
            return Err(EINVAL);
        }
        let state = KBox::new(
            PagedState {
                xdr: Opaque::zeroed(),
                buf: Opaque::zeroed(),
                scratch: Opaque::zeroed(),
            },
            GFP_KERNEL,
        )?;
        // SAFETY: The stream, its buffer and the scratch space live in the box, at one place, as long as `self`; the
        // pages outlive it.
        unsafe {
            bindings::xdr_init_decode_pages(
                state.xdr.get(),
                state.buf.get(),
                pages.as_ptr(),
                len as u32,
            );
            bindings::xdr_set_scratch_buffer(state.xdr.get(), state.scratch.get().cast(), SCRATCH);
        }
        Ok(Self {
            state,
            names,
            _pages: PhantomData,
        })
    }

    fn decoder(&mut self) -> Decoder<'_> {
        // SAFETY: The stream was set up by `new`, and `&mut self` makes us its only user.
        unsafe { Decoder::new(NonNull::new_unchecked(self.state.xdr.get())) }
    }
}

impl Source for PagedReply<'_> {
    fn take(&mut self, n: usize) -> XdrResult<&[u8]> {
        // SAFETY: As in `Decoder::take`, with the borrow tied to `self`.
        unsafe {
            let p = bindings::xdr_inline_decode(self.state.xdr.get(), n);
            if p.is_null() {
                return Err(XdrError::Short);
            }
            Ok(core::slice::from_raw_parts(p.cast(), n))
        }
    }

    fn remaining(&self) -> usize {
        // SAFETY: The stream was set up by `new`.
        unsafe { bindings::xdr_stream_remaining(self.state.xdr.get()) as usize }
    }

    fn pages(&mut self, len: u32) -> XdrResult<u32> {
        self.decoder().pages(len)
    }

    fn owner(&mut self, len: usize, kind: Kind) -> XdrResult<Owner> {
        let names = self.names;
        let text = self.take(align(len))?.get(..len).ok_or(XdrError::Short)?;
        Ok(owner(text, kind, Some(names)))
    }
}

impl Drop for PagedReply<'_> {
    fn drop(&mut self) {
        // SAFETY: Ends the decoding begun in `new` (unmaps the current page).
        unsafe { bindings::xdr_finish_decode(self.state.xdr.get()) };
    }
}
