// SPDX-License-Identifier: GPL-2.0

//! What goes along with an operation that is sent anyway, and saves a round trip of its own.
//!
//! Only what means the same alone goes along, as the last part of its compound: if it fails, or what comes before it, it is done by
//! itself, and its error is what comes of that.

use crate::setattrs::{
    SetAttrs,
    SetTime, //
};

/// A WRITE that is about to be sent for somebody who waits for it.
#[derive(Clone, Copy, Debug)]
pub struct LastWrite {
    /// It is all that is sent: nothing else of the file is under way or waits for COMMIT. Then it is FILE_SYNC.
    pub alone: bool,
    /// It takes one call.
    pub fits: bool,
    /// How much else of the file is dirty.
    pub others: usize,
    /// The data is written by the right of a lock.
    pub locked: bool,
}

impl LastWrite {
    /// Whether the CLOSE of the open by whose right the data is written may go along. Locks go before it.
    pub const fn takes_close(&self) -> bool {
        self.takes_setattr() && !self.locked
    }

    /// Whether a SETATTR of the file that waits for its data may go along.
    pub const fn takes_setattr(&self) -> bool {
        self.alone && self.fits && self.others == 0
    }
}

/// A file that somebody has just made and has not closed yet, as the server has it.
#[derive(Clone, Copy, Debug)]
pub struct Made {
    /// Its mode.
    pub mode: u32,
    /// Its owner.
    pub uid: u32,
    /// Its group.
    pub gid: u32,
    /// The maker has changed the owner or the group: he may do that to files of others.
    pub mighty: bool,
}

impl Made {
    /// Bits for which a change of owner, or of mode, means more than it says.
    const SPECIAL: u32 = 0o7000;

    /// Whether it does no harm if the server gets what the maker, whose number is `caller`, sets no sooner than the file's data.
    ///
    /// It must be sure to be granted: to the owner, or to somebody who rules over owners. And if the client dies meanwhile, or somebody
    /// else comes before, the file must not be open to more than it was meant to be: so a mode may wait that gives rights and takes none,
    /// and an owner that the file has. Times may, but not the server's present time, which would be another by then.
    pub fn may_wait(&self, set: &SetAttrs, caller: u32) -> bool {
        let granted = caller == self.uid || self.mighty;
        let time = |time: Option<SetTime>| time.is_none_or(|it| it != SetTime::Server);
        let old = self.mode & 0o7777;
        let gives = |mode: u32| mode & old == old && mode & Self::SPECIAL == 0;
        granted
            && old & Self::SPECIAL == 0
            && set.size.is_none()
            && set.umask.is_none()
            && set.uid.is_none_or(|uid| uid == self.uid)
            && set.gid.is_none_or(|gid| gid == self.gid)
            && set.mode.is_none_or(gives)
            && time(set.atime)
            && time(set.mtime)
    }
}

/// How much of a file an OPEN for reading asks for: as much as a small file has, or, where many are not as small, as those.
const READ_WITH_OPEN: [u32; 2] = [16 << 10, 64 << 10];

/// Whether it is of use to read with OPEN, and how much, learnt from what became of the files that were opened lately.
///
/// A file that is read gains what one that is not loses a multiple of: where more than a fifth is opened and not read, the data is no
/// longer asked for until that has changed. A call for what lies behind costs as much as room for it with some twenty files.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Foresight {
    credit: u8,
    /// How many files were larger than a small one, weighed against those that were not.
    larger: u8,
}

impl Foresight {
    const MAX: u8 = 32;
    const START: u8 = 16;
    const LOSS: u8 = 4;
    /// From here on it is worth it.
    const ENOUGH: u8 = 8;

    /// What a larger file counts for.
    const LARGER: u8 = 20;
    /// As much as is ever known of them; and from half of that on room is made for such.
    const LARGER_MAX: u8 = 80;

    /// Before anything was learnt.
    pub const fn new() -> Self {
        Self {
            credit: Self::START,
            larger: 0,
        }
    }

    /// How many bytes to read with the OPEN of a file of which nothing is known; 0 for none.
    pub const fn bytes(&self) -> u32 {
        let [small, large] = READ_WITH_OPEN;
        if self.credit < Self::ENOUGH {
            0
        } else if self.larger >= Self::LARGER_MAX / 2 {
            large
        } else {
            small
        }
    }

    /// A file of which nothing was known has that size.
    pub const fn learn_size(self, size: u64) -> Self {
        let [small, large] = READ_WITH_OPEN;
        let larger = if size > small as u64 && size <= large as u64 {
            let more = self.larger + Self::LARGER;
            if more < Self::LARGER_MAX {
                more
            } else {
                Self::LARGER_MAX
            }
        } else {
            self.larger.saturating_sub(1)
        };
        Self { larger, ..self }
    }

    /// A file that was opened for reading, and of which nothing was known, is closed; was it read?
    pub const fn learn(self, read: bool) -> Self {
        let credit = if !read {
            self.credit.saturating_sub(Self::LOSS)
        } else if self.credit < Self::MAX {
            self.credit + 1
        } else {
            self.credit
        };
        Self { credit, ..self }
    }
}

impl Default for Foresight {
    fn default() -> Self {
        Self::new()
    }
}
