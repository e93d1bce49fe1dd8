//! Chromium without a window, inside a namespace, spoken to over its debugging pipe (Chrome DevTools Protocol).

use std::{
    fs,
    io::{BufRead as _, BufReader, Write as _},
    path::Path,
    process::{Child, ChildStdin, Stdio},
    sync::mpsc::{Receiver, channel},
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, bail};
use base64::{Engine as _, prelude::BASE64_STANDARD};
use sensor_lab::{Namespace, Scratch, patience, scratch_dir, spawn};
use serde_json::{Value, json};

/// Longest time for an answer.
const LIMIT: Duration = Duration::from_secs(60);

/// Chromium reads commands from descriptor 3 and writes answers to descriptor 4.
const START: &str = "exec chromium --headless=new --no-sandbox --disable-gpu --disable-dev-shm-usage --no-first-run \
                     --disable-background-networking --disable-component-update --disable-sync --hide-scrollbars \
                     --remote-debugging-pipe --user-data-dir=\"$0\" about:blank 3<&0 4>&1 >/dev/null 2>&1 </dev/null";

/// A browser with one page. Dropping it ends it.
pub struct Browser {
    child: Child,
    commands: ChildStdin,
    messages: Receiver<Value>,
    last: u64,
    session: Option<String>,
    complaints: Vec<String>,
    _profile: Scratch,
}

impl Browser {
    /// Starts Chromium in `namespace`.
    ///
    /// # Errors
    /// When it cannot be run, or does not answer.
    pub fn start(namespace: &Namespace) -> Result<Self> {
        let profile = scratch_dir()?;
        let mut command = namespace.command("sh");
        command.args(["-c", START]).arg(profile.path()).env("HOME", profile.path());
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
        let mut child = spawn(command)?;
        let commands = child.stdin.take().context("no way to command the browser")?;
        let answers = BufReader::new(child.stdout.take().context("no output of the browser")?);
        let (sender, messages) = channel();
        thread::spawn(move || {
            for message in answers.split(0).map_while(Result::ok) {
                let parsed = serde_json::from_slice(&message);
                if parsed.is_ok_and(|message: Value| sender.send(message).is_err()) {
                    return;
                }
            }
        });
        let mut browser = Self {
            child,
            commands,
            messages,
            last: 0,
            session: None,
            complaints: Vec::new(),
            _profile: profile,
        };
        let target = browser.call("Target.createTarget", json!({ "url": "about:blank" }))?;
        let attach = json!({ "targetId": target["targetId"], "flatten": true });
        let attached = browser.call("Target.attachToTarget", attach)?;
        browser.session = attached["sessionId"].as_str().map(str::to_owned);
        for domain in ["Page.enable", "Runtime.enable", "Log.enable", "Network.enable"] {
            browser.call(domain, json!({}))?;
        }
        Ok(browser)
    }

    /// Opens a page, and waits until it is loaded.
    ///
    /// # Errors
    /// When it is not loaded in time.
    pub fn open(&mut self, url: &str) -> Result<()> {
        let opened = self.call("Page.navigate", json!({ "url": url }))?;
        if let Some(error) = opened["errorText"].as_str() {
            bail!("{url}: {error}");
        }
        self.wait_for("Page.loadEventFired")
    }

    /// Shows pages as a screen of this size does.
    ///
    /// # Errors
    /// When it does not answer.
    pub fn resize(&mut self, width: u32, height: u32) -> Result<()> {
        let size = json!({ "width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 600 });
        self.call("Emulation.setDeviceMetricsOverride", size).map(drop)
    }

    /// Prefers dark colours, or light ones.
    ///
    /// # Errors
    /// When it does not answer.
    pub fn prefer_dark(&mut self, dark: bool) -> Result<()> {
        let value = if dark { "dark" } else { "light" };
        let media = json!({ "features": [{ "name": "prefers-color-scheme", "value": value }] });
        self.call("Emulation.setEmulatedMedia", media).map(drop)
    }

    /// Runs scripts of pages, or not.
    ///
    /// # Errors
    /// When it does not answer.
    pub fn run_scripts(&mut self, run: bool) -> Result<()> {
        self.call("Emulation.setScriptExecutionDisabled", json!({ "value": !run })).map(drop)
    }

    /// The value of an expression in the page; of a promise, when it is there.
    ///
    /// # Errors
    /// When the expression fails.
    pub fn evaluate(&mut self, expression: &str) -> Result<Value> {
        let what = json!({ "expression": expression, "returnByValue": true, "awaitPromise": true });
        let result = self.call("Runtime.evaluate", what)?;
        if let Some(exception) = result.get("exceptionDetails") {
            bail!("{expression}: {exception}");
        }
        Ok(result["result"]["value"].clone())
    }

    /// Presses a key.
    ///
    /// # Errors
    /// When it does not answer.
    pub fn press(&mut self, key: &str) -> Result<()> {
        for kind in ["rawKeyDown", "keyUp"] {
            let code = if key == "Tab" { 9 } else { 13 };
            let event = json!({ "type": kind, "key": key, "code": key, "windowsVirtualKeyCode": code });
            self.call("Input.dispatchKeyEvent", event)?;
        }
        Ok(())
    }

    /// Writes a picture of the screen, or of the whole page (PNG).
    ///
    /// # Errors
    /// When it cannot be made or written.
    pub fn screenshot(&mut self, path: &Path, whole: bool) -> Result<()> {
        let mut what = json!({ "format": "png" });
        if whole {
            let height = self.evaluate("document.documentElement.scrollHeight")?;
            let width = self.evaluate("innerWidth")?;
            what["captureBeyondViewport"] = json!(true);
            what["clip"] = json!({ "x": 0, "y": 0, "width": width, "height": height, "scale": 1 });
        }
        let picture = self.call("Page.captureScreenshot", what)?;
        let bytes = BASE64_STANDARD.decode(picture["data"].as_str().context("no picture")?)?;
        fs::write(path, bytes).with_context(|| format!("write {}", path.display()))
    }

    /// What the console has said since this was last asked: errors of scripts, violations of the content security policy, and
    /// files that could not be loaded.
    ///
    /// # Errors
    /// When it does not answer.
    pub fn complaints(&mut self) -> Result<Vec<String>> {
        // Its answer comes behind everything that happened before.
        self.evaluate("1")?;
        Ok(std::mem::take(&mut self.complaints))
    }

    fn call(&mut self, method: &str, parameters: Value) -> Result<Value> {
        self.last += 1;
        let mut message = json!({ "id": self.last, "method": method, "params": parameters });
        if let Some(session) = &self.session {
            message["sessionId"] = json!(session);
        }
        let mut bytes = message.to_string().into_bytes();
        bytes.push(0);
        self.commands.write_all(&bytes).with_context(|| format!("{method}: the browser is gone"))?;
        let (id, deadline) = (self.last, Instant::now() + patience(LIMIT));
        loop {
            let answer = self.next(deadline).with_context(|| format!("{method} was not answered"))?;
            if answer["id"] != json!(id) {
                self.note(&answer);
            } else if let Some(error) = answer.get("error") {
                bail!("{method}: {error}");
            } else {
                return Ok(answer["result"].clone());
            }
        }
    }

    fn wait_for(&mut self, event: &str) -> Result<()> {
        let deadline = Instant::now() + patience(LIMIT);
        loop {
            let message = self.next(deadline).with_context(|| format!("no {event}"))?;
            self.note(&message);
            if message["method"] == event {
                return Ok(());
            }
        }
    }

    fn next(&self, deadline: Instant) -> Result<Value> {
        Ok(self.messages.recv_timeout(deadline.saturating_duration_since(Instant::now()))?)
    }

    fn note(&mut self, message: &Value) {
        let parameters = &message["params"];
        let is_complaint = match message["method"].as_str() {
            Some("Runtime.exceptionThrown") => true,
            Some("Runtime.consoleAPICalled") => {
                matches!(parameters["type"].as_str(), Some("error" | "warning" | "assert"))
            }
            Some("Log.entryAdded") => {
                matches!(parameters["entry"]["level"].as_str(), Some("error" | "warning"))
            }
            _ => false,
        };
        if is_complaint {
            self.complaints.push(parameters.to_string());
        }
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        self.session = None;
        let _ = self.call("Browser.close", json!({}));
        let deadline = Instant::now() + Duration::from_secs(5);
        while matches!(self.child.try_wait(), Ok(None)) && Instant::now() < deadline {
            thread::sleep(Duration::from_millis(20));
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
