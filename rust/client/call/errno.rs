// SPDX-License-Identifier: GPL-2.0

//! From the protocol's errors to the kernel's.

use kernel::prelude::*;
use rnfs4_proto::status::Status;

/// The errno that a program sees for a status that recovery left over.
pub(crate) fn status_error(status: Status) -> Error {
    Error::from_errno(-status.errno().0)
}

/// Turns an operation's status into an errno.
pub(crate) trait StatusExt<T> {
    /// The result with the status as errno.
    fn errno(self) -> Result<T>;
}

impl<T> StatusExt<T> for core::result::Result<T, Status> {
    fn errno(self) -> Result<T> {
        self.map_err(status_error)
    }
}
