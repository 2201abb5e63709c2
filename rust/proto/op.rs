// SPDX-License-Identifier: GPL-2.0

//! An operation as a type: how it is written and what its result is.

use crate::{
    status::Status,
    xdr::{
        Sink,
        Source,
        XdrResult, //
    },
};

/// One operation of a COMPOUND. The value is its arguments.
pub trait Op {
    /// The operation's number, `nfs_opnum4`.
    const NUM: u32;
    /// What a successful result holds.
    type Res;

    /// Where the bulk data of a successful result begins, in bytes of its body, for an operation that
    /// has such ([`Source::pages`]): a transport that knows it receives the data in place.
    const DATA_AT: Option<usize> = None;

    /// The most bytes of the arguments, the operation's number not counted. File data that
    /// [`Sink::pages`] takes is not counted either.
    fn args_max(&self) -> usize;

    /// The most bytes of the body of a result, number, status and [`Source::pages`] not counted.
    fn res_max(&self) -> usize;

    /// The same of a result as it is where many of these operations succeed in one COMPOUND: without
    /// what only a failure has, or what was not asked for. See [`Ops::batch_len`].
    ///
    /// [`Ops::batch_len`]: crate::compound::Ops::batch_len
    fn res_usual(&self) -> usize {
        self.res_max()
    }

    /// Writes the arguments.
    fn encode<S: Sink>(&self, s: &mut S) -> XdrResult;

    /// Reads the body of a successful result.
    fn decode<S: Source>(&mut self, s: &mut S) -> XdrResult<Self::Res>;

    /// Reads the body of a failed result, for the few that have one.
    fn decode_err<S: Source>(&mut self, _status: Status, _s: &mut S) -> XdrResult {
        Ok(())
    }
}
