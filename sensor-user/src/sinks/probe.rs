//! Whether a destination can be reached or written, tried without sending anything.

use std::{fs, io, os::unix::fs::OpenOptionsExt as _, path::Path};

use nix::unistd::{AccessFlags, access};

use super::{Destination, Elasticsearch, Otlp, Webhook, http, nats, syslog};

impl Destination {
    /// Tries the destination; says what was found.
    ///
    /// # Errors
    /// What is missing, and what to do.
    pub fn probe(&self) -> Result<String, String> {
        match self {
            Self::Stdout => Ok("standard output".to_owned()),
            Self::File(options) => file(&options.path),
            Self::Syslog(options) => syslog::probe(options),
            Self::Elasticsearch(options) => {
                let url = Elasticsearch::new(options).map_err(|error| error.to_string())?.into_url();
                http::probe(&url, &options.tls)
            }
            Self::Nats(options) => nats::probe(options),
            Self::Otlp(options) => {
                let url = Otlp::new(options).map_err(|error| error.to_string())?.into_url();
                http::probe(&url, &options.tls)
            }
            Self::Webhook(options) => {
                let url = Webhook::new(options).map_err(|error| error.to_string())?.into_url();
                http::probe(&url, &options.tls)
            }
        }
    }
}

fn file(path: &Path) -> Result<String, String> {
    let opened = fs::OpenOptions::new().append(true).custom_flags(libc::O_NONBLOCK).open(path);
    match opened {
        Ok(_) => Ok(format!("{} can be written", path.display())),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            let folder =
                path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
            match access(folder, AccessFlags::W_OK | AccessFlags::X_OK) {
                Ok(()) => Ok(format!("{} can be made", path.display())),
                Err(error) => Err(format!(
                    "{} cannot be made: {}; make its folder, or name another file",
                    path.display(),
                    error.desc()
                )),
            }
        }
        Err(error) => Err(format!("{} cannot be written: {error}", path.display())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sinks::FileOptions;

    #[test]
    fn file_is_tried_and_not_made() {
        let folder = tempfile::tempdir().unwrap();
        let probe = |name: &str| {
            let path = folder.path().join(name);
            let result = Destination::File(FileOptions::at(path.clone())).probe();
            (result, path.exists())
        };
        assert!(matches!(probe("new.json"), (Ok(text), false) if text.ends_with("can be made")));
        assert!(matches!(probe("none/new.json"), (Err(text), false) if text.contains("make its folder")));
        fs::write(folder.path().join("old.json"), "{}\n").unwrap();
        assert!(matches!(probe("old.json"), (Ok(text), true) if text.ends_with("can be written")));
        assert_eq!(fs::read_to_string(folder.path().join("old.json")).unwrap(), "{}\n");
        assert!(matches!(probe("."), (Err(text), true) if text.contains("cannot be written")));
    }
}
