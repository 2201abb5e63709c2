// SPDX-License-Identifier: GPL-2.0

//! Numbers of the VFS.
//!
//! C headers: [`include/uapi/linux/stat.h`](srctree/include/uapi/linux/stat.h),
//! [`include/linux/fs_dirent.h`](srctree/include/linux/fs_dirent.h).

use kernel::bindings as kb;

/// `FS_RENAME_DOES_D_MOVE`: the file system moves dentries on its own in a rename.
pub(crate) const FS_RENAME_DOES_D_MOVE: i32 = kb::FS_RENAME_DOES_D_MOVE as i32;

/// Type bits of a mode.
pub(crate) mod mode {
    use kernel::bindings as kb;

    pub(crate) const S_IFMT: u16 = kb::S_IFMT as u16;
    pub(crate) const S_IFREG: u16 = kb::S_IFREG as u16;
    pub(crate) const S_IFDIR: u16 = kb::S_IFDIR as u16;
    pub(crate) const S_IFLNK: u16 = kb::S_IFLNK as u16;
    pub(crate) const S_IFBLK: u16 = kb::S_IFBLK as u16;
    pub(crate) const S_IFCHR: u16 = kb::S_IFCHR as u16;
    pub(crate) const S_IFIFO: u16 = kb::S_IFIFO as u16;
    pub(crate) const S_IFSOCK: u16 = kb::S_IFSOCK as u16;
}

/// Types of directory entries.
pub(crate) mod dt {
    use kernel::bindings as kb;

    pub(crate) const UNKNOWN: u8 = kb::DT_UNKNOWN as u8;
    pub(crate) const REG: u8 = kb::DT_REG as u8;
    pub(crate) const DIR: u8 = kb::DT_DIR as u8;
    pub(crate) const LNK: u8 = kb::DT_LNK as u8;
    pub(crate) const BLK: u8 = kb::DT_BLK as u8;
    pub(crate) const CHR: u8 = kb::DT_CHR as u8;
    pub(crate) const FIFO: u8 = kb::DT_FIFO as u8;
    pub(crate) const SOCK: u8 = kb::DT_SOCK as u8;
}

/// Flags of an open that the kernel crate does not name.
pub(crate) mod open_flags {
    use kernel::bindings as kb;

    pub(crate) const WRONLY: u32 = kb::O_WRONLY;
    pub(crate) const CREAT: u32 = kb::O_CREAT;
    pub(crate) const EXCL: u32 = kb::O_EXCL;
    pub(crate) const TRUNC: u32 = kb::O_TRUNC;
    pub(crate) const DIRECTORY: u32 = kb::O_DIRECTORY;
    pub(crate) const NOFOLLOW: u32 = kb::O_NOFOLLOW;
    /// The file is to be executed. It has the same value in `f_mode`.
    pub(crate) const EXEC: u32 = rnfs4_bindings::FMODE_EXEC;
}
