//! Processes that go on until they are ended: what listens, and what watches.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::process::{Child, ChildStderr, Command, Stdio};

use serde_json::Value;

use crate::Node;
use crate::exposition::Exposition;

/// A process that has said that it is there. It ends with the value.
#[derive(Debug)]
struct Running {
    child: Child,
    /// Kept: a process whose stderr is closed might end for that.
    talk: BufReader<ChildStderr>,
}

impl Running {
    /// Starts it, and returns it with the first line on stderr that has this word.
    fn start(command: &mut Command, word: &str) -> (Self, String) {
        let mut child = command
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap_or_else(|error| panic!("cannot start {command:?}: {error}"));
        let talk = BufReader::new(child.stderr.take().expect("stderr is piped"));
        let mut running = Self { child, talk };
        let line = running.line_with(word);
        (running, line)
    }

    fn line_with(&mut self, word: &str) -> String {
        let mut line = String::new();
        while !line.contains(word) {
            line.clear();
            let read = self.talk.read_line(&mut line).expect("stderr can be read");
            assert_ne!(read, 0, "it has ended without a word of {word:?}");
        }
        line
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // It may have ended already.
        let _ended = self.child.kill().and_then(|()| self.child.wait());
    }
}

/// `weir metrics --listen`, at a port that is free.
#[derive(Debug)]
pub struct Listener {
    running: Running,
    address: String,
}

impl Listener {
    /// Starts it where the caller is.
    pub fn start(node: &Node) -> Self {
        let mut command = node.command();
        command.args(["metrics", "--listen", "127.0.0.1:0"]);
        let (running, line) = Running::start(&mut command, "listening at http://");
        let (_, rest) = line.split_once("http://").expect("it is in the line");
        let (address, _) = rest.split_once('/').expect("a path follows");
        Self {
            address: address.to_owned(),
            running,
        }
    }

    /// Where it listens.
    pub fn address(&self) -> &str {
        &self.address
    }

    /// Its process.
    pub fn process(&self) -> u32 {
        self.running.child.id()
    }

    /// A connection to it.
    pub fn connect(&self) -> TcpStream {
        TcpStream::connect(&self.address).expect("it takes connections")
    }

    /// Sends bytes, and returns all that is answered.
    pub fn ask(&self, request: &str) -> String {
        let mut stream = self.connect();
        let mut answer = String::new();
        stream
            .write_all(request.as_bytes())
            .and_then(|()| stream.read_to_string(&mut answer))
            .expect("it answers");
        answer
    }

    /// What a scrape gets, whose head is as Prometheus wants it.
    pub fn scrape(&self) -> Exposition {
        let answer = self.ask("GET /metrics HTTP/1.1\r\nHost: node\r\n\r\n");
        let (head, body) = answer
            .split_once("\r\n\r\n")
            .expect("a head and a body are answered");
        assert!(head.starts_with("HTTP/1.1 200 OK"), "{head}");
        assert!(head.contains("version=0.0.4"), "{head}");
        let length = format!("Content-Length: {}\r\n", body.len());
        assert!(head.contains(&length), "{head}");
        Exposition::read(body).unwrap_or_else(|problem| panic!("{problem}\n{body}"))
    }
}

/// `weir monitor`, which ends by itself after as many events as its arguments say.
#[derive(Debug)]
pub struct Monitor(Running);

impl Monitor {
    /// Starts it where the caller is, and returns when no event is missed any more.
    pub fn start(node: &Node, arguments: &[&str]) -> Self {
        let mut command = node.command();
        command.args(["monitor", "-o", "json"]).args(arguments);
        Self(Running::start(&mut command, "listening").0)
    }

    /// What it shows until it ends.
    pub fn events(mut self) -> Vec<Value> {
        let stdout = self.0.child.stdout.as_mut();
        let mut text = String::new();
        stdout
            .expect("stdout is piped")
            .read_to_string(&mut text)
            .expect("stdout is text");
        let events = text.lines().map(serde_json::from_str);
        events
            .collect::<Result<_, _>>()
            .unwrap_or_else(|error| panic!("{error}\n{text}"))
    }

    /// The last that it shows before it ends.
    pub fn event(self) -> Value {
        self.events().pop().expect("it shows one")
    }
}
