//! As much of HTTP/1.1 as a scrape needs: from the head of a request to an answer. No I/O.

/// The most bytes that the head of a request may have.
pub(super) const LONGEST_HEAD: usize = 8 << 10;

const TEXT: &str = "text/plain; charset=utf-8";
const EXPOSITION: &str = "text/plain; version=0.0.4; charset=utf-8";

/// What was asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Request {
    /// The metrics; only the head of the answer if not `with_body`.
    Metrics { with_body: bool },
    /// Whether we are there.
    Health { with_body: bool },
    /// Something else: the answer's status.
    Other(Status),
}

/// Why there is nothing to give.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Status {
    BadRequest,
    NoSuchPath,
    MethodNotAllowed,
    Timeout,
    TooLarge,
    Unavailable,
    Version,
}

impl Status {
    fn line(self) -> &'static str {
        match self {
            Self::BadRequest => "400 Bad Request",
            Self::NoSuchPath => "404 Not Found",
            Self::MethodNotAllowed => "405 Method Not Allowed",
            Self::Timeout => "408 Request Timeout",
            Self::TooLarge => "431 Request Header Fields Too Large",
            Self::Unavailable => "503 Service Unavailable",
            Self::Version => "505 HTTP Version Not Supported",
        }
    }
}

/// Where the head of a request ends, if it is there.
pub(super) fn end_of_head(bytes: &[u8]) -> Option<usize> {
    let place = bytes.windows(4).position(|four| four == b"\r\n\r\n");
    place.map(|place| place + 4)
}

/// Reads the head of a request. Of its fields none matters here.
pub(super) fn request(head: &[u8]) -> Request {
    let bad = Request::Other(Status::BadRequest);
    let Ok(text) = std::str::from_utf8(head) else {
        return bad;
    };
    let line = text.split("\r\n").next().unwrap_or_default();
    let words: Vec<_> = line.split(' ').collect();
    let &[method, target, version] = words.as_slice() else {
        return bad;
    };
    if !version.starts_with("HTTP/") || !is_token(method) {
        return bad;
    }
    if !version.starts_with("HTTP/1.") {
        return Request::Other(Status::Version);
    }
    let with_body = match method {
        "GET" => true,
        "HEAD" => false,
        _ => return Request::Other(Status::MethodNotAllowed),
    };
    match path(target) {
        "/metrics" => Request::Metrics { with_body },
        "/healthz" => Request::Health { with_body },
        _ => Request::Other(Status::NoSuchPath),
    }
}

fn is_token(text: &str) -> bool {
    !text.is_empty()
        && text
            .bytes()
            .all(|byte| byte.is_ascii_alphabetic() || byte == b'-')
}

/// Without a question behind it, and without what a request to a proxy has before it.
fn path(target: &str) -> &str {
    let target = match target.split_once("://") {
        Some((_, rest)) => rest.find('/').and_then(|at| rest.get(at..)).unwrap_or("/"),
        None => target,
    };
    target.split('?').next().unwrap_or_default()
}

/// The answer with the metrics.
pub(super) fn metrics(text: &str, with_body: bool) -> Vec<u8> {
    answer("200 OK", EXPOSITION, "", text, with_body)
}

/// The answer that we are there.
pub(super) fn health(with_body: bool) -> Vec<u8> {
    answer("200 OK", TEXT, "", "ok\n", with_body)
}

/// An answer without what was asked for.
pub(super) fn refusal(status: Status) -> Vec<u8> {
    let more = match status {
        Status::MethodNotAllowed => "Allow: GET, HEAD\r\n",
        Status::Unavailable => "Retry-After: 1\r\n",
        _ => "",
    };
    let line = status.line();
    answer(line, TEXT, more, &format!("{line}\n"), true)
}

/// Each connection has one request, and ends with the answer.
fn answer(status: &str, kind: &str, more: &str, body: &str, with_body: bool) -> Vec<u8> {
    let length = body.len();
    let shown = if with_body { body } else { "" };
    format!(
        "HTTP/1.1 {status}\r\nContent-Type: {kind}\r\nContent-Length: {length}\r\nX-Content-Type-Options: nosniff\r\n{more}Connection: close\r\n\r\n{shown}"
    )
    .into_bytes()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn requests_are_read() {
        use Request::{Health, Metrics, Other};
        let (with_body, without) = (true, false);
        for (head, expected) in [
            (
                "GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n",
                Metrics { with_body },
            ),
            ("GET /metrics HTTP/1.0\r\n\r\n", Metrics { with_body }),
            (
                "HEAD /metrics HTTP/1.1\r\n\r\n",
                Metrics { with_body: without },
            ),
            (
                "GET /metrics?name[]=up HTTP/1.1\r\n\r\n",
                Metrics { with_body },
            ),
            (
                "GET http://node:9/metrics HTTP/1.1\r\n\r\n",
                Metrics { with_body },
            ),
            ("GET /healthz HTTP/1.1\r\n\r\n", Health { with_body }),
            ("GET / HTTP/1.1\r\n\r\n", Other(Status::NoSuchPath)),
            ("GET /metrics/ HTTP/1.1\r\n\r\n", Other(Status::NoSuchPath)),
            (
                "GET http://node HTTP/1.1\r\n\r\n",
                Other(Status::NoSuchPath),
            ),
            (
                "POST /metrics HTTP/1.1\r\n\r\n",
                Other(Status::MethodNotAllowed),
            ),
            ("GET /metrics HTTP/2\r\n\r\n", Other(Status::Version)),
            ("GET /metrics\r\n\r\n", Other(Status::BadRequest)),
            ("GET  /metrics HTTP/1.1\r\n\r\n", Other(Status::BadRequest)),
            ("\r\n\r\n", Other(Status::BadRequest)),
            ("G\0T /metrics HTTP/1.1\r\n\r\n", Other(Status::BadRequest)),
        ] {
            assert_eq!(request(head.as_bytes()), expected, "{head:?}");
        }
        assert_eq!(request(b"\xff\r\n\r\n"), Other(Status::BadRequest));
    }

    #[test]
    fn answers_say_their_length() {
        let text = |bytes| String::from_utf8(bytes).unwrap();
        let whole = text(metrics("a 1\n", true));
        assert!(whole.starts_with("HTTP/1.1 200 OK\r\n") && whole.ends_with("\r\n\r\na 1\n"));
        let head = text(metrics("a 1\n", false));
        assert!(head.contains("Content-Length: 4\r\n") && head.ends_with("\r\n\r\n"));
        assert!(text(health(true)).ends_with("ok\n"));
        let refused = text(refusal(Status::MethodNotAllowed));
        assert!(refused.starts_with("HTTP/1.1 405 ") && refused.contains("Allow: GET, HEAD\r\n"));
    }

    proptest! {
        #[test]
        fn any_bytes_have_an_answer(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            let end = end_of_head(&bytes);
            prop_assert!(end.is_none_or(|end| bytes[..end].ends_with(b"\r\n\r\n")));
            let is_served = !matches!(request(&bytes), Request::Other(_));
            prop_assert!(!is_served || bytes.starts_with(b"GET ") || bytes.starts_with(b"HEAD "));
        }
    }
}
