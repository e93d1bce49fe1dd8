use std::{
    fmt,
    io::{self, Cursor, Read as _, Write},
    sync::{Arc, Mutex},
};

use indicatif::TermLike;

use super::*;
use crate::capture::Input;

/// The control sequence that clears the rest of a line.
const CLEAR: &str = "<clear>";

/// A terminal over any writer. It does not know its cursor's position.
struct Terminal<W>(Mutex<W>);

impl<W: Write> Terminal<W> {
    fn write(&self, text: &str) -> io::Result<()> {
        self.0.lock().unwrap().write_all(text.as_bytes())
    }
}

impl<W> fmt::Debug for Terminal<W> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("Terminal")
    }
}

impl<W: Write + Send> TermLike for Terminal<W> {
    fn width(&self) -> u16 {
        80
    }

    fn move_cursor_up(&self, _: usize) -> io::Result<()> {
        Ok(())
    }

    fn move_cursor_down(&self, _: usize) -> io::Result<()> {
        Ok(())
    }

    fn move_cursor_right(&self, _: usize) -> io::Result<()> {
        Ok(())
    }

    fn move_cursor_left(&self, _: usize) -> io::Result<()> {
        Ok(())
    }

    fn write_line(&self, text: &str) -> io::Result<()> {
        self.write(&format!("{text}\n"))
    }

    fn write_str(&self, text: &str) -> io::Result<()> {
        self.write(text)
    }

    fn clear_line(&self) -> io::Result<()> {
        self.write(CLEAR)
    }

    fn flush(&self) -> io::Result<()> {
        self.0.lock().unwrap().flush()
    }
}

/// The written bytes, shared by terminal and test.
#[derive(Clone, Default)]
struct Shown(Arc<Mutex<Vec<u8>>>);

impl Shown {
    /// The bytes written since the last call.
    fn take(&self) -> String {
        String::from_utf8(std::mem::take(&mut *self.0.lock().unwrap())).unwrap()
    }
}

impl Write for Shown {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn progress(patience: Duration) -> (Progress, Shown) {
    let shown = Shown::default();
    let terminal = Terminal(Mutex::new(shown.clone()));
    (Progress::on(ProgressDrawTarget::term_like(Box::new(terminal)), patience), shown)
}

/// A watch on an input of 2048 bytes, all of them taken.
fn read_to_its_end() -> Watch {
    let mut input = Input::of(Cursor::new(vec![0; 2_048]), None).unwrap();
    input.read_to_end(&mut Vec::new()).unwrap();
    input.watch()
}

fn frames(progress: &Progress, count: u32) {
    (0..count).for_each(|_| progress.frame());
}

#[test]
fn slow_replay_shows_file_and_progress() {
    let (progress, shown) = progress(Duration::ZERO);
    progress.begin("one.pcap", Some(4_096), read_to_its_end());
    frames(&progress, FRAMES - 1);
    assert_eq!(shown.take(), "", "the clock is looked at now and then");
    frames(&progress, 1);
    let text = shown.take();
    assert!(text.contains("one.pcap") && text.contains("2.00 KiB/4.00 KiB"), "{text}");
    progress.end();
    assert!(shown.take().contains(CLEAR), "nothing is left of it");
}

#[test]
fn fast_replay_shows_nothing() {
    let (progress, shown) = progress(Duration::MAX);
    progress.begin("one.pcap", None, read_to_its_end());
    frames(&progress, 3 * FRAMES);
    assert_eq!(progress.beside(|| shown.take()), "");
    progress.end();
    assert_eq!(shown.take(), "");
}

#[test]
fn hides_the_bar_while_something_else_is_written() {
    let (progress, shown) = progress(Duration::ZERO);
    progress.begin("one.pcap", None, read_to_its_end());
    frames(&progress, FRAMES);
    assert!(shown.take().contains("one.pcap"));
    let before = progress.beside(|| shown.take());
    assert!(before.contains(CLEAR) && !before.contains("one.pcap"), "{before}");
    assert!(shown.take().contains("one.pcap"), "and back again");
}

#[test]
fn shows_nothing_without_a_terminal() {
    let progress = Progress::none();
    progress.begin("one.pcap", None, read_to_its_end());
    frames(&progress, FRAMES);
    assert_eq!(progress.beside(|| 445), 445);
    progress.end();
}
