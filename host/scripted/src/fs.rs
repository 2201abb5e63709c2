// SPDX-License-Identifier: GPL-2.0

//! A file system in memory.

use crate::wire::{SetAttrs, SetTime};
use rnfs4_proto::{
    status::Status,
    types::{ChangeInfo, NfsTime, NfsType, NAME_MAX},
};
use std::{
    collections::{BTreeMap, HashMap},
    time::{SystemTime, UNIX_EPOCH},
};

/// The number of the root directory.
pub const ROOT: u64 = 2;
/// The most bytes of a file.
pub const FILE_MAX: u64 = 64 << 20;

/// An entry of a directory: where a listing goes on behind it, and the object.
#[derive(Clone, Copy, Debug)]
pub struct Entry {
    /// The cookie.
    pub cookie: u64,
    /// The object's number.
    pub id: u64,
}

/// What an object is made of.
#[derive(Clone, Debug)]
pub enum Kind {
    /// A regular file with its data.
    File(Vec<u8>),
    /// A directory.
    Dir {
        /// The directory it is in.
        parent: u64,
        /// What is in it.
        entries: BTreeMap<Vec<u8>, Entry>,
    },
    /// A symbolic link.
    Link(Vec<u8>),
    /// Anything else, with a device number.
    Special(NfsType, (u32, u32)),
}

/// An object.
#[derive(Clone, Debug)]
pub struct Node {
    pub id: u64,
    pub kind: Kind,
    pub mode: u32,
    pub uid: u32,
    pub gid: u32,
    pub nlink: u32,
    pub change: u64,
    pub atime: NfsTime,
    pub mtime: NfsTime,
    pub ctime: NfsTime,
    pub btime: NfsTime,
}

/// Now.
pub fn now() -> NfsTime {
    let t = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    NfsTime {
        sec: t.as_secs() as i64,
        nsec: t.subsec_nanos(),
    }
}

impl Node {
    /// The type.
    pub fn typ(&self) -> NfsType {
        match self.kind {
            Kind::File(_) => NfsType::Reg,
            Kind::Dir { .. } => NfsType::Dir,
            Kind::Link(_) => NfsType::Lnk,
            Kind::Special(typ, _) => typ,
        }
    }

    /// The size in bytes.
    pub fn size(&self) -> u64 {
        match &self.kind {
            Kind::File(data) | Kind::Link(data) => data.len() as u64,
            Kind::Dir { entries, .. } => 4096 + entries.len() as u64,
            Kind::Special(..) => 0,
        }
    }

    /// The data of a regular file.
    pub fn data(&mut self) -> Result<&mut Vec<u8>, Status> {
        match &mut self.kind {
            Kind::File(data) => Ok(data),
            Kind::Dir { .. } => Err(Status::ISDIR),
            Kind::Link(_) => Err(Status::SYMLINK),
            Kind::Special(..) => Err(Status::WRONG_TYPE),
        }
    }

    /// The entries of a directory.
    pub fn entries(&mut self) -> Result<&mut BTreeMap<Vec<u8>, Entry>, Status> {
        match &mut self.kind {
            Kind::Dir { entries, .. } => Ok(entries),
            Kind::Link(_) => Err(Status::SYMLINK),
            _ => Err(Status::NOTDIR),
        }
    }

    /// Data or entries have changed.
    pub fn modified(&mut self) {
        self.change += 1;
        self.mtime = now();
        self.ctime = self.mtime;
    }

    /// Attributes have changed.
    pub fn touched(&mut self) {
        self.change += 1;
        self.ctime = now();
    }

    /// Sets attributes.
    pub fn set(&mut self, set: &SetAttrs) -> Result<(), Status> {
        if let Some(size) = set.size {
            if size > FILE_MAX {
                return Err(Status::FBIG);
            }
            self.data()?.resize(size as usize, 0);
            self.modified();
        }
        self.mode = set.mode.unwrap_or(self.mode);
        self.uid = set.uid.unwrap_or(self.uid);
        self.gid = set.gid.unwrap_or(self.gid);
        let time = |set: Option<SetTime>, old| match set {
            None => old,
            Some(SetTime::Server) => now(),
            Some(SetTime::Client(time)) => time,
        };
        self.atime = time(set.atime, self.atime);
        self.mtime = time(set.mtime, self.mtime);
        self.touched();
        Ok(())
    }

    /// Writes data.
    pub fn write(&mut self, offset: u64, data: &[u8]) -> Result<(), Status> {
        let end = offset
            .checked_add(data.len() as u64)
            .filter(|end| *end <= FILE_MAX)
            .ok_or(Status::FBIG)? as usize;
        let file = self.data()?;
        if file.len() < end {
            file.resize(end, 0);
        }
        if let Some(place) = file.get_mut(offset as usize..end) {
            place.copy_from_slice(data);
        }
        self.modified();
        Ok(())
    }
}

/// All of it.
#[derive(Debug)]
pub struct Fs {
    nodes: HashMap<u64, Node>,
    next: u64,
    cookie: u64,
}

/// A name that a directory may have.
fn check_name(name: &[u8]) -> Result<(), Status> {
    match name {
        b"" => Err(Status::INVAL),
        b"." | b".." => Err(Status::BADNAME),
        _ if name.len() > NAME_MAX => Err(Status::NAMETOOLONG),
        _ if name.iter().any(|c| matches!(c, 0 | b'/')) => Err(Status::BADCHAR),
        _ => Ok(()),
    }
}

impl Fs {
    /// An empty root.
    pub fn new() -> Self {
        let mut fs = Self {
            nodes: HashMap::new(),
            next: ROOT,
            cookie: 2,
        };
        let entries = BTreeMap::new();
        let root = fs.make(
            Kind::Dir {
                parent: ROOT,
                entries,
            },
            0o777,
            (0, 0),
        );
        assert_eq!(root, ROOT);
        fs
    }

    /// A new object without a name; its number.
    pub fn make(&mut self, kind: Kind, mode: u32, (uid, gid): (u32, u32)) -> u64 {
        let (id, time) = (self.next, now());
        self.next += 1;
        let nlink = match kind {
            Kind::Dir { .. } => 2,
            _ => 0,
        };
        let node = Node {
            id,
            kind,
            mode,
            uid,
            gid,
            nlink,
            change: 1,
            atime: time,
            mtime: time,
            ctime: time,
            btime: time,
        };
        self.nodes.insert(id, node);
        id
    }

    /// The object of this number.
    pub fn node(&mut self, id: u64) -> Result<&mut Node, Status> {
        self.nodes.get_mut(&id).ok_or(Status::STALE)
    }

    /// The object of this name.
    pub fn lookup(&mut self, dir: u64, name: &[u8]) -> Result<u64, Status> {
        let entries = self.node(dir)?.entries()?;
        check_name(name)?;
        entries.get(name).map(|e| e.id).ok_or(Status::NOENT)
    }

    /// The object of this path below the root.
    pub fn walk(&mut self, path: &str) -> Result<u64, Status> {
        path.split('/')
            .filter(|name| !name.is_empty())
            .try_fold(ROOT, |dir, name| self.lookup(dir, name.as_bytes()))
    }

    /// The directory that a directory is in.
    pub fn parent(&mut self, dir: u64) -> Result<u64, Status> {
        match self.node(dir)?.kind {
            Kind::Dir { parent, .. } if dir != ROOT => Ok(parent),
            Kind::Dir { .. } => Err(Status::NOENT),
            _ => Err(Status::NOTDIR),
        }
    }

    /// Gives an object a name. Any bytes will do: what a server must not have is for tests.
    pub fn enter(&mut self, dir: u64, name: &[u8], id: u64) -> Result<ChangeInfo, Status> {
        self.cookie += 1;
        let cookie = self.cookie;
        let is_dir = matches!(self.node(id)?.kind, Kind::Dir { .. });
        let node = self.node(dir)?;
        if node.entries()?.contains_key(name) {
            return Err(Status::EXIST);
        }
        node.entries()?.insert(name.to_vec(), Entry { cookie, id });
        let before = node.change;
        node.modified();
        node.nlink += u32::from(is_dir);
        let after = node.change;
        let child = self.node(id)?;
        match &mut child.kind {
            Kind::Dir { parent, .. } => *parent = dir,
            _ => child.nlink += 1,
        }
        child.touched();
        Ok(ChangeInfo {
            atomic: true,
            before,
            after,
        })
    }

    /// The same for a name that a client has sent.
    pub fn link(&mut self, dir: u64, name: &[u8], id: u64) -> Result<ChangeInfo, Status> {
        self.node(dir)?.entries()?;
        check_name(name)?;
        self.enter(dir, name, id)
    }

    /// Takes a name away. The object stays until `forget`.
    pub fn unlink(&mut self, dir: u64, name: &[u8]) -> Result<(ChangeInfo, u64), Status> {
        let id = self.lookup(dir, name)?;
        let child = self.node(id)?;
        let is_dir = match &child.kind {
            Kind::Dir { entries, .. } if !entries.is_empty() => return Err(Status::NOTEMPTY),
            Kind::Dir { .. } => true,
            _ => false,
        };
        child.nlink -= if is_dir { 2 } else { 1 };
        child.touched();
        let node = self.node(dir)?;
        node.entries()?.remove(name);
        let before = node.change;
        node.modified();
        node.nlink -= u32::from(is_dir);
        let after = node.change;
        let change = ChangeInfo {
            atomic: true,
            before,
            after,
        };
        Ok((change, id))
    }

    /// Gives an object another name.
    pub fn rename(
        &mut self,
        (from, old): (u64, &[u8]),
        (to, new): (u64, &[u8]),
    ) -> Result<(ChangeInfo, ChangeInfo, Option<u64>), Status> {
        let id = self.lookup(from, old)?;
        let mut gone = None;
        match self.lookup(to, new) {
            Ok(there) if there == id => {
                let same = |fs: &mut Self, dir| {
                    fs.node(dir).map(|n| ChangeInfo {
                        atomic: true,
                        before: n.change,
                        after: n.change,
                    })
                };
                return Ok((same(self, from)?, same(self, to)?, None));
            }
            Ok(there) => {
                let is_dir =
                    |fs: &mut Self, id| fs.node(id).map(|n| matches!(n.kind, Kind::Dir { .. }));
                if is_dir(self, there)? != is_dir(self, id)? {
                    return Err(Status::EXIST);
                }
                gone = Some(self.unlink(to, new)?.1);
            }
            Err(Status::NOENT) => (),
            Err(status) => return Err(status),
        }
        let is_dir = matches!(self.node(id)?.kind, Kind::Dir { .. });
        // A directory is moved with what is in it.
        let target = self.enter(to, new, id)?;
        let node = self.node(from)?;
        let before = node.change;
        node.entries()?.remove(old);
        node.nlink -= u32::from(is_dir);
        node.modified();
        let after = node.change;
        if !is_dir {
            self.node(id)?.nlink -= 1;
        }
        let source = ChangeInfo {
            atomic: true,
            before,
            after,
        };
        Ok((source, target, gone))
    }

    /// An object without a name that nobody has open goes.
    pub fn forget(&mut self, id: u64) {
        if self.nodes.get(&id).is_some_and(|n| n.nlink == 0) {
            self.nodes.remove(&id);
        }
    }

    /// How many objects there are.
    pub fn count(&self) -> u64 {
        self.nodes.len() as u64
    }
}
