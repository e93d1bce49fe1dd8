//! What a replay tells on standard output: documents as JSON lines, or a line for each alert at its end.

use std::{
    cell::RefCell,
    io::{self, Write},
    rc::Rc,
    time::Duration,
};

use serde_json::Value;

use super::progress::Progress;
use crate::{journal::Numbers, output::Sink};
use sensor_dissect::escape::shown;

/// What is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// Every document, as the running agent writes it.
    Json,
    /// A line for each alert.
    Lines,
}

/// Writes documents at once: nothing waits, and nothing is given up.
pub struct Told {
    form: Form,
    destination: Box<dyn Write>,
    /// Whether somebody looks on.
    watched: bool,
    flows: bool,
    progress: Progress,
    failure: Failure,
    written: u64,
}

/// Why the destination takes nothing any more.
#[derive(Clone, Default)]
pub struct Failure(Rc<RefCell<Option<io::Error>>>);

impl Failure {
    /// Takes the error, if there is one.
    #[must_use]
    pub fn take(&self) -> Option<io::Error> {
        self.0.borrow_mut().take()
    }

    /// Whether there is one.
    #[must_use]
    pub fn is_there(&self) -> bool {
        self.0.borrow().is_some()
    }
}

impl Told {
    /// Writes to `destination`; `watched` says whether each line is to be seen at once.
    #[must_use]
    pub fn new(form: Form, destination: impl Write + 'static, watched: bool, progress: Progress) -> Self {
        let destination = Box::new(io::BufWriter::with_capacity(64 << 10, destination));
        Self { form, destination, watched, flows: false, progress, failure: Failure::default(), written: 0 }
    }

    /// Writes summaries of flows too, where documents are written.
    #[must_use]
    pub fn with_flows(self, flows: bool) -> Self {
        Self { flows: flows && self.form == Form::Json, ..self }
    }

    /// Where a failure will be told.
    #[must_use]
    pub fn failure(&self) -> Failure {
        self.failure.clone()
    }

    fn write(&mut self, document: &Value) -> io::Result<()> {
        let line = match self.form {
            Form::Json => document.to_string(),
            Form::Lines => match line(document) {
                Some(line) => line,
                None => return Ok(()),
            },
        };
        let (destination, watched) = (&mut self.destination, self.watched);
        self.progress.beside(|| {
            writeln!(destination, "{line}")?;
            if watched { destination.flush() } else { Ok(()) }
        })
    }

    fn note(&self, result: io::Result<()>) {
        if let Err(error) = result {
            self.failure.0.borrow_mut().get_or_insert(error);
        }
    }
}

impl Sink for Told {
    fn push(&mut self, documents: Vec<Value>) {
        for document in documents {
            if self.failure.is_there() {
                return;
            }
            let result = self.write(&document);
            self.written += u64::from(result.is_ok());
            self.note(result);
        }
    }

    fn settle(&mut self, _patience: Duration) {
        let result = self.destination.flush();
        self.note(result);
    }

    fn takes_flows(&self) -> bool {
        self.flows
    }

    fn written(&self) -> u64 {
        self.written
    }

    fn numbers(&self) -> Numbers {
        Numbers::default()
    }
}

/// The line of an alert that is over: when it began, how severe it is, and what was seen. Alerts that were only counted have
/// one line for all.
fn line(document: &Value) -> Option<String> {
    let text = |pointer: &str| document.pointer(pointer).and_then(Value::as_str).unwrap_or("?");
    let counted = document.pointer("/smb_sensor/suppression").is_some();
    if !counted && text("/smb_sensor/alert/status") != "closed" {
        return None;
    }
    let severity = if counted { "counted" } else { text("/smb_sensor/alert/severity") };
    let start = text("/event/start");
    Some(format!("{start}  {severity:<8}  {}", shown(text("/message").as_bytes())))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[derive(Clone, Default)]
    struct Kept(Rc<RefCell<Vec<u8>>>);

    impl Write for Kept {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            if self.0.borrow().len() > 100 {
                return Err(io::ErrorKind::BrokenPipe.into());
            }
            self.0.borrow_mut().extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn document(status: &str) -> Value {
        json!({
            "event": { "start": "2026-01-01T00:00:00.000Z" },
            "message": "evil \u{1b}[2J name",
            "smb_sensor": { "alert": { "status": status, "severity": "high" } },
        })
    }

    #[test]
    fn an_alert_is_one_line_at_its_end_and_steers_no_terminal() {
        let kept = Kept::default();
        let mut told = Told::new(Form::Lines, kept.clone(), true, Progress::none());
        told.push(vec![document("opened"), document("updated"), document("closed")]);
        let text = String::from_utf8(kept.0.borrow().clone()).unwrap();
        assert_eq!(text, "2026-01-01T00:00:00.000Z  high      evil \\u{1b}[2J name\n");
    }

    #[test]
    fn alerts_that_were_only_counted_have_a_line_too() {
        let summary = json!({
            "event": { "start": "2026-01-01T00:00:00.000Z" },
            "message": "149 more were only counted",
            "smb_sensor": { "suppression": { "suppressed": 149 } },
        });
        let expected = "2026-01-01T00:00:00.000Z  counted   149 more were only counted";
        assert_eq!(line(&summary).as_deref(), Some(expected));
    }

    #[test]
    fn json_is_every_document_and_a_broken_pipe_is_told_once() {
        let kept = Kept::default();
        let mut told = Told::new(Form::Json, kept.clone(), true, Progress::none());
        let failure = told.failure();
        told.push(vec![document("opened")]);
        assert_eq!(serde_json::from_slice::<Value>(&kept.0.borrow()).unwrap(), document("opened"));
        told.push(vec![document("closed"), document("closed")]);
        assert_eq!(failure.take().unwrap().kind(), io::ErrorKind::BrokenPipe);
        assert_eq!(told.written(), 1);
    }
}
