// SPDX-License-Identifier: GPL-2.0

//! COMPOUND (RFC 16.2): operations in sequence, and a reply whose type follows from them.
//!
//! A sequence is a tuple of operations, of optional operations, of further sequences:
//! `(Putfh(&fh), Lookup(name), Getfh, Some(Getattr::new(mask)))`. Its reply is the tuple of their
//! results. [`Batch`] repeats a sequence for each item of a slice.

use crate::{
    op::Op,
    status::Status,
    xdr::{
        Decode,
        Encode,
        Sink,
        Source,
        XdrError,
        XdrResult, //
    },
};
use core::ops::DerefMut;

/// The most bytes of a tag that a reply may carry; ours is empty.
const TAG_MAX: usize = crate::types::OPAQUE_MAX;
/// The number by which a server answers an operation that it does not know.
const OP_ILLEGAL: u32 = 10044;

/// A COMPOUND that is to fail on purpose, at the operation with this index: it is sent without that operation and those behind
/// it, and its reply is read as if the server had refused that one. So all that the server has run is what it would have run.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Cut {
    /// How many operations are sent. With 0 there is nothing to send, and nothing to read.
    pub at: u32,
    /// The status of the first that is not.
    pub status: Status,
}

/// A reply that was read.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Answer<R> {
    /// The status of the whole.
    pub status: Status,
    /// How many operations succeeded: where there is an error, those before it.
    pub succeeded: u32,
    /// The result of each operation.
    pub res: R,
}

/// A sequence of operations and the type of its reply.
///
/// [`encode`](Ops::encode) and [`decode`](Ops::decode) are about the whole COMPOUND; the others are
/// about this part of one.
pub trait Ops {
    /// What the reply holds: for an operation `Result<Op::Res, Status>`. From the one that failed on,
    /// each has the failing status.
    type Res;

    /// How many operations there are.
    fn count(&self) -> u32;

    /// The most bytes of these operations with their numbers.
    fn args_len(&self) -> usize;

    /// The most bytes of the results of these operations with their numbers and status.
    fn res_len(&self) -> usize;

    /// Calls `f` with the number of each operation in turn, until it returns false. Whether it never did.
    fn each_op(&self, f: &mut dyn FnMut(u32) -> bool) -> bool;

    /// The same, if each result is of the [usual](Op::res_usual) size. One that fails ends the COMPOUND,
    /// so of many operations one at most is larger than that.
    fn batch_len(&self) -> usize {
        self.res_len()
    }

    /// Writes these operations.
    fn put<S: Sink>(&self, s: &mut S) -> XdrResult;

    /// Reads the results of these operations.
    fn get<S: Source>(&mut self, reply: &mut Reply<'_, S>) -> XdrResult<Self::Res>;

    /// The operation that the sequence is sent for: the first that does more than name a file or ask
    /// for attributes, for statistics and for telling which errors may come.
    fn main_op(&self) -> u32;

    /// Where the bulk data of the result begins, in bytes from the first result, if all before it have
    /// their greatest size, as those that belong before a READ do.
    fn data_at(&self) -> Option<usize>;

    /// The most bytes of the whole COMPOUND's arguments; an upper bound for `p_arglen`.
    fn args_max(&self) -> usize {
        // Tag, minor version, number of operations.
        12 + self.args_len()
    }

    /// The most bytes of the whole COMPOUND's result; an upper bound for `p_replen`. Servers send back
    /// the tag of the call, which is empty: a tag of a server's own is not counted.
    fn res_max(&self) -> usize {
        // Status, tag, number of results.
        12 + self.res_len()
    }

    /// Where the bulk data begins, in bytes from the beginning of the whole result.
    fn data_offset(&self) -> Option<usize> {
        self.data_at().map(|at| 12 + at)
    }

    /// Writes the COMPOUND with minor version `minor`.
    fn encode<S: Sink>(&self, minor: u32, s: &mut S) -> XdrResult {
        s.put_u32(0)?;
        s.put_u32(minor)?;
        s.put_u32(self.count().min(s.max_ops()))?;
        self.put(s)
    }

    /// Reads the reply to the COMPOUND. What does not have the structure of a reply to just these
    /// operations is [`XdrError::Invalid`]: another operation, more or fewer results than the status
    /// says, an error before the last result, anything behind it.
    fn decode<S: Source>(&mut self, s: &mut S) -> XdrResult<Self::Res> {
        self.decode_answer(s).map(|answer| answer.res)
    }

    /// The same, with what is to be known of the whole.
    fn decode_answer<S: Source>(&mut self, s: &mut S) -> XdrResult<Answer<Self::Res>> {
        self.decode_cut(None, s)
    }

    /// The same for a COMPOUND that was sent in part.
    fn decode_cut<S: Source>(
        &mut self,
        cut: Option<Cut>,
        s: &mut S,
    ) -> XdrResult<Answer<Self::Res>> {
        let mut reply = match cut {
            Some(cut) => Reply::new_cut(s, cut)?,
            None => Reply::new(s, self.count())?,
        };
        let res = self.get(&mut reply)?;
        let (status, succeeded) = (reply.status, reply.succeeded);
        reply.finish()?;
        Ok(Answer {
            status,
            succeeded,
            res,
        })
    }
}

/// A reply that is being read.
pub struct Reply<'s, S> {
    source: &'s mut S,
    status: Status,
    left: u32,
    succeeded: u32,
    failed: Option<Status>,
    /// What the first operation that was not sent is to get.
    cut: Option<Status>,
}

impl<'s, S: Source> Reply<'s, S> {
    fn new_cut(source: &'s mut S, cut: Cut) -> XdrResult<Self> {
        if cut.at == 0 {
            return Ok(Self {
                source,
                status: cut.status,
                left: 0,
                succeeded: 0,
                failed: Some(cut.status),
                cut: None,
            });
        }
        let mut reply = Self::new(source, cut.at)?;
        reply.cut = Some(cut.status);
        Ok(reply)
    }

    fn new(source: &'s mut S, sent: u32) -> XdrResult<Self> {
        let status = Status(source.get_u32()?);
        source.skip_opaque(TAG_MAX)?;
        let left = source.get_count(sent as usize)? as u32;
        if status.is_ok() && left != sent {
            return Err(XdrError::Invalid);
        }
        // A server that refuses the request as a whole answers none of its operations.
        let failed = (left == 0 && !status.is_ok()).then_some(status);
        Ok(Self {
            source,
            status,
            left,
            succeeded: 0,
            failed,
            cut: None,
        })
    }

    /// How many results are still to be read.
    pub fn left(&self) -> u32 {
        self.left
    }

    /// The result of the next operation, which was `op`.
    #[inline(always)]
    fn next<O: Op>(&mut self, op: &mut O) -> XdrResult<Result<O::Res, Status>> {
        if let Some(status) = self.failed {
            return Ok(Err(status));
        }
        if let (0, Some(status)) = (self.left, self.cut) {
            self.status = status;
            self.failed = Some(status);
            return Ok(Err(status));
        }
        self.left = self.left.checked_sub(1).ok_or(XdrError::Invalid)?;
        let (num, status) = (self.source.get_u32()?, Status(self.source.get_u32()?));
        let illegal = num == OP_ILLEGAL && status == Status::OP_ILLEGAL;
        if num != O::NUM && !illegal {
            return Err(XdrError::Invalid);
        }
        // The last result has the status of the whole, those before it succeeded.
        let expected = if self.left == 0 {
            self.status
        } else {
            Status::OK
        };
        if status != expected {
            return Err(XdrError::Invalid);
        }
        if status.is_ok() {
            self.succeeded += 1;
            return op.decode(self.source).map(Ok);
        }
        if !illegal {
            op.decode_err(status, self.source)?;
        }
        self.failed = Some(status);
        Ok(Err(status))
    }

    fn finish(self) -> XdrResult {
        if self.left != 0 || self.source.remaining() != 0 {
            return Err(XdrError::Invalid);
        }
        Ok(())
    }
}

impl<O: Op> Ops for O {
    type Res = Result<O::Res, Status>;

    fn count(&self) -> u32 {
        1
    }

    fn args_len(&self) -> usize {
        4 + Op::args_max(self)
    }

    fn res_len(&self) -> usize {
        8 + Op::res_max(self)
    }

    fn batch_len(&self) -> usize {
        8 + Op::res_usual(self)
    }

    fn main_op(&self) -> u32 {
        O::NUM
    }

    fn data_at(&self) -> Option<usize> {
        O::DATA_AT.map(|at| 8 + at)
    }

    fn each_op(&self, f: &mut dyn FnMut(u32) -> bool) -> bool {
        f(O::NUM)
    }

    fn put<S: Sink>(&self, s: &mut S) -> XdrResult {
        if !s.begin_op() {
            return Ok(());
        }
        s.put_u32(O::NUM)?;
        Op::encode(self, s)
    }

    #[inline(always)]
    fn get<S: Source>(&mut self, reply: &mut Reply<'_, S>) -> XdrResult<Self::Res> {
        reply.next(self)
    }
}

/// Left out when `None`.
impl<P: Ops> Ops for Option<P> {
    type Res = Option<P::Res>;

    fn count(&self) -> u32 {
        self.as_ref().map_or(0, Ops::count)
    }

    fn args_len(&self) -> usize {
        self.as_ref().map_or(0, Ops::args_len)
    }

    fn res_len(&self) -> usize {
        self.as_ref().map_or(0, Ops::res_len)
    }

    fn batch_len(&self) -> usize {
        self.as_ref().map_or(0, Ops::batch_len)
    }

    fn main_op(&self) -> u32 {
        self.as_ref().map_or(0, Ops::main_op)
    }

    fn data_at(&self) -> Option<usize> {
        self.as_ref().and_then(Ops::data_at)
    }

    fn each_op(&self, f: &mut dyn FnMut(u32) -> bool) -> bool {
        self.as_ref().is_none_or(|part| part.each_op(f))
    }

    fn put<S: Sink>(&self, s: &mut S) -> XdrResult {
        self.as_ref().map_or(Ok(()), |part| part.put(s))
    }

    fn get<S: Source>(&mut self, reply: &mut Reply<'_, S>) -> XdrResult<Self::Res> {
        self.as_mut().map(|part| part.get(reply)).transpose()
    }
}

/// Which of two operations tells more of what a sequence is for; the first, if they are alike.
#[inline]
fn weightier(a: u32, b: u32) -> u32 {
    const fn weight(op: u32) -> u32 {
        match op {
            0 => 0,
            // SEQUENCE, PUTFH, PUTPUBFH, PUTROOTFH, SAVEFH, RESTOREFH
            53 | 22..=24 | 31 | 32 => 1,
            // GETFH
            10 => 2,
            // GETATTR
            9 => 3,
            // ACCESS
            3 => 4,
            _ => 5,
        }
    }
    if weight(b) > weight(a) {
        b
    } else {
        a
    }
}

macro_rules! tuples {
    ($($part:ident)*) => {
        #[allow(non_snake_case, unused_variables, clippy::unused_unit)]
        impl<$($part: Ops),*> Ops for ($($part,)*) {
            type Res = ($($part::Res,)*);

            fn count(&self) -> u32 {
                let ($($part,)*) = self;
                0 $(+ $part.count())*
            }

            fn args_len(&self) -> usize {
                let ($($part,)*) = self;
                0 $(+ $part.args_len())*
            }

            fn res_len(&self) -> usize {
                let ($($part,)*) = self;
                0 $(+ $part.res_len())*
            }

            fn batch_len(&self) -> usize {
                let ($($part,)*) = self;
                0 $(+ $part.batch_len())*
            }

            fn main_op(&self) -> u32 {
                let ($($part,)*) = self;
                let main = 0;
                $(let main = weightier(main, $part.main_op());)*
                main
            }

            fn data_at(&self) -> Option<usize> {
                let ($($part,)*) = self;
                let before = 0;
                $(
                    if let Some(at) = $part.data_at() {
                        return Some(before + at);
                    }
                    let before = before + $part.res_len();
                )*
                None
            }

            fn each_op(&self, f: &mut dyn FnMut(u32) -> bool) -> bool {
                let ($($part,)*) = self;
                true $(&& $part.each_op(f))*
            }

            fn put<S: Sink>(&self, s: &mut S) -> XdrResult {
                let ($($part,)*) = self;
                $($part.put(s)?;)*
                Ok(())
            }

            #[inline]
            fn get<S: Source>(&mut self, reply: &mut Reply<'_, S>) -> XdrResult<Self::Res> {
                let ($($part,)*) = self;
                Ok(($($part.get(reply)?,)*))
            }
        }
    };
}

tuples!();
tuples!(A);
tuples!(A B);
tuples!(A B C);
tuples!(A B C D);
tuples!(A B C D E);
tuples!(A B C D E F);
tuples!(A B C D E F G);
tuples!(A B C D E F G H);
tuples!(A B C D E F G H I);
tuples!(A B C D E F G H I J);
tuples!(A B C D E F G H I J K);
tuples!(A B C D E F G H I J K L);

/// One item of a [`Batch`]: what is sent for it, and where its result goes.
pub trait BatchItem {
    /// The operations sent for one item.
    type Ops<'a>: Ops<Res = Self::Res>
    where
        Self: 'a;
    /// Their result.
    type Res;

    /// The operations for this item: the same ones at each call until `done`.
    fn ops(&self) -> Self::Ops<'_>;

    /// Takes the result. Called once for each item that the server has begun to work on.
    fn done(&mut self, res: Self::Res);
}

/// The operations of each item of a slice, one after the other, in one COMPOUND.
///
/// The server stops at the first that fails. The result is the number of items that it has begun to
/// work on: all but the last of these are done, and those behind it can be sent again as they are.
/// None of the items was begun where an operation before the batch failed.
pub struct Batch<V>(pub V);

impl<V, T> Ops for Batch<V>
where
    V: DerefMut<Target = [T]>,
    T: BatchItem,
{
    type Res = usize;

    fn count(&self) -> u32 {
        self.0.iter().map(|item| item.ops().count()).sum()
    }

    fn args_len(&self) -> usize {
        self.0.iter().map(|item| item.ops().args_len()).sum()
    }

    fn res_len(&self) -> usize {
        let (mut usual, mut more) = (0, 0);
        for item in self.0.iter() {
            let ops = item.ops();
            let len = ops.batch_len();
            usual += len;
            more = ops.res_len().saturating_sub(len).max(more);
        }
        usual + more
    }

    fn main_op(&self) -> u32 {
        self.0.first().map_or(0, |item| item.ops().main_op())
    }

    fn data_at(&self) -> Option<usize> {
        None
    }

    fn each_op(&self, f: &mut dyn FnMut(u32) -> bool) -> bool {
        self.0.iter().all(|item| item.ops().each_op(f))
    }

    fn put<S: Sink>(&self, s: &mut S) -> XdrResult {
        self.0.iter().try_for_each(|item| item.ops().put(s))
    }

    fn get<S: Source>(&mut self, reply: &mut Reply<'_, S>) -> XdrResult<usize> {
        let mut begun = 0;
        for item in self.0.iter_mut() {
            if reply.failed.is_some() {
                break;
            }
            let res = item.ops().get(reply)?;
            item.done(res);
            begun += 1;
        }
        Ok(begun)
    }
}
