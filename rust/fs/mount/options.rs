// SPDX-License-Identifier: GPL-2.0

//! Mount options, by the names of nfs(5).

use kernel::{
    prelude::*,
    str::CString, //
};

use super::{
    source::{
        components,
        cstring,
        set_source,
        split_source, //
    },
    submount::Point, //
};
use crate::{
    client::{
        LocalLock,
        LookupCache,
        MountParams,
        Server,
        NFS_PORT, //
    },
    fs::Rnfs4Fs,
    sys::{
        fs::{
            FsContext,
            ParamValue, //
        },
        sunrpc::{
            Flags,
            SockAddr, //
        },
    },
};

/// Least `rsize` and `wsize` that are taken at their word, and what others mean.
const SIZE_MIN: u32 = 1024;
const SIZE_SMALL: u32 = 4096;
/// The longest time of the attribute cache, in seconds: over three weeks, and still a number of milliseconds that fits.
const AC_MAX: u32 = 2_000_000;

/// The options as they were given.
#[derive(Default)]
pub(crate) struct MountOptions {
    addr: Option<CString>,
    clientaddr: Option<CString>,
    port: Option<u16>,
    ipv6: Option<bool>,
    minorversion: Option<u32>,
    rsize: Option<u32>,
    wsize: Option<u32>,
    timeo: Option<u32>,
    retrans: Option<u32>,
    patience: Option<Flags>,
    acregmin: Option<u32>,
    acregmax: Option<u32>,
    acdirmin: Option<u32>,
    acdirmax: Option<u32>,
    noac: Option<bool>,
    nocto: Option<bool>,
    lookupcache: Option<LookupCache>,
    noresvport: Option<bool>,
    nconnect: Option<u32>,
    local_lock: Option<LocalLock>,
    nosharecache: Option<bool>,
    /// What is not known is passed over.
    sloppy: bool,
    /// Of a submount, which has the options of its parent: where it belongs.
    pub(super) point: Option<Point>,
}

/// An option that is being read, with what it takes to complain about it.
struct Given<'a> {
    fc: &'a FsContext<Rnfs4Fs>,
    key: &'a str,
    value: ParamValue<'a>,
}

impl<'a> Given<'a> {
    /// The value as text.
    fn text(&self) -> Result<&'a CStr> {
        match self.value {
            ParamValue::Str(text) => Ok(text),
            ParamValue::Flag | ParamValue::Other => {
                self.fc.error(fmt!("option {} needs a value", self.key));
                Err(EINVAL)
            }
        }
    }

    /// The value as text in which nothing is strange.
    fn str(&self) -> Result<&'a str> {
        self.text()?.to_str().or_else(|_| self.bad())
    }

    /// Makes sure that there is no value.
    fn flag(&self) -> Result {
        match self.value {
            ParamValue::Flag => Ok(()),
            ParamValue::Str(_) | ParamValue::Other => {
                self.fc.error(fmt!("option {} takes no value", self.key));
                Err(EINVAL)
            }
        }
    }

    /// The value as a decimal number in this range.
    fn number(&self, range: core::ops::RangeInclusive<u32>) -> Result<u32> {
        match self.str()?.parse::<u32>() {
            Ok(n) if range.contains(&n) => Ok(n),
            _ => {
                self.fc.error(fmt!(
                    "bad value for option {}: a number from {} to {} is needed",
                    self.key,
                    range.start(),
                    range.end()
                ));
                Err(EINVAL)
            }
        }
    }

    /// `rsize` or `wsize`; 0 leaves it to the server. It is rounded when the server's limits are known.
    fn size(&self) -> Result<u32> {
        Ok(match self.number(0..=u32::MAX)? {
            1..SIZE_MIN => SIZE_SMALL,
            size => size,
        })
    }

    /// A time of the attribute cache.
    fn seconds(&self) -> Result<Option<u32>> {
        Ok(Some(self.number(0..=AC_MAX)?))
    }

    fn bad<R>(&self) -> Result<R> {
        let text = self.text().ok().and_then(|text| text.to_str().ok());
        self.fc.error(fmt!(
            "bad value for option {}: {}",
            self.key,
            text.unwrap_or("?")
        ));
        Err(EINVAL)
    }

    /// Refuses the option.
    fn refuse<R>(&self, why: &str) -> Result<R> {
        self.fc.error(fmt!("option {}: {}", self.key, why));
        Err(EINVAL)
    }

    /// A host's address or name, copied.
    fn copy(&self) -> Result<Option<CString>> {
        Ok(Some(self.text()?.to_cstring()?))
    }
}

impl MountOptions {
    /// Takes one option in.
    pub(super) fn parse(
        &mut self,
        fc: &mut FsContext<Rnfs4Fs>,
        key: &CStr,
        value: ParamValue<'_>,
    ) -> Result {
        let name = key.to_str().map_err(|_| EINVAL)?;
        if name == "source" {
            return set_source(fc, value);
        }
        let given = Given {
            fc,
            key: name,
            value,
        };
        match name {
            "addr" => self.addr = given.copy()?,
            "clientaddr" => {
                SockAddr::parse(given.fc.net_ns(), given.text()?.to_bytes(), 0)
                    .or_else(|_| given.bad())?;
                self.clientaddr = given.copy()?;
            }
            "port" => self.port = Some(given.number(0..=65535)? as u16),
            "proto" => match given.str()? {
                "tcp" => self.ipv6 = Some(false),
                "tcp6" => self.ipv6 = Some(true),
                "udp" | "udp6" => return given.refuse("NFSv4 needs tcp or tcp6"),
                "rdma" | "rdma6" => return given.refuse("rdma is not supported"),
                _ => return given.bad(),
            },
            "tcp" => given.flag()?,
            "vers" | "nfsvers" => self.minorversion = version(&given)?.or(self.minorversion),
            "v4.1" => {
                given.flag()?;
                self.minorversion = Some(1);
            }
            "v4.2" => {
                given.flag()?;
                self.minorversion = Some(2);
            }
            "minorversion" => match given.number(0..=2)? {
                0 => return given.refuse("NFSv4.0 is not supported, only 4.1 and 4.2"),
                minor => self.minorversion = Some(minor),
            },
            "rsize" => self.rsize = Some(given.size()?),
            "wsize" => self.wsize = Some(given.size()?),
            "timeo" => self.timeo = Some(given.number(1..=36_000)?),
            "retrans" => self.retrans = Some(given.number(0..=1000)?),
            "hard" => {
                given.flag()?;
                self.patience = Some(Flags::Hard);
            }
            "soft" => {
                given.flag()?;
                self.patience = Some(Flags::Soft);
            }
            "softerr" => {
                given.flag()?;
                self.patience = Some(Flags::SoftErr);
            }
            "ac" | "noac" => {
                given.flag()?;
                self.noac = Some(name == "noac");
            }
            "actimeo" => {
                let s = given.seconds()?;
                (self.acregmin, self.acregmax) = (s, s);
                (self.acdirmin, self.acdirmax) = (s, s);
            }
            "acregmin" => self.acregmin = given.seconds()?,
            "acregmax" => self.acregmax = given.seconds()?,
            "acdirmin" => self.acdirmin = given.seconds()?,
            "acdirmax" => self.acdirmax = given.seconds()?,
            "cto" | "nocto" => {
                given.flag()?;
                self.nocto = Some(name == "nocto");
            }
            "lookupcache" => {
                self.lookupcache = Some(match given.str()? {
                    "all" => LookupCache::All,
                    "pos" | "positive" => LookupCache::Positive,
                    "none" => LookupCache::None,
                    _ => return given.bad(),
                });
            }
            "resvport" | "noresvport" => {
                given.flag()?;
                self.noresvport = Some(name == "noresvport");
            }
            "sharecache" | "nosharecache" => {
                given.flag()?;
                self.nosharecache = Some(name == "nosharecache");
            }
            "sec" => match given.str()? {
                "sys" => (),
                _ => return given.refuse("only sec=sys is supported"),
            },
            "local_lock" => {
                let (flock, posix) = match given.str()? {
                    "none" => (false, false),
                    "flock" => (true, false),
                    "posix" => (false, true),
                    "all" => (true, true),
                    _ => return given.bad(),
                };
                self.local_lock = Some(LocalLock { flock, posix });
            }
            "lock" | "nolock" => {
                given.flag()?;
                let local = name == "nolock";
                self.local_lock = Some(LocalLock {
                    flock: local,
                    posix: local,
                });
            }
            "nconnect" => self.nconnect = Some(given.number(1..=16)?),
            // For user space, which has done with them.
            "fg" | "bg" => given.flag()?,
            "retry" => given.number(0..=u32::MAX).map(drop)?,
            "sloppy" => {
                given.flag()?;
                self.sloppy = true;
            }
            // They have had no meaning since signals work as they should.
            "intr" | "nointr" => given.flag()?,
            _ if self.sloppy => (),
            _ => {
                fc.error(fmt!("unknown option {}", name));
                return Err(EINVAL);
            }
        }
        Ok(())
    }

    /// What the options come to. Says what is wrong if they come to nothing.
    pub(super) fn params(&self, fc: &FsContext<Rnfs4Fs>) -> Result<MountParams> {
        let source = fc.source().ok_or_else(|| {
            fc.error(fmt!("no source: HOST:/PATH is needed"));
            EINVAL
        })?;
        let (host, path) = split_source(source.to_bytes()).ok_or_else(|| {
            fc.error(fmt!("bad source: HOST:/PATH is needed"));
            EINVAL
        })?;
        let port = match self.port {
            None | Some(0) => NFS_PORT,
            Some(port) => port,
        };
        let addr = match &self.addr {
            Some(addr) => SockAddr::parse(fc.net_ns(), addr.to_bytes(), port).inspect_err(|_| {
                fc.error(fmt!("bad value for option addr: no numeric address"));
            })?,
            None => SockAddr::parse(fc.net_ns(), host, port).inspect_err(|_| {
                fc.error(fmt!(
                    "the kernel resolves no host names: give a numeric address, or addr=ADDRESS with the name"
                ));
            })?,
        };
        if self.ipv6.is_some_and(|ipv6| ipv6 != addr.is_ipv6()) {
            fc.error(fmt!("option proto does not fit the address"));
            return Err(EINVAL);
        }
        let mut params = MountParams::new(addr, cstring(host)?, components(fc, path)?);
        let or = |given: Option<u32>, default: u32| given.unwrap_or(default);
        params.minorversion = or(self.minorversion, params.minorversion);
        params.rsize = or(self.rsize, params.rsize);
        params.wsize = or(self.wsize, params.wsize);
        params.timeo = or(self.timeo, params.timeo);
        params.retrans = or(self.retrans, params.retrans);
        // A default gives way to what is asked for.
        let least = |given: Option<u32>, default: u32, most: Option<u32>| {
            given.unwrap_or(most.map_or(default, |most| default.min(most)))
        };
        params.acregmin = least(self.acregmin, params.acregmin, self.acregmax);
        params.acregmax = or(self.acregmax, params.acregmax.max(params.acregmin));
        params.acdirmin = least(self.acdirmin, params.acdirmin, self.acdirmax);
        params.acdirmax = or(self.acdirmax, params.acdirmax.max(params.acdirmin));
        if params.acregmin > params.acregmax || params.acdirmin > params.acdirmax {
            fc.error(fmt!(
                "acregmin and acdirmin must not be above acregmax and acdirmax"
            ));
            return Err(EINVAL);
        }
        params.patience = self.patience.unwrap_or(params.patience);
        params.noac = self.noac.unwrap_or(params.noac);
        params.nocto = self.nocto.unwrap_or(params.nocto);
        params.lookupcache = self.lookupcache.unwrap_or(params.lookupcache);
        params.noresvport = self.noresvport.unwrap_or(params.noresvport);
        params.nconnect = self.nconnect.unwrap_or(params.nconnect);
        params.local_lock = self.local_lock.unwrap_or(params.local_lock);
        params.nosharecache = self.nosharecache.unwrap_or(params.nosharecache);
        params.clientaddr = self
            .clientaddr
            .as_ref()
            .map(|addr| addr.to_cstring())
            .transpose()?;
        Ok(params)
    }

    /// Whether the minor version is left to us.
    pub(super) fn any_version(&self) -> bool {
        self.minorversion.is_none()
    }

    /// Whether a remount of `server` may have these options. Those that it has already are fine, as mount(8) gives them again; none can
    /// be changed, as with the C client. The first that is another is named.
    pub(super) fn check_remount(&self, fc: &FsContext<Rnfs4Fs>, server: &Server) -> Result {
        let now = server.params();
        let number = |given: Option<u32>, now: u32| given.is_none_or(|given| given == now);
        let flag = |given: Option<bool>, now: bool| given.is_none_or(|given| given == now);
        let size =
            |given: Option<u32>, asked: u32, now: u32| number(given, asked) || number(given, now);
        fn text(given: &Option<CString>) -> Option<&[u8]> {
            given.as_ref().map(|text| text.to_bytes())
        }
        let address = |given: &CString| {
            SockAddr::parse(fc.net_ns(), given.to_bytes(), now.addr.port())
                .is_ok_and(|addr| addr == now.addr)
        };
        let all = [
            ("vers", number(self.minorversion, now.minorversion)),
            ("addr", self.addr.as_ref().is_none_or(address)),
            (
                "clientaddr",
                self.clientaddr.is_none() || text(&self.clientaddr) == text(&now.clientaddr),
            ),
            (
                "port",
                self.port.is_none_or(|p| p == 0 || p == now.addr.port()),
            ),
            ("proto", flag(self.ipv6, now.addr.is_ipv6())),
            ("rsize", size(self.rsize, now.rsize, server.rsize())),
            ("wsize", size(self.wsize, now.wsize, server.wsize())),
            ("timeo", number(self.timeo, now.timeo)),
            ("retrans", number(self.retrans, now.retrans)),
            (
                "hard, soft or softerr",
                self.patience.is_none_or(|p| p == now.patience),
            ),
            ("acregmin", number(self.acregmin, now.acregmin)),
            ("acregmax", number(self.acregmax, now.acregmax)),
            ("acdirmin", number(self.acdirmin, now.acdirmin)),
            ("acdirmax", number(self.acdirmax, now.acdirmax)),
            ("ac or noac", flag(self.noac, now.noac)),
            ("cto or nocto", flag(self.nocto, now.nocto)),
            (
                "lookupcache",
                self.lookupcache.is_none_or(|l| l == now.lookupcache),
            ),
            (
                "local_lock",
                self.local_lock.is_none_or(|l| l == now.local_lock),
            ),
            (
                "resvport or noresvport",
                flag(self.noresvport, server.client().noresvport())
                    || flag(self.noresvport, now.noresvport),
            ),
            (
                "nconnect",
                number(self.nconnect, server.client().nconnect())
                    || number(self.nconnect, now.nconnect),
            ),
            (
                "sharecache or nosharecache",
                flag(self.nosharecache, now.nosharecache),
            ),
        ];
        match all.iter().find(|(_, same)| !same) {
            None => Ok(()),
            Some((name, _)) => {
                fc.error(fmt!(
                    "option {name} cannot be changed by a remount: unmount, and mount again"
                ));
                Err(EINVAL)
            }
        }
    }
}

/// `vers=`: the minor version, or none where it is left open.
fn version(given: &Given<'_>) -> Result<Option<u32>> {
    match given.str()? {
        "4" => Ok(None),
        "4.1" => Ok(Some(1)),
        "4.2" => Ok(Some(2)),
        "2" | "3" | "4.0" => given.refuse("only NFSv4.1 and 4.2 are supported"),
        _ => given.bad(),
    }
}
