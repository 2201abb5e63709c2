// SPDX-License-Identifier: GPL-2.0

//! The command line, as mount(8) gives it to its helpers.

use lexopt::{
    Arg,
    Parser,
    ValueExt, //
};

use crate::{
    exit::Failure,
    options::Options, //
};

/// How the command is used.
pub(crate) const USAGE: &str =
    "usage: mount.rnfs4 HOST:/PATH DIR [-fnrsvw] [-N NAMESPACE] [-o OPTION,...]";

/// What was asked for.
#[derive(Debug, Default)]
pub(crate) struct Command {
    /// `HOST:/PATH`.
    pub(crate) source: String,
    /// Where to mount it.
    pub(crate) dir: String,
    /// In which mount namespace that is, if not in this one.
    pub(crate) namespace: Option<String>,
    /// The options, in their order.
    pub(crate) options: Options,
    /// Do everything but the mount itself.
    pub(crate) fake: bool,
    /// Say what is done.
    pub(crate) verbose: bool,
}

impl Command {
    /// Reads the command line. `None` if it only asked for help.
    pub(crate) fn parse(mut args: Parser) -> Result<Option<Self>, Failure> {
        let mut command = Self::default();
        let mut names = Vec::new();
        while let Some(arg) = args.next()? {
            match arg {
                Arg::Value(name) => names.push(name.string()?),
                Arg::Short('o') | Arg::Long("options") => {
                    command.options.add(&args.value()?.string()?)?;
                }
                Arg::Short('f') | Arg::Long("fake") => command.fake = true,
                Arg::Short('v') | Arg::Long("verbose") => command.verbose = true,
                Arg::Short('s') => command.options.add("sloppy")?,
                Arg::Short('r') | Arg::Long("read-only") => command.options.add("ro")?,
                Arg::Short('w') | Arg::Long("rw") => command.options.add("rw")?,
                // There is no /etc/mtab to write.
                Arg::Short('n') | Arg::Long("no-mtab") => {}
                Arg::Short('N') | Arg::Long("namespace") => {
                    command.namespace = Some(args.value()?.string()?);
                }
                Arg::Short('t') => {
                    let kind = args.value()?.string()?;
                    if kind != "rnfs4" {
                        return Err(Failure::Usage(format!(
                            "{kind} is mounted by another helper"
                        )));
                    }
                }
                Arg::Short('h') | Arg::Long("help") => {
                    println!("{USAGE}");
                    return Ok(None);
                }
                Arg::Short('V') | Arg::Long("version") => {
                    println!("mount.rnfs4 {}", env!("CARGO_PKG_VERSION"));
                    return Ok(None);
                }
                other => return Err(other.unexpected().into()),
            }
        }
        match <[String; 2]>::try_from(names) {
            Ok([source, dir]) => {
                command.source = source;
                command.dir = dir;
                Ok(Some(command))
            }
            Err(_) => Err(Failure::Usage(USAGE.into())),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(args: &[&str]) -> Result<Option<Command>, Failure> {
        Command::parse(Parser::from_args(args))
    }

    #[test]
    fn as_mount_calls_it() {
        let command = parse(&["srv:/a", "/mnt", "-v", "-n", "-o", "rw,bg,vers=4.1"])
            .unwrap()
            .unwrap();
        assert_eq!(
            (command.source.as_str(), command.dir.as_str()),
            ("srv:/a", "/mnt")
        );
        assert!(command.verbose && !command.fake);
        assert_eq!(command.options.get("vers"), Some("4.1"));
        assert!(command.options.has("bg"));
    }

    #[test]
    fn flags_are_options_too() {
        let command = parse(&["-rsf", "-N", "42", "-t", "rnfs4", "srv:/a", "/mnt"])
            .unwrap()
            .unwrap();
        assert!(command.options.has("ro") && command.options.has("sloppy") && command.fake);
        assert_eq!(command.namespace.as_deref(), Some("42"));
        assert!(parse(&["-h"]).unwrap().is_none());
    }

    #[test]
    fn what_makes_no_sense_is_refused() {
        for args in [
            &["srv:/a"][..],
            &["a", "b", "c"],
            &["a", "b", "-x"],
            &["a", "b", "-t", "nfs"],
            &["a", "b", "-o"],
            &[],
        ] {
            assert!(matches!(parse(args), Err(Failure::Usage(_))), "{args:?}");
        }
    }
}
