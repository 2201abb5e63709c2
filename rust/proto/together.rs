// SPDX-License-Identifier: GPL-2.0

//! What goes along with an operation that is sent anyway, and saves a round trip of its own.
//!
//! Only what means the same alone goes along, as the last part of its compound: if it fails, or what comes before it, it is done by
//! itself, and its error is what comes of that.

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

/// How much of a file an OPEN for reading asks for: as much as a small file has.
const READ_WITH_OPEN: u32 = 16 << 10;

/// Whether it is of use to read with OPEN, learnt from what became of the files that were opened lately.
///
/// A file that is read gains what one that is not loses a multiple of: where more than a fifth is opened and not read, the data is no
/// longer asked for until that has changed.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Foresight {
    credit: u8,
}

impl Foresight {
    const MAX: u8 = 32;
    const START: u8 = 16;
    const LOSS: u8 = 4;
    /// From here on it is worth it.
    const ENOUGH: u8 = 8;

    /// Before anything was learnt.
    pub const fn new() -> Self {
        Self {
            credit: Self::START,
        }
    }

    /// How many bytes to read with the OPEN of a file of which nothing is known; 0 for none.
    pub const fn bytes(&self) -> u32 {
        if self.credit >= Self::ENOUGH {
            READ_WITH_OPEN
        } else {
            0
        }
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
        Self { credit }
    }
}

impl Default for Foresight {
    fn default() -> Self {
        Self::new()
    }
}
