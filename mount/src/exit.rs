// SPDX-License-Identifier: GPL-2.0

//! Why a mount failed, and with which status that ends: those of mount(8) and mount.nfs.

use std::{
    fmt,
    process::ExitCode, //
};

use rustix::io::Errno;

/// Why there is no mount.
#[derive(Debug)]
pub(crate) enum Failure {
    /// The command line or the configuration file makes no sense, or the caller may not mount: EX_USAGE.
    Usage(String),
    /// The system did not do what it should: EX_SYSERR.
    System(String),
    /// The mount was refused or did not come about: EX_FAIL. Whether trying again may help.
    Mount {
        /// What to tell.
        why: String,
        /// The server may be there in a moment.
        temporary: bool,
    },
}

impl Failure {
    /// Trying again would not help.
    pub(crate) fn lasting(why: String) -> Self {
        Self::Mount {
            why,
            temporary: false,
        }
    }

    /// The status to end with.
    pub(crate) fn exit_code(&self) -> ExitCode {
        ExitCode::from(match self {
            Self::Usage(_) => 1,
            Self::System(_) => 2,
            Self::Mount { .. } => 32,
        })
    }

    /// Whether it is worth another try.
    pub(crate) fn is_temporary(&self) -> bool {
        matches!(
            self,
            Self::Mount {
                temporary: true,
                ..
            }
        )
    }

    /// What an error of the kernel means for a mount of `source` on `dir`; `said` is what the file system said of it, which it does
    /// where it knows more than the error says.
    pub(crate) fn of_errno(errno: Errno, source: &str, dir: &str, said: &str) -> Self {
        let what = match errno {
            Errno::PERM => return Self::Usage("only root may mount".into()),
            Errno::NODEV => {
                "the kernel does not know rnfs4: load it, by modprobe rnfs4 or insmod rnfs4.ko"
                    .into()
            }
            Errno::ACCESS => format!(
                "access denied by the server: see there whether {source} is exported to this host"
            ),
            Errno::NOENT => {
                format!("the server has no such path: see there what is exported ({source})")
            }
            Errno::NOTDIR => format!("not a directory: {source}"),
            Errno::BUSY => format!("{dir} is busy or already mounted"),
            Errno::CONNREFUSED => {
                "connection refused: no NFS server runs there, or it uses another port (port=)"
                    .into()
            }
            Errno::TIMEDOUT => {
                "no answer: the server is down, or something on the way drops what is sent to it"
                    .into()
            }
            Errno::HOSTUNREACH | Errno::NETUNREACH | Errno::HOSTDOWN | Errno::NETDOWN => {
                "no route to the server: look at the network of this host".into()
            }
            Errno::PROTONOSUPPORT | Errno::PROTO => {
                "the server does not speak the version that was asked for (vers=)".into()
            }
            Errno::INVAL if said.is_empty() => "the kernel refuses the options".into(),
            Errno::INVAL => String::new(),
            other => other.to_string(),
        };
        let why = match (said.is_empty(), what.is_empty()) {
            (true, _) => what,
            (false, true) => said.to_owned(),
            (false, false) => format!("{said} ({what})"),
        };
        Self::Mount {
            why: format!("{source} on {dir}: {why}"),
            temporary: matches!(
                errno,
                Errno::CONNREFUSED
                    | Errno::TIMEDOUT
                    | Errno::HOSTUNREACH
                    | Errno::HOSTDOWN
                    | Errno::NETUNREACH
                    | Errno::NETDOWN
                    | Errno::CONNRESET
                    | Errno::AGAIN
                    | Errno::STALE
            ),
        }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Usage(why) | Self::System(why) | Self::Mount { why, .. } => f.write_str(why),
        }
    }
}

impl From<lexopt::Error> for Failure {
    fn from(err: lexopt::Error) -> Self {
        Self::Usage(format!("{err}\n{}", crate::command::USAGE))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_may_pass_is_tried_again() {
        for (errno, again) in [
            (Errno::CONNREFUSED, true),
            (Errno::TIMEDOUT, true),
            (Errno::INVAL, false),
            (Errno::NOENT, false),
        ] {
            assert_eq!(
                Failure::of_errno(errno, "srv:/a", "/mnt", "").is_temporary(),
                again
            );
        }
    }

    #[test]
    fn the_kernel_has_the_first_word() {
        let refused = Failure::of_errno(Errno::INVAL, "srv:/a", "/mnt", "unknown option fast");
        assert_eq!(refused.to_string(), "srv:/a on /mnt: unknown option fast");
        let text = Failure::of_errno(Errno::NOENT, "srv:/a", "/mnt", "no b in a").to_string();
        assert!(text.contains("no b in a") && text.contains("exported"));
    }
}
