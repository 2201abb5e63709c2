// SPDX-License-Identifier: GPL-2.0

//! Mount options: which are for us, which for the VFS, which for the file system.

use rustix::mount::{
    MountAttrFlags,
    MountFlags, //
};

use crate::exit::Failure;

/// Options of fstab and of mount(8) itself that the kernel never sees.
const FOR_USER_SPACE: &[&str] = &[
    "auto", "noauto", "user", "nouser", "users", "nousers", "owner", "noowner", "group", "nogroup",
    "nofail", "_netdev", "defaults", "fg", "bg", "retry", "remount", "sloppy", "loud", "silent",
    "mand", "nomand", "comment", "helper", "uhelper",
];

/// The longest time that `retry` can name, in minutes.
const RETRY_MAX: u64 = u32::MAX as u64;

/// The port of NFS.
const NFS_PORT: u16 = 2049;

/// Options of the mount point: what they set and what they clear.
const OF_MOUNT: &[(&str, MountAttrFlags, bool)] = &[
    ("nosuid", MountAttrFlags::MOUNT_ATTR_NOSUID, true),
    ("suid", MountAttrFlags::MOUNT_ATTR_NOSUID, false),
    ("nodev", MountAttrFlags::MOUNT_ATTR_NODEV, true),
    ("dev", MountAttrFlags::MOUNT_ATTR_NODEV, false),
    ("noexec", MountAttrFlags::MOUNT_ATTR_NOEXEC, true),
    ("exec", MountAttrFlags::MOUNT_ATTR_NOEXEC, false),
    ("nodiratime", MountAttrFlags::MOUNT_ATTR_NODIRATIME, true),
    ("diratime", MountAttrFlags::MOUNT_ATTR_NODIRATIME, false),
    ("nosymfollow", MountAttrFlags::MOUNT_ATTR_NOSYMFOLLOW, true),
    ("symfollow", MountAttrFlags::MOUNT_ATTR_NOSYMFOLLOW, false),
];

/// One of these holds; the first is the kernel's own choice.
const OF_ATIME: &[(&str, MountAttrFlags)] = &[
    ("relatime", MountAttrFlags::MOUNT_ATTR_RELATIME),
    ("atime", MountAttrFlags::MOUNT_ATTR_RELATIME),
    ("nostrictatime", MountAttrFlags::MOUNT_ATTR_RELATIME),
    ("norelatime", MountAttrFlags::MOUNT_ATTR_STRICTATIME),
    ("strictatime", MountAttrFlags::MOUNT_ATTR_STRICTATIME),
    ("noatime", MountAttrFlags::MOUNT_ATTR_NOATIME),
];

/// An option as it was written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Entry {
    /// Its name.
    pub(crate) name: String,
    /// What stands behind `=`, if anything does.
    pub(crate) value: Option<String>,
}

/// Options in their order; a later one counts more.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Options(Vec<Entry>);

impl Options {
    /// Adds a list as it stands behind `-o`.
    pub(crate) fn add(&mut self, list: &str) -> Result<(), Failure> {
        let mut quoted = false;
        let words = list.split(|c| {
            quoted ^= c == '"';
            c == ',' && !quoted
        });
        for word in words.filter(|word| !word.is_empty()) {
            let (name, value) = match word.split_once('=') {
                Some((name, value)) => (name, Some(value.trim_matches('"').to_owned())),
                None => (word, None),
            };
            if name.is_empty() {
                return Err(Failure::Usage(format!("an option without a name: {word}")));
            }
            self.push(name, value);
        }
        Ok(())
    }

    /// Adds one.
    pub(crate) fn push(&mut self, name: &str, value: Option<String>) {
        self.0.push(Entry {
            name: name.to_owned(),
            value,
        });
    }

    /// These as defaults of `others`.
    pub(crate) fn overridden_by(mut self, others: Self) -> Self {
        self.0.extend(others.0);
        self
    }

    /// The value of the last option called so.
    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        self.0
            .iter()
            .rev()
            .find(|e| e.name == name)?
            .value
            .as_deref()
    }

    /// Whether there is one called so.
    pub(crate) fn has(&self, name: &str) -> bool {
        self.0.iter().any(|e| e.name == name)
    }

    /// Which of two that exclude each other came last; `default` without either.
    fn last_of(&self, yes: &str, no: &str, default: bool) -> bool {
        self.0
            .iter()
            .rev()
            .find(|e| e.name == yes || e.name == no)
            .map_or(default, |e| e.name == yes)
    }

    /// Whether an existing mount is to be changed.
    pub(crate) fn remount(&self) -> bool {
        self.has("remount")
    }

    /// Whether to go on trying in the background.
    pub(crate) fn background(&self) -> bool {
        self.last_of("bg", "fg", false)
    }

    /// How long to try, in minutes.
    pub(crate) fn retry_minutes(&self) -> Result<u64, Failure> {
        match self.get("retry") {
            None if self.has("retry") => Err(Failure::lasting("option retry needs a value".into())),
            None => Ok(if self.background() { 10_000 } else { 2 }),
            Some(n) => match n.parse() {
                Ok(minutes @ 0..=RETRY_MAX) => Ok(minutes),
                _ => Err(Failure::lasting(format!("bad value for option retry: {n}"))),
            },
        }
    }

    /// The server's port.
    pub(crate) fn port(&self) -> Result<u16, Failure> {
        match self.get("port") {
            None | Some("0") => Ok(NFS_PORT),
            Some(n) => n
                .parse()
                .map_err(|_| Failure::lasting(format!("bad value for option port: {n}"))),
        }
    }

    /// Whether IPv6 or IPv4 is asked for.
    pub(crate) fn wants_ipv6(&self) -> Option<bool> {
        match self.get("proto") {
            Some("tcp6") => Some(true),
            Some("tcp") => Some(false),
            _ => None,
        }
    }

    /// What the file system is to be told, flags of the superblock included, but for the address, which is for who has resolved the
    /// host's name. `sloppy` comes first: it is about the others.
    pub(crate) fn for_kernel(&self) -> impl Iterator<Item = &Entry> {
        self.for_remount().filter(|e| e.name != "addr")
    }

    /// The same for a mount that is there. Its address is given again, and cannot be another.
    pub(crate) fn for_remount(&self) -> impl Iterator<Item = &Entry> {
        let sloppy = self.0.iter().find(|e| e.name == "sloppy");
        sloppy.into_iter().chain(self.0.iter().filter(|e| {
            let name = e.name.as_str();
            !FOR_USER_SPACE.contains(&name)
                && !OF_MOUNT.iter().any(|(known, ..)| *known == name)
                && !OF_ATIME.iter().any(|(known, _)| *known == name)
                && !name.starts_with("x-")
                && !name.starts_with("X-")
        }))
    }

    /// The attributes of the mount point.
    pub(crate) fn attributes(&self) -> MountAttrFlags {
        let mut flags = MountAttrFlags::empty();
        let mut atime = MountAttrFlags::empty();
        for entry in &self.0 {
            for (name, flag, on) in OF_MOUNT {
                if entry.name == *name {
                    flags.set(*flag, *on);
                }
            }
            if let Some((_, flag)) = OF_ATIME.iter().find(|(name, _)| entry.name == *name) {
                atime = *flag;
            }
            // A user's mount is trusted with nothing.
            if matches!(entry.name.as_str(), "user" | "users" | "owner" | "group") {
                flags |= MountAttrFlags::MOUNT_ATTR_NOSUID | MountAttrFlags::MOUNT_ATTR_NODEV;
                if entry.name.starts_with("user") {
                    flags |= MountAttrFlags::MOUNT_ATTR_NOEXEC;
                }
            }
        }
        flags.set(
            MountAttrFlags::MOUNT_ATTR_RDONLY,
            self.last_of("ro", "rw", false),
        );
        flags | atime
    }

    /// The same as mount(2) has them, for the mount point alone (`MS_BIND`).
    pub(crate) fn remount_flags(&self) -> MountFlags {
        /// Rustix has no name for it here.
        const MS_BIND: u32 = 4096;
        let mut flags = MountFlags::from_bits_retain(MS_BIND);
        let attributes = self.attributes();
        for (attribute, flag) in [
            (MountAttrFlags::MOUNT_ATTR_RDONLY, MountFlags::RDONLY),
            (MountAttrFlags::MOUNT_ATTR_NOSUID, MountFlags::NOSUID),
            (MountAttrFlags::MOUNT_ATTR_NODEV, MountFlags::NODEV),
            (MountAttrFlags::MOUNT_ATTR_NOEXEC, MountFlags::NOEXEC),
            (MountAttrFlags::MOUNT_ATTR_NOATIME, MountFlags::NOATIME),
            (
                MountAttrFlags::MOUNT_ATTR_NODIRATIME,
                MountFlags::NODIRATIME,
            ),
            (
                MountAttrFlags::MOUNT_ATTR_STRICTATIME,
                MountFlags::STRICTATIME,
            ),
            (
                MountAttrFlags::MOUNT_ATTR_NOSYMFOLLOW,
                MountFlags::NOSYMFOLLOW,
            ),
        ] {
            flags.set(flag, attributes.contains(attribute));
        }
        // Else the old ones stay.
        flags.set(MountFlags::RELATIME, self.has("relatime"));
        flags
    }
}

impl std::fmt::Display for Entry {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match &self.value {
            Some(value) => write!(f, "{}={value}", self.name),
            None => f.write_str(&self.name),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn options(list: &str) -> Options {
        let mut options = Options::default();
        options.add(list).unwrap();
        options
    }

    fn kernel(list: &str) -> String {
        let options = options(list);
        let words: Vec<_> = options.for_kernel().map(Entry::to_string).collect();
        words.join(",")
    }

    #[test]
    fn each_gets_its_own() {
        assert_eq!(
            kernel("_netdev,noauto,x-systemd.automount,rsize=65536,nosuid,ro,bg,retry=3,soft,comment=a,addr=::1,noatime,sloppy"),
            "sloppy,rsize=65536,ro,soft"
        );
    }

    #[test]
    fn the_last_one_counts() {
        assert!(options("fg,bg").background());
        assert!(!options("bg,fg").background());
        assert_eq!(options("retry=1,retry=5").retry_minutes().unwrap(), 5);
        assert_eq!(options("bg").retry_minutes().unwrap(), 10_000);
        assert_eq!(options("").retry_minutes().unwrap(), 2);
        assert!(options("retry=soon").retry_minutes().is_err());
        assert!(!options("ro,rw")
            .attributes()
            .contains(MountAttrFlags::MOUNT_ATTR_RDONLY));
        assert!(!options("nosuid,suid")
            .attributes()
            .contains(MountAttrFlags::MOUNT_ATTR_NOSUID));
    }

    #[test]
    fn a_user_gets_no_devices() {
        let user = options("user").attributes();
        assert!(user.contains(MountAttrFlags::MOUNT_ATTR_NODEV | MountAttrFlags::MOUNT_ATTR_NOEXEC));
        let again = options("users,exec,dev").attributes();
        assert!(!again.contains(MountAttrFlags::MOUNT_ATTR_NOEXEC));
        assert!(again.contains(MountAttrFlags::MOUNT_ATTR_NOSUID));
    }

    #[test]
    fn defaults_come_first() {
        let all = options("rsize=1,soft").overridden_by(options("rsize=2"));
        assert_eq!(all.get("rsize"), Some("2"));
        assert!(all.has("soft"));
    }

    #[test]
    fn one_atime_holds() {
        let attributes = |list| options(list).attributes();
        assert_eq!(
            attributes("noatime,strictatime"),
            MountAttrFlags::MOUNT_ATTR_STRICTATIME
        );
        assert_eq!(
            attributes("strictatime,noatime,nodiratime").bits(),
            0x10 | 0x80
        );
        assert_eq!(attributes("noatime,relatime").bits(), 0);
    }

    #[test]
    fn a_remount_is_of_two_things() {
        let options = options("remount,ro,noatime,vers=4.2,_netdev,addr=::1");
        let words: Vec<_> = options.for_remount().map(Entry::to_string).collect();
        assert_eq!(words, ["ro", "vers=4.2", "addr=::1"]);
        let flags = MountFlags::RDONLY | MountFlags::NOATIME | MountFlags::from_bits_retain(4096);
        assert_eq!(options.remount_flags(), flags);
    }

    #[test]
    fn a_comma_may_be_quoted() {
        let options = options("soft,context=\"a:b:s0:c1,c2\",hard");
        assert_eq!(options.get("context"), Some("a:b:s0:c1,c2"));
        assert!(options.has("hard") && !options.has("c2\""));
    }

    #[test]
    fn ports() {
        assert_eq!(options("").port().unwrap(), 2049);
        assert_eq!(options("port=0").port().unwrap(), 2049);
        assert_eq!(options("port=1,port=20049").port().unwrap(), 20049);
        assert!(options("port=70000").port().is_err());
    }

    #[test]
    fn a_value_may_be_empty_but_not_a_name() {
        assert_eq!(options("a=").get("a"), Some(""));
        assert!(Options::default().add("=b").is_err());
    }
}
