// SPDX-License-Identifier: GPL-2.0

//! Whose file system it is: the source taken apart, the host's addresses, and whether anybody is there.

use std::{
    io,
    net::{
        IpAddr,
        SocketAddr,
        TcpStream,
        ToSocketAddrs, //
    },
    time::Duration,
};

use rustix::io::Errno;

use crate::{
    exit::Failure,
    options::Options, //
};

/// How long a host is given to take a connection. The kernel would wait for minutes.
const PATIENCE: Duration = Duration::from_secs(10);

/// The host of `HOST:/PATH`; an IPv6 address may stand in brackets.
pub(crate) fn of_source(source: &str) -> Result<&str, Failure> {
    let host = match source.strip_prefix('[') {
        Some(rest) => rest.split_once("]:/").map(|(host, _)| host),
        None => source.split_once(":/").map(|(host, _)| host),
    };
    host.filter(|host| !host.is_empty())
        .ok_or_else(|| Failure::Usage(format!("{source} is no source: HOST:/PATH is needed")))
}

/// Whether the resolver may know more in a moment. What it says is all that there is to tell by: glibc, then musl.
fn may_be_known_later(err: &io::Error) -> bool {
    let text = err.to_string();
    err.raw_os_error().is_some() || text.contains("Temporary failure") || text.contains("Try again")
}

/// The addresses to try, the resolver's favourite first.
pub(crate) fn addresses(host: &str, options: &Options) -> Result<Vec<SocketAddr>, Failure> {
    let name = options.get("addr").unwrap_or(host);
    let port = options.port()?;
    let all = (name, port)
        .to_socket_addrs()
        .map_err(|err| Failure::Mount {
            temporary: may_be_known_later(&err),
            why: format!("host {name} is unknown: {err}"),
        })?;
    let mut fitting = Vec::new();
    for addr in all.filter(|addr| {
        options
            .wants_ipv6()
            .is_none_or(|ipv6| addr.is_ipv6() == ipv6)
    }) {
        if !fitting.contains(&addr) {
            fitting.push(addr);
        }
    }
    if fitting.is_empty() {
        return Err(Failure::lasting(format!(
            "host {name} has no address that fits proto="
        )));
    }
    Ok(fitting)
}

/// Whether anybody takes connections there.
pub(crate) fn knock(addr: &SocketAddr) -> Result<(), Errno> {
    match TcpStream::connect_timeout(addr, PATIENCE) {
        Ok(_) => Ok(()),
        Err(err) => Err(Errno::from_io_error(&err).unwrap_or(Errno::TIMEDOUT)),
    }
}

/// An address as the kernel reads it: without a port, with the scope where there is one.
pub(crate) fn text(addr: &SocketAddr) -> String {
    match addr {
        SocketAddr::V6(v6) if v6.scope_id() != 0 => format!("{}%{}", v6.ip(), v6.scope_id()),
        other => other.ip().to_string(),
    }
}

/// Whether the host is given as an address already.
pub(crate) fn is_numeric(host: &str) -> bool {
    host.split('%')
        .next()
        .is_some_and(|host| host.parse::<IpAddr>().is_ok())
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use super::*;

    #[test]
    fn sources() {
        assert_eq!(of_source("srv:/a:/b").unwrap(), "srv");
        assert_eq!(of_source("[fd00::1]:/").unwrap(), "fd00::1");
        assert_eq!(of_source("10.0.0.1:/x").unwrap(), "10.0.0.1");
        for bad in ["srv", ":/a", "srv:a", "[fd00::1]", "[]:/", ""] {
            assert!(of_source(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn addresses_that_fit() {
        let mut options = Options::default();
        let first = addresses("127.0.0.1", &options).unwrap()[0];
        assert_eq!((text(&first).as_str(), first.port()), ("127.0.0.1", 2049));
        options.add("proto=tcp6").unwrap();
        assert!(addresses("127.0.0.1", &options).is_err());
        assert_eq!(text(&addresses("::1", &options).unwrap()[0]), "::1");
        options.add("addr=fd00::5,port=20049").unwrap();
        let first = addresses("name.invalid", &options).unwrap()[0];
        assert_eq!((text(&first).as_str(), first.port()), ("fd00::5", 20049));
    }

    #[test]
    fn numeric_or_not() {
        assert!(is_numeric("fe80::1%eth0") && is_numeric("10.0.0.1"));
        assert!(!is_numeric("srv") && !is_numeric(""));
    }

    #[test]
    fn who_is_there() {
        let there = TcpListener::bind("127.0.0.1:0").unwrap();
        let addr = there.local_addr().unwrap();
        assert_eq!(knock(&addr), Ok(()));
        drop(there);
        assert_eq!(knock(&addr), Err(Errno::CONNREFUSED));
    }

    #[test]
    fn the_resolver_may_be_late() {
        let later = |text: &str| may_be_known_later(&io::Error::other(text));
        assert!(later(
            "failed to lookup address information: Temporary failure in name resolution"
        ));
        assert!(!later(
            "failed to lookup address information: Name or service not known"
        ));
    }
}
