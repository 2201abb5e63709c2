// SPDX-License-Identifier: GPL-2.0

//! XDR (RFC 4506): the two ends of a message, and the basic types on them.
//!
//! [`Sink`] and [`Source`] are all that an operation knows of the transport; [`Encode`] and
//! [`Decode`] put the types on top. A decoder believes nothing: each length is compared with the
//! protocol's limit before anything is taken, so a hostile reply ends in an [`XdrError`].

use crate::names::{
    Kind,
    Owner, //
};

/// Why a message could not be written or understood.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum XdrError {
    /// The reply ended before it was complete.
    Short,
    /// A value that the protocol does not allow here.
    Invalid,
    /// The buffer is full, or what should be written is longer than the protocol allows.
    NoSpace,
}

/// The result of writing or reading a piece of a message.
pub type XdrResult<T = ()> = core::result::Result<T, XdrError>;

/// The most that a decoder takes from a [`Source`] at once, in bytes.
pub const MAX_TAKE: usize = 4096;

/// `n` rounded up to a whole number of XDR units.
#[inline]
pub const fn align(n: usize) -> usize {
    (n + 3) & !3
}

/// Bytes of a variable-length opaque of at most `max` bytes, with its length word and padding.
#[inline]
pub const fn opaque_max(max: usize) -> usize {
    4 + align(max)
}

/// Where an encoder writes.
pub trait Sink {
    /// The next `n` bytes, contiguous; `n` is a multiple of four.
    fn reserve(&mut self, n: usize) -> XdrResult<&mut [u8]>;

    /// The place of `len` bytes of file data that are carried outside of the stream, with their
    /// padding. Encoding goes on behind them.
    fn pages(&mut self, len: u32) -> XdrResult;

    /// The most operations of a COMPOUND that go in.
    fn max_ops(&self) -> u32 {
        u32::MAX
    }

    /// The next operation of a COMPOUND is to be written. False if it is one too many: then it is left out.
    fn begin_op(&mut self) -> bool {
        true
    }
}

/// Where a decoder reads.
pub trait Source {
    /// The next `n` bytes; `n` is a multiple of four and at most [`MAX_TAKE`].
    fn take(&mut self, n: usize) -> XdrResult<&[u8]>;

    /// Bytes left.
    fn remaining(&self) -> usize;

    /// The next `len` bytes and their padding are bulk data, which the transport has put into the
    /// pages prepared for it. Returns how many are really there; decoding goes on behind them.
    fn pages(&mut self, len: u32) -> XdrResult<u32>;

    /// The owner or group that the next `len` bytes name, at most [`MAX_TAKE`]. A name is not kept but where somebody wants to know it.
    fn owner(&mut self, len: usize, _kind: Kind) -> XdrResult<Owner> {
        let text = self.take(align(len))?.get(..len).ok_or(XdrError::Short)?;
        Ok(Owner::numeric(text).unwrap_or_default())
    }
}

impl<S: Sink + ?Sized> Sink for &mut S {
    fn reserve(&mut self, n: usize) -> XdrResult<&mut [u8]> {
        (**self).reserve(n)
    }

    fn pages(&mut self, len: u32) -> XdrResult {
        (**self).pages(len)
    }

    fn max_ops(&self) -> u32 {
        (**self).max_ops()
    }

    fn begin_op(&mut self) -> bool {
        (**self).begin_op()
    }
}

impl<S: Source + ?Sized> Source for &mut S {
    fn take(&mut self, n: usize) -> XdrResult<&[u8]> {
        (**self).take(n)
    }

    fn remaining(&self) -> usize {
        (**self).remaining()
    }

    fn pages(&mut self, len: u32) -> XdrResult<u32> {
        (**self).pages(len)
    }

    fn owner(&mut self, len: usize, kind: Kind) -> XdrResult<Owner> {
        (**self).owner(len, kind)
    }
}

/// The XDR types, written to any [`Sink`].
pub trait Encode: Sink {
    /// An unsigned integer, also an enumeration.
    fn put_u32(&mut self, v: u32) -> XdrResult {
        self.put_fixed(&v.to_be_bytes())
    }

    /// An unsigned hyper integer.
    fn put_u64(&mut self, v: u64) -> XdrResult {
        self.put_fixed(&v.to_be_bytes())
    }

    /// A hyper integer.
    fn put_i64(&mut self, v: i64) -> XdrResult {
        self.put_fixed(&v.to_be_bytes())
    }

    /// A boolean.
    fn put_bool(&mut self, v: bool) -> XdrResult {
        self.put_u32(v.into())
    }

    /// A fixed-length opaque: the bytes and their padding.
    fn put_fixed(&mut self, data: &[u8]) -> XdrResult {
        let (body, pad) = self
            .reserve(align(data.len()))?
            .split_at_mut_checked(data.len())
            .ok_or(XdrError::NoSpace)?;
        body.copy_from_slice(data);
        pad.fill(0);
        Ok(())
    }

    /// A variable-length opaque or string of at most `max` bytes.
    fn put_opaque(&mut self, data: &[u8], max: usize) -> XdrResult {
        if data.len() > max {
            return Err(XdrError::NoSpace);
        }
        self.put_u32(u32::try_from(data.len()).map_err(|_| XdrError::NoSpace)?)?;
        self.put_fixed(data)
    }
}

impl<S: Sink + ?Sized> Encode for S {}

/// The XDR types, read from any [`Source`].
pub trait Decode: Source {
    /// An unsigned integer, also an enumeration.
    fn get_u32(&mut self) -> XdrResult<u32> {
        Ok(u32::from_be_bytes(self.get_fixed()?))
    }

    /// An unsigned hyper integer.
    fn get_u64(&mut self) -> XdrResult<u64> {
        Ok(u64::from_be_bytes(self.get_fixed()?))
    }

    /// A hyper integer.
    fn get_i64(&mut self) -> XdrResult<i64> {
        Ok(i64::from_be_bytes(self.get_fixed()?))
    }

    /// A boolean: anything but 0 and 1 is [`XdrError::Invalid`].
    fn get_bool(&mut self) -> XdrResult<bool> {
        match self.get_u32()? {
            0 => Ok(false),
            1 => Ok(true),
            _ => Err(XdrError::Invalid),
        }
    }

    /// A fixed-length opaque of `N` bytes; the padding is skipped.
    fn get_fixed<const N: usize>(&mut self) -> XdrResult<[u8; N]> {
        self.take(align(N))?
            .first_chunk()
            .copied()
            .ok_or(XdrError::Short)
    }

    /// The length of an array or opaque: more than `max` is [`XdrError::Invalid`].
    fn get_count(&mut self, max: usize) -> XdrResult<usize> {
        let n = self.get_u32()? as usize;
        if n > max {
            return Err(XdrError::Invalid);
        }
        Ok(n)
    }

    /// A variable-length opaque or string of at most `max` bytes, itself at most [`MAX_TAKE`].
    fn get_opaque(&mut self, max: usize) -> XdrResult<&[u8]> {
        let n = self.get_count(max.min(MAX_TAKE))?;
        self.take(align(n))?.get(..n).ok_or(XdrError::Short)
    }

    /// Steps over a variable-length opaque of at most `max` bytes.
    fn skip_opaque(&mut self, max: usize) -> XdrResult {
        let mut left = align(self.get_count(max)?);
        while left > 0 {
            let n = left.min(MAX_TAKE);
            self.take(n)?;
            left -= n;
        }
        Ok(())
    }
}

impl<S: Source + ?Sized> Decode for S {}

/// The next `left` bytes of another source: what was announced as the length of a part.
pub struct Limited<'a, S: ?Sized> {
    source: &'a mut S,
    left: usize,
}

impl<'a, S: Source + ?Sized> Limited<'a, S> {
    /// The next `len` bytes of `source`, a multiple of four; [`XdrError::Short`] if there are fewer.
    pub fn new(source: &'a mut S, len: usize) -> XdrResult<Self> {
        if len % 4 != 0 {
            return Err(XdrError::Invalid);
        }
        if len > source.remaining() {
            return Err(XdrError::Short);
        }
        Ok(Self { source, left: len })
    }

    /// The part must have been read to its end.
    pub fn finish(self) -> XdrResult {
        if self.left == 0 {
            Ok(())
        } else {
            Err(XdrError::Invalid)
        }
    }
}

impl<S: Source + ?Sized> Source for Limited<'_, S> {
    fn take(&mut self, n: usize) -> XdrResult<&[u8]> {
        // What lies behind the announced end belongs to somebody else.
        self.left = self.left.checked_sub(n).ok_or(XdrError::Invalid)?;
        self.source.take(n)
    }

    fn remaining(&self) -> usize {
        self.left
    }

    fn pages(&mut self, _len: u32) -> XdrResult<u32> {
        Err(XdrError::Invalid)
    }

    fn owner(&mut self, len: usize, kind: Kind) -> XdrResult<Owner> {
        self.left = self.left.checked_sub(align(len)).ok_or(XdrError::Invalid)?;
        self.source.owner(len, kind)
    }
}

/// A [`Sink`] over a byte slice; file data is not copied, its place is filled with zeroes.
pub struct SliceSink<'a> {
    buf: &'a mut [u8],
    len: usize,
}

impl<'a> SliceSink<'a> {
    /// Writes from the start of `buf`.
    pub fn new(buf: &'a mut [u8]) -> Self {
        Self { buf, len: 0 }
    }

    /// What was written so far.
    pub fn written(&self) -> &[u8] {
        self.buf.get(..self.len).unwrap_or(&[])
    }
}

impl Sink for SliceSink<'_> {
    fn reserve(&mut self, n: usize) -> XdrResult<&mut [u8]> {
        let end = self.len.checked_add(n).ok_or(XdrError::NoSpace)?;
        let space = self.buf.get_mut(self.len..end).ok_or(XdrError::NoSpace)?;
        self.len = end;
        Ok(space)
    }

    fn pages(&mut self, len: u32) -> XdrResult {
        self.reserve(align(len as usize))?.fill(0);
        Ok(())
    }
}

/// A [`Source`] over a byte slice; bulk data lies in it, in line.
pub struct SliceSource<'a> {
    buf: &'a [u8],
}

impl<'a> SliceSource<'a> {
    /// Reads `buf` from its start.
    pub fn new(buf: &'a [u8]) -> Self {
        Self { buf }
    }
}

impl Source for SliceSource<'_> {
    fn take(&mut self, n: usize) -> XdrResult<&[u8]> {
        let (head, tail) = self.buf.split_at_checked(n).ok_or(XdrError::Short)?;
        self.buf = tail;
        Ok(head)
    }

    fn remaining(&self) -> usize {
        self.buf.len()
    }

    fn pages(&mut self, len: u32) -> XdrResult<u32> {
        let here = self.buf.len().min(len as usize);
        let tail = self.buf.len().min(align(len as usize));
        self.buf = self.buf.get(tail..).unwrap_or(&[]);
        Ok(u32::try_from(here).unwrap_or(len))
    }
}
