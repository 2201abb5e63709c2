// SPDX-License-Identifier: GPL-2.0

//! What a WRITE or COMMIT tells of the file: its attributes, or that data was lost.

use kernel::prelude::*;
use rnfs4_proto::attrs::Attrs;

use crate::fs::{
    refresh,
    Inode,
    Origin, //
};

/// Records that data was lost. What the program had written is in the page cache still: it must not be taken for the
/// file's any more.
pub(super) fn report(inode: &Inode, error: Error) {
    // The call was ended by force (`umount -f`): the program sees an error that write() may give.
    let error = if error == ERESTARTSYS { EIO } else { error };
    inode.mapping().set_error(error);
    invalidate_data(inode);
}

/// What is cached of the file's data is not to be believed any more. Does not sleep.
pub(in crate::fs) fn invalidate_data(inode: &Inode) {
    inode.info().attrs.lock().doubt_data();
}

/// Takes attributes that came with a WRITE or COMMIT of ours.
pub(in crate::fs) fn wrote(inode: &Inode, attrs: &Attrs) {
    // Attributes of something else (ESTALE) have been taken note of.
    let _ = refresh(inode, attrs, Origin::OwnWrite);
}
