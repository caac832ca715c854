//! The firmware's side of HTTP/1.1 (`spec/wsman.md` §1.2–1.3): requests in, replies out. Sans-IO.

use crate::seed::Seeded;

/// Largest request head.
pub const MAX_HEAD: usize = 16 * 1024;
/// Largest request body.
pub const MAX_BODY: usize = 64 * 1024;

/// A whole request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    /// Method as sent.
    pub method: String,
    /// Target as sent.
    pub target: String,
    /// Header names in lower case, values trimmed.
    pub headers: Vec<(String, String)>,
    /// The body, chunks joined.
    pub body: Vec<u8>,
}

impl Request {
    /// The first header of this (lower-case) name.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(n, _)| n == name).map(|(_, v)| v.as_str())
    }

    /// Whether the client wants the connection closed after the reply.
    pub fn closes(&self) -> bool {
        self.header("connection").is_some_and(|v| v.eq_ignore_ascii_case("close"))
    }
}

/// A request that is no HTTP: the status to answer with before closing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BadRequest {
    /// Status code.
    pub status: u16,
    /// What was wrong, for the audit.
    pub reason: &'static str,
}

const fn bad(status: u16, reason: &'static str) -> BadRequest {
    BadRequest { status, reason }
}

/// Collects bytes until a request is whole.
#[derive(Debug, Default)]
pub struct RequestParser {
    buffer: Vec<u8>,
}

impl RequestParser {
    /// Takes bytes from the connection.
    pub fn push(&mut self, bytes: &[u8]) {
        self.buffer.extend_from_slice(bytes);
    }

    /// Whether nothing of a further request has arrived.
    pub fn is_empty(&self) -> bool {
        self.buffer.is_empty()
    }

    /// The next whole request, if there is one.
    pub fn next_request(&mut self) -> Result<Option<Request>, BadRequest> {
        let Some(head_end) = find(&self.buffer, b"\r\n\r\n") else {
            return if self.buffer.len() > MAX_HEAD { Err(bad(431, "head too large")) } else { Ok(None) };
        };
        if head_end > MAX_HEAD {
            return Err(bad(431, "head too large"));
        }
        let head = std::str::from_utf8(&self.buffer[..head_end]).map_err(|_| bad(400, "head is not text"))?;
        let mut lines = head.split("\r\n");
        let mut first = lines.next().unwrap_or_default().split(' ');
        let (Some(method), Some(target), Some(version), None) =
            (first.next(), first.next(), first.next(), first.next())
        else {
            return Err(bad(400, "request line"));
        };
        if !version.starts_with("HTTP/1.") {
            return Err(bad(505, "HTTP version"));
        }
        let mut headers = Vec::new();
        for line in lines {
            let (name, value) = line.split_once(':').ok_or(bad(400, "header line"))?;
            if name.is_empty() || name.contains(|c: char| c.is_ascii_whitespace()) {
                return Err(bad(400, "header name"));
            }
            headers.push((name.to_ascii_lowercase(), value.trim().to_owned()));
        }
        // No Host is asked for, although HTTP/1.1 demands it: MeshAgent names none once it has logged in, and sets machines up so.
        let mut request = Request { method: method.to_owned(), target: target.to_owned(), headers, body: Vec::new() };
        if request.header("expect").is_some_and(|v| !v.is_empty()) {
            return Err(bad(417, "Expect is not supported"));
        }
        let rest = &self.buffer[head_end + 4..];
        let lengths = (request.header("transfer-encoding"), request.header("content-length"));
        let used = match lengths {
            (Some(encoding), None) if encoding.eq_ignore_ascii_case("chunked") => match join_chunks(rest)? {
                Some((body, used)) => {
                    request.body = body;
                    used
                }
                None => return Ok(None),
            },
            (Some(_), _) => return Err(bad(400, "Transfer-Encoding")),
            (None, Some(length)) => {
                let length: usize = length.parse().map_err(|_| bad(400, "Content-Length"))?;
                if length > MAX_BODY {
                    return Err(bad(413, "body too large"));
                }
                let Some(body) = rest.get(..length) else { return Ok(None) };
                request.body = body.to_vec();
                length
            }
            (None, None) if request.method == "POST" => return Err(bad(411, "no length")),
            (None, None) => 0,
        };
        self.buffer.drain(..head_end + 4 + used);
        Ok(Some(request))
    }
}

fn join_chunks(mut rest: &[u8]) -> Result<Option<(Vec<u8>, usize)>, BadRequest> {
    let whole = rest.len();
    let mut body = Vec::new();
    loop {
        let Some(end) = find(rest, b"\r\n") else {
            return if rest.len() > 64 { Err(bad(400, "chunk size")) } else { Ok(None) };
        };
        let digits = std::str::from_utf8(&rest[..end]).map_err(|_| bad(400, "chunk size"))?;
        let digits = digits.split(';').next().unwrap_or_default().trim();
        let size = usize::from_str_radix(digits, 16).map_err(|_| bad(400, "chunk size"))?;
        if size > MAX_BODY || body.len() + size > MAX_BODY {
            return Err(bad(413, "body too large"));
        }
        rest = &rest[end + 2..];
        if size == 0 {
            // No trailers: none of the clients of AMT sends any.
            return match rest.get(..2) {
                None => Ok(None),
                Some(b"\r\n") => Ok(Some((body, whole - rest.len() + 2))),
                Some(_) => Err(bad(400, "chunk trailer")),
            };
        }
        let Some(data) = rest.get(..size + 2) else { return Ok(None) };
        if &data[size..] != b"\r\n" {
            return Err(bad(400, "chunk end"));
        }
        body.extend_from_slice(&data[..size]);
        rest = &rest[size + 2..];
    }
}

fn find(haystack: &[u8], needle: &[u8]) -> Option<usize> {
    haystack.windows(needle.len()).position(|w| w == needle)
}

/// A reply, to be encoded.
#[derive(Clone, Debug)]
pub struct Response {
    /// Status code.
    pub status: u16,
    /// `Content-Type`.
    pub content_type: &'static str,
    /// Further headers.
    pub headers: Vec<(&'static str, String)>,
    /// Body.
    pub body: Vec<u8>,
    /// Whether the connection is closed after it.
    pub close: bool,
    /// Chunked, with chunks of at most this many bytes; absent: `Content-Length`.
    pub chunks: Option<usize>,
}

impl Response {
    /// A reply with SOAP in it.
    pub fn soap(status: u16, body: Vec<u8>) -> Self {
        let content_type = "application/soap+xml; charset=UTF-8";
        Self { status, content_type, headers: Vec::new(), body, close: status != 200, chunks: None }
    }

    /// A web page, as firmware sends it for everything that is no SOAP.
    pub fn page(status: u16, text: &str) -> Self {
        let title = reason(status);
        let body = format!(
            "<!DOCTYPE HTML PUBLIC \"-//W3C//DTD HTML 4.01 Transitional//EN\" >\n\
             <html><head><link rel=stylesheet href=/styles.css>\n<meta http-equiv=\"Content-Type\" \
             content=\"text/html; charset=iso-8859-1\">\n<title>Intel&reg; Active Management Technology</title></head>\n\
             <body>\n<h2>{title}</h2>\n<p>{text}</p>\n</body>\n</html>\n"
        );
        Self {
            status,
            content_type: "text/html",
            headers: Vec::new(),
            body: body.into_bytes(),
            close: true,
            chunks: None,
        }
    }

    /// The bytes on the wire. `choices` decides where chunks end: anywhere, also inside a token.
    pub fn encode(&self, server: &str, date: &str, choices: &mut Seeded) -> Vec<u8> {
        let mut out = format!(
            "HTTP/1.1 {} {}\r\nDate: {date}\r\nServer: {server}\r\nX-Frame-Options: DENY\r\n",
            self.status,
            reason(self.status)
        );
        for (name, value) in &self.headers {
            out.push_str(&format!("{name}: {value}\r\n"));
        }
        out.push_str(&format!("Content-Type: {}\r\n", self.content_type));
        if self.close {
            out.push_str("Connection: close\r\n");
        }
        let Some(largest) = self.chunks else {
            out.push_str(&format!("Content-Length: {}\r\n\r\n", self.body.len()));
            let mut out = out.into_bytes();
            out.extend_from_slice(&self.body);
            return out;
        };
        out.push_str("Transfer-Encoding: chunked\r\n\r\n");
        let mut out = out.into_bytes();
        let mut rest = self.body.as_slice();
        while !rest.is_empty() {
            let wanted = 1 + usize::try_from(choices.below(largest as u64)).unwrap_or(0);
            let (chunk, after) = rest.split_at(wanted.min(rest.len()));
            out.extend_from_slice(format!("{:04X}\r\n", chunk.len()).as_bytes());
            out.extend_from_slice(chunk);
            out.extend_from_slice(b"\r\n");
            rest = after;
        }
        out.extend_from_slice(b"0\r\n\r\n");
        out
    }
}

fn reason(status: u16) -> &'static str {
    match status {
        200 => "OK",
        400 => "Bad Request",
        401 => "Unauthorized",
        404 => "Not Found",
        405 => "Method Not Allowed",
        411 => "Length Required",
        413 => "Request Entity Too Large",
        417 => "Expectation Failed",
        431 => "Request Header Fields Too Large",
        505 => "HTTP Version Not Supported",
        _ => "Internal Server Error",
    }
}

/// `Date` of a reply: RFC 1123 of seconds since 1970.
pub fn date(unix: i64) -> String {
    let (year, month, day) = civil(unix);
    let seconds = unix.rem_euclid(86_400);
    const DAYS: [&str; 7] = ["Thu", "Fri", "Sat", "Sun", "Mon", "Tue", "Wed"];
    const MONTHS: [&str; 12] = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
    let weekday = DAYS[usize::try_from(unix.div_euclid(86_400).rem_euclid(7)).unwrap_or(0)];
    let month = MONTHS[usize::try_from(month - 1).unwrap_or(0)];
    format!("{weekday}, {day:02} {month} {year} {:02}:{:02}:{:02} GMT", seconds / 3600, seconds / 60 % 60, seconds % 60)
}

/// A time as CIM's datetime elements have it: ISO 8601, UTC.
pub(crate) fn iso(unix: i64) -> String {
    let (year, month, day) = civil(unix);
    let seconds = unix.rem_euclid(86_400);
    format!("{year:04}-{month:02}-{day:02}T{:02}:{:02}:{:02}Z", seconds / 3600, seconds / 60 % 60, seconds % 60)
}

/// Year, month from 1, day from 1; after Howard Hinnant's `civil_from_days`.
fn civil(unix: i64) -> (i64, i64, i64) {
    let z = unix.div_euclid(86_400) + 719_468;
    let era = z.div_euclid(146_097);
    let doe = z.rem_euclid(146_097);
    let yoe = (doe - doe / 1460 + doe / 36_524 - doe / 146_096) / 365;
    let doy = doe - (365 * yoe + yoe / 4 - yoe / 100);
    let mp = (5 * doy + 2) / 153;
    let day = doy - (153 * mp + 2) / 5 + 1;
    let month = if mp < 10 { mp + 3 } else { mp - 9 };
    (yoe + era * 400 + i64::from(month <= 2), month, day)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn whole(text: &str) -> Result<Option<Request>, BadRequest> {
        let mut parser = RequestParser::default();
        parser.push(text.as_bytes());
        parser.next_request()
    }

    #[test]
    fn a_request_is_the_same_byte_by_byte_and_chunked() {
        let plain = "POST /wsman HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhelloPOST";
        let chunked =
            "POST /wsman HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhe\r\n03\r\nllo\r\n0\r\n\r\n";
        for text in [plain, chunked] {
            let mut parser = RequestParser::default();
            let mut got = None;
            for byte in text.bytes() {
                parser.push(&[byte]);
                if let Some(request) = parser.next_request().unwrap() {
                    got = Some(request);
                }
            }
            assert_eq!(got.unwrap().body, b"hello");
        }
    }

    #[test]
    fn a_host_need_not_be_named() {
        let request = whole("POST /wsman HTTP/1.1\r\nContent-Length: 5\r\n\r\nhello").unwrap().unwrap();
        assert_eq!(request.body, b"hello");
    }

    #[test]
    fn what_is_no_http_is_refused_with_a_status() {
        for (text, status) in [
            ("POST /wsman\r\n\r\n", 400),
            ("POST /wsman HTTP/2\r\nHost: a\r\n\r\n", 505),
            ("POST /wsman HTTP/1.1\r\nHost: a\r\n\r\n", 411),
            ("POST /wsman HTTP/1.1\r\nHost: a\r\nContent-Length: x\r\n\r\n", 400),
            ("POST /wsman HTTP/1.1\r\nHost: a\r\nContent-Length: 99999999\r\n\r\n", 413),
            ("POST /wsman HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 1\r\n\r\nx", 417),
            ("POST /wsman HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", 400),
            ("POST /wsman HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\nTransfer-Encoding: chunked\r\n\r\n", 400),
        ] {
            assert_eq!(whole(text).unwrap_err().status, status, "{text:?}");
        }
        let long = "x".repeat(MAX_HEAD + 1);
        assert_eq!(whole(&long).unwrap_err().status, 431);
    }

    #[test]
    fn chunks_join_to_the_body_and_sizes_are_padded() {
        let mut reply = Response::soap(200, b"<a>0123456789</a>".to_vec());
        reply.chunks = Some(4);
        let bytes = reply.encode("S", "D", &mut Seeded::new(1, "chunk"));
        let at = find(&bytes, b"\r\n\r\n").unwrap();
        let (body, used) = join_chunks(&bytes[at + 4..]).unwrap().unwrap();
        assert_eq!(body, b"<a>0123456789</a>");
        assert_eq!(used, bytes.len() - at - 4);
        assert_eq!(&bytes[at + 4..at + 7], b"000");
    }

    #[test]
    fn dates_print_as_rfc_1123() {
        assert_eq!(date(784_111_777), "Sun, 06 Nov 1994 08:49:37 GMT");
        assert_eq!(date(1_709_164_800), "Thu, 29 Feb 2024 00:00:00 GMT");
        assert_eq!(iso(784_111_777), "1994-11-06T08:49:37Z");
    }
}
