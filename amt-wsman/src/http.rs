//! HTTP/1.1 without I/O: the head of a request, and a reader of responses fed with bytes as they come
//! (`spec/wsman.md` §1.2, §1.3).

use crate::xml;

/// Largest head of a response, in bytes.
pub const MAX_HEAD: usize = 16 * 1024;
/// Most header fields of a response.
pub const MAX_HEADERS: usize = 64;
/// Largest body of a response, in bytes: the largest document that is accepted.
pub const MAX_BODY: usize = xml::MAX_SIZE;
/// Longest line between chunks: size with extension, or trailer field.
pub const MAX_LINE: usize = 1024;
/// Most trailer lines.
pub const MAX_TRAILERS: usize = 64;
/// Most interim (1xx) responses before the final one.
pub const MAX_INTERIM: usize = 4;

/// Why bytes are no acceptable response.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum HttpError {
    /// They are not HTTP/1.x, or contradict themselves.
    #[error("http.{field}: malformed at byte {offset}")]
    Malformed {
        /// The part of the response.
        field: &'static str,
        /// How many bytes had been read.
        offset: u64,
    },
    /// A part exceeds its limit.
    #[error("http.{field}: more than {limit} at byte {offset}")]
    TooLarge {
        /// The part of the response.
        field: &'static str,
        /// The limit, in bytes or pieces.
        limit: usize,
        /// How many bytes had been read.
        offset: u64,
    },
}

/// A complete response.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Response {
    /// Status code.
    pub status: u16,
    /// Header fields in order.
    pub headers: Vec<(String, String)>,
    /// The body, reassembled.
    pub body: Vec<u8>,
    /// Another request may follow on this connection.
    pub reusable: bool,
}

impl Response {
    /// First value of a header field; the case of names does not matter.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
    }

    /// All values of a header field.
    pub fn headers<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        self.headers.iter().filter(move |(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
    }

    /// Whether the body is a web page, or nothing, and so not SOAP.
    pub fn is_page(&self) -> bool {
        let start = self.body.trim_ascii_start();
        let begins = |with: &[u8]| start.get(..with.len()).is_some_and(|s| s.eq_ignore_ascii_case(with));
        start.is_empty()
            || begins(b"<html")
            || begins(b"<!doctype")
            || self.header("Content-Type").is_some_and(|kind| kind.to_ascii_lowercase().contains("html"))
    }
}

/// Head and body of a request in one buffer, so that they leave in one write.
///
/// `Content-Length` counts bytes. There is no `Expect`: firmware does not answer it.
pub fn post(target: &str, authority: &str, authorization: Option<&str>, body: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(512 + body.len());
    let mut line = |parts: &[&str]| parts.iter().for_each(|part| out.extend_from_slice(part.as_bytes()));
    line(&["POST ", target, " HTTP/1.1\r\nHost: ", authority, "\r\n"]);
    if let Some(value) = authorization {
        line(&["Authorization: ", value, "\r\n"]);
    }
    line(&["Content-Type: application/soap+xml; charset=utf-8\r\nContent-Length: ", &body.len().to_string()]);
    line(&["\r\n\r\n"]);
    out.extend_from_slice(body);
    out
}

/// Reads one response out of bytes that may be split anywhere.
#[derive(Clone, Debug, Default)]
pub struct ResponseReader {
    state: State,
    head: Vec<u8>,
    line: Vec<u8>,
    status: u16,
    headers: Vec<(String, String)>,
    body: Vec<u8>,
    keep_alive: bool,
    interim: usize,
    trailers: usize,
    read: u64,
    failed: Option<HttpError>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum State {
    #[default]
    Head,
    /// This many bytes of a body of known length are missing.
    Length(usize),
    ChunkSize,
    /// This many bytes of the chunk are missing.
    ChunkData(usize),
    ChunkEnd,
    Trailer,
    UntilClose,
    Complete,
}

impl ResponseReader {
    /// A reader at the start of a response.
    pub fn new() -> Self {
        Self::default()
    }

    /// Whether any byte of the response has come.
    pub fn started(&self) -> bool {
        self.read > 0
    }

    /// Takes the next bytes; gives the response once it is complete. Bytes behind it make the connection unusable for
    /// more. After an error the reader repeats it.
    pub fn push(&mut self, bytes: &[u8]) -> Result<Option<Response>, HttpError> {
        if let Some(error) = &self.failed {
            return Err(error.clone());
        }
        let result = self.take(bytes);
        if let Err(error) = &result {
            self.failed = Some(error.clone());
            self.body = Vec::new();
        }
        result
    }

    /// The peer closed the connection: completes a response whose end is the end of the connection, gives `None` when
    /// the response is cut short.
    pub fn close(&mut self) -> Option<Response> {
        (self.state == State::UntilClose && self.failed.is_none()).then(|| {
            self.state = State::Complete;
            self.response(false)
        })
    }

    fn take(&mut self, mut bytes: &[u8]) -> Result<Option<Response>, HttpError> {
        while !bytes.is_empty() && self.state != State::Complete {
            bytes = match self.state {
                State::Head => self.take_head(bytes)?,
                State::Length(missing) => {
                    let (rest, left) = self.take_body(bytes, missing)?;
                    self.state = if left == 0 { State::Complete } else { State::Length(left) };
                    rest
                }
                State::ChunkData(missing) => {
                    let (rest, left) = self.take_body(bytes, missing)?;
                    self.state = if left == 0 { State::ChunkEnd } else { State::ChunkData(left) };
                    rest
                }
                State::ChunkSize | State::ChunkEnd | State::Trailer => self.take_line(bytes)?,
                State::UntilClose => self.take_body(bytes, usize::MAX)?.0,
                State::Complete => bytes,
            };
        }
        if self.state != State::Complete {
            return Ok(None);
        }
        // One request is in flight, so nothing can rightly follow its response.
        Ok(Some(self.response(self.keep_alive && bytes.is_empty())))
    }

    fn response(&mut self, reusable: bool) -> Response {
        Response {
            status: self.status,
            headers: std::mem::take(&mut self.headers),
            body: std::mem::take(&mut self.body),
            reusable,
        }
    }

    fn take_head<'b>(&mut self, bytes: &'b [u8]) -> Result<&'b [u8], HttpError> {
        for (index, byte) in bytes.iter().enumerate() {
            self.read += 1;
            if self.head.len() >= MAX_HEAD {
                return Err(self.too_large("head", MAX_HEAD));
            }
            self.head.push(*byte);
            if *byte == b'\n' && (self.head.ends_with(b"\r\n\r\n") || self.head.ends_with(b"\n\n")) {
                self.end_head()?;
                return Ok(bytes.get(index + 1..).unwrap_or_default());
            }
        }
        Ok(&[])
    }

    fn end_head(&mut self) -> Result<(), HttpError> {
        let mut storage = [httparse::EMPTY_HEADER; MAX_HEADERS];
        let head = std::mem::take(&mut self.head);
        let mut parsed = httparse::Response::new(&mut storage);
        match parsed.parse(&head) {
            Ok(httparse::Status::Complete(_)) => {}
            Err(httparse::Error::TooManyHeaders) => return Err(self.too_large("headers", MAX_HEADERS)),
            Ok(httparse::Status::Partial) | Err(_) => return Err(self.malformed("head")),
        }
        let (Some(version), Some(status)) = (parsed.version, parsed.code) else {
            return Err(self.malformed("head"));
        };
        let text = |bytes| String::from_utf8_lossy(bytes).into_owned();
        if (100..200).contains(&status) {
            self.interim += 1;
            return if self.interim > MAX_INTERIM { Err(self.too_large("interim", MAX_INTERIM)) } else { Ok(()) };
        }
        self.status = status;
        self.headers = parsed.headers.iter().map(|field| (field.name.to_owned(), text(field.value))).collect();
        self.frame(version)
    }

    /// Decides where the body ends (RFC 9112 §6.3).
    fn frame(&mut self, version: u8) -> Result<(), HttpError> {
        let tokens = |name: &str| -> Vec<String> {
            let fields = self.headers.iter().filter(|(key, _)| key.eq_ignore_ascii_case(name));
            fields.flat_map(|(_, value)| value.split(',')).map(|token| token.trim().to_ascii_lowercase()).collect()
        };
        let connection = tokens("Connection");
        let coding = tokens("Transfer-Encoding");
        let lengths = tokens("Content-Length");
        let says = |word: &str| connection.iter().any(|token| token == word);
        self.keep_alive = if version == 0 { says("keep-alive") } else { !says("close") };
        self.state = if matches!(self.status, 204 | 304) {
            State::Complete
        } else if coding.iter().any(|token| token != "identity" && !token.is_empty()) {
            if coding.iter().filter(|token| *token != "identity").ne(["chunked"].iter().copied()) {
                return Err(self.malformed("transfer_encoding"));
            }
            State::ChunkSize
        } else if let Some(first) = lengths.first() {
            if lengths.iter().any(|length| length != first) || !first.bytes().all(|b| b.is_ascii_digit()) {
                return Err(self.malformed("content_length"));
            }
            match first.parse::<usize>() {
                Ok(0) => State::Complete,
                Ok(length) if length <= MAX_BODY => State::Length(length),
                Ok(_) => return Err(self.too_large("body", MAX_BODY)),
                Err(_) if first.is_empty() => return Err(self.malformed("content_length")),
                Err(_) => return Err(self.too_large("body", MAX_BODY)),
            }
        } else {
            self.keep_alive = false;
            State::UntilClose
        };
        Ok(())
    }

    /// Moves at most `missing` bytes into the body; gives what remains and how many are still missing.
    fn take_body<'b>(&mut self, bytes: &'b [u8], missing: usize) -> Result<(&'b [u8], usize), HttpError> {
        let (piece, rest) = bytes.split_at(bytes.len().min(missing));
        self.advance(piece);
        if self.body.len() + piece.len() > MAX_BODY {
            return Err(self.too_large("body", MAX_BODY));
        }
        self.body.extend_from_slice(piece);
        Ok((rest, missing - piece.len()))
    }

    fn take_line<'b>(&mut self, bytes: &'b [u8]) -> Result<&'b [u8], HttpError> {
        let end = bytes.iter().position(|byte| *byte == b'\n');
        let (piece, rest) = bytes.split_at(end.map_or(bytes.len(), |end| end + 1));
        self.advance(piece);
        if self.line.len() + piece.len() > MAX_LINE {
            return Err(self.too_large("chunk_line", MAX_LINE));
        }
        self.line.extend_from_slice(piece);
        if end.is_some() {
            let line = std::mem::take(&mut self.line);
            self.end_line(line.trim_ascii_end())?;
        }
        Ok(rest)
    }

    fn end_line(&mut self, line: &[u8]) -> Result<(), HttpError> {
        self.state = match self.state {
            State::ChunkSize => match self.chunk_size(line)? {
                0 => State::Trailer,
                size => State::ChunkData(size),
            },
            State::ChunkEnd if line.is_empty() => State::ChunkSize,
            State::ChunkEnd => return Err(self.malformed("chunk_end")),
            _ if line.is_empty() => State::Complete,
            _ => {
                self.trailers += 1;
                if self.trailers > MAX_TRAILERS {
                    return Err(self.too_large("trailers", MAX_TRAILERS));
                }
                State::Trailer
            }
        };
        Ok(())
    }

    /// Hexadecimal, zero padded by AMT, with an optional extension behind a semicolon.
    fn chunk_size(&self, line: &[u8]) -> Result<usize, HttpError> {
        let digits = line.split(|byte| *byte == b';').next().unwrap_or_default().trim_ascii();
        if digits.is_empty() || !digits.iter().all(u8::is_ascii_hexdigit) {
            return Err(self.malformed("chunk_size"));
        }
        let text = std::str::from_utf8(digits).map_err(|_| self.malformed("chunk_size"))?;
        let significant = text.trim_start_matches('0');
        let size = if significant.is_empty() { Ok(0) } else { usize::from_str_radix(significant, 16) };
        size.ok().filter(|size| *size <= MAX_BODY).ok_or_else(|| self.too_large("body", MAX_BODY))
    }

    fn advance(&mut self, piece: &[u8]) {
        self.read = self.read.saturating_add(u64::try_from(piece.len()).unwrap_or(u64::MAX));
    }

    fn malformed(&self, field: &'static str) -> HttpError {
        HttpError::Malformed { field, offset: self.read }
    }

    fn too_large(&self, field: &'static str, limit: usize) -> HttpError {
        HttpError::TooLarge { field, limit, offset: self.read }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const HEAD: &str = "HTTP/1.1 200 OK\r\nServer: Intel(R) Active Management Technology 15.0.23.1706\r\n";

    /// Feeds the pieces; what the last of them completes.
    fn feed<'a>(pieces: impl IntoIterator<Item = &'a [u8]>) -> Result<Option<Response>, HttpError> {
        let mut reader = ResponseReader::new();
        let mut last = None;
        for piece in pieces {
            assert_eq!(last, None, "complete before the last byte");
            last = reader.push(piece)?;
        }
        Ok(last)
    }

    fn fails(bytes: &[u8]) -> &'static str {
        match feed([bytes]) {
            Err(HttpError::Malformed { field, .. } | HttpError::TooLarge { field, .. }) => field,
            other => panic!("{other:?}"),
        }
    }

    fn chunked() -> Vec<u8> {
        format!(
            "{HEAD}Transfer-Encoding: chunked\r\n\r\n0004\r\nDige\r\n000b;x=y\r\nst:62FF abc\r\n0000\r\nT: 1\r\n\r\n"
        )
        .into()
    }

    #[test]
    fn zero_padded_chunks_split_anywhere_are_the_same_response() {
        let whole = chunked();
        let expected = feed([&whole[..]]).unwrap().unwrap();
        assert_eq!(expected.body, b"Digest:62FF abc");
        assert!(expected.reusable && expected.status == 200);
        for cut in 1..whole.len() {
            assert_eq!(feed([&whole[..cut], &whole[cut..]]).unwrap().unwrap(), expected, "split at {cut}");
        }
        assert_eq!(feed(whole.chunks(1)).unwrap().unwrap(), expected);
    }

    #[test]
    fn every_truncation_is_incomplete() {
        for whole in [chunked(), format!("{HEAD}Content-Length: 3\r\n\r\nabc").into_bytes()] {
            for cut in 0..whole.len() {
                let mut reader = ResponseReader::new();
                assert_eq!(reader.push(&whole[..cut]).unwrap(), None, "cut at {cut}");
                assert_eq!(reader.close(), None, "cut at {cut}");
                assert_eq!(reader.started(), cut > 0);
            }
        }
    }

    #[test]
    fn the_end_of_the_connection_can_be_the_end_of_the_body() {
        let mut reader = ResponseReader::new();
        let head = format!("{HEAD}Connection: close\r\n\r\n");
        assert_eq!(reader.push(head.as_bytes()).unwrap(), None);
        assert_eq!(reader.push(b"<html>").unwrap(), None);
        let response = reader.close().unwrap();
        assert_eq!((response.body.as_slice(), response.reusable), (&b"<html>"[..], false));
        assert!(response.is_page());
    }

    #[test]
    fn keep_alive_follows_version_header_and_surplus() {
        let reusable = |text: &str| feed([text.as_bytes()]).unwrap().unwrap().reusable;
        assert!(reusable("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"));
        assert!(!reusable("HTTP/1.1 200 OK\r\nContent-Length: 0\r\nconnection: Close\r\n\r\n"));
        assert!(!reusable("HTTP/1.0 200 OK\r\nContent-Length: 0\r\n\r\n"));
        assert!(reusable("HTTP/1.0 200 OK\r\nContent-Length: 0\r\nConnection: Keep-Alive\r\n\r\n"));
        assert!(!reusable("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\nHTTP/1.1"));
    }

    #[test]
    fn interim_responses_are_skipped_but_not_without_end() {
        let interim = "HTTP/1.1 100 Continue\r\n\r\n";
        let last = "HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nx";
        let response = feed([(interim.repeat(MAX_INTERIM) + last).as_bytes()]).unwrap().unwrap();
        assert_eq!(response.body, b"x");
        assert_eq!(fails((interim.repeat(MAX_INTERIM + 1) + last).as_bytes()), "interim");
    }

    #[test]
    fn header_names_match_in_any_case() {
        let bytes = b"HTTP/1.1 401 No\nwww-authenticate: Digest a\nWWW-Authenticate: Negotiate\nContent-Length:0\n\n";
        let response = feed([&bytes[..]]).unwrap().unwrap();
        assert_eq!(response.headers("Www-Authenticate").collect::<Vec<_>>(), ["Digest a", "Negotiate"]);
    }

    #[test]
    fn what_is_not_http_is_refused_by_part() {
        let with = |fields: &str, body: &str| format!("{HEAD}{fields}\r\n\r\n{body}").into_bytes();
        assert_eq!(fails(b"SSH-2.0-OpenSSH\r\n\r\n"), "head");
        assert_eq!(fails(b"\r\n\r\n"), "head");
        assert_eq!(fails(&with("Transfer-Encoding: gzip, chunked", "")), "transfer_encoding");
        assert_eq!(fails(&with("Content-Length: 1, 2", "")), "content_length");
        assert_eq!(fails(&with("Content-Length: -1", "")), "content_length");
        assert_eq!(fails(&with("Content-Length: ", "")), "content_length");
        assert_eq!(fails(&with("Transfer-Encoding: chunked", "xyz\r\n")), "chunk_size");
        assert_eq!(fails(&with("Transfer-Encoding: chunked", "\r\n")), "chunk_size");
        assert_eq!(fails(&with("Transfer-Encoding: chunked", "1\r\nab\r\n")), "chunk_end");
    }

    #[test]
    fn every_limit_holds() {
        let with = |fields: &str, body: &str| format!("{HEAD}{fields}\r\n\r\n{body}").into_bytes();
        assert_eq!(fails(&with(&format!("X: {}", "x".repeat(MAX_HEAD)), "")), "head");
        assert_eq!(fails(&with(&"X: y\r\n".repeat(MAX_HEADERS), "")), "headers");
        assert_eq!(fails(&with(&format!("Content-Length: {}", MAX_BODY + 1), "")), "body");
        assert_eq!(fails(&with("Content-Length: 99999999999999999999999999", "")), "body");
        let chunks = |text: &str| with("Transfer-Encoding: chunked", text);
        assert_eq!(fails(&chunks(&format!("{:x}\r\n", MAX_BODY + 1))), "body");
        assert_eq!(fails(&chunks("fffffffffffffffffffffff\r\n")), "body");
        assert_eq!(fails(&chunks(&format!("1;{}\r\n", "x".repeat(MAX_LINE)))), "chunk_line");
        assert_eq!(fails(&chunks(&format!("0\r\n{}", "T: 1\r\n".repeat(MAX_TRAILERS + 1)))), "trailers");
        let half = "x".repeat(MAX_BODY / 2 + 1);
        let half = format!("{:x}\r\n{half}\r\n", half.len());
        assert_eq!(fails(&chunks(&half.repeat(2))), "body");
        assert_eq!(fails(&with("Connection: close", &"x".repeat(MAX_BODY + 1))), "body");
    }

    #[test]
    fn an_error_is_repeated() {
        let mut reader = ResponseReader::new();
        let first = reader.push(b"nonsense\r\n\r\n").unwrap_err();
        assert_eq!(reader.push(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n").unwrap_err(), first);
        assert_eq!(reader.close(), None);
    }

    #[test]
    fn a_request_is_one_buffer_and_counts_bytes() {
        let bytes = post("/wsman", "10.0.0.5:16992", Some("Digest x"), "ä".as_bytes());
        let text = String::from_utf8(bytes).unwrap();
        assert_eq!(
            text,
            "POST /wsman HTTP/1.1\r\nHost: 10.0.0.5:16992\r\nAuthorization: Digest x\r\n\
             Content-Type: application/soap+xml; charset=utf-8\r\nContent-Length: 2\r\n\r\nä"
        );
    }

    proptest! {
        #[test]
        fn arbitrary_bytes_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..300), cut in 0usize..300) {
            let mut reader = ResponseReader::new();
            let cut = cut.min(bytes.len());
            let _ = reader.push(&bytes[..cut]);
            let _ = reader.push(&bytes[cut..]);
            let _ = reader.close();
        }
    }
}
